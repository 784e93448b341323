"""``python -m course_lib evidence``: run the recorded experiments, or say which records are missing or outdated."""

import os

__all__ = ["arguments", "run"]


def arguments(parser):
    """Declare the command's options."""
    parser.add_argument("names", nargs="*", help="experiments to record; all of them if none is named")
    parser.add_argument("--seeds", type=int, default=None, help="seeds per arm (default: the experiment's own)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once, one thread each (default 2)")
    parser.add_argument("--list", action="store_true", help="only show what is recorded, outdated or missing")


def run(options):
    """Record the experiments that are asked for. Returns the exit status."""
    os.environ.setdefault("COURSE_QUIET", "1")
    from course_lib import experiments

    unknown = [name for name in options.names if name not in experiments.EXPERIMENTS]
    if unknown:
        print(f"No experiment is called {', '.join(unknown)}. There are: {', '.join(experiments.EXPERIMENTS)}.")
        return 2
    if options.jobs < 1 or (options.seeds is not None and options.seeds < 2):
        print("--jobs must be at least 1, and --seeds at least 2: an interval needs two runs.")
        return 2
    for name in options.names or experiments.EXPERIMENTS:
        if options.list:
            try:
                made = experiments.load(name).made_with
                print(f"{name}: recorded {made['date']} ({made['device']}, torch {made['torch']})")
            except ValueError as problem:
                print(f"{name}: {problem}")
        else:
            print(f"written: {experiments.record(name, options.seeds, options.jobs)}")
    return 0
