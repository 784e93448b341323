"""The stop button and a reload in a real JupyterLab: what a learner sees who leaves a training half way."""

import json

import pytest

CELLS = [
    "from course_lib import experiments, runtime\nfrom course_lib.model import bodies\n"
    "from course_lib.train import loop, objectives\n\ndevice = runtime.setup()",
    "town = experiments.material(rows=2000)\ngoal = objectives.CausalLM.of(town.tokenizer)\n"
    "def train(name, steps):\n    return loop.fit(lambda: bodies.tiny_bert(town.tokenizer), town.rows, goal, steps,\n"
    "                    tokenizer=town.tokenizer, batch_size=32, name=name)",
    'model, history = train("reading, without labels", 1200)',
    'print("the end was", "reached")',
]
WIDE = """(line => [line.scrollHeight, line.clientHeight, getComputedStyle(line).whiteSpace])(
    document.querySelector("progress").parentElement)"""
RUN_ALL = "void window.jupyterapp.commands.execute('notebook:run-all-cells')"
STATUS = "window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status"


@pytest.fixture
def lab(tmp_path, served):
    """A JupyterLab on a folder with one short lesson; returns its address."""
    cell = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    lesson = {"cells": [{**cell, "id": f"c{n}", "source": source} for n, source in enumerate(CELLS)],
              "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
              "nbformat": 4, "nbformat_minor": 5}  # fmt: skip
    folder, settings = tmp_path / "lessons", tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    folder.mkdir(), settings.mkdir(parents=True)
    (folder / "live.ipynb").write_text(json.dumps(lesson), encoding="utf-8")
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}', encoding="utf-8")
    with served(
        "-m", "jupyterlab", "--allow-root", f"--ServerApp.root_dir={folder}", COURSE_CACHE=str(tmp_path / "cache"),
        OMP_NUM_THREADS="1", JUPYTERLAB_SETTINGS_DIR=str(tmp_path / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(tmp_path / "workspaces"),
    ) as address:  # fmt: skip
        yield f"{address}/lab/tree/live.ipynb"


def opened(visit, address):
    page = visit(address, width=900, height=800)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    page.wait_for_function(f"{STATUS} !== undefined", timeout=60_000)
    return page


def output(page, n):
    return page.locator(".jp-CodeCell").nth(n).locator(".jp-Cell-outputArea").inner_text()


def test_a_run_is_stopped_then_left_and_found_again(lab, visit):
    page = opened(visit, lab)
    page.wait_for_function(f"{STATUS} === 'idle'", timeout=60_000)
    page.evaluate(RUN_ALL)
    page.wait_for_function("document.body.innerText.includes('Loading torch and transformers')", timeout=30_000)
    page.wait_for_selector("progress:not([value='0'])", timeout=120_000)
    high, seen, spaces = page.evaluate(WIDE)
    assert high <= seen + 2 and spaces == "nowrap", "one line at 900 px, beside the list of files"
    assert "Loading" not in output(page, 0) and "One Mask Apart is ready" in output(page, 0)

    page.evaluate("window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    page.wait_for_function("document.body.innerText.includes('stopped by you after')", timeout=30_000)
    assert "Traceback" not in output(page, 2) and "loop.stopped()" in output(page, 2)
    page.wait_for_timeout(1000)
    assert "reached" not in output(page, 3), "the rest of a Run All stops"

    page.evaluate(RUN_ALL)
    page.wait_for_function("!document.body.innerText.includes('stopped by you after')", timeout=60_000)
    page.wait_for_selector("progress", timeout=60_000)
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.context.close()
    page = opened(visit, lab)
    page.wait_for_function("document.body.innerText.includes('Stands still after a reload?')", timeout=60_000)
    page.wait_for_function(f"{STATUS} === 'idle'", timeout=240_000)
    page.evaluate(RUN_ALL)
    page.wait_for_function("document.body.innerText.includes('the end was reached')", timeout=60_000)
    again = output(page, 2)
    assert "trained already, taken from the disk (1,200 steps)" in again and "Stands still" not in again
