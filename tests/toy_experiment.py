"""An experiment that needs no training, for the tests of recording: `python toy_experiment.py JOBS` records it."""

import os
import sys
import time
from pathlib import Path

from course_lib.experiments import EXPERIMENTS, Experiment
from tools import evidence


def measure(seed, offset, slope, wait=0.05):
    """Return two moments of a score that depends on the arm and the seed; note every call in a log."""
    with open(Path(os.environ["COURSE_EVIDENCE"]) / "calls.log", "a", encoding="utf-8") as log:
        log.write(f"{offset} {seed}\n")
    if (Path(os.environ["COURSE_EVIDENCE"]) / "stop").exists() and seed == 3:
        raise RuntimeError("stopped, as the test asks")
    time.sleep(wait)
    return {"tokens": [10, 20], "score": [offset, offset + slope * (seed + 1)]}


TOY = Experiment(
    "toy", "Is it?", "It is.", "offset", {"a": {"offset": 0.0}, "b": {"offset": 5.0}}, "a", {"slope": 1.0}, measure
)


if __name__ == "__main__":
    EXPERIMENTS["toy"] = TOY
    print(evidence.record(TOY, seeds=6, jobs=int(sys.argv[1])))
