"""Write docs/town-world-paper.md from records alone: `python -m tools.world`. A test finds what has drifted."""

import json
import sys
from pathlib import Path

import yaml

from course_lib import experiments
from course_lib.notes import world
from course_lib.places import DATA
from course_lib.plots.findings import judged
from tools.bench import twins

__all__ = ["page"]

FILE = Path(__file__).resolve().parent.parent / "docs" / "town-world-paper.md"
HEAD = """\
# Town, world, paper

For whoever doubts that a toy shows anything: the headline effects of this course three times in one row. **Town** is
Tiny Town, where the best possible score is known exactly. **World** is real English, the docstrings of the packages
that this course pins, or a real checkpoint, SmolLM2-135M or MiniLM. **Paper** is the paper's own number, which may
measure something else; only where it measures the same way does the verdict count it.

A number is the mean of arm minus control over the seeds (or over the pairs of sentences, where it says so), with its
95% interval (Student's t). In English every seed holds out other subpackages and trains its own tokenizer. *Agrees*:
the interval says what the town's and the paper's say. *Cannot be told here*: it includes zero, and does not lie within
a margin that was stated before.

This page is made of the records in `data/evidence` (`python -m tools.world`): nothing in it was typed by hand but the
questions and the papers' numbers.
"""
EXPECTED = """
## What was expected, and what came

Written and committed before the runs; the number behind a name is the hash of the definition that the record carries,
expectation included. A part *held* when the whole interval lies in the range, and *failed* when all of it lies outside.
"""
TWINS = """
## Matched twins

One backbone of {parameters:,} parameters, the same text in the same order, {tokens:,} tokens each; only what is asked
and the mask differ. One seed each, so no interval: a difference of a point says nothing. Shares of held-out pieces
found, and below what was expected before the runs (`EXPECTATION` in `tools/bench/twins.py`).{missing}
"""
TEXT = """
## Which text

{corpus}: {words:,} words in {documents:,} documents, SHA-256 `{sha256}`; {source}.

Other text: `corpus` in `course_lib/experiments/world.yaml` may name a file or a folder of your own, and
`python -m tools.evidence` records the experiments anew.
"""


def page():
    """Return the page as Markdown."""
    parts = [HEAD, world.table(world.load()), EXPECTED]
    for name in yaml.safe_load((DATA / "expected.yaml").read_text(encoding="utf-8")):
        record, experiment = experiments.load(name), experiments.find(name)
        seeds = len(next(iter(record.runs.values())))
        parts.append(f"### {name}\n\n{experiment.question} {seeds} seeds; expected on {experiment.written}, "
                     f"`{record.definition}`.\n")  # fmt: skip
        parts.append(world.columns(("Part", "Expected", "Found (95% interval)", "Verdict"), world.outcomes(name)))
    return "\n".join([*parts, *matched(), TEXT.format(**record.made_with[0]["text"])])


def matched():
    """Return what there is of the twins: a table of arms with the floor, and one of what was expected."""
    told = json.loads(twins.TOLD.read_text(encoding="utf-8"))
    runs, floors = {arm: run["numbers"] for arm, run in told["runs"].items()}, told["floors"]
    missing = [arm for arm in twins.ARMS if arm not in runs]
    missing = f" Still to be trained: {', '.join(missing)}." if missing else ""
    head = TWINS.format(**next(iter(told["runs"].values())), tokens=next(iter(runs.values()))["tokens"][-1],
                        missing=missing)  # fmt: skip
    asked = ("fill two-sided", "fill left-only", "next word")
    lines = [(arm, *(f"{found[f'{name} accuracy'][-1]:.1%}" for name in asked)) for arm, found in runs.items()]
    fill, following = (floors[f"{name} unigram accuracy"] for name in ("fill", "next word"))
    lines += [("*word frequencies*", *(f"{one:.1%}" for one in (fill, fill, following)))]
    held = []
    for says, arms, found, least, most in twins.PARTS:
        if set(arms) <= set(runs):
            value = found(runs, floors)
            stated, verdict = judged((value, value), least, most)
            held.append((says, stated, f"{value:+.3f}", verdict))
    columns = ("Arm", "hidden pieces, both sides in view", "hidden pieces, read causally", "next pieces")
    return [head, world.columns(columns, lines), world.columns(("Part", "Expected", "Found", "Verdict"), held)]


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
    sys.exit(print(f"written: {FILE.relative_to(FILE.parents[1])}"))
