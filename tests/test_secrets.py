"""A prediction keeps its secret: nothing on the page outside the answer's fold gives the answer away.

Two rules and a list. Between predict() and reveal(), and after it until there is text, no cell shows anything (a
cell tagged `neutral` may: its author looked). And the words that would tell, which the prediction lists as `secrets`
(regular expressions), stand nowhere before the fold, in its code, or behind it up to the next heading: in text, code,
outputs or alt text.
"""

import ast
import html
import re
from pathlib import Path

import nbformat
import pytest

from course_lib.exercises import lessons
from course_lib.notes import working_copy

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
IDS = [path.stem for path in NOTEBOOKS]
TAG = re.compile(r"<[^>]*>")


def calls(cell, function):
    """Return the names (first arguments) of a cell's calls of predict or reveal."""
    if cell.cell_type != "code":
        return []
    nodes = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call) and node.args]
    return [n.args[0].value for n in nodes if getattr(n.func, "id", "") == function and hasattr(n.args[0], "value")]


def shown(cell):
    """Return all that a cell's outputs say, as text: alt texts included."""
    said = []
    for output in cell.get("outputs", []):
        said += [output.get("text", "")]
        for kind, value in output.get("data", {}).items():
            if kind.startswith("text/"):
                said += re.findall(r'alt="([^"]*)"', value) + [TAG.sub("", re.sub(r'src="[^"]*"', "", value))]
    return html.unescape(" ".join(said))


def asks(cell):
    """Say whether all that a cell shows is a question, or a fold."""
    called = [name for function in ("predict", "quiz", "reveal") for name in calls(cell, function)]
    return len(cell.get("outputs", [])) == len(called) > 0


def leaks(notebook, questions):
    """Return, for a notebook's predictions, each place that gives an answer away, as a sentence."""
    cells, found = notebook.cells, []
    at = {name: n for n, cell in enumerate(cells) for name in calls(cell, "predict")}
    for told, cell in enumerate(cells):
        for name in calls(cell, "reveal"):
            asked = at.get(name, told)
            if asked >= told:
                found.append(f"{name}: ask with predict() in a cell before reveal()")
            for n in [*range(asked + 1, told), *behind(cells, told)]:
                neutral = asks(cells[n]) or "neutral" in cells[n].metadata.get("tags", [])
                if cells[n].get("outputs") and not neutral:
                    found.append(f"{name}: cell {n} shows something outside the fold; give it to reveal()")
            found += [f"{name}: {place}" for place in words(cells, asked, told, questions[name])]
    return found


def behind(cells, told):
    """Return the numbers of the code cells that follow a reveal with no text between, up to the next question."""
    for n in range(told + 1, len(cells)):
        if cells[n].cell_type != "code" or calls(cells[n], "predict"):
            return
        if not calls(cells[n], "reveal"):
            yield n


def words(cells, asked, told, question):
    """Yield where a secret stands that it may not, and which one the fold does not hold."""
    heading = (n for n in range(told + 1, len(cells)) if re.match(r"#+ ", cells[n].source))
    end = next(heading, len(cells))
    for secret in question.secrets:
        pattern = re.compile(secret, re.IGNORECASE)
        for n in range(end):
            text = cells[n].source + ("" if n in (asked, told) else " " + shown(cells[n]))
            if hit := pattern.search(text):
                yield f"cell {n} says {hit.group()!r}"
        if not pattern.search(shown(cells[told])):
            yield f"its fold does not say {secret!r}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_no_answer_stands_on_the_page_before_the_guess(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = working_copy.for_learners(notebook.cells)
    questions = lessons.read("predictions", int(path.name[:2]))
    asked = [name for cell in notebook.cells for name in calls(cell, "predict")]
    told = [name for cell in notebook.cells for name in calls(cell, "reveal")]
    assert sorted(asked) == sorted(told) == sorted(questions), "each prediction is asked once, and answered once"
    short = [name for name, question in questions.items() if len(question.secrets) < 2 or not question.read]
    assert not short, f"these need at least two secrets, and a `read`: {short}"
    found = leaks(notebook, questions)
    assert not found, "\n".join(found)


# --- the rules catch what they are for -----------------------------------------------------------------------------

QUESTION = lessons.Question("x", "?", {"a": "yes", "b": "no"}, {"a": "It peeks.", "b": "."}, secrets=("peek", "0.9"))


def cell(source, output="", *tags):
    new = nbformat.v4.new_code_cell(source, metadata={"tags": [*tags]})
    new.outputs = [nbformat.v4.new_output("display_data", {"text/html": output})] if output else []
    return new


def page(*middle, before="", behind=()):
    fold = cell('reveal("x", "a")', "It peeks at 0.9.")
    first = [nbformat.v4.new_markdown_cell(before), cell('predict("x")', "Predict: ? peek")]
    return nbformat.v4.new_notebook(cells=[*first, *middle, fold, *behind])


TEXT, NEXT = nbformat.v4.new_markdown_cell("It peeked."), nbformat.v4.new_markdown_cell("## Next")


@pytest.mark.parametrize(
    ("notebook", "said"),
    [
        (page(), None),
        (page(cell("train()")), None),
        (page(cell("train()", "bar")), "cell 2 shows something"),
        (page(cell("train()", "bar", "neutral")), None),
        (page(behind=[cell("show()", "bar")]), "cell 3 shows something"),
        (page(behind=[NEXT, cell("show()", "bar"), TEXT]), None),
        (page(behind=[TEXT, NEXT]), "cell 3 says 'peek'"),
        (page(before="It will peek"), "cell 0 says 'peek'"),
        (page(cell("show(alt='it peeks')")), "cell 2 says 'peek'"),
        (page(cell("f()", '<img alt="0.9 of all">', "neutral")), "cell 2 says '0.9'"),
    ],
)  # fmt: skip
def test_leaks(notebook, said):
    found = leaks(notebook, {"x": QUESTION})
    assert found == [] if said is None else said in found[0]


def test_a_secret_must_stand_in_the_fold():
    other = lessons.Question("x", "?", QUESTION.options, QUESTION.because, secrets=("peek", "elsewhere"))
    assert leaks(page(), {"x": other}) == ["x: its fold does not say 'elsewhere'"]
