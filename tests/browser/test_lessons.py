"""A learner at a lesson in a real JupyterLab: runs it cold, guesses, sees answers, solves, stops, reloads.

`make browser-test` walks through the lessons in LESSONS; COURSE_BROWSER=all walks through all of them (twenty minutes).
"""

import os
import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe

from course_lib.notes import working_copy

ALL = sorted(path.name for path in working_copy.LESSONS.glob("[0-9][0-9]_*.ipynb"))
LESSONS = ALL if os.environ.get("COURSE_BROWSER") == "all" else [name for name in ALL if name[:2] in ("00", "03")]
RUN = """async (command) => {
    await window.jupyterapp.started;
    return await window.jupyterapp.commands.execute(command);
}"""
WIDE = """(selector) => [...document.querySelectorAll(selector)]
    .filter(one => one.offsetParent && one.scrollWidth > one.clientWidth + 1)
    .map(one => one.textContent.trim().slice(0, 80))"""
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
AXE = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": TAGS}}
FOLD = ".jp-OutputArea-output details"
SLIP = "    return sum(max(gap.values()) for gap in gaps)"
RIGHT = f"{SLIP} / len(gaps)"


@pytest.fixture
def opened(lab, visit, rest):
    """Return opened(name of a lesson): its page, ready, with nothing run."""

    def open_(name):
        workspace = f"{name[:2]}-{time.monotonic_ns()}"  # one that remembers no other test
        page = visit(f"{lab}/lab/workspaces/{workspace}/tree/my-course/{name}", width=1300, height=900)
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120_000)
        rest(page)
        return page

    return open_


def errors(page):
    kind = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]'
    return [text[:300] for text in page.locator(kind).all_inner_texts()]


@pytest.mark.parametrize("name", LESSONS, ids=lambda name: name[:2])
def test_a_lesson_from_cold_to_its_last_guess(opened, lab, name):
    page = opened(name)
    assert page.locator(".jp-Notebook .jp-OutputArea-output").count() == 0, "nothing has run"
    page.evaluate(RUN, "notebook:run-all-cells")  # answers false, too, where Lab could not scroll to a cell
    assert errors(page) == []
    assert page.locator(".jp-CodeCell .jp-InputPrompt", has_text=re.compile(r"\[[ *]\]")).count() == 0, "all has run"
    asked = page.locator(".jp-OutputArea-output .widget-vbox", has_text="Predict:")
    folds = page.locator(FOLD, has_text=re.compile("The run says|the run says"))
    assert folds.count() == asked.count() > 1
    assert page.locator(f"{FOLD}[open]").count() == 0, "an answer is open before the guess"
    assert not page.get_by_text(re.compile("[Tt]he run says")).first.is_visible()
    for n in range(asked.count()):
        asked.nth(n).locator("button").first.click()
        asked.nth(n).get_by_text(re.compile("Your guess: a\\)")).wait_for(timeout=30_000)
    page.wait_for_function(f"document.querySelectorAll('{FOLD}[open]').length == {asked.count()}", timeout=30_000)
    for n in range(asked.count()):
        assert re.search("You (were right|said a\\))", folds.nth(n).inner_text())
    for width in (1300, 900):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)
        # a wide table has a bar to scroll it; code and figures fit
        assert page.evaluate(WIDE, ".jp-CodeCell .cm-scroller, .jp-OutputArea figure") == [], f"cut at {width} pixels"
    assert serious(page) == []
    ours = [problem for problem in page.problems if not problem.startswith("Item with index")]  # Lab, of its scrolling
    assert ours == []
    assert [request for request in page.requests if not request.startswith((lab, "data:", "blob:"))] == []


def serious(page):
    """Return what axe-core finds in what the lesson shows; JupyterLab's own frame is not ours."""
    found = Axe().run(page, context={"include": [[".jp-OutputArea-output"], [".jp-RenderedMarkdown"]]}, options=AXE)
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in found.response["violations"]
            if v["impact"] in ("serious", "critical")]  # fmt: skip


def test_an_exercise_wrong_then_right(opened, rest):
    page = opened(ALL[0])
    for text in ("runtime.setup()",):
        page.locator(".jp-CodeCell", has_text=text).first.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
    cell = page.locator(".jp-CodeCell", has_text="def best_share").first
    for line, verdict in ((SLIP, "Not yet"), (RIGHT, "Right")):
        rest(page)
        write(page, cell, line)
        cell.locator(".jp-OutputArea-output", has_text=verdict).wait_for(timeout=120_000)
    assert errors(page) == []


def write(page, cell, line):
    """Put a line in the place of the function's last one, as a learner would, and run the cell."""
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-line", has_text=re.compile(r"^    return ")).last.click()
    page.keyboard.press("End")
    page.keyboard.press("Shift+Home")  # up to the line's indentation
    page.keyboard.type(line.strip())
    cell.locator(".cm-line", has_text=re.compile(f"^{re.escape(line)}$")).wait_for(timeout=30_000)
    page.keyboard.press("Shift+Enter")


def test_a_stop_in_mid_training_stops_the_rest_and_says_so(opened, rest):
    page = opened(ALL[0])
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    training = page.locator(".jp-CodeCell", has_text="loop.train").first
    training.scroll_into_view_if_needed()
    training.locator(".jp-OutputArea-output").first.wait_for(timeout=180_000)  # the bar
    page.wait_for_timeout(1500)
    page.evaluate(RUN, "notebook:interrupt-kernel")
    training.get_by_text("stopped by you after").first.wait_for(timeout=60_000)
    rest(page)
    assert "Traceback" not in training.inner_text()
    assert page.locator(".jp-CodeCell .jp-InputPrompt", has_text="[*]").count() == 0
    told = page.locator(FOLD, has_text="he run says")
    assert told.count() == 2, "the prediction of the run that was stopped is not answered"
    assert page.evaluate(RUN, "notebook:run-all-cells") is True, errors(page)


def test_a_reload_keeps_what_was_shown(opened, rest):
    page = opened(ALL[0])
    page.locator(".jp-CodeCell").first.locator(".cm-content").click()
    for _ in range(6):
        page.keyboard.press("Shift+Enter")
    rest(page)  # what a cell says after the saving is not in the file
    before = page.locator(".jp-OutputArea-output").all_inner_texts()
    assert sum(bool(text.strip()) for text in before) > 3
    page.evaluate(RUN, "docmanager:save")
    page.reload()
    page.locator(".jp-OutputArea-output").nth(len(before) - 1).wait_for(timeout=120_000)
    rest(page)
    assert page.locator(".jp-OutputArea-output").all_inner_texts() == before


def test_an_answer_opens_by_the_keyboard(opened, rest):
    page = opened(ALL[0])
    page.locator(".jp-CodeCell").first.locator(".cm-content").click()
    for _ in range(14):  # up to the first answer
        page.keyboard.press("Shift+Enter")
    fold = page.locator(FOLD, has_text="he run says").first
    fold.wait_for(timeout=240_000)
    rest(page)
    fold.locator("summary").press("Enter")
    page.wait_for_function(f"document.querySelector('{FOLD}[open]')", timeout=30_000)
