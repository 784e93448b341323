"""Prepare a stored lesson for the website: what only a kernel can do goes, what a page can do instead comes."""

import copy
import re

from bs4 import BeautifulSoup
from myst_parser.mdit_to_docutils.base import default_slugify as slug

from course_lib.exercises import lessons, questions
from course_lib.notes.cards import inline
from tools import printed

__all__ = ["prepared", "slug", "whiteboard", "words"]

ASKS = re.compile(r"^(predict|quiz)\(\s*\"([\w-]+)\"", re.M)
REVEALS = re.compile(r"^reveal\(\s*\"([\w-]+)\"", re.M)
GUESS = {
    "predict": "What do you expect? Choose before you read on: the answer is folded below.",
    "quiz": "Choose, then open the answer.",
}
ELSEWHERE = re.compile(r"\]\((\d\d_\w+\.ipynb)#([^)]+)\)")  # JupyterLab's anchors; Sphinx has its own


def prepared(notebook, tools):
    """Return a copy of a notebook as Sphinx shall read it; tools: HTML that stands below its title."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            _prepare(cell)
        else:
            cell.source = ELSEWHERE.sub(lambda m: f"]({m[1]}#{slug(m[2].replace('-', ' '))})", cell.source)
    title, rest = notebook.cells[0].source.split("\n", 1)
    notebook.cells[0].source = f"{title}\n\n{tools}\n\n{rest.lstrip()}"
    return notebook


def _prepare(cell):
    cell.outputs = [one for one in cell.outputs if not printed.LIVE.search(_html(one) or one.get("text", ""))]
    if printed.ONE_CALL.fullmatch(cell.source.strip()):
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), "remove-input"]
    asks, reveals = iter(ASKS.findall(cell.source)), iter(REVEALS.findall(cell.source))  # a cell may ask twice
    for output in cell.outputs:
        if markup := _html(output):
            soup = BeautifulSoup(markup, "html.parser")
            if asked := next(asks, None):
                _ask(soup, *asked)
            if revealed := next(reveals, None):
                _answer(soup.details, lessons.find("predictions", revealed))
            for link in soup.select("a[href*='.ipynb']"):
                link["href"] = link["href"].replace(".ipynb", ".html")
            for frame in soup.select("iframe"):
                frame["tabindex"] = "-1" if "hidden" in frame.get("style", "") else "0"
            printed.draw_formulas(soup)
            output.data = {"text/html": str(soup)}


def _html(output):
    return output.get("data", {}).get("text/html", "")


def _ask(soup, kind, name):
    """Let a question say what a page can do: options can be chosen (course.js), and a quiz has its answer folded."""
    question = lessons.find({"predict": "predictions", "quiz": "quizzes"}[kind], name)
    card, note = soup.div, soup.find("i")
    card["data-asks"], note["data-note"], note.string = name, "", GUESS[kind]
    for letter, option in zip(question.options, card.select("ul > li"), strict=True):
        option["data-option"] = letter
    if kind == "quiz":
        said = f"<p><b>{inline(questions.choice(question, question.answer))}</b> "
        said += f"{inline(question.because[question.answer])}</p>"
        fold = f"<details><summary><b>Answer</b></summary>{said}</details>"
        note.insert_after(BeautifulSoup(fold, "html.parser"))
        _answer(card.details, question)


def _answer(fold, question):
    """Put into an answer's fold what there is to say to each option, for the page to show to whoever chose it."""
    fold["data-answers"] = question.name
    for letter in reversed(question.options):
        said = f"You said {inline(questions.choice(question, letter))} {inline(question.because[letter])}"
        fold.summary.insert_after(BeautifulSoup(f'<p data-option="{letter}" hidden>{said}</p>', "html.parser"))


def whiteboard(notebook):
    """Return the stored whiteboard cards of a lesson: the task in view, the drawing and the marks folded."""
    shown = [_html(output) for cell in notebook.cells for output in cell.get("outputs", [])]
    return [one for one in shown if "<b>Take a sheet of paper.</b>" in one]


def words(notebook):
    """Count the words of a lesson's text and questions, folds included; code and tables are not read like prose."""
    text = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return len(re.findall(r"[^\W\d_]+", text))
