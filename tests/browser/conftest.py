"""A real browser for the tests in this folder: Debian's chromium, or the one that `make browser-test` fetched."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright import sync_api

ROOT = Path(__file__).resolve().parents[2]
START = "import sys; from tools import tasks; sys.exit(tasks.lab(*sys.argv[1:]))"
REST = """() => {
    const status = document.querySelector('#jp-main-statusbar')?.innerText;
    const rests = window.jupyterapp && /\\| Idle/.test(status) && !document.body.innerText.includes('[*]');
    window.restsSince = rests ? (window.restsSince ?? performance.now()) : undefined;
    return rests && performance.now() - window.restsSince > 1000;
}"""  # a whole second: what a key press starts has not begun when the press returns
QUIET = (  # nothing is looked up in the background, so that every request that is seen is the page's own
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-gpu",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser():
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    alone = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=[*QUIET, *alone])
        yield started
        started.close()


@pytest.fixture
def visit(browser):
    """Return visit(address, width, height, scheme): a page on which every error, and every request, is kept."""
    contexts = []

    def opened(address, width=1280, height=720, scheme="light", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.problems, page.requests = [], []
        page.on("console", lambda said: said.type in ("error", "warning") and page.problems.append(said.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def rest():
    """Return rest(page): wait until nothing runs; a cell that begins or ends takes the focus, and keys with it."""

    def wait(page):
        page.evaluate("delete window.restsSince")
        page.wait_for_function(REST, timeout=240_000)

    return wait


@pytest.fixture
def home(tmp_path):
    """A learner's home with nothing in it: no answer, copy or setting of another test."""
    return tmp_path


@pytest.fixture
def lab(home, served):
    """A JupyterLab as `make lab` starts it, for a learner who has no settings yet: its address."""
    with served("-c", START, HOME=str(home), COURSE_HOME=str(home / "course")) as address:
        yield address


@pytest.fixture(scope="session")
def served():
    """Return served(what follows `python`, NAME=value of the environment): a block with a JupyterLab, its address."""
    return _served


@contextlib.contextmanager
def _served(*started, **variables):
    ours = ("JUPYTER", "XDG_", "PYTEST_", "COURSE_")  # under pytest a kernel would be quiet
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--no-browser",
               "--LabApp.expose_app_in_browser=True"]  # fmt: skip
    server = subprocess.Popen([sys.executable, *started, *options], cwd=ROOT,
                              env=environment | {"PYTHONPATH": str(ROOT)} | variables)  # fmt: skip
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
    server.wait(60)
    with pytest.raises(OSError):  # JupyterLab has ended with what started it, and its kernels with JupyterLab
        urllib.request.urlopen(f"{address}/api", timeout=5).close()
