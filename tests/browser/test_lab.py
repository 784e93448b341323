"""`make lab` in a real browser: the copy opens beside its contents, trusted; a closed tab ends its kernel."""

import json
import urllib.request

import pytest

from course_lib.notes import working_copy

TRUSTED = ".jp-StatusItem-trust[title^='Notebook trusted']"
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"


def answer(address):
    with urllib.request.urlopen(address, timeout=30) as found:
        return json.load(found)


def test_the_first_lesson_opens_beside_its_table_of_contents(lab, home, visit):
    page = visit(f"{lab}/")
    first = sorted(working_copy.LESSONS.glob("00_*.ipynb"))[0].name
    page.wait_for_selector(f"{PANEL} .jp-CodeCell", timeout=120_000)
    assert f"/tree/my-course/{first}" in page.url
    page.wait_for_selector("#table-of-contents .jp-tocItem", state="visible", timeout=60_000)
    assert not page.locator("#filebrowser").is_visible()
    assert page.locator(f"{PANEL} .jp-OutputArea-output").count() == 0, "nothing has run"
    assert page.locator(".jp-mod-dirty").count() == 0, "a lesson that was only opened counts as unchanged"
    assert page.locator(".jp-Dialog").count() == 0, "no question about news, kernels or trust"
    page.wait_for_selector(TRUSTED, timeout=60_000)
    assert not (home / ".jupyter" / "lab" / "user-settings").exists(), "the learner's own settings are left alone"
    assert not (home / ".jupyter" / "lab" / "workspaces").exists()


def test_what_is_run_and_saved_stays_trusted_and_a_closed_tab_ends_its_kernel(lab, visit, rest):
    page = visit(f"{lab}/lab/workspaces/trust/tree/my-course/02_attention_by_hand.ipynb")
    page.wait_for_selector(f"{PANEL} .jp-CodeCell", timeout=120_000)
    run = "async (name) => { await window.jupyterapp.started; return await window.jupyterapp.commands.execute(name) }"
    rest(page)
    first = page.locator(f"{PANEL} .jp-CodeCell").first
    first.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("import ipywidgets; ipywidgets.HTML('<b class=mine>here</b>')")
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector(".jp-OutputArea-output b.mine", timeout=120_000)
    page.evaluate(run, "docmanager:save")
    page.wait_for_timeout(1000)
    here = [one for one in answer(f"{lab}/api/sessions") if one["path"].endswith("02_attention_by_hand.ipynb")]
    assert len(here) == 1
    page.reload()
    page.wait_for_selector(".jp-OutputArea-output b.mine", timeout=120_000)
    page.wait_for_selector(TRUSTED, timeout=60_000)
    page.evaluate(run, "application:close")
    for _ in range(60):
        if here[0]["id"] not in [one["id"] for one in answer(f"{lab}/api/sessions")]:
            break
        page.wait_for_timeout(500)
    else:
        pytest.fail("the kernel of the closed tab still runs")
