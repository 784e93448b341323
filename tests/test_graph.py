"""Boxes joined by arrows, and differences around zero: what is drawn is what was given."""

import importlib

import pytest
from matplotlib.figure import Figure

from course_lib import plots
from course_lib.plots import arms

graph = importlib.import_module("course_lib.plots.graph")  # the package has a function of this name
ALT = "Two boxes, and an arrow from the first to the second."


@pytest.fixture
def drawn(monkeypatch):
    """Keep the axes of the figure that a function draws."""
    kept = []

    def figure(fig, alt, caption=None):
        assert isinstance(fig, Figure)
        kept.append(fig.axes[0])
        return plots.figure(fig, alt, caption)

    for module in (graph, arms):
        monkeypatch.setattr(module, "figure", figure)
    return kept


def test_a_graph_has_its_boxes_and_an_arrow_for_each_pair(drawn):
    picture = plots.graph({"a": (0, 0, "first"), "b": (1, 1, "second")}, [("a", "b")], alt=ALT)
    assert picture.alt == ALT
    texts = {text.get_text(): text for text in drawn[0].texts if text.get_text()}
    assert set(texts) == {"first", "second"} and texts["second"].get_position() == (1, -1)
    (arrow,) = [text for text in drawn[0].texts if not text.get_text()]
    assert (arrow.xyann, arrow.xy) == ((0, 0), (1, -1))  # from the first to the second


def test_an_arrow_to_a_box_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="there is no box 'c' for an arrow; the boxes are a"):
        plots.graph({"a": (0, 0, "first")}, [("a", "c")], alt=ALT)


def test_differences_are_ordered_and_open_where_the_interval_holds_zero(drawn):
    rows = [("none", 0.01, -0.02, 0.04), ("more", 0.3, 0.2, 0.4), ("less", -0.2, -0.3, -0.1)]
    plots.differences(rows, alt=ALT)
    ax = drawn[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["less", "none", "more"]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [-0.2, 0.01, 0.3]
    assert [line.get_markerfacecolor() == "white" for line in dots] == [False, True, False]
    spans = [list(line.get_xdata()) for line in ax.lines if line.get_marker() != "o"][1:]  # after the line at zero
    assert spans == [[-0.3, -0.1], [-0.02, 0.04], [0.2, 0.4]]
    with pytest.raises(ValueError, match="no row"):
        plots.differences([], alt=ALT)
