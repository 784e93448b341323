"""The widgets do what the functions do; without a front end their buttons can still be pressed."""

import pytest

widgets = pytest.importorskip("ipywidgets")

from course_lib.exercises import drill, panels, store  # noqa: E402
from course_lib.notes import claims  # noqa: E402


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(store, "_unsaved", {})
    shown = []
    monkeypatch.setattr(panels, "display", lambda bundle, raw: shown.append(bundle))
    return shown


def test_the_search_panel_finds_what_the_function_finds(quiet):
    panel = panels.search_panel()
    (words, verdict, lesson), found = panel.children[0].children, panel.children[1]
    assert found.value == ""
    words.value = "cross"
    assert found.value == claims.search("cross").data
    verdict.value, lesson.value = "wrong", "10_encoder_decoder"
    assert found.value == claims.search("cross", "wrong", "10").data != claims.search("cross").data
    words.value, verdict.value, lesson.value = "", None, None
    assert found.value == ""
    assert "claims.search" in quiet[0]["text/plain"] and "application/vnd.jupyter.widget-view+json" in quiet[0]


def test_the_drill_panel_keeps_marks_and_goes_on(quiet):
    question, answer, buttons, points, ticks = panels.drill_panel().children
    show, keep, following = buttons.children
    first = drill.load()[0]
    assert first.en in question.value and not points.value and keep.disabled
    answer.value = "both sides"
    show.click()
    assert first.points[0].zh in points.value and len(ticks.children) == len(first.points)
    ticks.children[1].value = True
    keep.click()
    entry = store.load()["drill"][first.id]
    assert (entry["said"], entry["answer"]) == ([2], "both sides") and "Kept: 1 of" in points.value
    following.click()
    assert drill.load()[1].en in question.value and answer.value == points.value == "" and not ticks.children
    following.click()
    assert drill.load()[1].en not in question.value  # skipped without a mark: another one
