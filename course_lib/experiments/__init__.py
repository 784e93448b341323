"""Experiments over seeds: arms that differ in one thing, recorded with all that made them.

Questions, expectations and arms stand in lesson_NN.yaml, what is trained and measured in lesson_NN.py.
``python -m course_lib evidence`` runs them and keeps every finished run at once in
``data/evidence/NAME.json``: killed at any moment, it goes on where it was.
"""

import importlib
from pathlib import Path

import yaml

from course_lib.experiments import definition
from course_lib.experiments.definition import Experiment, Record, evidence_dir, findings
from course_lib.experiments.materials import LENGTH, Material, material
from course_lib.experiments.recording import NotRecorded, record

__all__ = [
    "EXPERIMENTS", "LENGTH", "Experiment", "Material", "NotRecorded", "Record", "evidence_dir", "find", "findings",
    "load", "material", "record",
]  # fmt: skip

LESSONS = sorted(file.stem.removeprefix("lesson_") for file in Path(__file__).parent.glob("lesson_*.yaml"))


def _experiments(lesson: str) -> dict[str, Experiment]:
    """Read lesson_NN.yaml; its functions that train and measure stand in lesson_NN.py."""
    module = importlib.import_module(f"{__name__}.lesson_{lesson}")
    entries = yaml.safe_load(Path(__file__).with_name(f"lesson_{lesson}.yaml").read_text(encoding="utf-8"))
    found = {}
    for name, entry in entries.items():
        try:
            found[name] = Experiment(name, **entry | {"run": getattr(module, entry["run"])})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"experiments/lesson_{lesson}.yaml, {name}: {error}") from error
    return found


EXPERIMENTS = {name: experiment for lesson in LESSONS for name, experiment in _experiments(lesson).items()}


def find(name: str) -> Experiment:
    """Return an experiment by its name; raises ValueError with the list of names."""
    if name not in EXPERIMENTS:
        raise ValueError(f"No experiment {name!r}. There are: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]


def load(name: str) -> Record:
    """Read a record by the experiment's name; raises ValueError with the command to run if it is not usable."""
    return definition.load(find(name))
