"""Experiments over seeds: arms that differ in one thing, recorded with all that made them.

Questions, expectations and arms stand in lesson_NN.yaml, what is trained and measured in lesson_NN.py; those of
world.yaml ask several lessons' questions in real English, and by_heart.yaml one in both.
``python -m tools.evidence`` runs them and keeps what they found in ``data/evidence/NAME.json``.
"""

import importlib
from pathlib import Path

import yaml

from course_lib.experiments import definition
from course_lib.experiments.definition import Experiment, Record, evidence_dir, findings
from course_lib.experiments.materials import LENGTH, Material, material

__all__ = ["EXPERIMENTS", "LENGTH", "Experiment", "Material", "Record", "evidence_dir", "find", "findings", "load",
           "material"]  # fmt: skip


def _experiments() -> dict[str, Experiment]:
    """Read each NAME.yaml; the functions that its ``run`` names stand in NAME.py."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.yaml")):
        module = importlib.import_module(f"{__name__}.{file.stem}")
        for name, entry in yaml.safe_load(file.read_text(encoding="utf-8")).items():
            found[name] = Experiment(name, **entry | {"run": getattr(module, entry["run"])})
    return found


EXPERIMENTS = _experiments()


def find(name: str) -> Experiment:
    """Return an experiment by its name; raises ValueError with the list of names."""
    if name not in EXPERIMENTS:
        raise ValueError(f"No experiment {name!r}. There are: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]


def load(name: str) -> Record:
    """Read a record by the experiment's name; raises ValueError with the command to run if it is not usable."""
    return definition.load(find(name))
