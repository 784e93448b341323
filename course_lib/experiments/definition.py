"""What an experiment is, and what a record of it holds."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from course_lib import runtime
from course_lib.intervals import t_interval
from course_lib.places import DATA

__all__ = ["Experiment", "Record", "environment", "evidence_dir", "findings", "load", "read"]


@dataclass(frozen=True)
class Experiment:
    """A question, what we expect, and arms that differ in the argument named ``vary``.

    ``run(seed, **settings)`` trains and measures one seed of an arm: it returns a ``materials.Plan`` or what it found,
    named numbers or named lists of one length.
    """

    name: str
    question: str
    expectation: str  # names its number, is committed before the first run, and is part of the definition
    vary: str
    arms: dict[str, dict]  # arm -> the arguments of `run` that it sets
    control: str
    common: dict  # arguments that all arms share
    run: Callable
    seeds: int = 5  # the fewest that a record needs; more may be recorded
    revision: int = 1  # raised by whoever changes what `run` trains or measures (tests/test_golden.py notices)
    written: str = ""  # the day of the expectation, YYYY-MM-DD; '' for the first edition's, which are undated
    margins: dict[str, float] = field(default_factory=dict)  # metric -> a difference too small to matter, stated before
    own_text: bool = False  # every seed draws its own training and held-out text, so that intervals cover the text too

    def settings(self, arm: str) -> dict:
        """Return all arguments of one arm."""
        return self.common | self.arms[arm]

    @property
    def definition(self) -> str:
        """Hash what the numbers are made by and held against: a record of another definition is out of date.

        Source text is not in it: whoever changes what is measured raises ``revision``.
        """
        made_by = ("name", "arms", "common", "revision", "expectation", "written", "margins", "own_text")
        text = json.dumps({part: getattr(self, part) for part in made_by}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def findings(low: float, high: float, margin: float | None = None) -> set[str]:
    """Say what the 95% interval of a difference allows: 'higher', 'lower' or 'not told apart', and 'equivalent'.

    Equivalent means that the whole interval lies within ``margin`` of zero, which was stated before the run. A
    difference can be both higher and equivalent: real, and too small to matter.
    """
    found = {"higher" if low > 0 else "lower" if high < 0 else "not told apart"}
    return found | ({"equivalent"} if margin is not None and -margin < low and high < margin else set())


@dataclass(frozen=True)
class Record:
    """A recorded experiment: ``runs[arm][seed]`` is what the run returned."""

    name: str
    definition: str
    runs: dict[str, dict[str, dict]] = field(repr=False)  # long
    made_with: list[dict]  # the environments it was made in
    dates: list[str]
    margins: dict[str, float] = field(default_factory=dict)
    own_text: bool = False  # every seed drew its own text

    def called(self, names: dict[str, str]) -> Record:
        """The same record with arms under other names, {name in the record: name to show}."""
        return replace(self, runs={names.get(arm, arm): seeds for arm, seeds in self.runs.items()})

    def lists(self, arm: str, metric: str) -> list[list[float]]:
        """A metric over training, one list for each seed of an arm; ValueError names what there is."""
        if arm not in self.runs:
            raise ValueError(f"{self.name!r} has no arm {arm!r}; its arms are {', '.join(self.runs)}.")
        known = next(iter(self.runs[arm].values()))
        if metric not in known:
            raise ValueError(f"{self.name!r} has no metric {metric!r}; it has {', '.join(known)}.")
        return [run[metric] for run in self.runs[arm].values()]

    def final(self, arm: str, metric: str) -> list[float]:
        """The last value of a metric for each seed of an arm."""
        return [values[-1] for values in self.lists(arm, metric)]

    def band(self, arm: str, metric: str) -> dict[str, list[float]]:
        """Over training, the 95% interval of the mean over seeds: lists tokens, low, mean, high."""
        columns = [t_interval(values) for values in zip(*self.lists(arm, metric), strict=True)]
        mean, low, high = (list(column) for column in zip(*columns, strict=True))
        return {"tokens": self.lists(arm, "tokens")[0], "low": low, "mean": mean, "high": high}

    def difference(self, metric: str, arm: str, control: str) -> tuple[float, float, float]:
        """Mean of arm minus control at the end, seed by seed, with its 95% t interval."""
        return t_interval([a - b for a, b in zip(self.final(arm, metric), self.final(control, metric), strict=True)])

    def finding(self, metric: str, arm: str, control: str) -> str:
        """Say what the interval of arm minus control allows: 'higher', 'lower' or 'not told apart'."""
        _, low, high = self.difference(metric, arm, control)
        return next(iter(findings(low, high)))

    def equivalent(self, metric: str, arm: str, control: str) -> bool:
        """Say whether the interval of arm minus control lies within the margin that was stated before the run."""
        if metric not in self.margins:
            raise ValueError(f"{self.name!r} states no margin for {metric!r}: there is one for {list(self.margins)}.")
        _, low, high = self.difference(metric, arm, control)
        return "equivalent" in findings(low, high, self.margins[metric])


def environment() -> dict[str, str]:
    """Describe what numbers are made with; only facts that cannot identify a person or a place."""
    device = runtime.device()
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    made = {"python": platform.python_version(), "machine": platform.machine(), "device": device.type}
    return made | versions | {"precision": str(runtime.precision(device)).split(".")[-1]}


def evidence_dir() -> Path:
    """Where records are kept: ``data/evidence`` of the checkout, or the folder that COURSE_EVIDENCE names."""
    return Path(os.path.expanduser(os.environ.get("COURSE_EVIDENCE") or DATA / "evidence"))


def read(name: str) -> dict:
    """Read the file of a record as it is; {} if there is none. Raises ValueError if it is damaged."""
    path = evidence_dir() / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(
            f"{path.name} is not a record ({error}): restore it with git, or delete it and run "
            f"python -m tools.evidence {name}"
        ) from None


def load(experiment: Experiment) -> Record:
    """Read a record; raises ValueError with the command to run if it is missing, partial or outdated."""
    name = experiment.name
    data, fix = read(name), f"Run: python -m tools.evidence {name}"
    if not data:
        raise ValueError(f"{name!r} has not been recorded yet. {fix}")
    if data["definition"] != experiment.definition:
        raise ValueError(f"The record of {name!r} was made by another definition of the experiment. {fix}")
    counts = {arm: len(data["runs"].get(arm, {})) for arm in experiment.arms}
    if short := [arm for arm, n in counts.items() if n < experiment.seeds]:
        raise ValueError(f"The record of {name!r} lacks seeds in {short}. {fix}")
    if len(set(counts.values())) > 1:  # a recording of more seeds was stopped half way: arms are compared seed by seed
        raise ValueError(f"The record of {name!r} has unequal seeds: {counts}. {fix} --seeds {max(counts.values())}")
    runs = {arm: {seed: run["numbers"] for seed, run in data["runs"][arm].items()} for arm in experiment.arms}
    dates = sorted({run["date"] for arm in data["runs"].values() for run in arm.values()})
    return Record(name, data["definition"], runs, data["environments"], dates, experiment.margins, experiment.own_text)
