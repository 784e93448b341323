"""Write docs/town-world-paper.md from records alone: `python -m tools.world`. A test finds what has drifted."""

import collections
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
that this course pins, or a real checkpoint, SmolLM2-135M or MiniLM. **Paper** is the paper's own number.

A number is the mean of arm minus control over the seeds (or over what it says was repeated), with its 95% interval
(Student's t). Points are right answers of 100; nats are loss, the lower the better. In English every seed holds out
other subpackages and trains its own tokenizer, but all read one collection of docstrings. *Agrees*: world and town
point the same way, and neither effect is four times as large as the other. *Cannot be told*: the interval includes
zero, and does not lie within a margin that was stated before. *Seen in the world*: the town has no such number. The
paper's number stands beside and is never counted: nearly all papers measure after fine-tuning, with other sizes.

{shared} So these rows are not as many independent results; and where that arm leaves the level of word frequencies
late, many differences say who left it first.

Numbers and intervals are made of the records in `data/evidence` (`python -m tools.world`). Questions, reasons and the
papers' numbers are written by hand; tests hold the reasons against the records.
"""
EXPECTED = """
## What was expected, and what came

Written and committed before the runs; the number behind a name is the hash of the definition that the record carries,
expectation included. A part *held* when the whole interval lies in the range, and *failed* when all of it lies
outside. In all, {held} parts held, {failed} failed, {open} were not settled. They are not independent: some ask one
thing at several moments, and some hold by construction, as checks of the measuring itself.
"""
TWINS = """
## Matched twins

One backbone of {parameters:,} parameters, the same text in the same order, {tokens:,} tokens each; only what is asked
and the mask differ. One seed each, so no interval: a verdict is of this one number, and a difference of a point says
nothing of other seeds. Shares of held-out pieces found, and below what was expected before the runs (`EXPECTATION` in
`tools/bench/twins.py`).{missing}
"""
TEXT = """
## Which text

{corpus}: {words:,} words in {documents:,} documents, SHA-256 `{sha256}`; {source}.

Other text: `corpus` in `course_lib/experiments/world.yaml` may name a file or a folder of your own, and
`python -m tools.evidence` records the experiments anew.
"""


def page():
    """Return the page as Markdown."""
    names = yaml.safe_load((DATA / "expected.yaml").read_text(encoding="utf-8"))
    found = {name: world.outcomes(name) for name in names  # of the town, lessons tell what was expected
             if experiments.find(name).common.get("corpus") != "tiny town"}  # fmt: skip
    verdicts = collections.Counter(verdict for parts in found.values() for *_, verdict in parts)
    told = {"held": verdicts["held"], "failed": verdicts["failed"], "open": verdicts["not settled"]}
    parts = [HEAD.format(shared=shared()), world.table(world.load()), EXPECTED.format(**told)]
    for name, outcomes in found.items():
        record, experiment = experiments.load(name), experiments.find(name)
        runs = len(next(iter(record.runs.values())))
        parts.append(f"### {name}\n\n{experiment.question} {runs} runs of each arm; expected on {experiment.written}, "
                     f"`{record.definition}`.\n")  # fmt: skip
        parts.append(world.columns(("Part", "Expected", "Found (95% interval)", "Verdict"), outcomes))
    english = experiments.load("english-masks").made_with[0]["text"]
    return "\n".join([*parts, *matched(), TEXT.format(**english)])


def shared():
    """Say how many rows rest on the runs of one arm, masked words at 15% and 80/10/10, which two records hold."""
    masks, recipes = experiments.load("english-masks"), experiments.load("english-recipes")
    same = ("english-masks", "two-sided"), ("english-recipes", "80/10/10")
    both = zip(masks.lists("two-sided", "fill two-sided nats"), recipes.lists("80/10/10", "fill nats"), strict=False)
    if not all(one == other for one, other in both):
        raise ValueError("two-sided of english-masks and 80/10/10 of english-recipes are no longer the same runs")
    rows = [row for row in world.load() if any((row.world.experiment, arm) in same
                                               for arm in (row.world.arm, row.world.control))]  # fmt: skip
    return f"{len(rows)} of the English rows share one arm, masked words at 15% in 80/10/10."


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
    lines += [("*word frequencies*", *(f"{one:.1%}" for one in (fill, fill, following))),
              ("*trigrams*", "–", "–", f"{floors['next word trigram accuracy']:.1%}")]  # fmt: skip
    held = []
    for says, arms, found, least, most in twins.PARTS:
        if set(arms) <= set(runs):
            value = found(runs, floors)
            stated, verdict = judged((value, value), least, most)
            held.append((says, stated, f"{value:+.3f}", verdict))
    read_on = (by_heart(arm, runs[arm]) for arm in ("causal", "both") if arm in runs)
    columns = ("Arm", "hidden pieces, both sides in view", "hidden pieces, read causally", "next pieces")
    return [head, world.columns(columns, lines), world.columns(("Part", "Expected", "Found", "Verdict"), held),
            f"The text is read {times_read():.0f} times. Next pieces, held out: {'; '.join(read_on)}.\n"]  # fmt: skip


def by_heart(arm, numbers):
    """Say when an arm predicted held-out pieces best, and how much of that it lost by reading the same text on."""
    nats = numbers[twins.NEXT]
    best = min(nats)
    share = numbers["tokens"][nats.index(best)] / numbers["tokens"][-1]
    return f"*{arm}* is best after {share:.0%} of the tokens ({best:.2f} nats) and ends at {nats[-1]:.2f}"


def times_read():
    """Return how often the twins read their text: their tokens by those of the text."""
    recipe = json.loads((twins.SHIPPED / "recipe.json").read_text(encoding="utf-8"))
    return recipe["tokens"] / sum(recipe["counts"])


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
    sys.exit(print(f"written: {FILE.relative_to(FILE.parents[1])}"))
