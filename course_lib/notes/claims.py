"""The claims of the notes (data/claims.yaml), each with its verdict and with what shows it."""

from __future__ import annotations

import difflib
import functools
import html
import textwrap
from dataclasses import dataclass
from statistics import fmean

import yaml

from course_lib.intervals import t_interval
from course_lib.notes.cards import chinese
from course_lib.places import DATA

__all__ = ["Claim", "Comparison", "Reference", "find", "fold", "load", "search", "show_claim"]

# The word carries the meaning; the colour (Okabe and Ito's) only repeats it.
VERDICTS = dict(correct="#009E73", imprecise="#E69F00", wrong="#D55E00", convention="#0072B2", omission="#999999")
CARD = "border-left:4px solid {};padding:0.3em 0.9em;margin:0.4em 0"
FINDINGS = {  # what a 95% interval of arm minus control allows to say
    "higher": "'{arm}' is above '{control}'.",
    "lower": "'{arm}' is below '{control}'.",
    "not told apart": "The two were not told apart: the interval includes zero (which does not prove them equal).",
    "equivalent": "The two are equivalent: the interval lies within the margin of {margin} stated before the run.",
}
NAMES = {"bert": "BERT", "berts": "BERT's", "gpt2": "GPT-2", "roberta": "RoBERTa", "cls": "[CLS]", "bpe": "BPE",
         "wordpiece": "WordPiece", "google": "Google", "papers": "paper's"}  # in the names of tests


@dataclass(frozen=True)
class Comparison:
    """Two arms of a recorded experiment: arm minus control, seed by seed."""

    experiment: str
    metric: str
    arm: str
    control: str | float | list[str]  # arms: their mean; a number: what chance gives, or another fixed mark
    expects: str  # what `says` asserts, one of FINDINGS
    says: str  # the claim's sentence; may hold {arm}, {low} and other numbers
    control_metric: str | None = None  # where the control is measured in another way
    control_experiment: str | None = None  # where it is an arm of another, with the same seeds
    at: float = 1.0  # the moment, as a share of the training
    control_at: float | None = None  # where the control is taken at another
    measured_in: str | None = None  # the unit, where the metric's name does not tell
    repeats: str = "seeds"  # what was repeated: nothing is drawn at random where published models read given sentences
    kind = "measured"

    @property
    def unit(self) -> str:
        """Name the metric's unit: 'nats', 'bits', or 'share' for what lies between 0 and 1 (accuracy, AUC, ...)."""
        return self.measured_in or next((unit for unit in ("nats", "bits") if unit in self.metric), "share")

    def numbers(self) -> dict:
        """Read from the record: arm_mean, control_mean, difference, low, high, seeds, margin, own_text, findings."""
        from course_lib import experiments  # needs torch

        record, metric = experiments.load(self.experiment), self.control_metric or self.metric
        arm, then = self._at_moment(record.lists(self.arm, self.metric), self.at), self.control_at or self.at
        beside = experiments.load(self.control_experiment) if self.control_experiment else record
        if isinstance(self.control, float):
            control = [self.control] * len(arm)
        else:
            arms = [self.control] if isinstance(self.control, str) else self.control
            control = map(fmean, zip(*(self._at_moment(beside.lists(one, metric), then) for one in arms), strict=True))
        pairs = list(zip(arm, control, strict=not self.control_experiment))  # another may have more seeds
        difference, low, high = t_interval([a - b for a, b in pairs])
        margin = record.margins.get(self.metric)
        return {
            "arm_mean": fmean(a for a, _ in pairs),  # sum() rounds by Python's version
            "control_mean": fmean(b for _, b in pairs),
            "difference": difference, "low": low, "high": high, "seeds": len(pairs), "margin": margin,
            "own_text": record.own_text, "findings": experiments.findings(low, high, margin),
        }  # fmt: skip

    @staticmethod
    def _at_moment(runs: list[list[float]], at: float) -> list[float]:
        return [values[max(1, round(at * len(values))) - 1] for values in runs]

    def __str__(self) -> str:
        numbers = self.numbers()
        n = {name: f"{value:.3f}" if isinstance(value, float) else value for name, value in numbers.items()}
        n |= {"arm": self.arm, "control": self.control}
        text = "each with a text of its own" if numbers["own_text"] else "all on one text"
        measured = (
            f"Experiment {self.experiment}, {self.metric}: {self.arm} {n['arm_mean']}; control {self.control} "
            f"{n['control_mean']}{f' ({self.control_metric})' if self.control_metric else ''}. Difference "
            f"{n['difference']}, 95% interval {n['low']} to {n['high']}, {n['seeds']} seeds, {text}. "
        )
        told = [FINDINGS[finding] for finding in sorted(numbers["findings"])]  # and `says` stays unsaid
        if self.expects in numbers["findings"]:
            told = [FINDINGS[self.expects], self.says]
        return measured + " ".join(told).format(**n)


@dataclass(frozen=True)
class Reference:
    """What shows a claim without numbers of ours: a test of this repository, or the sources alone and why."""

    kind: str  # 'by construction' or 'the paper'
    text: str  # tests/test_x.py::test_name, or why nothing small can show the claim

    def __str__(self) -> str:
        if self.kind == "the paper":
            return f"From the paper alone: {self.text}."
        file, _, test = self.text.partition("::")
        said = " ".join(NAMES.get(word, word) for word in test.removeprefix("test_").split("_"))
        return f"By construction, and tested at every change: {said} ({file})."


@dataclass(frozen=True)
class Claim:
    """One claim of the notes, in our words, and what is true."""

    id: str
    section: str  # of the notes
    claim: str
    claim_zh: str
    verdict: str
    truth: str
    sources: tuple[str, ...]
    lesson: str  # the notebook that tests it
    also: tuple[str, ...]  # others that have to mention it
    evidence: tuple[Comparison | Reference, ...]
    world: tuple[str, ...] | str = ()  # of measured evidence: rows of notes.world, or why it did not leave the town


@functools.cache
def load() -> tuple[Claim, ...]:
    """Read all claims in the order of data/claims.yaml; tests/test_claims.py checks every entry."""
    claims = []
    for entry in yaml.safe_load((DATA / "claims.yaml").read_text(encoding="utf-8")):
        shown = entry["evidence"] if isinstance(entry["evidence"], list) else [entry["evidence"]]
        lists = {"sources": entry["sources"], "also": entry.get("also", ()), "evidence": map(_evidence, shown)}
        lists |= {"world": entry["world"]} if isinstance(entry.get("world"), list) else {}
        claims.append(Claim(**entry | {name: tuple(values) for name, values in lists.items()}))
    return tuple(claims)


def _evidence(one: dict) -> Comparison | Reference:
    if "by construction" in one:
        return Reference("by construction", one["by construction"])
    return Reference(one["from"], one["because"]) if "from" in one else Comparison(**one)


def find(id: str) -> Claim:
    """Return a claim by its id; raises ValueError with the ids most like it."""
    claims = {claim.id: claim for claim in load()}
    if id not in claims:
        near = difflib.get_close_matches(str(id).upper(), claims, n=3, cutoff=0.5) or list(claims)[:3]
        raise ValueError(f"No claim {id!r}. Did you mean {' or '.join(near)}? claims.search() lists all.")
    return claims[id]


def show_claim(id: str):
    """Show a claim with its verdict, the truth, the sources and what was measured, all numbers from the record."""
    from course_lib.plots.tables import Table

    claim = find(id)
    head = f"{claim.id} · {claim.verdict.upper()} · notes {claim.section} · lesson "
    wrap = textwrap.TextWrapper(100, subsequent_indent=" " * 11, break_on_hyphens=False)
    rows = [("The notes", claim.claim), ("", claim.claim_zh), *_rows(claim)]
    lines = [wrap.fill(f"{name:11}{text}") for name, text in rows]
    body = f'<div style="{CARD.format(VERDICTS[claim.verdict])}"><b>{head}{_link(claim.lesson)}</b>{_divs(rows)}</div>'
    return Table(body, "\n".join([head + claim.lesson, *lines]))


def search(containing: str = "", verdict: str | None = None, lesson: str | None = None):
    """Show the claims that match, one line each; a line opens on the truth, the sources and the evidence.

    containing: words as they stand in the claim, the truth or the id, English or Chinese; lesson: '07' will do. It is
    plain HTML, so that it opens in a static page and a browser's own search finds it too. Raises ValueError for an
    unknown verdict or lesson.
    """
    from course_lib.plots.tables import Table

    lessons = {name for c in load() for name in (c.lesson, *c.also)}
    if verdict not in (None, *VERDICTS):
        raise ValueError(f"verdict={verdict!r} is not one of {', '.join(VERDICTS)}.")
    if not any(name.startswith(lesson or "") for name in lessons):
        raise ValueError(f"lesson={lesson!r} is not one of {', '.join(sorted(lessons))}.")
    chosen = [
        c for c in load()
        if verdict in (None, c.verdict) and any(name.startswith(lesson or "") for name in (c.lesson, *c.also))
        and containing.lower() in f"{c.id} {c.claim} {c.claim_zh} {c.truth}".lower()
    ]  # fmt: skip
    title = f"{len(chosen)} of {len(load())} claims"
    body = "".join(fold(c) for c in chosen)
    lines = [f"{c.id}  {c.verdict:10}  {c.lesson[:2]}  {c.claim} {c.claim_zh}" for c in chosen]
    return Table(f"<div><b>{title}</b>{body}</div>", "\n".join([title, *lines]))


def fold(c: Claim, attributes: str = "") -> str:
    """Return a claim as one line of HTML that opens on the truth; attributes: more of them for its <details>."""
    return (
        f'<details style="{CARD.format(VERDICTS[c.verdict])};overflow-wrap:anywhere"{attributes and " "}{attributes}>'
        f"<summary><b>{c.id}</b> · {c.verdict} · {html.escape(c.claim)} {chinese(c.claim_zh)}</summary>"
        f"{_divs(_rows(c))}<div><b>Lesson:</b> {_link(c.lesson)}</div></details>"
    )


def _rows(claim: Claim) -> list[tuple[str, str]]:
    """Return what is true and what shows it, as (heading, text)."""
    from course_lib.notes import world

    shown = [("Evidence", str(one)) for one in claim.evidence]
    if isinstance(claim.world, str):
        shown.append(("World", f"{claim.world[0].upper()}{claim.world[1:]}."))
    elif claim.world:
        shown += [("World", str(row)) for row in world.rows_of(*claim.world)]
    return [("In truth", claim.truth), ("Sources", "; ".join(claim.sources)), *shown]


def _link(lesson: str) -> str:
    return f'<a href="{lesson}.ipynb">{lesson}</a>'


def _divs(rows: list[tuple[str, str]]) -> str:
    return "".join(f"<div>{f'<b>{name}:</b> ' if name else ''}{html.escape(text)}</div>" for name, text in rows)
