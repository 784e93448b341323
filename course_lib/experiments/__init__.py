"""Experiments over seeds: arms that differ in one thing, recorded with all that made them.

``python -m course_lib evidence`` runs them and keeps every finished run at once in
``data/evidence/NAME.json``: killed at any moment, it goes on where it was.
"""

from course_lib.experiments import (
    definition,
    lesson_02,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
)  # fmt: skip
from course_lib.experiments.definition import Experiment, Record, evidence_dir, findings
from course_lib.experiments.materials import LENGTH, Material, material
from course_lib.experiments.recording import BeingRecorded, WorkerLost, record

__all__ = [
    "EXPERIMENTS", "LENGTH", "BeingRecorded", "Experiment", "Material", "Record", "WorkerLost", "evidence_dir", "find",
    "findings", "load", "material", "record",
]  # fmt: skip

LESSONS = (lesson_02, lesson_04, lesson_05, lesson_06, lesson_07, lesson_08, lesson_09, lesson_10)
EXPERIMENTS: dict[str, Experiment] = {each.name: each for lesson in LESSONS for each in lesson.EXPERIMENTS}


def find(name: str) -> Experiment:
    """Return an experiment by its name; raises ValueError with the list of names."""
    if name not in EXPERIMENTS:
        raise ValueError(f"No experiment {name!r}. There are: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]


def load(name: str) -> Record:
    """Read a record by the experiment's name; raises ValueError with the command to run if it is not usable."""
    return definition.load(find(name))
