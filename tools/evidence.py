"""Record experiments over seeds, in parallel processes: `python -m tools.evidence [NAME ...]`.

What a record lacks is run, and every finished run is kept at once in data/evidence/NAME.json: killed at any moment,
the next call goes on where it was. `--list` says what is recorded, outdated or missing.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import joblib
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from course_lib import places, runtime
from course_lib.experiments import EXPERIMENTS, docstrings, find, materials
from course_lib.experiments.definition import Experiment, environment, evidence_dir, load, read
from course_lib.experiments.materials import Plan
from course_lib.train import scaling

__all__ = ["main", "record", "rounded", "train_arm"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Record experiments, or list their records; returns 0, or 1 where something cannot be recorded."""
    parser = argparse.ArgumentParser(prog="python -m tools.evidence", description="Record experiments over seeds.")
    parser.add_argument("names", nargs="*", help="experiments to record; all of them if none is named")
    parser.add_argument("--seeds", type=int, help="seeds per arm (default: the experiment's own)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once, one thread each (default 2)")
    parser.add_argument("--carry", type=Path, metavar="FILE", help="only write the docstrings to a file, for a machine "
                        "with other packages: COURSE_DOCSTRINGS names it there")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="only show what is recorded, outdated or missing")
    options = parser.parse_args(arguments)
    if options.carry:
        print(f"written: {docstrings.carry(materials.text('docstrings'), options.carry)}")
        return 0
    if options.jobs < 1 or (options.seeds or 2) < 2:
        parser.error("--jobs must be at least 1, and --seeds at least 2: an interval needs two runs.")
    try:
        chosen = [find(name) for name in options.names or EXPERIMENTS]
    except ValueError as unknown:
        parser.error(unknown)
    os.environ.setdefault("COURSE_QUIET", "1")
    together = 32 if runtime.device().type == "cuda" else 1
    for experiment in chosen:
        try:
            print(state(experiment) if options.list
                  else f"written: {record(experiment, options.seeds, options.jobs, together)}")  # fmt: skip
        except (BrokenProcessPool, ValueError) as problem:
            print(f"{experiment.name} cannot be recorded: {problem}", file=sys.stderr)
            return 1
        except (OSError, NotImplementedError) as problem:  # the latter: a disk without locks
            fix = "free some space, mend the permissions, or set COURSE_EVIDENCE to a folder that can be written"
            print(f"{experiment.name} cannot be recorded: {problem}. Finished runs are kept; {fix}.", file=sys.stderr)
            return 1
    return 0


def state(experiment: Experiment) -> str:
    """Say in one line whether a record is fresh, and of what."""
    try:
        found = load(experiment)
    except (OSError, ValueError) as problem:
        return f"{experiment.name}: {problem}"
    seeds = len(next(iter(found.runs.values())))
    made = "; ".join("{device}, torch {torch}, python {python}".format(**made) for made in found.made_with)
    return f"{experiment.name}: {len(found.runs)} arms x {seeds} seeds, {found.dates[-1]} ({made})"


def record(experiment: Experiment, seeds: int | None = None, jobs: int = 1, together: int = 1) -> Path:
    """Run what is missing of an experiment and write it down after every run. Returns the record's path.

    ``jobs`` processes at once; each is given up to ``together`` seeds of an arm, which a GPU trains as one stack.
    Raises ValueError when another process is recording it.
    """
    path = evidence_dir() / f"{experiment.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=0):  # beside the record: caches may be many
            _record(experiment, path, seeds or experiment.seeds, jobs, together)
    except Timeout:
        raise ValueError(f"another process is recording {experiment.name!r}: wait for it, or stop it") from None
    return path


def _record(experiment: Experiment, path: Path, seeds: int, jobs: int, together: int) -> None:
    data = read(experiment.name)
    if data.get("definition") != experiment.definition:
        data = _empty(experiment)
    blocks = {}  # up to `together` seeds of an arm; seed by seed, so that arms stay comparable
    for seed in range(seeds):
        for arm in experiment.arms:
            if str(seed) not in data["runs"].get(arm, {}):
                blocks.setdefault((seed // together, arm), []).append(seed)
    work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(
        joblib.delayed(_run)(experiment, arm, group) for (_, arm), group in blocks.items()
    )
    total, quiet = sum(map(len, blocks.values())), not sys.stderr.isatty()
    with tqdm(total=total, desc=experiment.name, unit="run", disable=quiet, leave=False) as bar:
        for arm, runs, made_in in work:
            if made_in not in data["environments"]:
                data["environments"].append(made_in)
            number = {"environment": data["environments"].index(made_in)}
            data["runs"].setdefault(arm, {}).update({str(seed): number | run for seed, run in runs.items()})
            _write(path, data)
            bar.update(len(runs))


def _run(experiment: Experiment, arm: str, seeds: list[int]) -> tuple[str, dict[int, dict], dict]:
    """Run one arm with some seeds: the arm, the run of each seed, and the environment that made them.

    On one thread: two in each of two processes are slower, and the numbers are the same for any ``jobs``.
    """
    os.environ["COURSE_QUIET"] = "1"
    started, threads = time.perf_counter(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = train_arm(experiment.run, seeds, experiment.settings(arm))
    finally:
        torch.set_num_threads(threads)
    seconds = round((time.perf_counter() - started) / len(seeds), 1)
    made = {"date": datetime.date.today().isoformat(), "seconds": seconds}
    made |= {"together": len(seeds)} if len(seeds) > 1 else {}
    runs = {seed: made | {"numbers": rounded(numbers)} for seed, numbers in zip(seeds, found, strict=True)}
    corpus = experiment.settings(arm).get("corpus", "tiny town")
    read = {} if corpus == "tiny town" else {"text": materials.text(corpus).described}
    return arm, runs, environment() | read


def train_arm(run: Callable, seeds: Sequence[int], settings: dict) -> list[dict[str, list]]:
    """Run an arm of an experiment: ``run(seed, **settings)`` for each seed. Returns lists of numbers by name, per seed.

    Where ``run`` returns plans, alike but for the text, a CUDA GPU trains them as one stack: 32 tiny models cost it
    little more than one.
    """
    made = [run(seed, **settings) for seed in seeds]
    one = made[0]
    if not isinstance(one, Plan):
        return [{name: value if isinstance(value, list) else [value] for name, value in found.items()}
                for found in made]  # fmt: skip
    if not _stacks(made):
        return [plan.train(seed) for plan, seed in zip(made, seeds, strict=True)]
    trained = scaling.train_seeds(
        *([getattr(plan, part) for plan in made] for part in ("build", "rows", "objective")), one.steps, seeds,
        batch_size=one.batch_size, learning_rate=one.learning_rate, evaluate=[plan.measure for plan in made],
    )  # fmt: skip
    return [plan.numbers(history) for plan, (_, history) in zip(made, trained, strict=True)]


def _stacks(plans: Sequence[Plan]) -> bool:
    one, gpu = plans[0], runtime.device().type == "cuda"
    return gpu and len(plans) > 1 and scaling.can_stack(one.build(), one.rows, one.objective)


def _empty(experiment: Experiment) -> dict:
    names = ("name", "question", "expectation", "vary", "control", "common", "arms", "revision", "written", "margins",
             "own_text", "definition")  # fmt: skip
    return {name: getattr(experiment, name) for name in names} | {"environments": [], "runs": {}}


def rounded(numbers: dict[str, list]) -> dict[str, list]:
    """Round the floats in lists of numbers, by name, to five digits after the point."""
    return {key: [round(v, 5) if isinstance(v, float) else v for v in values] for key, values in numbers.items()}


def _write(path: Path, data: dict) -> None:
    """Write the record in one step, arms and seeds in order."""
    arms = {arm: dict(sorted(data["runs"][arm].items(), key=lambda run: int(run[0]))) for arm in data["arms"]
            if arm in data["runs"]}  # fmt: skip
    places.write(path, json.dumps(data | {"runs": arms}, indent=1) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped. Finished runs are kept.")
