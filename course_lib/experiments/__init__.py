"""Experiments over seeds: arms that differ in one thing, recorded with all that made them.

``python -m course_lib evidence`` runs them and keeps every finished run at once in
``data/evidence/NAME.json``: killed at any moment, it goes on where it was.
"""

from course_lib.experiments import design
from course_lib.experiments.design import Experiment, Record, evidence_dir, findings
from course_lib.experiments.recording import BeingRecorded, WorkerLost, record
from course_lib.experiments.registry import EXPERIMENTS, find

__all__ = [
    "EXPERIMENTS",
    "LENGTH",
    "BeingRecorded",
    "Experiment",
    "Material",
    "Record",
    "WorkerLost",
    "evidence_dir",
    "find",
    "findings",
    "load",
    "material",
    "record",
]


def load(name: str) -> Record:
    """Read a record by the experiment's name; raises ValueError with the command to run if it is not usable."""
    return design.load(find(name))


def __getattr__(name: str):  # the rest needs torch: `evidence --list` and the worker of a light run do without
    if name in ("LENGTH", "Material", "material"):
        from course_lib.experiments import texts

        return getattr(texts, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
