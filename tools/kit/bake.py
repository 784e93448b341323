"""Train for a class beforehand: `python -m tools.kit.bake --hours 2` runs the lessons of a format once.

What they train to use (`loop.fit`) is kept in build/kit/class-cache (or --to FOLDER), which nobody else may write to.
Learners who have COURSE_CLASS_CACHE=FOLDER do not wait for it, where the course, PyTorch's build, the device and the
number format are those of this machine (COURSE_PRECISION=fp32, here and there, makes one format of two). What lessons
train to be watched (`loop.train`: in 00, 03, 10 and a little in 04) is trained by everybody. What is there is left out.

`--trial 8 --lessons 04` runs 8 kernels at once, without and with these models, and keeps time and memory in trial.json.
"""

import argparse
import concurrent.futures
import json
import stat
import sys
import threading
import time
from pathlib import Path

import joblib
import nbformat
import psutil
import torch
import transformers

from course_lib import places, runtime
from course_lib.notes import working_copy
from course_lib.train import provenance
from tools import bake
from tools.kit import notes, plan

__all__ = ["CACHE", "LISTED", "chosen", "closed", "fill", "lesson", "listed", "made", "main", "trial"]

CACHE = notes.NOTEBOOKS.parent / "build" / "kit" / "class-cache"
LISTED = "lessons.json"  # in the cache: {lesson: {"code": its fingerprint, "made": made(), "models": [...]}}
TRIALS = Path(__file__).with_name("trial.json")
ALONE = {"COURSE_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TIMEOUT = 1800  # seconds for a cell: eight kernels share two cores


def main(arguments=None):
    """Fill the cache, or try it with several kernels at once; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.kit.bake", description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--hours", type=int, choices=(2, 4), help="the format: 2 or 4 hours")
    which.add_argument("--days", type=int, choices=(2,), help="the format: 2 days")
    which.add_argument("--lessons", nargs="+", type=int, metavar="N", help="these lessons, whatever the format")
    parser.add_argument("--to", type=Path, default=CACHE, metavar="FOLDER", help="the class's cache")
    parser.add_argument("--trial", type=int, metavar="KERNELS", help="run so many kernels at once, and measure")
    options = parser.parse_args(arguments)
    name = f"{options.hours} h" if options.hours else f"{options.days} days"
    if options.trial is not None and options.trial < 1:
        parser.error(f"--trial {options.trial}: give a number of kernels, 1 or more")
    try:
        numbers = chosen(options.lessons, name)
    except ValueError as error:
        parser.error(error)
    cache = options.to.expanduser().resolve()
    try:
        fill(cache, numbers)
        for number in numbers if options.trial else ():
            trial(number, options.trial, cache)
    except (bake.CellExecutionError, bake.CellTimeoutError, bake.DeadKernelError) as error:
        print(f"FAILED\n{error}\nWhat was trained before it is kept; the same command goes on there.")
        return 1
    except OSError as error:
        print(f"{cache} cannot be filled: {error}\n  Free some space, or name another folder with --to.")
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on with the lessons that are not there yet.")
        return 130
    size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    print(f"{cache}: {size / 1e6:.1f} MB. Learners need: COURSE_CLASS_CACHE={cache}")
    return 0


def chosen(numbers, name):
    """Return the lessons to run: these, or all that a format's notes give minutes to; ValueError says what is wrong."""
    known = notes.lessons()
    if unknown := [number for number in numbers or () if number not in known]:
        raise ValueError(f"there is no lesson {unknown[0]}; the lessons are {min(known)} to {max(known)}")
    found = sorted(set(numbers or ())) or plan.numbers(name)
    if not found:
        raise ValueError(f"no lesson has a note with minutes for {name!r}: name lessons with --lessons")
    return found


def lesson(number):
    """Return a lesson's notebook as a learner has it."""
    notebook = nbformat.read(notes.lessons()[number], as_version=4)
    notebook.cells = working_copy.for_learners(notebook.cells)
    return notebook


def listed(cache):
    """Return {lesson: its models} of what lies in a class's cache whole, and fits the lessons and this machine now."""
    found, here = {}, made()
    for number in notes.lessons():
        entry = _list(cache).get(str(number))
        if not entry or entry.get("made") != here or entry["code"] != bake.fingerprint(lesson(number)):
            continue
        if all((cache / model / "model.safetensors").is_file() for model in entry["models"]):
            found[number] = entry["models"]
    return found


def made():
    """Return what all models depend on: one that was made by another version, or on another device, is not used."""
    device = runtime.device()
    versions = [f"torch {torch.__version__}", f"transformers {transformers.__version__}", device.type]
    return [*versions, str(runtime.precision(device)), provenance.SOURCES[:16]]


def _list(cache):
    try:
        return dict(json.loads((cache / LISTED).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def fill(cache, numbers):
    """Run the lessons that the cache lacks, each once, and take away the others' right to write."""
    cache.mkdir(parents=True, exist_ok=True)
    there = listed(cache)
    for number in numbers:
        if number in there:
            print(f"{number:02d}: is there", flush=True)
            continue
        print(f"{number:02d}: running ...", end=" ", flush=True)
        started, before = time.monotonic(), _models(cache)
        notebook = lesson(number)
        bake.execute(notebook, notes.NOTEBOOKS, TIMEOUT, COURSE_CACHE=str(cache), COURSE_CLASS_CACHE="")
        entry = {"code": bake.fingerprint(notebook), "made": made(), "models": sorted(_models(cache) - before)}
        places.write(cache / LISTED, json.dumps(_list(cache) | {str(number): entry}, indent=1))
        print(f"{len(entry['models'])} models in {time.monotonic() - started:.0f} s", flush=True)
    closed(cache)


def _models(cache):
    return {path.parent.name for path in cache.glob("[!.]*/model.safetensors")}


def closed(cache):
    """Let everybody read the folder and nobody else write to it."""
    for path in (cache, *cache.rglob("*")):
        read = stat.S_IRGRP | stat.S_IROTH | (stat.S_IXGRP | stat.S_IXOTH if path.is_dir() else 0)
        path.chmod(path.stat().st_mode & ~(stat.S_IWGRP | stat.S_IWOTH) | read)


def trial(number, kernels, cache):
    """Run one lesson in several kernels at once, one thread each, without and with the class's models; keep numbers."""
    cores = joblib.cpu_count()
    found = {"cores": cores}
    for name, folder in (("without", ""), ("with", str(cache))):
        with concurrent.futures.ThreadPoolExecutor(kernels) as pool, _Memory() as memory:
            seconds = sorted(pool.map(lambda _, folder=folder: _timed(number, folder), range(kernels)))
        found[name] = {"fastest_s": round(seconds[0]), "slowest_s": round(seconds[-1]), **memory.peak}
        print(f"{number:02d}, {kernels} kernels on {cores} cores, {name} the class's models: {found[name]}", flush=True)
    trials = json.loads(TRIALS.read_text(encoding="utf-8")) if TRIALS.exists() else {}
    trials[f"lesson {number:02d}, {kernels} kernels"] = found
    places.write(TRIALS, json.dumps(trials, indent=1, sort_keys=True) + "\n")


def _timed(number, folder):
    started = time.monotonic()
    bake.execute(lesson(number), notes.NOTEBOOKS, TIMEOUT, COURSE_CLASS_CACHE=folder, **ALONE)
    return time.monotonic() - started


class _Memory:
    """Watch the kernels' memory while a block runs: the peak of their sum, and of the largest."""

    def __enter__(self):
        self.peak, self.done = {"peak_sum_gb": 0.0, "peak_one_gb": 0.0}, threading.Event()
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()
        return self

    def watch(self):
        while not self.done.wait(0.5):
            sizes = [0.0]
            for child in psutil.Process().children(recursive=True):
                try:
                    info = child.memory_full_info()
                    sizes.append(getattr(info, "pss", info.uss) / 1e9)  # what kernels share counts once, where it can
                except psutil.Error:  # it has just ended
                    continue
            for name, size in (("peak_sum_gb", sum(sizes)), ("peak_one_gb", max(sizes))):
                self.peak[name] = max(self.peak[name], round(size, 2))

    def __exit__(self, *_):
        self.done.set()
        self.watcher.join()


if __name__ == "__main__":
    sys.exit(main())
