"""The website in a real browser, from a disk and under a path of a server: read, guess, search, play, in the dark."""

import functools
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

ROOT = Path(__file__).resolve().parents[2]
LESSONS = ("00_start_here", "03_attention_masks", "05_masked_language_modelling")
PAGES = ("index.html", "claims.html", "drill.html", "glossary.html", "search.html?q=mask", "downloads.html",
         "docs/town-world-paper.html", *(f"notebooks/{name}.html" for name in LESSONS))  # fmt: skip
WIDER = """() => [...document.querySelectorAll('main *')].filter((one) =>
    one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest('pre, iframe, [style*="overflow"], .pst-scrollable-table-container')
).map((one) => one.outerHTML.slice(0, 150))"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build three lessons; return the folder above the website, which stands in some/path there."""
    place = tmp_path_factory.mktemp("host")
    numbers = [name[:2] for name in LESSONS]
    command = [sys.executable, "-m", "tools.site", *numbers, "--out", place / "some" / "path"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def host(site):
    """Serve the website under a path: its address there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/some/path/"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["disk", "server"])
def base(request, site, host):
    return host if request.param == "server" else (site / "some" / "path").as_uri() + "/"


def quiet(page, base):
    """Nothing was complained of, and nothing asked for from elsewhere."""
    assert not page.problems
    assert all(address.startswith((base, "data:", "blob:")) for address in page.requests), page.requests


def test_the_front_page_has_two_doors_and_the_live_model(visit, base):
    page = visit(base + "index.html", width=1300, height=900)
    assert page.locator(".door").all_inner_texts()[0].startswith("Read and play here")
    frame = page.frame_locator(".glass iframe")
    frame.locator("#bars .bar").first.wait_for()
    page.wait_for_function("getComputedStyle(document.querySelector('.glass iframe')).visibility === 'visible'")
    before = frame.locator("#bars .bar").first.inner_text()
    frame.locator("label", has_text="Causal").click()
    assert frame.locator("#bars .bar").first.inner_text() != before
    quiet(page, base)
    page.locator(".door").first.click()
    page.wait_for_url(f"**/{LESSONS[0]}.html")
    assert page.locator("h1").inner_text().startswith("00")


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_reads_and_answers_the_option_that_was_chosen(visit, base, name):
    page = visit(base + f"notebooks/{name}.html")
    cards, folds = page.locator("[data-asks]"), page.locator("details[data-answers]")
    assert cards.count() == folds.count() > 0 and page.locator("details[data-answers][open]").count() == 0
    card = cards.first
    asked = card.get_attribute("data-asks")
    fold = page.locator(f"details[data-answers='{asked}']")
    hidden = fold.locator("> :not(summary)").first
    assert not hidden.is_visible()
    card.locator("button").nth(1).click()
    said = fold.locator("> p[data-option]:visible")
    assert said.count() == 1 and said.inner_text().startswith("You said b)")
    assert card.locator("[aria-pressed=true]").count() == 1 and "Your guess: b" in card.inner_text()
    card.locator("button").first.click()
    assert said.count() == 1 and said.inner_text().startswith("You said a)")
    images = page.evaluate("[...document.images].filter((one) => one.complete && !one.naturalWidth).length")
    assert images == 0
    quiet(page, base)


def test_without_scripts_a_lesson_still_folds_and_asks(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "some" / "path" / "notebooks" / f"{LESSONS[0]}.html").as_uri())
    assert page.locator("[data-asks] li[data-option]").first.is_visible()
    fold = page.locator("details[data-answers]").first
    assert "Choose" in page.locator("[data-note]").first.inner_text()
    fold.locator("summary").click()
    assert fold.get_attribute("open") is not None and fold.locator("> p[data-option]:visible").count() == 0
    context.close()


@pytest.mark.parametrize("query, address", [("attention masks", "03_attention_masks"), ("掩码", "glossary.html#")])
def test_the_search_finds_english_and_chinese(visit, base, query, address):
    page = visit(base + f"search.html?q={query}")
    links = page.locator("#search-results a")
    links.first.wait_for()
    found = [link.get_attribute("href") for link in links.all()]
    assert any(address in link for link in found) and page.locator("#search-results mark").count()
    page.locator("#search-words").fill("zebra crossing")
    assert page.locator("#search-count").inner_text() == "0 sections found"
    page.locator("#search-words").fill("GPT-08")
    links.first.click()
    page.locator("#gpt-08[open]").wait_for()  # the page opens it once its script has run
    quiet(page, base)


def test_the_search_of_any_page_leads_there(visit, host):
    page = visit(host + "notebooks/03_attention_masks.html")
    page.keyboard.press("Control+k")
    page.locator("input[type=search]:focus").wait_for()
    page.keyboard.type("causal")
    page.keyboard.press("Enter")
    page.locator("#search-results a").first.wait_for()
    assert "search.html?q=causal" in page.url


def test_claims_are_filtered_by_verdict_and_evidence(visit, host):
    page = visit(host + "claims.html")
    shown = page.locator("details[data-verdict]:visible")
    everything = shown.count()
    page.locator("[data-filter=verdict]").select_option("wrong")
    wrong = shown.count()
    page.locator("[data-filter=evidence]").select_option("measured")
    assert 0 < shown.count() < wrong < everything
    assert page.locator(".filter output").inner_text() == f"{shown.count()} of {everything}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_barrier_in_light_and_dark(visit, host, name, scheme):
    page = visit(host + name, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    grave = [(one["id"], one["nodes"][0]["html"][:200]) for one in Axe().run(page).response["violations"]
             if one["impact"] in ("serious", "critical")]  # fmt: skip
    assert not grave
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_telephone(visit, host, name):
    page = visit(host + name, width=360, height=740)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360 and page.evaluate(WIDER) == []


def test_the_model_takes_the_theme_that_was_chosen(visit, host):
    page = visit(host + "index.html", width=1300, height=900)
    frame = page.frame_locator(".glass iframe")
    frame.locator("#bars .bar").first.wait_for()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    frame.locator("html[data-theme=dark]").wait_for(state="attached")
