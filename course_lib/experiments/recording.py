"""Run the arms of an experiment over seeds, in parallel processes, and keep every finished run at once.

Through joblib: by default processes of this machine with one thread each; inside
``joblib.parallel_config(backend="dask")`` the same call runs on a Dask cluster ("ray" with Ray's backend).
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import joblib
from filelock import FileLock, Timeout
from joblib.externals.loky.process_executor import TerminatedWorkerError

from course_lib import places, runtime
from course_lib.experiments.design import Experiment, evidence_dir, read
from course_lib.town.language import GRAMMAR_FILE
from course_lib.train import checkpoints

__all__ = ["BeingRecorded", "WorkerLost", "environment", "missing", "record", "rounded"]

class BeingRecorded(RuntimeError):
    """Say that another process is recording the same experiment."""


class WorkerLost(RuntimeError):
    """Say that a worker process was killed from outside; what was finished is kept."""


def missing(experiment: Experiment, seeds: int) -> list[tuple[str, int]]:
    """List the (arm, seed) pairs that a fresh record still lacks, seed by seed so that arms stay comparable."""
    data = read(experiment.name)
    runs = data["runs"] if data.get("definition") == experiment.definition else {}
    return [(arm, s) for s in range(seeds) for arm in experiment.arms if str(s) not in runs.get(arm, {})]


def record(
    experiment: Experiment, seeds: int | None = None, jobs: int = 1, note: Callable[[str], None] = print,
    together: int = 1,
) -> Path:  # fmt: skip
    """Run what is missing of an experiment and write it down after every run. Returns the record's path.

    ``jobs`` processes at once; each is given up to ``together`` seeds of an arm, which a GPU trains as one stack
    (course_lib.train.scaling). Killed at any moment, the next call goes on: finished runs are in the record, or in the
    cache when the kill fell between the two. Raises BeingRecorded when another process is at it, WorkerLost when a
    worker died, OSError when the record cannot be written.
    """
    path, seeds = evidence_dir() / f"{experiment.name}.json", seeds or experiment.seeds
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)  # beside the record: caches may be many
    places.sweep(path.parent, r"\.[\w-]+\.json\.part")
    try:
        lock.acquire()
    except Timeout:
        raise BeingRecorded(
            f"{experiment.name!r} is being recorded by another process: wait for it, or stop it and try again."
        ) from None
    try:
        old = read(experiment.name)
        todo = missing(experiment, seeds)
        data = old if old.get("definition") == experiment.definition else _empty(experiment)
        note(f"{experiment.name}: {len(todo)} runs to do, {jobs} at a time; {_estimate(old, experiment, todo, jobs)}")
        if not todo:
            return path
        bar = _progress(len(todo), experiment.name)
        work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(
            joblib.delayed(_run)(experiment, arm, group) for arm, group in _groups(todo, together)
        )
        try:
            for arm, runs, environment in work:
                _add(data, arm, runs, environment)
                _write(path, data)
                bar.update(len(runs))
                seed, run = list(runs.items())[-1]
                bar.set_postfix_str(f"{arm}, seed {seed}: {run['seconds']:.0f} s")
        except TerminatedWorkerError:
            raise WorkerLost(
                f"A worker of {experiment.name!r} was killed from outside (often: too little memory). What was "
                "finished is kept; run the same command again, with fewer --jobs if it was memory."
            ) from None
        finally:
            bar.close()
        return path
    finally:
        lock.release()


def _groups(todo: list[tuple[str, int]], together: int) -> list[tuple[str, list[int]]]:
    """Put up to ``together`` seeds of an arm into one group; the groups of all arms stay side by side."""
    blocks: dict[tuple[int, str], list[int]] = {}
    for arm, seed in todo:
        blocks.setdefault((seed // together, arm), []).append(seed)
    return [(arm, seeds) for (_, arm), seeds in blocks.items()]


def _run(experiment: Experiment, arm: str, seeds: list[int]) -> tuple[str, dict[int, dict], dict]:
    """Run one arm with some seeds, or take what an earlier call, or another experiment's same arm, left in the cache.

    Returns the arm, the run of each seed, and the environment that made them.
    """
    settings, function = experiment.settings(arm), experiment.function()
    made_in = environment()
    entries = {
        seed: "run-" + checkpoints.fingerprint(
            seed=seed, settings=settings, run=experiment.run, revision=experiment.revision,
            library=_library(), environment=made_in,
        ) for seed in seeds
    }  # fmt: skip
    runs = {seed: run for seed, entry in entries.items() if (run := _kept(entry)) is not None}
    if left := [seed for seed in seeds if seed not in runs]:
        os.environ["COURSE_QUIET"] = "1"
        started = time.perf_counter()
        with _one_thread():
            numbers = function(left, **settings)
        seconds = round((time.perf_counter() - started) / len(left), 1)
        for seed, found in zip(left, numbers, strict=True):
            run = {"date": datetime.date.today().isoformat(), "seconds": seconds}
            run |= {"together": len(left)} if len(left) > 1 else {}
            runs[seed] = run | {"numbers": rounded(found)}
            _keep(entries[seed], runs[seed])
    return arm, {seed: runs[seed] for seed in seeds}, made_in


@functools.cache
def _library() -> str:
    """Hash the whole library and the grammar: a run kept in the cache by other code is never taken up again."""
    digest, folder = hashlib.sha256(GRAMMAR_FILE.read_bytes()), Path(__file__).resolve().parent.parent
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:16]


def _kept(entry: str) -> dict | None:
    try:
        folder = checkpoints.load(entry)
        return folder and json.loads((folder / "run.json").read_text("utf-8"))
    except OSError:  # deleted under our eyes: run again
        return None


def _keep(entry: str, run: dict) -> None:
    checkpoints.save(entry, lambda draft: (draft / "run.json").write_text(json.dumps(run), "utf-8"))


@contextlib.contextmanager
def _one_thread():
    """One thread per run: two in each of two processes are slower, and the numbers are the same for any --jobs."""
    torch = sys.modules.get("torch")  # a run that does not need torch should not wait for it
    before = torch.get_num_threads() if torch else 1
    try:
        if torch:
            torch.set_num_threads(1)
        yield
    finally:
        if torch:
            torch.set_num_threads(before)


def _empty(experiment: Experiment) -> dict:
    return {
        "name": experiment.name, "question": experiment.question, "expectation": experiment.expectation,
        "vary": experiment.vary, "control": experiment.control, "common": experiment.common,
        "arms": experiment.arms, "revision": experiment.revision, "written": experiment.written,
        "margins": experiment.margins, "own_text": experiment.own_text, "definition": experiment.definition,
        "environments": [], "runs": {},
    }  # fmt: skip


def _add(data: dict, arm: str, runs: dict[int, dict], environment: dict) -> None:
    """Put runs of one arm into the record, with the number of the environment that they were made in."""
    if environment not in data["environments"]:
        data["environments"].append(environment)
    made = data["environments"].index(environment)
    data["runs"].setdefault(arm, {}).update({str(seed): {"environment": made, **run} for seed, run in runs.items()})


def _estimate(old: dict, experiment: Experiment, todo: list[tuple[str, int]], jobs: int) -> str:
    """Say how long it may take, judged by the runs of the last record (also of an outdated one)."""
    if not todo:
        return "nothing is missing"
    known = {arm: [run["seconds"] for run in runs.values()] for arm, runs in old.get("runs", {}).items() if runs}
    if not set(experiment.arms) <= set(known):
        return "no earlier runs to judge the time by"
    seconds = sum(sum(known[arm]) / len(known[arm]) for arm, _ in todo) / min(jobs, len(todo))
    return f"about {max(1, round(seconds / 60))} min if it goes as last time"


def _progress(runs: int, name: str):
    from tqdm.auto import tqdm

    return tqdm(total=runs, desc=name, unit="run", disable=not sys.stderr.isatty(), leave=False)


def rounded(numbers: dict) -> dict:
    """Round the floats in lists of numbers, by name, to five digits after the point."""
    return {key: [round(v, 5) if isinstance(v, float) else v for v in values] for key, values in numbers.items()}


def environment() -> dict:
    """Describe what the numbers were made with; only facts that cannot identify a person or a place."""
    made = {"python": platform.python_version(), "machine": platform.machine(), "device": "cpu"}
    if "torch" not in sys.modules:
        return made
    device = runtime.device()
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    return made | versions | {"device": device.type, "precision": str(runtime.precision(device)).split(".")[-1]}


def _write(path: Path, data: dict) -> None:
    """Write beside the record and rename: a kill or a full disk leaves the old record or the new one."""
    arms = {arm: dict(sorted(data["runs"][arm].items(), key=lambda run: int(run[0]))) for arm in data["arms"]
            if arm in data["runs"]}  # fmt: skip
    draft = path.with_name(f".{path.name}.part")  # one name, under the lock: a kill leaves one at most
    try:
        draft.write_text(json.dumps(data | {"runs": arms}, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
