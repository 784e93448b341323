"""A real browser for the tests in this folder: Debian's chromium, or the one that `make browser-test` fetched."""

import os
import shutil

import pytest
from playwright import sync_api

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
