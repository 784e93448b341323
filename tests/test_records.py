"""A record is drawn and tabulated as it is: its means, intervals, floors, ceilings, margins and verdicts."""

import dataclasses
from statistics import fmean

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from course_lib import experiments, plots
from course_lib.experiments import EXPERIMENTS, Record

ALT = "Two arms of an experiment that was made up for this test."


def made_up(**margins):
    """Two arms, three seeds, two moments; a floor, a ceiling and untrained scores that all arms share."""

    def run(ends):
        shared = {"floor score": [0.1], "ceiling score": [0.9], "untrained score": [0.05], "tokens": [10, 20]}
        return {n: shared | {"score": [0.2, end], "cost, 1": [end], "cost, 2": [2 * end], "own": [end]}
                for n, end in enumerate(ends)}  # fmt: skip

    runs = {"two-sided": run([0.7, 0.8, 0.9]), "left-only": run([0.4, 0.5, 0.6])}
    return Record("made up", "", runs, [], [], margins)


@pytest.fixture
def drawn(monkeypatch):
    """Catch the axes of each figure before it becomes bytes."""
    caught, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda fig, *to, **how: caught.append(fig.axes[0]) or save(fig, *to, **how))
    return caught


def texts(ax):
    return {text.get_text() for text in ax.texts}


def test_curves_hold_means_bands_floor_ceiling_and_the_untrained_model(drawn):
    picture = plots.curves(made_up(), "score", alt=ALT)
    [ax] = drawn
    assert [end for line in ax.lines[:2] for end in line.get_ydata()] == pytest.approx([0.2, 0.8, 0.2, 0.5])
    band = ax.collections[0].get_paths()[0].vertices
    low, high = plots.interval([0.7, 0.8, 0.9])[1:]
    assert high > 1 and [*sorted({round(y, 9) for x, y in band if x == 20})] == pytest.approx([low, 1])  # a share's
    limits = {"floor 0.100", "ceiling 0.900", "untrained 0.050"}
    assert texts(ax) == {"two-sided 0.800", "left-only 0.500"} | limits
    assert list(picture.arms) == ["two-sided", "left-only"] and ax.get_ylabel() == "score"


def test_arms_may_have_metrics_of_their_own(drawn):
    plots.curves(made_up(), {"two-sided": "score", "left-only": "score"}, alt=ALT)
    assert drawn[0].get_ylabel() == "accuracy" and "left-only 0.500" in texts(drawn[0])


def test_live_runs_are_drawn_over_the_recorded_ones(drawn):
    live = experiments_history("two-sided", [5, 10], [0.3, 0.4])
    plots.curves(made_up(), "score", live=live, live_metric="held-out", floor={"a guess": 0.5}, ceiling=1, alt=ALT)
    said = texts(drawn[0])
    assert said == {"two-sided, recorded 0.800", "left-only 0.500", "a guess 0.500", "ceiling 1.000"}
    assert drawn[0].lines[0].get_ydata().tolist() == [0.3, 0.4]
    live.interrupted = True
    plots.curves(made_up(), "score", live=live, live_metric="held-out")
    assert "two-sided, stopped early 0.400" in texts(drawn[1])


def experiments_history(name, tokens, values):
    return type("History", (), dict(name=name, tokens=tokens, eval_tokens=tokens, evals={"held-out": values}))()


def test_bars_have_all_seeds_and_limits_of_their_own(drawn):
    metric = {"left-only": "own", "two-sided": "score"}
    plots.ends(made_up(), metric, floor=0.25, ceiling={"left-only": "ceiling score", "two-sided": 0.95}, alt=ALT)
    said = texts(drawn[0])
    assert {"floor 0.250", "ceiling 0.900", "ceiling 0.950"} < said and "0.800 ± 0.248" in said
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["left-only", "two-sided"]
    plots.ends(made_up(), "score", alt=ALT)
    assert {"floor 0.100", "ceiling 0.900"} < texts(drawn[1]) and drawn[1].get_xlabel() == "score"
    plots.ends(made_up(), "own", ceiling="perfect", alt=ALT)  # no arm was measured so: no mark
    assert not any("ceiling" in text for text in texts(drawn[2]))


def test_differences_are_arm_minus_control_with_the_margin(drawn):
    plots.effects(made_up(score=0.02), "score", "left-only", scale=100, across="points", alt=ALT)
    dot = next(line for line in drawn[0].lines if line.get_marker() == "o")
    assert dot.get_xdata()[0] == pytest.approx(30) and drawn[0].get_xlabel() == "points"
    assert [patch.get_width() for patch in drawn[0].patches] == [4]
    assert drawn[0].get_yticklabels()[0].get_text() == "two-sided minus left-only"
    plots.effects(made_up(), "score", {"both sides": ("two-sided", "left-only")}, alt=ALT)
    assert drawn[1].get_yticklabels()[0].get_text() == "both sides" and not drawn[1].patches


def test_several_metrics_are_drawn_as_differences_one_row_each(drawn):
    record = made_up(score=0.02, own=0.02)
    picture = plots.effects(record, {"end": "score", "cost": "own"}, {"left": ("left-only", "two-sided")})
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["left, end", "left, cost"]
    assert drawn[0].get_xlabel() == "difference, 95% interval" and drawn[0].patches
    assert "left, cost -0.3 (-0.3 to -0.3)" in picture.alt
    plots.effects(record, ["score", "cost, 1"], "two-sided")  # only one has a margin
    assert not drawn[1].patches


def test_a_grid_of_means_has_rows_of_arms_and_those_added(drawn):
    plots.grid(made_up(), {"end": "score", "price": "cost, 2"}, more={"best": [0.9, 1]}, alt=ALT)
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["two-sided", "left-only", "best"]
    assert drawn[0].images[0].get_array().flatten().tolist() == pytest.approx([0.8, 1.6, 0.5, 1.0, 0.9, 1.0])


def test_a_name_may_hold_the_arm(drawn):
    runs = {arm: {0: {f"{arm} score": [n], f"{arm} best": [0.9]}, 1: {f"{arm} score": [n], f"{arm} best": [0.9]}}
            for n, arm in enumerate(["T = 1", "T = 2"])}  # fmt: skip
    record = Record("made up", "", runs, [], [], {})
    plots.ends(record, "{} score", ceiling="{} best")
    assert {"ceiling 0.900", "0.000 ± 0.000", "1.000 ± 0.000"} <= texts(drawn[0])
    assert drawn[0].get_xlabel() == "score"
    plots.along(record, "", [1, 2], {"both": ("T = {} score", "T = {}")}, across="T", up="score")
    assert drawn[1].lines[0].get_ydata().tolist() == [0, 1]


def test_a_quantity_in_the_name_of_the_metric_is_an_axis(drawn):
    plots.along(made_up(), "cost, {}", [1, 2], {"both": "two-sided"}, across="n", up="cost", alt=ALT,
                more={"best possible": [1, 2]})  # fmt: skip
    best, both = drawn[0].lines[:2]
    assert best.get_ydata().tolist() == [1, 2] and both.get_ydata().tolist() == pytest.approx([0.8, 1.6])
    band = drawn[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(plots.interval([1.4, 1.6, 1.8])[2])


def test_tables_of_means():
    shown = plots.means(made_up(), {"end": "score", "cost": "cost, 2"}, first="arm", rows=[["best", None, 0.5]])
    assert [cell.split() for cell in repr(shown).splitlines()] == [
        ["mean", "of", "3", "seeds"], ["arm", "end", "cost"], ["---------", "----", "----"],
        ["two-sided", "0.80", "1.60"], ["left-only", "0.50", "1.00"], ["best", "–", "0.50"],
    ]  # fmt: skip
    with_spread = plots.means(made_up(), ["score"], scale=100, spread=True, digits=1)
    assert with_spread.rows[0] == ["two-sided", "80.0 ± 24.8"]
    assert "± half of the 95% interval" in str(with_spread)
    assert plots.averages(made_up(), ["score"], ["left-only"], scale=10) == {"left-only": [pytest.approx(5)]}


def test_tables_of_differences_carry_their_verdicts():
    record = made_up(own=1.0)
    one = plots.contrasts(record, "own", "left-only")
    assert one.rows[0] == ["two-sided minus left-only", *(pytest.approx(0.3) for _ in range(3)), "higher, equivalent"]
    two = plots.contrasts(record, ["score", "own"], [("left-only", "two-sided")], scale=10)
    assert [(row[0], round(row[2], 9)) for row in two.rows] == [("score", -3), ("own", -3)]
    assert [row[-1] for row in two.rows] == ["lower", "lower, equivalent"]
    wide = plots.contrasts(record, {"end": "score"}, "two-sided", wide=True, digits=1)
    assert wide.rows == [["left-only minus two-sided", "-0.3 (-0.3 to -0.3)"]]


def test_captions_say_seeds_texts_and_the_margin_stated_before():
    record = dataclasses.replace(made_up(own=0.05), own_text=True)
    assert repr(plots.contrasts(record, "own", "left-only", scale=100, unit="of 100 words")).splitlines()[0] == (
        "of 100 words, 95% intervals over 3 seeds, each with a text of its own; equivalent: within 5, stated before "
        "the run"
    )
    assert repr(plots.contrasts(made_up(), "own", "left-only")).startswith("95% intervals over 3 seeds\n")
    assert repr(plots.means(record, ["own"])).startswith("mean of 3 seeds, each with a text of its own\n")


def test_seeds_stand_side_by_side():
    assert plots.by_seed(made_up(), "score", ["left-only"], scale=10).rows == [["left-only", 4, 5, 6]]
    shown = plots.by_seed(made_up(), {"two-sided": "cost, 2"}, in_order=True)
    assert repr(shown).splitlines()[0].split() == ["accuracy", "lowest", "highest"]
    assert shown.rows == [["two-sided", 1.4, 1.6, 1.8]]


def test_a_text_that_relies_on_other_verdicts_is_refused():
    record = made_up(own=1.0)
    parts = [("ahead", ("own", "two-sided", "left-only"), 0.2, None), ("level", (0, -1, 1), 0, 1)]
    assert plots.contrasts(record, "own", "left-only", found="higher, equivalent").rows
    assert plots.held(parts, record, found=["held", "not settled"]).rows[0][2:5] == pytest.approx([0.3] * 3)
    with pytest.raises(AssertionError, match="verdicts are .'held', 'not settled'.*text says 'held'"):
        plots.held(parts, record, found="held")
    with pytest.raises(AssertionError, match="higher, equivalent"):
        plots.contrasts(record, "own", "left-only", found=["higher"])


def test_sentences_of_intervals_and_expectations():
    spans = {"ahead": ("own", "two-sided", "left-only"), "by hand": (0.1, 0.05, 0.15)}
    assert repr(plots.said("Of 100:", spans, made_up(), scale=100)) == (
        "Of 100: ahead **+30.0 to +30.0**; by hand **+5.0 to +15.0**."
    )
    low, high = (format(x, ".2f") for x in plots.interval([0.4, 0.5, 0.6])[1:])
    assert repr(plots.said("Right:", {"": ("own", "left-only")}, made_up(), digits=2, means=True)) == (
        f"Right: **0.50** ({low} to {high})."
    )
    found = repr(plots.expected(EXPERIMENTS["one-mask-apart"]))
    assert found.endswith(f":\n\n> {EXPERIMENTS['one-mask-apart'].expectation}")


@pytest.mark.parametrize("least, most, said, verdict", [
    (0.2, 0.6, "0.2 to 0.6", "held"), (0.1, None, "at least 0.1", "held"), (None, 0.15, "at most 0.15", "failed"),
    (0.3, None, "at least 0.3", "not settled"), (0.55, 1, "0.55 to 1", "failed"), (0, 0.4, "0 to 0.4", "not settled"),
])  # fmt: skip
def test_an_expectation_is_held_against_the_whole_interval(least, most, said, verdict):
    [row] = plots.held([("a part", (0.35, 0.2, 0.5), least, most)]).rows
    assert row == ["a part", said, 0.35, 0.2, 0.5, verdict]


def test_the_way_from_floor_to_ceiling_begins_before_training(drawn):
    record = made_up()
    line = {"it": (record, "two-sided", "score")}
    tokens, found = plots.shares(line)
    assert tokens == [0, 10, 20] and len(found["it"]) == len(record.runs["two-sided"])
    assert found["it"][0] == pytest.approx([-0.0625, 0.125, 0.75])
    one_seed = dataclasses.replace(record, runs={"left-only": {1: record.runs["left-only"][1]}})
    found = plots.shares(line | {"less": (one_seed, "left-only", "score")})[1]
    assert [[path[-1] for path in runs] for runs in found.values()] == [[pytest.approx(0.875)], [pytest.approx(0.5)]]
    plots.ways(line)
    assert [*drawn[0].lines[0].get_xdata()] == [0, 0.01, 0.02] and "ceiling 1.000" in texts(drawn[0])


def test_until_a_goal_lie_on_a_straight_line_between_two_moments():
    record = made_up()
    line = {"it": (record, "two-sided", "score")}
    assert plots.until(0.4375, line)["it"][0] == pytest.approx(15)
    assert plots.until(-1, line)["it"][0] == 0
    tokens, found = plots.shares(line)
    for moment, share in zip(tokens, found["it"][0], strict=True):
        assert plots.until(share, line)["it"][0] == pytest.approx(moment), "a share that was measured, at its moment"
    with pytest.raises(ValueError, match="'it' goes 0.* of its way, not 0.99"):
        plots.until(0.99, line)


@pytest.mark.parametrize("name", ["one-mask-apart", "masks-over-epochs"])
def test_recorded_numbers_are_those_of_the_file(name):
    """Worked out once more from the runs themselves."""
    record = experiments.load(name)
    metric = {"one-mask-apart": "fill two-sided accuracy", "masks-over-epochs": "fill nats"}[name]
    for arm, mean in plots.means(record, [metric]).rows:
        assert mean == pytest.approx(fmean(run[metric][-1] for run in record.runs[arm].values()))
    for row, arm in zip(plots.contrasts(record, metric, EXPERIMENTS[name].control).rows, record.runs, strict=False):
        assert tuple(row[1:4]) == pytest.approx(record.difference(metric, arm, EXPERIMENTS[name].control))


def test_a_record_can_be_shown_under_other_names():
    record, renamed = made_up(), made_up().called({"two-sided": "bidirectional"})
    assert [*renamed.runs] == ["bidirectional", "left-only"] and [*record.runs] == ["two-sided", "left-only"]
    assert renamed.final("bidirectional", "score") == record.final("two-sided", "score")
    assert renamed.difference("score", "bidirectional", "left-only") == record.difference("score", *record.runs)


def test_bars_take_the_colours_of_the_table(drawn):
    picture = plots.ends(made_up(), "score", alt=ALT)
    shown = [to_hex(patch.get_edgecolor()).upper() for patch in drawn[0].patches]
    assert shown == list(picture.arms.values()) == ["#0072B2", "#D55E00"]
