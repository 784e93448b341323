"""The website: what is generated, where links lead, what is kept secret, and that two builds give the same bytes."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup

from course_lib.exercises import lessons as texts
from course_lib.notes import claims, drill, glossary, working_copy
from tools.site import lessons, pages

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
THERE = {"repository": "https://github.com/you/one-mask", "branch": "main", "hub": "https://hub.example.org"}


def spaced(text):
    return " ".join(text.split())


def built(folder, *arguments):
    """Build the website in a process of its own, as `make site` does; returns the folder."""
    done = subprocess.run([sys.executable, "-m", "tools.site", *arguments, "--out", folder], cwd=ROOT,
                          capture_output=True, text=True, encoding="utf-8")  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return built(tmp_path_factory.mktemp("whole") / "site")


@pytest.fixture(scope="module")
def soups(site):
    """Return {address: parsed page} of all pages that Sphinx made, without the bytes of images."""
    files = [file for file in site.rglob("*.html") if file.name not in (pages.GLASS, pages.ENGLISH)]
    return {file.relative_to(site).as_posix(): BeautifulSoup(
        re.sub(r'src="data:[^"]*"', 'src="data:"', file.read_text(encoding="utf-8")), "html.parser")
            for file in files}  # fmt: skip


# --- links, and where the course is published --------------------------------------------------------------


def test_a_link_leads_to_a_page_to_the_repository_or_nowhere():
    text = "[a](docs/x.md#y) [b](data/evidence) [c](one-mask-apart.html) [d](https://e.org) [f](#here) ![g](docs/g.png)"
    kept = '[a](docs/x.md#y) {} <a href="one-mask-apart.html">c</a> [d](https://e.org) [f](#here) ![g](docs/g.png)'
    nowhere, there = pages.CONFIG | {"repository": ""}, pages.CONFIG | THERE
    assert pages.elsewhere(text, "", nowhere) == kept.format("b")
    assert pages.elsewhere(text, "", there) == kept.format(
        "[b](https://github.com/you/one-mask/blob/main/data/evidence)"
    )
    assert pages.elsewhere("[a](../README.md) [b](../tools/x)", "docs", nowhere) == "[a](../README.md) b"


def test_buttons_are_off_until_a_repository_is_named():
    assert pages.buttons("03_x", pages.CONFIG | THERE | {"repository": ""}) == {}
    assert pages.buttons("03_x", pages.CONFIG | THERE) == {
        "Colab": "https://colab.research.google.com/github/you/one-mask/blob/main/notebooks/03_x.ipynb",
        "Binder": "https://mybinder.org/v2/gh/you/one-mask/main?urlpath=lab/tree/notebooks/03_x.ipynb",
        "your hub": "https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fyou%2Fone-mask"
                    "&branch=main&urlpath=lab/tree/one-mask/notebooks/03_x.ipynb",
    }  # fmt: skip
    assert set(pages.buttons("03_x", pages.CONFIG | THERE | {"hub": ""})) == {"Colab", "Binder"}


# --- a lesson ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_asks_what_a_page_can_answer_and_keeps_the_answer_folded(path):
    prepared = lessons.prepared(nbformat.read(path, as_version=4), "<p>tools</p>")
    markup = "".join(output.data.get("text/html", "") for cell in prepared.cells for output in cell.get("outputs", [])
                     if "data" in output)  # fmt: skip
    soup = BeautifulSoup(re.sub(r'src="data:[^"]*"', "", markup), "html.parser")
    assert "Click an option" not in soup.get_text() and "count anew" not in soup.get_text()
    assert not soup.select("a[href*='.ipynb']") and not soup.select("details[open]")
    number = int(path.name[:2])
    asked = {card["data-asks"]: card for card in soup.select("[data-asks]")}
    folds = {fold["data-answers"]: fold for fold in soup.select("details[data-answers]")}
    assert set(asked) == set(folds) == {*texts.texts(number)["predictions"], *texts.texts(number)["quizzes"]}
    for name, fold in folds.items():
        kind = "quizzes" if name in texts.texts(number)["quizzes"] else "predictions"
        question = texts.find(kind, name)
        options = [one["data-option"] for one in asked[name].select("li[data-option]")]
        said = {one["data-option"]: one for one in fold.select("p[data-option]")}
        assert options == [*question.options] == [*said]
        assert all(one.has_attr("hidden") and one.get_text().startswith(f"You said {letter})")
                   for letter, one in said.items())  # fmt: skip
    for fold in folds.values():
        fold.decompose()
    outside = spaced(soup.get_text())
    for kind in ("predictions", "quizzes"):
        for name in texts.texts(number)[kind]:
            for because in texts.find(kind, name).because.values():
                told = spaced(BeautifulSoup(lessons.inline(because), "html.parser").get_text())
                assert len(told) < 25 or told not in outside, (name, told)


def test_a_pdf_is_offered_while_it_is_of_the_lesson_as_it_is(monkeypatch, tmp_path):
    name = NOTEBOOKS[3].stem
    monkeypatch.setattr(pages.printed, "OUT", tmp_path)
    assert pages.pdf(name) is None and "PDF" not in pages._tools(name, 1)
    (tmp_path / f"{name}.pdf").write_bytes(b"%PDF-")
    assert pages.pdf(name) and f"downloads/{name}.pdf" in pages._tools(name, 1)
    os.utime(tmp_path / f"{name}.pdf", (0, 0))  # of an older lesson
    assert pages.pdf(name) is None


def test_minutes_come_from_the_words_of_the_text():
    cells = [nbformat.v4.new_markdown_cell("# One two\n\nthree *four*, `five` 6"), nbformat.v4.new_code_cell("not = 1")]
    assert lessons.words(nbformat.v4.new_notebook(cells=cells)) == 5


# --- the whole -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_pages_hold_all_that_data_holds(soups):
    listed = pages.listed((ROOT / "README.md").read_text(encoding="utf-8"))
    assert [f"{name}.ipynb" for _, _, name, *_ in listed] == [path.name for path in NOTEBOOKS]
    assert {f"notebooks/{path.stem}.html" for path in NOTEBOOKS} <= set(soups)
    folds = soups["claims.html"].select("details[data-verdict]")
    assert [fold["id"] for fold in folds] == [claim.id.lower() for claim in claims.load()]
    assert {fold["data-verdict"] for fold in folds} <= set(claims.VERDICTS)
    for name in ("verdict", "evidence"):
        values = {option.get_text() for option in soups["claims.html"].select(f"[data-filter={name}] option")}
        assert values - {"all"} == {one for fold in folds for one in fold[f"data-{name}"].split(", ")}
    assert len(soups["drill.html"].select("details:not([open])")) == len(drill.load())
    assert len(soups["glossary.html"].select("tbody tr[id]")) == len(glossary.load())
    assert {one["lang"] for one in soups["glossary.html"].select("td [lang]")} == {"zh"}


@pytest.mark.slow
def test_every_link_leads_somewhere(site, soups):
    ids = {address: {one["id"] for one in soup.select("[id]")} for address, soup in soups.items()}
    lost = []
    for address, soup in soups.items():
        for tag in soup.select("a[href], link[href], script[src], img[src], iframe[src]"):
            to = tag.get("href") or tag.get("src")
            assert not to.endswith(".ipynb") or tag.has_attr("download"), f"{address}: {to} is no page"
            if re.match("https?:", to):
                assert tag.name == "a", f"{address} fetches {to}"
            elif to and not to.startswith(("data:", "#")):
                path, _, anchor = to.partition("#")
                file = (site / address).parent / unquote(path.partition("?")[0])
                name = file.resolve().relative_to(site.resolve()).as_posix()
                if not file.is_file() or (name in ids and anchor and unquote(anchor) not in ids[name]):
                    lost.append((address, to))
            elif to.startswith("#") and to != "#" and unquote(to[1:]) not in ids[address]:
                lost.append((address, to))
    assert not lost


@pytest.mark.slow
def test_no_page_tells_of_the_machine_that_built_it_or_is_too_large(site):
    for file in site.rglob("*"):
        if file.suffix in (".html", ".js", ".css") and file.name not in (pages.GLASS, pages.ENGLISH):
            text = file.read_text(encoding="utf-8")
            for told in (str(ROOT), str(Path.home()) + "/", "/tmp/", "sources/", "cdn.", "googleapis"):
                assert told not in text or told == "/tmp/" and "notebooks" in str(file), (file, told)
    loaded = [file for file in (site / "_static").rglob("*.*") if file.suffix in (".css", ".js", ".woff2")]
    loaded = [file for file in loaded if not file.name.startswith("search")] + [site / "index.html", site / pages.GLASS]
    assert sum(file.stat().st_size for file in loaded) < 3_000_000
    assert (site / "notebooks" / "00_start_here.html").stat().st_size < 500_000


@pytest.mark.slow
def test_the_search_finds_both_languages_and_no_answer_of_a_prediction(site):
    text = (site / "_static" / "search-index.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("window.SEARCH_INDEX = ").removesuffix(";\n"))
    found = {address: f"{title} {heading} {text}" for address, title, heading, text in index}
    assert "掩码" in found["glossary.html#attention-mask"] and "mask" in found["claims.html#enc-06"]
    assert len(found) == len(index) > 300
    everything = spaced(" ".join(found.values()))
    for number in texts.numbers():
        for name in texts.texts(number)["predictions"]:
            read = texts.find("predictions", name).because
            for because in read.values():
                told = spaced(BeautifulSoup(lessons.inline(because), "html.parser").get_text())
                assert len(told) < 25 or told not in everything, (name, told)


@pytest.mark.slow
def test_downloads_hold_the_lessons_empty_and_with_outputs(site):
    for path in NOTEBOOKS:
        cells = working_copy.for_learners(nbformat.read(path, as_version=4).cells)
        assert nbformat.read(site / "notebooks" / path.name, as_version=4).cells == cells
        empty = nbformat.read(site / "downloads" / path.name, as_version=4)
        assert [cell.source for cell in empty.cells] == [cell.source for cell in cells]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in empty.cells)


@pytest.mark.slow
def test_two_builds_pack_into_the_same_bytes(tmp_path):
    from tools.site import __main__ as command

    packed = []
    for name in ("one", "two"):
        site = built(tmp_path / name, "02")  # a lesson with formulas
        assert "data:image/svg+xml" in (site / "notebooks" / NOTEBOOKS[2].with_suffix(".html").name).read_text("utf-8")
        command.pack(site, tmp_path / f"{name}.zip")
        packed.append((tmp_path / f"{name}.zip").read_bytes())
    assert packed[0] == packed[1]


def test_a_folder_of_somebody_is_never_emptied(tmp_path, capsys):
    from tools.site import __main__ as command

    (tmp_path / "thesis.txt").write_text("mine")
    assert command.main(["--out", str(tmp_path)]) == 2
    assert (tmp_path / "thesis.txt").read_text() == "mine" and "holds something else" in capsys.readouterr().err


def test_a_formula_is_drawn_in_text_and_left_in_code():
    soup = BeautifulSoup("<p>a $x^2$ b</p><code>$y$</code>", "html.parser")
    lessons.printed.draw_formulas(soup)
    assert soup.p.img["alt"] == html.unescape("x^2") and soup.code.get_text() == "$y$"
