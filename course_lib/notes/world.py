"""The headline effects three times: in Tiny Town, in the world, and in the papers (data/world.yaml).

The world is real English or a real checkpoint. All numbers come from records; a verdict follows from intervals.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import yaml

from course_lib import experiments
from course_lib.notes.claims import Comparison
from course_lib.places import DATA

__all__ = ["Paper", "Row", "chart", "columns", "load", "outcomes", "rows_of", "show", "table"]

UNTOLD = "not told apart"
ORDER = ("agrees", "same direction, far smaller", "same direction, far larger", "differs from the town",
         "cannot be told in town", "cannot be told here", "seen in the world")  # fmt: skip
FAR = 4  # times as large: from here on two effects of one direction no longer agree


@dataclass(frozen=True)
class Paper:
    """What was published: the paper's own number. No verdict counts it: nearly all measure after fine-tuning."""

    says: str
    source: str


@dataclass(frozen=True)
class Row:
    """One effect and where it was seen."""

    id: str
    short: str  # on the axis of a figure
    question: str
    lesson: int  # that shows it
    world: Comparison
    town: Comparison | None = None
    paper: Paper | None = None
    town_says: str | None = None  # what is known of the town where nothing was measured
    why: str | None = None  # the reason, where the verdict is not 'agrees'

    def verdict(self) -> str:
        """Say what world and town show together, by what each `expects`, which holds of its interval, and by size.

        'agrees', 'same direction, far smaller' or 'larger', 'differs from the town'; 'cannot be told here' or 'in town'
        where an interval includes zero; 'seen in the world' where the town has no number.
        """
        if self.world.expects == UNTOLD:
            return "cannot be told here"
        if self.town is None:
            return "seen in the world"
        if self.town.expects == UNTOLD:
            return "cannot be told in town"
        if self.town.expects != self.world.expects:
            return "differs from the town"
        here, there = (abs(one.numbers()["difference"]) for one in (self.world, self.town))
        size = "smaller" if FAR * here < there else "larger" if here > FAR * there else None
        return f"same direction, far {size}" if size else "agrees"

    def __str__(self) -> str:
        return f"{self.question} {_told(self.world)} {self.verdict()}.".replace("**", "")

    def cells(self) -> tuple[str, str, str, str]:
        """Write the four cells of the table: town, world, paper, verdict."""
        paper = f"{self.paper.says} ({self.paper.source})" if self.paper else "–"
        town = _told(self.town) if self.town else self.town_says or "–"
        return town, _told(self.world), paper, f"**{self.verdict()}**{f': {self.why}' if self.why else ''}"


def _told(one: Comparison) -> str:
    """Write a difference with its interval, in points of a hundred or nats, what was repeated, and what it compares."""
    n = one.numbers()
    scale, unit = (100, "points") if one.unit == "share" else (1, one.unit)
    mean, low, high = (scale * n[key] for key in ("difference", "low", "high"))
    digits = 1 if scale == 100 else 2
    told = f"**{mean:+.{digits}f} {unit}** ({low:+.{digits}f} to {high:+.{digits}f}; {n['seeds']} {one.repeats})"
    sure = ""
    if one.expects == "equivalent":
        margin = scale * experiments.load(one.experiment).margins[one.metric]
        sure = f" Equivalent: within {margin:g} {unit}, stated before."
    sure = " Not told apart." if one.expects == UNTOLD else sure
    return f"{told} {one.says}{sure}"


@functools.cache
def load() -> tuple[Row, ...]:
    """Read all rows in the order of data/world.yaml; tests/test_world.py checks every one."""
    rows = []
    for entry in yaml.safe_load((DATA / "world.yaml").read_text(encoding="utf-8")):
        kinds = {"town": Comparison, "world": Comparison, "paper": Paper}
        rows.append(Row(**entry | {name: kind(**entry[name]) for name, kind in kinds.items() if name in entry}))
    return tuple(rows)


def rows_of(*ids: str) -> list[Row]:
    """Return rows by id; raises ValueError with the ids that there are."""
    known = {row.id: row for row in load()}
    if unknown := [one for one in ids if one not in known]:
        raise ValueError(f"No row {unknown[0]!r}; there are: {', '.join(known)}.")
    return [known[one] for one in ids]


def outcomes(experiment: str) -> list[tuple[str, str, str, str]]:
    """Hold an experiment's record against data/expected.yaml: (part, range, what was found, verdict) for each part."""
    from course_lib.plots.findings import judged, spelled

    parts = yaml.safe_load((DATA / "expected.yaml").read_text(encoding="utf-8"))[experiment]
    rows = []
    for part in parts:
        for at in part.get("at", [1.0]):
            n = Comparison(experiment, expects="", says="", at=at, **part["of"]).numbers()
            stated, verdict = judged((n["low"], n["high"]), part.get("least"), part.get("most"))
            moment = f", after {at:.0%} of the text" if "at" in part else ""
            found = spelled([n[key] for key in ("difference", "low", "high")])
            rows.append((part["says"] + moment, stated, found, verdict))
    return rows


def show(lesson: int | None = None, *ids: str):
    """Show rows as a table: question, town, world, paper, verdict. All, a lesson's, or those of it that are named.

    ValueError for a lesson without rows, and for an id that it lacks.
    """
    from course_lib.plots.tables import markdown

    return markdown(table(_chosen(lesson, *ids)))


def _chosen(lesson: int | None, *ids: str) -> list[Row]:
    shown = [row for row in (rows_of(*ids) if ids else load()) if lesson in (None, row.lesson)]
    if strange := [one for one in ids if one not in [row.id for row in shown]]:
        raise ValueError(f"lesson {lesson!r} has no row {strange[0]!r}.")
    if not shown:
        raise ValueError(f"lesson {lesson!r} has no row; there are some for {sorted({row.lesson for row in load()})}.")
    return shown


def chart(lesson: int | None = None, *ids: str, title: str = "Each row on its own scale"):
    """Draw rows with their intervals, town above world, those that agree first; which rows: as in :func:`show`."""
    from course_lib.plots import forest

    rows = []
    for row in sorted(_chosen(lesson, *ids), key=lambda row: ORDER.index(row.verdict())):
        found = {"Tiny Town": row.town, "world": row.world}
        spans = {place: [one.numbers()[key] for key in ("difference", "low", "high")]
                 for place, one in found.items() if one}  # fmt: skip
        rows.append((row.short + (" (loss)" if row.world.unit == "nats" else ""), spans, row.verdict()))
    return forest(rows, title=title)


def table(rows: Iterable[Row]) -> str:
    """Write rows as a table in Markdown."""
    return columns(("Question", "Town", "World", "Paper", "Verdict"), ((row.question, *row.cells()) for row in rows))


def columns(names: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown: names of the columns, and lines of cells."""
    every = [names, ["---"] * len(names), *lines]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in every) + "\n"
