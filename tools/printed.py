"""Make lessons to print, from their stored outputs: `make print ARGS="03"` writes build/print/03_*.html, and a PDF.

Nothing is executed, and a page asks for nothing from the network. What a lesson folds away (answers, hints, solutions)
stands open at the end of its section, with its figures; where it was, a line says so.
"""

import base64
import html
import io
import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from matplotlib import mathtext
from matplotlib.font_manager import FontProperties
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from course_lib import places
from course_lib.exercises import lessons, questions
from course_lib.notes import working_copy
from course_lib.notes.cards import inline

__all__ = ["FORMULA", "LIVE", "ONE_CALL", "OUT", "chosen", "draw_formulas", "drawn", "kind", "main", "page", "pdf"]

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "print"
STYLE = Path(__file__).with_suffix(".css")
ORDER = ("Answer", "Hint", "Solution")  # at the end of a section
ONE_CALL = re.compile(r"((predict|quiz|hint|solution|progress)\(.*\)\n?)+")  # a cell that only shows what is below it
LIVE = re.compile(r"Run this cell again to count anew|^\s*(Not attempted yet: |Your progress)")  # an output
FORMULA = re.compile(r"\$\$?([^$]+?)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)
NO_PDF = "No PDF: that takes Chromium, and `make setup` once. Or open a page in any browser and print it there, on A4."


def kind(fold):
    """Return what a stored <details> holds ("Answer", "Hint" or "Solution"), or None: it may stay open in its place.

    Answers are those of predictions, whiteboards, the interview and the drill; a claim with its truth is none.
    """
    told = fold.summary.get_text() if fold.summary else ""
    if re.fullmatch(r"Hint \d+ of \d+", told):
        return "Hint"
    if told.startswith("One right answer to "):
        return "Solution"
    asked = fold.select_one("summary > b ~ [lang=zh]") and not fold.get("style")
    return "Answer" if asked or re.match(r"Answer( \(|$)|What must not be missing|Your paper", told) else None


def page(notebook):
    """Return a notebook as one HTML page to print."""
    notebook = nbformat.from_dict(notebook | {"cells": working_copy.for_learners(notebook.cells)})
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    soup = BeautifulSoup(exporter.from_notebook_node(notebook)[0], "html.parser")
    _judge(soup)
    _move(soup)
    _tidy(soup)
    title = soup.h1.get_text() if soup.h1 else "A lesson"
    style = HtmlFormatter().get_style_defs(".highlight") + STYLE.read_text(encoding="utf-8")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{inline(title)}</title>'
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{style}</style></head><body>\n{soup}</body></html>\n'


def _judge(soup):
    """Put the answer of each quiz, which only a click shows, into a fold beside the question."""
    for note in soup.find_all("i"):
        if asked := re.search(r'Click an option, or type its letter: (predict|quiz)\("([\w-]+)"', note.get_text()):
            if asked[1] == "quiz":
                question = lessons.find("quizzes", asked[2])
                said = f"<b>{inline(questions.choice(question, question.answer))}</b>"
                fold = f"<details><summary>Answer</summary>{said} {inline(question.because[question.answer])}</details>"
                note.insert_after(BeautifulSoup(fold, "html.parser"))
            note.decompose()


def _move(soup):
    """Move what folds hold to the end of their sections: before the next heading of a lesson's first two levels."""
    waiting, count = [], dict.fromkeys(ORDER, 0)
    for tag in soup.find_all(["h1", "h2", "details"]):
        if tag.name != "details":
            if tag.find_parent(class_="text_cell_render"):
                _settle(waiting, tag.insert_before)
                waiting = []
        elif what := kind(tag):
            count[what] += 1
            waiting.append((what, *_taken(soup, tag, what, count[what])))
        else:
            tag["open"] = ""
    _settle(waiting, soup.append)


def _taken(soup, fold, what, number):
    """Take a fold out of the page; returns (its heading, what it holds). A line that links there stays."""
    cell = fold.find_parent(class_="code_cell") if what != "Answer" else None
    called = re.search(rf'\b{what.lower()}\("(\w+)"', cell.select_one(".input_area").get_text()) if cell else None
    name, anchor = f"{what} for {called[1]}" if called else f"{what} {number}", f"{what.lower()}-{number}"
    summary, question = fold.summary.extract(), ""
    if summary.find(lang="zh"):
        question = summary.decode_contents() + "<br>"
    line = f'<p class="later" id="to-{anchor}">{question}<a href="#{anchor}">{name}</a>: at the end of this section</p>'
    fold.replace_with(BeautifulSoup(line, "html.parser"))
    fold.name, fold["class"] = "div", "held"
    fold.attrs.pop("open", None)
    head = f'<h4 id="{anchor}"><a href="#to-{anchor}">{name}</a> <span>{question}</span></h4>'
    return BeautifulSoup(head, "html.parser"), fold


def _settle(waiting, put):
    """Put what was taken out of a section at its end: answers, then hints, then solutions."""
    if waiting:
        end = BeautifulSoup('<section class="answers"><h3>Answers</h3></section>', "html.parser").section
        for _, head, held in sorted(waiting, key=lambda one: ORDER.index(one[0])):
            end.extend([head, held])
        put(end)


def _tidy(soup):
    """Leave out what only a kernel or a screen can use, draw formulas, and point links at printed lessons."""
    for live in soup.select("iframe, button, script, .anchor-link"):
        live.decompose()
    for output in soup.select(".output_area"):
        if LIVE.search(output.get_text()):
            output.decompose()
    for code in soup.select(".input"):
        if ONE_CALL.fullmatch(code.get_text().strip()):
            code.decompose()
    for link in soup.select("a[href*='.ipynb']"):
        link["href"] = link["href"].replace(".ipynb", ".html")
    draw_formulas(soup)


def draw_formulas(soup):
    """Put an image in the place of every formula of a page, code left out."""
    for text in soup.find_all(string=FORMULA):
        if not text.find_parent(["pre", "code"]):
            text.replace_with(BeautifulSoup(FORMULA.sub(drawn, html.escape(text, quote=False)), "html.parser"))


def drawn(found):
    """Return a formula as an image that stands on the line, or as it is written where matplotlib cannot draw it."""
    formula, image = html.unescape(next(filter(None, found.groups()))), io.BytesIO()
    try:
        size = FontProperties(size=11)
        depth = mathtext.math_to_image(f"${formula}$", image, prop=size, format="svg")
    except ValueError:
        return found[0]
    data = base64.b64encode(image.getvalue()).decode()
    style = f'class="formula" style="vertical-align:-{depth}pt"'
    return f'<img {style} alt="{html.escape(formula)}" src="data:image/svg+xml;base64,{data}">'


def chosen(names):
    """Return the notebooks of these lessons ("03", "3"), all without names; ValueError says which lessons there are."""
    files = {int(file.name[:2]): file for file in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
    if unknown := [name for name in names if not (name.isdecimal() and int(name) in files)]:
        there = ", ".join(f"{number:02d}" for number in files)
        raise ValueError(f"there is no lesson {', '.join(unknown)}; the lessons are {there}")
    return [files[number] for number in sorted({*map(int, names)})] if names else [*files.values()]


def pdf(pages, query=""):
    """Write a PDF beside each page (a path), where there is a browser that can; returns whether there is.

    query: what follows each page's address, as in "?print-pdf". A page that is laid out anew says so until it is done,
    by an element with the attribute `data-busy`.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        return False
    with sync_playwright() as playwright:
        found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
        found = found or playwright.chromium.executable_path
        if not os.path.exists(found):
            return False
        alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        try:
            browser = playwright.chromium.launch(executable_path=found, args=alone)
        except Error as error:
            print(f"{found} does not start: {error.message.splitlines()[0]}")
            return False
        for written in pages:
            opened = browser.new_page()
            opened.goto(written.as_uri() + query)
            opened.wait_for_function("!document.querySelector('[data-busy]')")
            opened.pdf(path=written.with_suffix(".pdf"), prefer_css_page_size=True, outline=True, tagged=True)
            opened.close()
        browser.close()
    return True


def main(arguments=None):
    """Write the pages of the lessons that are named, or of all; returns the exit status."""
    try:
        notebooks = chosen(sys.argv[1:] if arguments is None else arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    pages = [OUT / f"{notebook.stem}.html" for notebook in notebooks]
    try:
        OUT.mkdir(parents=True, exist_ok=True)
        for notebook, written in zip(notebooks, pages, strict=True):
            places.write(written, page(nbformat.read(notebook, as_version=4)))
    except OSError as error:
        print(f"{OUT} cannot be written: {error.strerror or error}. Clone the course into a folder of yours.")
        return 1
    print(f"Written in {os.path.relpath(OUT, ROOT)}: {', '.join(written.name for written in pages)}", flush=True)
    print("Each has its PDF beside it." if pdf(pages) else NO_PDF)
    return 0


if __name__ == "__main__":
    sys.exit(main())
