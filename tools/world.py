"""Write docs/town-world-paper.md from records alone: `python -m tools.world`. A test finds what has drifted."""

import collections
import json
import sys
from pathlib import Path
from statistics import mean

import yaml

from course_lib import experiments
from course_lib.experiments.definition import read
from course_lib.intervals import t_interval
from course_lib.notes import world
from course_lib.places import DATA
from tools.bench import twins

__all__ = ["page"]

FILE = Path(__file__).resolve().parent.parent / "docs" / "town-world-paper.md"
CHART = FILE.with_suffix(".png")
HEAD = """\
# Town, world, paper

For whoever doubts that a toy shows anything: the headline effects of this course three times in one row. **Town** is
Tiny Town, where the best possible score is known exactly. **World** is real English, the docstrings of the packages
that this course pins, or a real checkpoint, SmolLM2-135M or MiniLM. **Paper** is what a paper reports of it, if one
does.

A number is the mean of arm minus control over the seeds (or over what it says was repeated), with its 95% interval
(Student's t). Points are right answers of 100; nats are loss, the lower the better. In English every seed holds out
other subpackages and trains its own tokenizer, but all read one collection of docstrings. *Agrees*: world and town
point the same way, and neither effect is more than four times as large as the other; *same direction* otherwise.
*Differs*: the signs differ, or in one of the two there is no difference, within a margin that was stated before.
*Cannot be told*: the interval includes zero, and does not lie within such a margin. *Seen in the world*: the town has
no such number. The paper's number stands beside and is never counted: nearly all papers measure after fine-tuning,
with other sizes. (By Student's t the interval of a share may end a little beyond 0 or 1.)

{shared}

Numbers and intervals are made of the records in `data/evidence` (`python -m tools.world`). Questions, reasons and the
papers' numbers are written by hand; tests hold the reasons against the records.

![{alt}](town-world-paper.png)

*Town above world, each row on its own scale (its farthest end of an interval is as far out as there is room): compare
directions and sizes within a row, never between rows. Right of the line is more of what the row names: of points more
is better, of loss worse. Open: the interval includes zero.*
"""
SHARED = """\
{rows} of the English rows share one arm, masked words at 15% in 80/10/10. So these rows are not as many independent
results; and where that arm leaves the level of word frequencies late, many differences say who left it first.

A GPU trained some of the seeds, as said below, and arms are compared seed by seed. Of the shared arm {both} seeds ran
on both devices, with the same text: GPU minus processor is {mean} nats ({low} to {high}) at the end, {told} from
zero."""
EXPECTED = """
## What was expected, and what came

Written and committed before the runs; the number behind a name is the hash of the definition that the record carries,
expectation included. A part *held* when the whole interval lies in the range, and *failed* when all of it lies
outside. The twins aside, {held} parts held, {failed} failed, {open} were not settled. They are not independent: some
ask one thing at several moments, and some hold by construction, as checks of the measuring itself.
"""
TWINS = """
## Matched twins

One backbone of {parameters:,} parameters, the same text in the same order, {tokens:,} tokens each; only what is asked
and the mask differ. {seeds} Shares of held-out pieces found, and below what was expected before the runs (`EXPECTATION`
in `tools/bench/twins.py`).{missing}
"""
SEEDS = {
    True: "{number} seeds each, on one device: intervals cover first weights, order and masks, not another text.",
    False: "One seed each, so no interval: a verdict is of this number, and a point says nothing of other seeds.",
}  # fmt: skip
STEADY = """
The first run of each arm, on a processor, was known before the other seeds ran. What was expected of them
(`OVER_SEEDS`):
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
    seen = collections.Counter(row.verdict() for row in world.load())
    alt = f"Effects in Tiny Town and in the world: {', '.join(f'{n} × {verdict!r}' for verdict, n in seen.items())}."
    parts = [HEAD.format(shared=shared(), alt=alt), world.table(world.load()), EXPECTED.format(**told)]
    for name, outcomes in found.items():
        record, experiment = experiments.load(name), experiments.find(name)
        parts.append(f"### {name}\n\n{experiment.question} {devices(name)}; expected on {experiment.written}, "
                     f"`{record.definition}`.\n")  # fmt: skip
        parts.append(world.columns(("Part", "Expected", "Found (95% interval)", "Verdict"), outcomes))
    english = experiments.load("english-masks").made_with[0]["text"]
    return "\n".join([*parts, *matched(), TEXT.format(**english)])


def chart():
    """Draw all rows: a figure."""
    return world.chart(title="Does it hold outside the toy?")


def shared():
    """Say how many rows rest on one arm, masked words at 15% and 80/10/10, of two records, and what a GPU changes.

    What the processor ran for both is the very same; the other seeds of english-recipes are a GPU's.
    """
    masks, recipes, pairs = read("english-masks"), read("english-recipes"), {True: [], False: []}
    for seed, run in recipes["runs"]["80/10/10"].items():
        same = masks["runs"]["two-sided"][seed]["numbers"]["fill two-sided nats"]
        pairs[on_gpu(recipes, run)].append((run["numbers"]["fill nats"], same))
    if not all(one == other for one, other in pairs[False]):
        raise ValueError("two-sided of english-masks and 80/10/10 of english-recipes are no longer the same runs")
    arms = {("english-masks", "two-sided"), ("english-recipes", "80/10/10")}
    rows = [row for row in world.load()
            if arms & {(row.world.experiment, arm) for arm in (row.world.arm, row.world.control)
                       if isinstance(arm, str)}]  # fmt: skip
    apart = t_interval([one[-1] - other[-1] for one, other in pairs[True]])
    mean, low, high = (f"{value:+.2f}" for value in apart)
    told = "not told" if apart[1] <= 0 <= apart[2] else "told"
    return SHARED.format(rows=len(rows), both=len(pairs[True]), mean=mean, low=low, high=high, told=told)


def on_gpu(made, run):
    """Tell whether a GPU made a run of a record, both as they stand in its file."""
    return made["environments"][run["environment"]]["device"] == "cuda"


def devices(name):
    """Say how many runs of each arm a record has, how many of them a GPU made, and of which arms it made none."""
    made = read(name)
    on = {arm: sum(on_gpu(made, run) for run in runs.values()) for arm, runs in made["runs"].items()}
    most, alone = max(on.values()), [arm for arm, count in on.items() if not count]
    runs = f"{len(next(iter(made['runs'].values())))} runs of each arm"
    if not most:
        return runs
    if set(on.values()) - {0, most}:
        raise ValueError(f"{name!r} has arms with different numbers of runs on a GPU: {on}")
    return f"{runs}, {most} of them on a GPU" + (f" (of *{'*, *'.join(alone)}* none)" if alone else "")


def matched():
    """Return what there is of the twins: a table of arms with the floor, and two of what was expected."""
    told = json.loads(twins.TOLD.read_text(encoding="utf-8"))
    floors, seeds = told["floors"], twins.by_seed(told)
    missing = [arm for arm in twins.ARMS if arm not in told["runs"]]
    missing = f" Still to be trained: {', '.join(missing)}." if missing else ""
    one = next(iter(told["runs"].values()))[0]
    several = len(seeds) > 1
    head = TWINS.format(parameters=one["parameters"], tokens=one["numbers"]["tokens"][-1], missing=missing,
                        seeds=SEEDS[several].format(number=len(seeds)))  # fmt: skip
    asked = ("fill two-sided", "fill left-only", "next word")
    lines = [(arm, *(share([runs[arm][f"{name} accuracy"][-1] for runs in seeds.values()]) for name in asked))
             for arm in told["runs"]]  # fmt: skip
    fill, following = (floors[f"{name} unigram accuracy"] for name in ("fill", "next word"))
    lines += [("*word frequencies*", *(f"{one:.1%}" for one in (fill, fill, following))),
              ("*trigrams*", "–", "–", f"{floors['next word trigram accuracy']:.1%}")]  # fmt: skip
    held = [part_line(*part) for part in twins.verdicts(seeds, floors)]
    read_on = [by_heart(arm, [runs[arm] for runs in seeds.values()])
               for arm in ("causal", "both") if arm in told["runs"]]  # fmt: skip
    columns = ("Arm", "hidden pieces, both sides in view", "hidden pieces, read causally", "next pieces")
    expected = ("Part", "Expected", "Found (95% interval)", "Verdict")
    steady = [STEADY, world.columns(expected, [part_line(*part) for part in twins.steadiness(told)])] if (
        several and not missing and twins.by_seed(told, "cpu")) else []  # fmt: skip
    return [head, world.columns(columns, lines), world.columns(expected, held), *steady,
            f"The text is read {times_read():.0f} times. Next pieces, held out: {'; '.join(read_on)}.\n"]  # fmt: skip


def part_line(says, stated, span, verdict):
    """Write a line of what was expected: the number alone where there is no interval."""
    mean, low, high = span
    return says, stated, f"{mean:+.3f}" + (f" ({low:+.3f} to {high:+.3f})" if high > low else ""), verdict


def share(values):
    """Write a share as a percentage, with its interval over the seeds."""
    if len(values) == 1:
        return f"{values[0]:.1%}"
    mean, low, high = t_interval(values)
    return f"{mean:.1%} ({low:.1%} to {high:.1%})"


def by_heart(arm, runs):
    """Say when an arm predicted held-out pieces best, and how much of that it lost by reading the same text on."""
    nats = [mean(values) for values in zip(*(run[twins.NEXT] for run in runs), strict=True)]
    best, tokens = min(nats), runs[0]["tokens"]
    part = tokens[nats.index(best)] / tokens[-1]
    return f"*{arm}* is best after {part:.0%} of the tokens ({best:.2f} nats) and ends at {nats[-1]:.2f}"


def times_read():
    """Return how often the twins read their text: their tokens by those of the text."""
    recipe = json.loads((twins.SHIPPED / "recipe.json").read_text(encoding="utf-8"))
    return recipe["tokens"] / sum(recipe["counts"])


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
    CHART.write_bytes(chart().png)
    sys.exit(print(f"written: {FILE.relative_to(FILE.parents[1])}, {CHART.name}"))
