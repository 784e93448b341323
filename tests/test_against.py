"""Lines over a quantity: everything that was given is in the picture, and mistakes are named."""

import math

import matplotlib.figure
import pytest

from course_lib.plots import page
from course_lib.plots.against import against

SAID = {"across": "words", "up": "accuracy", "alt": "Two lines over three distances, one of them falling."}


@pytest.fixture
def drawn(monkeypatch):
    """Catch the figure before it becomes bytes."""
    caught = []

    def keep(fig, alt, caption=None):
        caught.append(fig)
        return page.figure(fig, alt, caption)

    monkeypatch.setattr("course_lib.plots.against.figure", keep)
    return caught


def axes(drawn):
    [fig] = drawn
    assert isinstance(fig, matplotlib.figure.Figure)
    return fig.axes[0]


def test_lines_bands_limits_and_marks_are_drawn(drawn):
    picture = against(
        [1, 2, 4], {"a": [1, 1, 0.9], "b": [0.9, 0.5, 0.2]}, floor=0.125, ceiling={"best": 1.0}, log="x", limits=(0, 1),
        spread={"b": ([0.8, 0.4, 0.1], [1, 0.6, 0.3])}, marks={"b": 2}, title="A title", **SAID,
    )  # fmt: skip
    ax = axes(drawn)
    assert picture.alt == SAID["alt"] and picture.png.startswith(b"\x89PNG")
    assert [line.get_ydata().tolist() for line in ax.lines[:1]] == [[1, 1, 0.9]] and len(ax.collections) == 1
    texts = [text.get_text() for text in ax.texts]
    assert {"a 0.900", "b 0.200", "floor 0.125", "best 1.000"} == set(texts)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "4"] and ax.get_xscale() == "log"
    assert (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()) == ("A title", "words", "accuracy")
    assert ax.get_ylim() == (0, 1)
    assert any(list(line.get_xdata()) == [2, 2] for line in ax.lines)


def test_what_was_not_measured_leaves_a_gap_and_the_last_known_value_is_the_label(drawn):
    against([1, 2, 3], {"a": [0.5, 0.75, math.nan], "none": [math.nan] * 3}, **SAID)
    assert [text.get_text() for text in axes(drawn).texts] == ["a 0.750"]


def test_a_logarithmic_height_has_a_legend(drawn):
    against([0, 1, 2], {"a": [1, 1e-3, 1e-9]}, log="y", **SAID)
    ax = axes(drawn)
    assert ax.get_yscale() == "log" and [text.get_text() for text in ax.get_legend().get_texts()] == ["a"]


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="no line to draw"):
        against([1], {}, **SAID)
    with pytest.raises(ValueError, match="'a' has 2 values for 3 places on the axis"):
        against([1, 2, 3], {"a": [1, 2]}, **SAID)
    with pytest.raises(ValueError, match="no line 'c' to add something to; there are: a"):
        against([1], {"a": [1]}, marks={"c": 1}, **SAID)
    with pytest.raises(ValueError, match="alt is"):
        against([1], {"a": [1]}, across="x", up="y", alt="")


def test_powers_of_ten_are_readable_without_mathematics(drawn):
    against([1, 2, 3], {"a": [1e-6, 1e-2, 10]}, log="y", **SAID)
    ax = axes(drawn)
    ax.figure.canvas.draw()
    said = [tick.get_text() for tick in ax.get_yticklabels()]
    assert "10⁻²" in said and not any("$" in text or "mathdefault" in text for text in said)


def test_tick_labels_that_would_overprint_stay_blank(drawn):
    against([1, 4, 40, 41, 60], {"a": [1, 1, 1, 0, 0]}, log="x", **SAID)
    assert [tick.get_text() for tick in axes(drawn).get_xticklabels()] == ["1", "4", "40", "", "60"]


def test_a_leader_line_ends_at_its_label_and_not_behind_its_words(drawn):
    against([1, 2], {"a": [1, 1], "b": [1, 1], "c": [1, 1]}, limits=(0, 1), **SAID)
    leaders = [text for text in axes(drawn).texts if text.arrow_patch is not None]
    assert len(leaders) == 3 and all(text._arrow_relpos == (0, 0.5) for text in leaders)
