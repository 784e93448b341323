"""``python -m course_lib evidence``: run the recorded experiments, or say which records are missing or outdated."""

import os
import sys

from course_lib import experiments, runtime

__all__ = ["run"]


def run(names, seeds=None, jobs=2, only_list=False):
    """Record the experiments of these names, all if there is none, or list what is there. Returns the exit status."""
    os.environ.setdefault("COURSE_QUIET", "1")
    if unknown := [name for name in names if name not in experiments.EXPERIMENTS]:
        there = ", ".join(experiments.EXPERIMENTS)
        print(f"No experiment is called {', '.join(unknown)}. There are: {there}.", file=sys.stderr)
        return 2
    if jobs < 1 or (seeds is not None and seeds < 2):
        print("--jobs must be at least 1, and --seeds at least 2: an interval needs two runs.", file=sys.stderr)
        return 2
    for name in names or experiments.EXPERIMENTS:
        try:
            print(_state(name) if only_list else f"written: {_record(name, seeds, jobs)}")
        except (experiments.BeingRecorded, experiments.WorkerLost, ValueError) as problem:
            print(problem, file=sys.stderr)
            return 1
        except (OSError, NotImplementedError) as problem:  # the latter: a disk without locks
            print(f"{name} cannot be recorded: {problem}. What was finished is kept; free some space, mend the "
                  "permissions, or set COURSE_EVIDENCE to a folder that can be written.", file=sys.stderr)  # fmt: skip
            return 1
    return 0


def _record(name, seeds, jobs):
    """Record one by one on a processor; on a CUDA GPU a process trains up to 32 seeds as one stack."""
    together = 32 if runtime.device().type == "cuda" else 1
    return experiments.record(experiments.find(name), seeds, jobs, together=together)


def _state(name):
    """Say in one line whether a record is fresh, and of what."""
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
