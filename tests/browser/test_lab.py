"""`make lab` in a real browser: the copy opens beside its contents, trusted; a closed tab ends its kernel."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from course_lib.notes import working_copy

ROOT = Path(__file__).resolve().parents[2]
TRUSTED = ".jp-StatusItem-trust[title^='Notebook trusted']"
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
START = "import sys; from tools import tasks; sys.exit(tasks.lab(*sys.argv[1:]))"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def lab(home):
    """A JupyterLab as `make lab` starts it, for a learner who has no settings yet: its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "XDG_"))}
    environment |= {"HOME": str(home), "COURSE_HOME": str(home / "course"), "PYTHONPATH": str(ROOT)}
    options = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--no-browser",
               "--LabApp.expose_app_in_browser=True"]  # fmt: skip
    server = subprocess.Popen([sys.executable, "-c", START, *options], cwd=ROOT, env=environment)
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/api", timeout=5).close()
            break
        except OSError:
            assert server.poll() is None, "JupyterLab did not start"
            time.sleep(0.5)
    yield address
    server.terminate()
    server.wait(30)


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


def test_a_double_click_does_not_open_the_answers(lab, visit):
    page = visit(f"{lab}/lab/workspaces/double-click/tree/my-course/03_attention_masks.ipynb")
    page.wait_for_selector(f"{PANEL} .jp-CodeCell", timeout=120_000)
    cell = page.locator(f"{PANEL} .jp-MarkdownCell", has=page.locator("details")).last
    cell.scroll_into_view_if_needed()
    cell.dblclick(position={"x": 200, "y": 8})
    assert cell.locator(".jp-RenderedMarkdown").is_visible()


def test_what_is_run_and_saved_stays_trusted_and_a_closed_tab_ends_its_kernel(lab, home, visit):
    page = visit(f"{lab}/lab/workspaces/trust/tree/my-course/02_attention_by_hand.ipynb")
    page.wait_for_selector(f"{PANEL} .jp-CodeCell", timeout=120_000)
    run = "async (name) => { await window.jupyterapp.started; return await window.jupyterapp.commands.execute(name) }"
    page.wait_for_selector(f"{PANEL} .jp-Spinner", state="detached", timeout=60_000)
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
