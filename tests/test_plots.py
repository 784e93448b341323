"""Figures carry alt text, labels do not overlap, masked cells leave the scale alone, tables read as text."""

import base64
import configparser
import html
import itertools
import json
import math
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from course_lib import plots
from course_lib.plots.curves import spaced
from course_lib.plots.figure import DPI, FONT, LONGEST_NAME, legible
from course_lib.plots.heat import short
from course_lib.plots.words import described

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("[01]*.ipynb"))
ALT = "A causal mask over four tokens."
TOKENS = ["the", "old", "cat", "slept"]
LOWEST = torch.finfo(torch.float32).min
ACROSS = {"across": "words", "up": "accuracy"}


def history(name="BERT", points=10, **changes):
    """A History's fields, made up."""
    fields = {
        "name": name, "tokens": [4096 * (i + 1) for i in range(points)], "loss": [3 / (i + 1) for i in range(points)],
        "accuracy": [0.7 * i / points for i in range(points)], "seconds": [float(i) for i in range(points)],
        "evals": {"held-out": [0.1, 0.5]}, "eval_tokens": [4096, 4096 * points],
    }  # fmt: skip
    return SimpleNamespace(**{**fields, **changes})


@pytest.fixture(autouse=True)
def no_warnings():
    # A warning would stand in the notebook and fail its comparison.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def drawn(monkeypatch):
    """Return a function that calls another and returns the figure that it draws, as it was before it became bytes."""
    caught, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda fig, *to, **how: caught.append(fig) or save(fig, *to, **how))
    return lambda draw, *values, **options: draw(*values, alt=ALT, **options) and caught[-1]


def size(picture):
    """Width and height of a PNG, from its header."""
    assert picture.png.startswith(b"\x89PNG")
    return int.from_bytes(picture.png[16:20], "big"), int.from_bytes(picture.png[20:24], "big")


def overlap(fig, texts):
    """Return pairs of texts whose boxes overlap."""
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    # Text's own box: that of an annotation would hold its leader line too.
    boxes = [(text.get_text(), Text.get_window_extent(text, canvas.get_renderer())) for text in texts]
    boxes = [(name, box) for name, box in boxes if name]
    return [(one, other) for i, (one, box) in enumerate(boxes) for other, rival in boxes[:i] if box.overlaps(rival)]


def said(fig):
    return [text.get_text() for text in fig.axes[0].texts if text.get_text()]


# --- the figure --------------------------------------------------------------------------------------------


def test_a_figure_is_html_with_alt_text_and_stable_plain_text():
    fig = Figure()
    fig.add_subplot().plot([1, 2])
    picture = plots.figure(fig, 'Loss "falls" below\n  2 & stays')
    assert repr(picture) == 'Figure: Loss "falls" below 2 & stays'
    markup = picture._repr_html_()
    assert html.unescape(re.search(r'alt="(.*?)"', markup)[1]) == picture.alt
    assert "max-width:100%" in markup and 'src="data:image/png;base64,' in markup


@pytest.mark.parametrize("alt", [None, "", "short", "   x           ", 7])
def test_a_figure_of_your_own_needs_alt_text(alt):
    with pytest.raises(ValueError, match="15 characters"):
        plots.figure(Figure(), alt)


RECORDED = {"BERT": {"tokens": [4096, 50_000], "low": [0.1, 0.4], "high": [0.2, 0.6], "mean": [0.15, 0.5]}}
SAID = {
    "curve": (
        lambda **lead: plots.curve(history(), "accuracy", 0.1, {"best": 0.75}, RECORDED, title="A run", **lead),
        'Lines of accuracy over tokens seen, "A run": floor 0.100; best 0.750; BERT from 0.000 to 0.630 (recorded '
        "0.400 to 0.600).",
        'Lines of accuracy over tokens seen, "A run": BERT.',
    ),
    "against": (
        lambda **lead: plots.against([1, 2, 3], {"a": [3, 1, 2.5], "b": [math.nan] * 3}, **ACROSS, **lead),
        "Lines of accuracy over words: a from 3.000 to 2.500, lowest 1.000; b nothing measured.",
        "Lines of accuracy over words: a; b.",
    ),
    "bars": (
        lambda **lead: plots.bars({"a": [0.5, 0.7], "b": 0.3}, 0.25, {"a": 0.8}, labels={"b": "one"}, **lead),
        "Bars of accuracy: floor 0.250; a 0.600 ± 1.271, ceiling 0.800; one 0.300.",
        "Bars of accuracy: a; one.",
    ),
    "forest": (
        lambda **lead: plots.forest([("a", {"here": (0.5, 0.4, 0.6), "there": (-1.0, -2.0, 1.0)}, "agrees")], **lead),
        "Effects with 95% intervals, each row on its own scale: a here +0.5 (+0.4 to +0.6), there -1 (-2 to +1), "
        "agrees.",
        "Effects with 95% intervals, each row on its own scale: a.",
    ),
    "differences": (
        lambda **lead: plots.differences([("a", 0.5, 0.4, 0.6), ("b", -0.1, -0.3, 0.1)], margin=0.2, **lead),
        "Differences with 95% intervals, difference: a band of 0.2 around zero: too small to matter; a +0.5 (+0.4 to "
        "+0.6); b -0.1 (-0.3 to +0.1).",
        "Differences with 95% intervals, difference: a; b.",
    ),
    "heatmap": (
        lambda **lead: plots.heatmap(np.diag([0, -1e9, 1, 2, 3.5]), [*"abcde"], title="who", **lead),
        'Heat map of 5 rows (who looks) by 5 columns (at whom), "who": rows and columns a, b, c, d, e; values 0 to '
        "3.50, the largest at e, e, 21 of 25 cells 0, 1 of 25 cells masked.",
        'Heat map of 5 rows (who looks) by 5 columns (at whom), "who".',
    ),
    "small": (
        lambda **lead: plots.heatmap([[0.0, 0.25, 1], [0.5, -math.inf, math.nan]], ["the", "the"], [1, 2, 3], **lead),
        "Heat map of 2 rows (who looks) by 3 columns (at whom): columns 1, 2, 3; the: 0, 0.25, 1; the: 0.50, masked, "
        "nan.",
        "Heat map of 2 rows (who looks) by 3 columns (at whom): the; the.",
    ),
    "heatmaps": (
        lambda **lead: plots.heatmaps({"eye": np.eye(2), "none": np.zeros((2, 2))}, ["a", "b"], ["c", "d"], **lead),
        "2 heat maps of 2 rows (who looks) by 2 columns (at whom): rows a, b; columns c, d; eye: 2 of 4 cells are 1; "
        "none: all cells 0.",
        "2 heat maps of 2 rows (who looks) by 2 columns (at whom): eye; none.",
    ),
    "graph": (
        lambda **lead: plots.graph({"a": (0, 0, "the\nfirst"), "b": (1, 0, "second")}, [("a", "b")], **lead),
        *["2 boxes joined by 1 arrows: the first; second."] * 2,
    ),
    "paths": (
        lambda **lead: plots.paths({"causal": np.tri(3) > 0, "open": np.ones((3, 3)) > 0}, [*"abc"], 1, **lead),
        "Tokens by layers, arrows from who looks to at whom, 2 layers: tokens a, b, c; causal: 2 of 3 positions reach "
        "'b'; open: 3 of 3 positions reach 'b'.",
        "Tokens by layers, arrows from who looks to at whom, 2 layers: causal; open.",
    ),
    "parts": (
        lambda **lead: plots.parts(["a", "b"], {"layers": ["12", "12"], "mask": [np.eye(2), "all\nof it"]}, **lead),
        "Parts of a, b: layers the same in all; mask a square; all of it.", "Parts of a, b: layers; mask.",
    ),
}


@pytest.mark.parametrize("draw, alt, plain", SAID.values(), ids=SAID)
def test_a_figure_says_itself_what_it_shows_and_without_numbers_in_plain_text(draw, alt, plain):
    picture = draw()
    assert picture.alt == alt and repr(picture) == f"Figure: {plain}"
    led = draw(alt="What the picture  shows.")
    assert led.alt == f"What the picture shows. {alt}" and repr(led) == "Figure: What the picture shows."
    assert html.escape(alt) in picture._repr_html_() and picture._repr_png_() == picture.png


def test_alt_text_of_many_arms_is_short_and_says_how_many_are_left_out():
    picture = plots.bars({f"an arm with the number {n}": n / 40 for n in range(40)})
    assert 300 < len(picture.alt) <= 400 and re.search(r"number 7 0.175; .*; and \d\d more\.$", picture.alt)
    assert len(repr(picture)) <= 410
    assert len(plots.heatmap(np.eye(30), [f"{n} {'x' * 300}" for n in range(30)]).alt) <= 400
    assert len(described(None, "Bars", "y" * 600, [("z", "1")])[0]) <= 400


def test_strict_comparison_sees_the_picture_s_kind_and_arms_but_not_its_numbers():
    config = configparser.RawConfigParser()
    config.read(Path(__file__).parent / "nbval_sanitize.cfg")

    def compared(markup):
        for rule in map(config.__getitem__, config.sections()):
            markup = re.sub(rule["regex"], rule["replace"], markup)
        return markup

    one, other, third = (plots.bars({name: value}).data for name, value in (("a", 0.5), ("a", 0.51), ("b", 0.5)))
    assert one != other and compared(one) == compared(other) != compared(third)
    kept = '<img alt="Bars: 0.5" src="x.png">'  # of others, the alt text is compared
    assert compared(kept) == kept


def shown(picture):
    """Return [(alt text, height rule, (width, height))] of the images that a page shows."""
    found = re.findall(r'<img class="plot" alt="(.*?)" style="(.*?)" src="data:image/png;base64,(.*?)"', picture.data)
    return [(alt, style, size(SimpleNamespace(png=base64.b64decode(data)))) for alt, style, data in found]


def test_panels_part_where_a_page_is_narrow_and_stay_one_image_elsewhere():
    names = ["near", "the", "river", "bank"]
    matrices = {f"head {n}": torch.rand(4, 4).tril() - 1e9 * torch.ones(4, 4).triu(1) for n in range(3)}
    picture = plots.heatmaps(matrices, names)
    alts = [alt for alt, *_ in shown(picture)]
    assert alts[0] == picture.alt and alts[1:3] == ["Panel 2 of 3: head 1", "Panel 3 of 3: head 2"]
    assert alts[3].startswith("The scale of colours, from 0 to ") and alts[4].startswith("Key of colours: masked")
    widths = [wide for *_, (wide, _) in shown(picture)]
    whole = size(picture)[0]
    assert max(widths) < whole / 2 and 0.9 * whole < sum(widths[:4]) < 1.1 * whole and "flex-wrap:wrap" in picture.data
    assert [alt for alt, *_ in shown(plots.heatmap(np.eye(4), names))] == [plots.heatmap(np.eye(4), names).alt]


def test_a_figure_is_light():
    """As HTML and as PNG together lighter than one image of all colours was; a page on a dark ground shows a card."""
    picture = plots.bars({"two-sided": [0.7, 0.72], "left-only": [0.5, 0.52]}, 0.1, 0.8)
    assert len(picture.data) + 4 / 3 * len(picture.png) < 30_000 and "border-radius" in picture.data


HALF_A_WINDOW = 620 - 16  # pixels that an output has in a window of 900, without the card's edge
TICKS = 11 / 72 * DPI  # pixels


def check_ticks(markup):
    """Ticks have 9 pixels at least, beside a list of contents, and in a low window too."""
    for alt, style, (width, height) in shown(SimpleNamespace(data=markup)):
        assert len(alt) >= 15
        assert TICKS * min(1, HALF_A_WINDOW / width) >= 9, f"{width} pixels are too wide: {alt}"
        least = float(re.search(r"max\(80vh,(\d+)px\)", style)[1])
        assert TICKS * least / height >= 9, alt


def test_figures_can_be_read_on_half_a_window():
    long = [f"an arm with a name as long as that {n}" for n in range(12)]
    check_ticks(plots.bars({name: [0.5, 0.6] for name in long}).data)
    check_ticks(plots.differences([(name, 0.1, 0.0, 0.2) for name in long]).data)
    check_ticks(plots.curve([history(name) for name in long[:4]]).data)
    check_ticks(plots.heatmaps({f"head {n}": np.random.rand(9, 9) for n in range(4)}, long[:9]).data)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_figures_can_be_read_on_half_a_window(path):
    stored = [
        output["data"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", ()) if 'class="plot"' in "".join(output.get("data", {}).get("text/html", ""))
    ]  # fmt: skip
    if not stored:
        pytest.skip("no stored figure is of this edition yet: bake the notebook")
    for data in stored:
        markup = "".join(data["text/html"])
        assert "image/png" in data or "<details" in markup, "PDF and diffs need it, but of an answer the words"
        check_ticks(markup)


# --- fonts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, drawn", [("我们", r"\u6211\u4eec"), ("Ġthe $x$ é", "Ġthe $x$ é"), ("🙂\t|\n", "\\U0001f642\\t|\n")]
)
def test_characters_that_the_font_lacks_are_written_as_python_does(text, drawn):
    assert legible(text) == drawn


def test_any_script_in_any_figure_draws_without_a_warning(drawn):
    run, text = history("我"), "标题 ส🙂\ud800"
    fig = drawn(plots.curve, run, floor=0.1, ceiling={"上": 2}, title=text)
    assert fig.axes[0].get_title("left") == legible(text) != text
    fig = drawn(plots.bars, {text: [0.1, 0.2], "b": [0.1, 0.3]}, title=text)
    assert legible(text) in [label.get_text() for label in fig.axes[0].get_yticklabels()]


def doctored_font(folder):
    """Write a font that names itself DejaVu Sans, draws every letter as A, and has Chinese characters."""
    font = TTFont(Path(FONT).with_name("DejaVuSansMono-Bold.ttf"))
    for record in font["name"].names:
        if record.nameID in (1, 4, 16):
            font["name"].setName("DejaVu Sans", record.nameID, record.platformID, record.platEncID, record.langID)
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap |= dict.fromkeys([*range(0x61, 0x7B), 0x6211, 0x4EEC], table.cmap[0x41])
    font["OS/2"].usWeightClass = 400
    folder.mkdir(parents=True)
    font.save(folder / "doctored.ttf")


def test_figures_are_the_same_whatever_fonts_a_machine_has(tmp_path):
    """The machine's own fonts are those that fontconfig and the usual folders show, where there are any."""
    doctored_font(tmp_path / "data" / "fonts")
    code = (
        "import hashlib, numpy, sys; from matplotlib import font_manager; from course_lib import plots\n"
        "picture = plots.heatmap(numpy.eye(2), ['我们', 'agreeable'], alt='Two tokens, to be compared.')\n"
        "there = any('doctored' in font.fname for font in font_manager.fontManager.ttflist)\n"
        "print(there, hashlib.sha256(picture.png).hexdigest())"
    )
    seen = []
    for extra in ({"MPL_IGNORE_SYSTEM_FONTS": "1"}, {"XDG_DATA_HOME": str(tmp_path / "data")}):
        kept = {name: value for name, value in os.environ.items() if name != "MPL_IGNORE_SYSTEM_FONTS"}
        environment = kept | {"MPLCONFIGDIR": str(tmp_path / f"cache{len(seen)}")} | extra
        command = [sys.executable, "-W", "error::UserWarning", "-c", code]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)
        seen.append(done.stdout.split())
    (without, bare), (there, full) = seen
    assert without == "False" and (there == "True" or sys.platform in ("win32", "darwin"))
    assert bare == full


# --- lines -------------------------------------------------------------------------------------------------


def test_labels_of_a_curve_do_not_overlap(drawn):
    runs = [history(name, accuracy=[0.1 * i for i in range(9)] + [0.7 + 0.001 * k]) for k, name in enumerate("abc")]
    fig = drawn(plots.curve, runs, "accuracy", floor=0.701, ceiling={"two-sided": 0.702, "left": 0.7})
    assert sorted(said(fig)) == ["a 0.700", "b 0.701", "c 0.702", "floor 0.701", "left 0.700", "two-sided 0.702"]
    ax = fig.axes[0]
    assert not overlap(fig, [*ax.texts, *ax.get_xticklabels(), ax.title])
    leaders = [text for text in ax.texts if text.arrow_patch is not None]  # they end at a label, not behind its words
    assert len(leaders) == 6 and all(text._arrow_relpos == (0, 0.5) for text in leaders)


def test_a_band_of_seeds_and_values_not_measured(drawn):
    run = history(accuracy=[math.nan] + [0.5] * 9)
    band = {"BERT": {"tokens": [*run.tokens, 50_000], "low": [0.4] * 11, "high": [0.6] * 11, "mean": [0.5] * 11}}
    fig = drawn(plots.curve, run, "accuracy", spread=band)
    assert len(fig.axes[0].collections) == 1 and len(fig.axes[0].lines[0].get_xdata()) == 9
    assert said(fig) == ["BERT, recorded 0.500"] and fig.axes[0].get_xlim() == (0, 50_000)
    assert list(drawn(plots.curve, history(), "held-out").axes[0].lines[0].get_xdata()) == [4096, 40960]
    assert size(plots.curve(history(points=1), "loss", floor=1.0, alt=ALT))
    assert size(plots.curve(history(loss=[math.inf] + [1.0] * 9), alt=ALT))


def test_a_run_that_was_stopped_says_so(drawn):
    run = history(interrupted=True)
    assert said(drawn(plots.curve, run, "accuracy")) == ["BERT, stopped early 0.630"]
    assert said(drawn(plots.curve, run, "accuracy", spread=RECORDED)) == ["BERT, stopped early 0.630"]
    assert plots.curve(run, "accuracy").alt.endswith("BERT from 0.000 to 0.630, stopped early.")


def test_a_metric_that_was_not_measured_is_refused_with_those_that_were():
    with pytest.raises(ValueError, match="no metric 'perplexity'; it has: loss, accuracy, held-out"):
        plots.curve(history(), "perplexity", alt=ALT)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.3))
def test_labels_are_spaced_in_order_and_within_the_axis(places, step):
    places = sorted(places)
    moved = spaced(places, step, 0.0, 1.0)
    room = min(step, 1 / max(len(places) - 1, 1))
    assert all(b - a >= room - 1e-9 for a, b in zip(moved, moved[1:], strict=False))
    assert moved[0] >= -1e-9 and moved[-1] <= 1 + 1e-9
    if all(b - a >= step for a, b in zip(places, places[1:], strict=False)):
        assert moved == pytest.approx(places, abs=1e-9)


def test_lines_bands_limits_and_marks_are_drawn(drawn):
    lines = {"a": [1, 1, 0.9], "b": [(0.9, 0.8, 1), (0.5, 0.4, 0.6), (0.2, 0.1, 0.3)], "gone": [0.5, 0.75, math.nan]}
    options = dict(floor=0.125, ceiling={"best": 1.0}, log="x", limits=(0, 1), marks={"b": 2}, title="A title")
    fig = drawn(plots.against, [1, 2, 4], lines | {"none": [math.nan] * 3}, **options, **ACROSS)
    ax = fig.axes[0]
    assert set(said(fig)) == {"a 0.900", "b 0.200", "gone 0.750", "floor 0.125", "best 1.000"}
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [[1, 1, 0.9], [0.9, 0.5, 0.2]]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (len(ax.collections), band.min(), band.max()) == (1, 0.1, 1)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "4"] and ax.get_xscale() == "log"
    assert (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()) == ("A title", "words", "accuracy")
    assert ax.get_ylim() == (0, 1) and any(list(line.get_xdata()) == [2, 2] for line in ax.lines)


@pytest.mark.parametrize("up, highest", [("accuracy", 1.0), ("loss, nats", 1.2)])
def test_a_band_around_a_share_ends_at_one(drawn, up, highest):
    lines = {"a": [(0.9, 0.6, 1.2), (0.5, 0.4, 0.6)]}
    [band] = drawn(plots.against, [1, 2], lines, across="words", up=up).axes[0].collections
    assert band.get_paths()[0].vertices[:, 1].max() == highest


@pytest.mark.parametrize("highest, inside", [(3.0, True), (3.6, False)])
def test_a_line_beyond_the_limits_does_not_run_through_the_title(drawn, highest, inside):
    [ax] = drawn(plots.against, [1, 2], {"a": [highest, 1.0]}, across="words", up="nats", limits=(0, 3)).axes
    assert ax.lines[0].get_clip_on() is not inside, "a marker on the edge is drawn whole"


def test_names_of_places_on_a_logarithmic_axis_do_not_run_into_each_other(drawn):
    places = [1, 4, 5, 8, 16, 24, 32, 40, 41, 60]
    ax = drawn(plots.against, places, {"a": [1] * 10}, log="x", **ACROSS).axes[0]
    ax.figure.canvas.draw()
    named = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
    assert len(named) == 8 and all(a.x1 < b.x0 for a, b in itertools.pairwise(named))


def test_logarithmic_axes_are_readable_without_mathematics(drawn):
    ax = drawn(plots.against, [1, 2, 3], {"a": [1e-6, 1e-2, 10]}, log="y", **ACROSS).axes[0]
    shown = [tick.get_text() for tick in ax.get_yticklabels()]
    assert "0.01" in shown and not any("$" in text or "mathdefault" in text for text in shown)
    assert ax.get_yscale() == "log" and [text.get_text() for text in ax.get_legend().get_texts()] == ["a"]
    ax = drawn(plots.against, [1, 4, 40, 41, 60], {"a": [1, 1, 1, 0, 0]}, log="x", **ACROSS).axes[0]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "4", "40", "", "60"]


# --- bars and differences ----------------------------------------------------------------------------------


def test_interval_is_students():
    mean, low, high = plots.interval([1.0, 2.0, 3.0])
    assert (mean, low, high) == pytest.approx((2.0, 2 - 4.30265 / math.sqrt(3), 2 + 4.30265 / math.sqrt(3)), rel=1e-5)
    assert plots.interval([5]) == (5.0, 5.0, 5.0)
    assert plots.interval([4, 4, 4], minus=[3.0, 2.0, 1.0]) == plots.interval([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "floor, ceiling", [(0.09, 0.73), (0.69, {"two-sided": 0.73, "left-only": 0.7, "one seed": 0.71}), (None, None)]
)
def test_marks_and_labels_of_bars_do_not_overlap(drawn, floor, ceiling):
    rows = {"two-sided": [0.721, 0.718, 0.725], "left-only": [0.585, 0.579, 0.588], "one seed": 0.3}
    fig = drawn(plots.bars, rows, floor, ceiling, title="Accuracy", labels={"one seed": "one"})
    ax = fig.axes[0]
    assert not overlap(fig, [*ax.texts, *ax.get_yticklabels(), *ax.get_xticklabels(), ax.title])
    assert "0.721 ± 0.009" in said(fig) and "0.300" in said(fig)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["two-sided", "left-only", "one"]
    values = [] if ceiling is None else dict.fromkeys(ceiling.values() if isinstance(ceiling, dict) else [ceiling])
    assert [text for text in said(fig) if "ceiling" in text] == [f"ceiling {value:.3f}" for value in values]


def test_a_label_touches_neither_the_marks_of_the_bar_above_nor_the_axis(drawn):
    fig = drawn(plots.bars, {"a": [0.9, 0.91], "b": [0.8, 0.81]}, {"a": 0.01, "b": 0.02}, {"a": 0.93, "b": 0.921})
    ax = fig.axes[0]
    marks = [line.get_window_extent() for line in ax.lines if line.get_linewidth() == 2]
    labels = [text.get_window_extent() for text in ax.texts if text.get_text()[:5] in ("ceili", "floor")]
    assert len(marks) == len(labels) == 4
    assert not any(label.overlaps(mark) for label in labels for mark in marks)
    assert all(label.x0 >= ax.get_window_extent().x0 for label in labels)


def test_a_forest_plot_scales_each_row_by_its_own_and_open_what_holds_zero(drawn):
    rows = [("far", {"Tiny Town": (0.2, 0.1, 0.4), "world": (-8.0, -10.0, -6.0)}, "differs"),
            ("near", {"world": (1.0, -0.5, 2.0)}, "open")]  # fmt: skip
    fig = drawn(plots.forest, rows)
    ax = fig.axes[0]
    marks = [line for line in ax.lines if line.get_marker() not in ("None", None) and len(line.get_xdata())]
    found = [(round(line.get_xdata()[0], 3), line.get_ydata()[0], line.get_markerfacecolor()) for line in marks]
    town, world = (plots.colours.STYLES[name][0] for name in ("green", "black"))
    assert found == [(0.02, -0.2, town), (-0.8, 0.2, world), (0.5, 1.2, "white")]
    assert [text.get_text() for text in ax.texts] == ["differs", "open"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Tiny Town", "world"]


def test_differences_are_ordered_and_open_where_the_interval_holds_zero(drawn):
    rows = [("none", 0.01, -0.02, 0.04), ("more", 0.3, 0.2, 0.4), ("less", -0.2, -0.3, -0.1)]
    ax = drawn(plots.differences, rows).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["less", "none", "more"]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [-0.2, 0.01, 0.3]
    assert [line.get_markerfacecolor() == "white" for line in dots] == [False, True, False]
    spans = [list(line.get_xdata()) for line in ax.lines if line.get_marker() != "o"][1:]  # after the line at zero
    assert spans == [[-0.3, -0.1], [-0.02, 0.04], [0.2, 0.4]]


def test_a_graph_has_its_boxes_and_an_arrow_for_each_pair(drawn):
    fig = drawn(plots.graph, {"a": (0, 0, "first"), "b": (1, 1, "second")}, [("a", "b")])
    texts = {text.get_text(): text for text in fig.axes[0].texts}
    assert set(said(fig)) == {"first", "second"} and texts["second"].get_position() == (1, -1)
    assert (texts[""].xyann, texts[""].xy) == ((0, 0), (1, -1))  # the arrow, from the first to the second


def test_paths_follow_the_mask_through_the_layers(drawn):
    window = np.tri(4) > np.tri(4, k=-2)  # itself and the one before
    for layers, reach in ((1, 2), (2, 3), (3, 4)):
        fig = drawn(plots.paths, {"window": window}, [*"abcd"], 3, layers)
        ax = fig.axes[0]
        assert ax.get_title("left") == f"window: {reach} of 4 positions reach 'd'"
        arrows = [text for text in ax.texts if hasattr(text, "xyann")]
        assert len(arrows) == 7 * layers and all(to.xy[0] <= to.xyann[0] for to in arrows), "none leans to the right"
        grey, *_ = shades = [to.arrow_patch.get_edgecolor() for to in arrows]
        coloured = [to for to, shade in zip(arrows, shades, strict=True) if shade != grey]
        assert layers > 1 or {(to.xyann[0], to.xy[0]) for to in coloured} == {(3, 2), (3, 3)}
        boxes = {t.get_text(): t.get_bbox_patch().get_facecolor() for t in ax.texts if t.get_bbox_patch()}
        assert [word for word in "abcd" if boxes[word] == boxes["d"]] == [*"abcd"[4 - reach :]]
    turned = drawn(plots.paths, {"window": window.T}, [*"abcd"], 3)
    assert turned.axes[0].get_title("left") == "window: 1 of 4 positions reach 'd'"
    fig = drawn(plots.paths, {"nobody": torch.zeros(4, 4).bool()}, [*"abcd"], 1)
    assert fig.axes[0].get_title("left").startswith("nobody: 1 of 4")
    fig = drawn(plots.paths, dict.fromkeys("xyz", window), [*"abcd"], 1)
    assert len(fig.axes) == 4 and not fig.axes[3].axison, "no empty frame beside the third"
    for wrong in np.tri(3) > 0, np.tri(4), np.zeros((4, 4)):  # too small; numbers; an additive mask
        with pytest.raises(ValueError, match="'mask': 4 words need a mask of booleans"):
            plots.paths({"mask": wrong}, [*"abcd"], 3)
    with pytest.raises(ValueError, match="at=4: 4 words have positions 0 to 3"):
        plots.paths({"mask": window}, [*"abcd"], 4)


def test_parts_that_are_the_same_share_one_box_and_a_mask_is_a_square_of_its_cells(drawn):
    ax = drawn(plots.parts, ["a", "b"], {"layers": ["12", "12"], "mask": [np.tri(3) > 0, "all"]}).axes[0]
    boxes, cells = ([p for p in ax.patches if type(p).__name__ == kind] for kind in ("FancyBboxPatch", "Rectangle"))
    assert [round(box.get_width(), 2) for box in boxes] == [1.92, 0.92, 0.92] and len(cells) == 9
    grey, *apart = [box.get_facecolor() for box in boxes]
    assert apart[0] == apart[1] and max(grey[:3]) - min(grey[:3]) < 0.05 < apart[0][0] - apart[0][2], "apart: in colour"
    white = [cell.get_facecolor() == (1, 1, 1, 1) for cell in cells]
    assert white == [False, True, True, False, False, True, False, False, False]  # row by row, from the top
    assert cells[0].get_y() > cells[3].get_y() > cells[6].get_y() and cells[0].get_x() < cells[1].get_x()


# --- heat maps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lowest, dtype", [
    (LOWEST, torch.float32), (-math.inf, torch.float32), (torch.finfo(torch.bfloat16).min, torch.bfloat16),
    (torch.finfo(torch.float16).min, torch.float16),
])  # fmt: skip
def test_masked_cells_are_hatched_and_leave_the_scale_alone(drawn, lowest, dtype):
    matrix = torch.zeros(4, 4, dtype=dtype).masked_fill(torch.ones(4, 4).triu(1).bool(), lowest)
    for shown in (matrix, torch.rand(4, 4) + matrix.float()):
        ax = drawn(plots.heatmap, shown, TOKENS).axes[0]
        assert sum(patch.get_hatch() is not None for patch in ax.patches) == 6
        assert ax.images[0].get_clim()[0] >= 0 and len(ax.texts) == 10  # one value in each visible cell


def test_axes_name_who_looks_at_whom(drawn):
    ax = drawn(plots.heatmap, torch.rand(2, 4), TOKENS[:2], TOKENS).axes[0]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("row = who looks", "column = at whom")
    assert [label.get_text() for label in ax.get_xticklabels()] == TOKENS
    assert [label.get_text() for label in ax.get_yticklabels()] == TOKENS[:2]
    small = drawn(plots.heatmap, torch.rand(6, 6), [*"abcdef"], title="six")
    assert small.get_figheight() * 110 <= 500  # of the 720 pixels of a projector: there is room for the code


@pytest.mark.slow
@pytest.mark.parametrize("tokens, panels", [(1, 1), (6, 1), (6, 3), (16, 3)])
def test_heatmaps_fit_a_page_and_their_names_do_not_touch(drawn, tokens, panels):
    names = [f"[word{i}]" for i in range(tokens)]
    matrices = [{"matrix": -torch.rand(tokens, tokens), "title": f"number {i}"} for i in range(panels)]
    fig = drawn(plots.heatmaps, matrices, names)
    assert fig.get_figwidth() <= 10.5
    for ax in fig.axes[:panels]:
        assert not overlap(fig, ax.get_yticklabels())
        assert not overlap(fig, [*ax.texts, ax.title, *ax.get_xticklabels(), *fig.texts])


def test_four_heatmaps_stand_in_a_row_or_two_by_two():
    matrices = {f"n{i}": np.eye(6) for i in range(4)}
    shown = plots.heatmaps(matrices, [*"abcdef"], text=False).data
    assert [pair.count("<img") for pair in re.findall("<span.*?</span>", shown)] == [2, 2]
    del matrices["n3"]
    assert "<span" not in plots.heatmaps(matrices, [*"abcdef"], text=False).data


@pytest.mark.parametrize(
    "names, rotation", [(["the", "river", "[PAD]"], 0), (["encoder", "MMMMMM", "a"], 90), (["$x$", "我们", "b"], 90)]
)
def test_short_names_stand_upright(drawn, names, rotation):
    fig = drawn(plots.heatmap, torch.rand(3, 3), names)
    labels = fig.axes[0].get_xticklabels()
    assert {label.get_rotation() for label in labels} == {rotation} and not overlap(fig, labels)


def test_numpy_lists_bools_signs_and_blanks_are_drawn():
    for matrix in (np.eye(4), np.eye(4, dtype=bool).tolist(), torch.randn(4, 4, requires_grad=True)):
        assert size(plots.heatmap(matrix, TOKENS, alt=ALT))
    assert size(plots.heatmap([[math.nan, 1.0], [math.inf, -math.inf]], ["a", "Ġthe\u202e"], alt=ALT, limits=(0, 2)))
    assert size(plots.heatmap(np.full((2, 2), -np.inf), ["a", "b"], alt=ALT))
    assert max(size(plots.heatmap(np.tri(100), [f"token {i}" for i in range(100)], alt=ALT))) < 5_000


def test_a_matrix_that_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"shape \(4, 4\).*3 row names"):
        plots.heatmap(torch.zeros(4, 4), TOKENS[:3], alt=ALT)


@pytest.mark.parametrize(
    "value, text", [(0.0, "0"), (1.0, "1"), (-0.001, "0.00"), (0.256, "0.26"), (12.34, "12.3"), (-3.0, "-3")]
)
def test_cells_are_short(value, text):
    assert short(value) == text


# --- tables ------------------------------------------------------------------------------------------------


def test_two_ways_to_a_result_are_shown_and_held_to_be_the_same():
    ways = {"by hand": torch.tensor([[1.0, -2.5], [0.25, 7.0]]), "library": [[1.0, -2.5], [0.25, 7.00001]]}
    assert repr(plots.beside(ways, atol=1e-4)) == (
        "4 of 4 the same, to within 0.0001\n"
        "         shape  the first of them\n"
        "-------  -----  --------------------\n"
        "by hand  2×2    1.00 -2.50 0.25 7.00\n"
        "library  2×2    1.00 -2.50 0.25 7.00"
    )
    assert "first" not in repr(plots.beside(ways, 1e-4, numbers=False))
    with pytest.raises(AssertionError, match="3 of 4 the same"):
        plots.beside(ways)
    assert "3 of 4 the same" in repr(plots.beside(ways, apart=True))
    with pytest.raises(AssertionError, match="4 of 4 the same"):
        plots.beside(ways, 1e-4, apart=True)
    with pytest.raises(AssertionError, match="1 of 2 the same"):
        plots.beside({"a": [1, 2], "b": [1, 2], "c": [1, 3]})
    with pytest.raises(ValueError, match=r"\['b'\] have another shape than 'a', which is \(2,\)"):
        plots.beside({"a": [1, 2], "b": [1]})


def test_a_table_scrolls_where_the_page_is_narrow():
    markup = plots.table([["x", 1]], ["a", "b"], "What <it> holds")._repr_html_()
    assert markup.startswith('<div role="region" tabindex="0" aria-label="table: What &lt;it&gt; holds"')
    assert "overflow-x:auto" in markup and 'aria-label="table"' in plots.table([["x", 1]], ["", "b"])._repr_html_()


def test_a_table_has_scopes_and_aligned_text():
    table = plots.table([["two-sided", 0.72134, 1234567], ["左", None, 3]], ["arm", "accuracy", "tokens"], "A <c>")
    assert repr(table) == (
        "A <c>\n"
        "arm        accuracy     tokens\n"
        "---------  --------  ---------\n"
        "two-sided     0.721  1,234,567\n"
        "左                –          3"
    )
    markup = table._repr_html_()
    assert markup.count('scope="col"') == 3 and markup.count('scope="row"') == 2
    assert "<caption>A &lt;c&gt;</caption>" in markup and table.rows[1] == ["左", None, 3]
    shown = repr(plots.table([["x", True, np.float32(0.5), np.int64(7), math.nan]], list("abcde"), digits=1))
    assert shown.splitlines()[-1].split() == ["x", "yes", "0.5", "7", "–"]
    assert repr(plots.table([], ["a", "b"])).splitlines() == ["a  b", "-  -"]
    with pytest.raises(ValueError, match="1 cells, but the header has 2"):
        plots.table([["x"]], ["a", "b"])


def test_rows_of_a_table_may_be_a_dict():
    rows = {"a": [1, 2], "b": torch.tensor([3, 4]), "c": (n for n in (5, 6)), "d": {"x": 7, "y": 8}}
    assert plots.table(rows, ["", "one", "two"]).rows == [["a", 1, 2], ["b", 3, 4], ["c", 5, 6], ["d", 7, 8]]
    assert plots.table({"a": "text", "b": torch.tensor(2)}, ["", "one"]).rows == [["a", "text"], ["b", 2]]
    by_key = plots.table({"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}}, "arm")
    assert repr(by_key).splitlines()[0].split() == ["arm", "x", "y"] and by_key.rows[1] == ["b", 3, 4]


@given(st.lists(st.lists(st.text("<>&/thd \"", max_size=5), min_size=2, max_size=2), min_size=1, max_size=4))
def test_any_text_in_a_table_is_escaped(rows):
    markup = plots.table(rows, ["a", "b"], "<td>")._repr_html_()
    texts = re.findall(r'left">(.*?)</t[hd]>', markup)
    assert [html.unescape(text) for text in texts] == ["a", "b", *sum(rows, [])] and "<" not in "".join(texts)
    assert markup.count("<td") == markup.count("</td>") == len(rows)
    assert markup.count("<th ") == markup.count("</th>") == 2 + len(rows)


def test_markdown_reads_as_itself_and_half_a_character_can_be_shown():
    assert repr(plots.markdown("**0.72**")) == "**0.72**" == plots.markdown("**0.72**")._repr_markdown_()
    for made in (plots.table([["\ud83d", 1]], ["a", "b"], "\ud83d"), plots.figure(Figure(), ALT + "\ud83d")):
        (made._repr_html_() + repr(made)).encode("utf-8")
    plots.markdown("\ud83d")._repr_markdown_().encode("utf-8")


# --- whatever is drawn, a page can hold it ------------------------------------------------------------------

LONG = "a name of too many words " * 10
HOSTILE = ["สวัสดี" * 30, "नमस्ते" * 30, "我们" * 100, "a\nb\tc", "\ud83d", "\x00\x07", "$x^$", "Ġ" * 200]


@pytest.mark.parametrize("names", [[LONG + str(i) for i in range(8)], HOSTILE, [""] * 8], ids=list("lhe"))
@pytest.mark.parametrize("draw", [
    lambda names: plots.heatmap(np.random.rand(8, 8), names, alt=ALT),
    lambda names: plots.heatmaps([np.eye(8)] * 3, names, alt=ALT),
    lambda names: plots.bars({name: [0.1, 0.2] for name in names}, 0.1, alt=ALT),
    lambda names: plots.differences([(name, 0.1, 0.0, 0.2) for name in names], alt=ALT),
    lambda names: plots.forest([(name, {"here": (0.1, 0.0, 0.2)}, "agrees") for name in names], alt=ALT),
    lambda names: plots.curve([history(name) for name in names], "loss", {names[0]: 1.0}, alt=ALT),
], ids=["heatmap", "heatmaps", "bars", "differences", "forest", "curve"])  # fmt: skip
def test_names_of_any_length_and_script_leave_the_layout_whole(names, draw):
    """A warning of matplotlib (a missing glyph, a layout that does not fit) fails here."""
    width, height = size(draw(names))
    assert max(width, height) < 5_000


def test_a_name_is_cut_with_an_ellipsis(drawn):
    fig = drawn(plots.bars, {LONG: 0.5, "short": 0.4})
    first, second = (label.get_text() for label in fig.axes[0].get_yticklabels())
    assert second == "short" and first.endswith("…") and len(first) == LONGEST_NAME


def test_a_run_that_was_stopped_before_it_measured_anything_cannot_be_drawn():
    with pytest.raises(ValueError, match="ended before its first 'loss'"):
        plots.curve(history(points=0, interrupted=True), alt=ALT)
