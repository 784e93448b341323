"""Run the arms of an experiment over seeds, in parallel processes, and keep every finished run at once.

``python -m course_lib evidence`` runs what is missing, or says what is there.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from importlib import metadata
from pathlib import Path

import joblib
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from course_lib import places, runtime
from course_lib.experiments.definition import Experiment, evidence_dir, load, read
from course_lib.experiments.materials import train_arm

__all__ = ["environment", "record", "rounded", "run"]


def run(chosen: list[Experiment], seeds: int | None, jobs: int, only_list: bool) -> int:
    """Record experiments, or list what is there. Returns the exit status of ``python -m course_lib evidence``."""
    os.environ.setdefault("COURSE_QUIET", "1")
    together = 32 if runtime.device().type == "cuda" else 1
    for experiment in chosen:
        try:
            print(_state(experiment) if only_list else f"written: {record(experiment, seeds, jobs, together)}")
        except (BrokenProcessPool, ValueError) as problem:
            print(f"{experiment.name} cannot be recorded: {problem}", file=sys.stderr)
            return 1
        except (OSError, NotImplementedError) as problem:  # the latter: a disk without locks
            fix = "free some space, mend the permissions, or set COURSE_EVIDENCE to a folder that can be written"
            print(f"{experiment.name} cannot be recorded: {problem}. Finished runs are kept; {fix}.", file=sys.stderr)
            return 1
    return 0


def _state(experiment: Experiment) -> str:
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

    ``jobs`` processes at once; each is given up to ``together`` seeds of an arm, which a GPU trains as one stack
    (course_lib.train.scaling). Killed at any moment, the next call goes on with what the record lacks. Raises
    ValueError when another process is recording it.
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
    return arm, runs, environment()


def _empty(experiment: Experiment) -> dict:
    names = ("name", "question", "expectation", "vary", "control", "common", "arms", "revision", "written", "margins",
             "own_text", "definition")  # fmt: skip
    return {name: getattr(experiment, name) for name in names} | {"environments": [], "runs": {}}


def rounded(numbers: dict[str, list]) -> dict[str, list]:
    """Round the floats in lists of numbers, by name, to five digits after the point."""
    return {key: [round(v, 5) if isinstance(v, float) else v for v in values] for key, values in numbers.items()}


def environment() -> dict[str, str]:
    """Describe what the numbers were made with; only facts that cannot identify a person or a place."""
    device = runtime.device()
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    made = {"python": platform.python_version(), "machine": platform.machine(), "device": device.type}
    return made | versions | {"precision": str(runtime.precision(device)).split(".")[-1]}


def _write(path: Path, data: dict) -> None:
    """Write the record in one step, arms and seeds in order."""
    arms = {arm: dict(sorted(data["runs"][arm].items(), key=lambda run: int(run[0]))) for arm in data["arms"]
            if arm in data["runs"]}  # fmt: skip
    places.write(path, json.dumps(data | {"runs": arms}, indent=1) + "\n")
