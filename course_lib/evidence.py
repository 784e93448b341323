"""``python -m course_lib evidence``: run the recorded experiments, or say which records are missing or outdated."""

import os
import sys

__all__ = ["arguments", "run"]


def arguments(parser):
    """Declare the command's options."""
    parser.add_argument("names", nargs="*", help="experiments to record; all of them if none is named")
    parser.add_argument("--seeds", type=int, default=None, help="seeds per arm (default: the experiment's own, 5)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once, one thread each (default 2)")
    parser.add_argument("--list", action="store_true", help="only show what is recorded, outdated or missing")


def run(options):
    """Record the experiments that are asked for. Returns the exit status."""
    os.environ.setdefault("COURSE_QUIET", "1")
    from course_lib import experiments

    unknown = [name for name in options.names if name not in experiments.EXPERIMENTS]
    if unknown:
        there = ", ".join(experiments.EXPERIMENTS)
        print(f"No experiment is called {', '.join(unknown)}. There are: {there}.", file=sys.stderr)
        return 2
    if options.jobs < 1 or (options.seeds is not None and options.seeds < 2):
        print("--jobs must be at least 1, and --seeds at least 2: an interval needs two runs.", file=sys.stderr)
        return 2
    for name in options.names or experiments.EXPERIMENTS:
        if options.list:
            print(_state(name))
            continue
        try:
            path = experiments.record(experiments.find(name), options.seeds, options.jobs, together=_together())
        except (experiments.BeingRecorded, experiments.WorkerLost, ValueError) as problem:
            print(problem, file=sys.stderr)
            return 1
        except (OSError, NotImplementedError) as problem:  # the latter: a disk without locks
            print(f"{name} cannot be recorded: {problem}. What was finished is kept; free some space, mend the "
                  "permissions, or set COURSE_EVIDENCE to a folder that can be written.", file=sys.stderr)  # fmt: skip
            return 1
        print(f"written: {path}")
    return 0


def _together():
    """How many seeds a process trains at once: one by one on a processor, as one stack on a CUDA GPU."""
    from course_lib import runtime

    return 32 if runtime.device().type == "cuda" else 1


def _state(name):
    """Say in one line whether a record is fresh, and of what."""
    from course_lib import experiments

    try:
        record = experiments.load(name)
    except ValueError as problem:
        return f"{name}: {problem}"
    seeds = min(len(runs) for runs in record.runs.values())
    made = "; ".join(
        ", ".join(f"{key} {made[key]}" for key in ("device", "torch", "python") if key in made)
        for made in record.made_with
    )
    return f"{name}: {len(record.runs)} arms x {seeds} seeds, {record.dates[-1]} ({made})"
