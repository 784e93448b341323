"""Bring the docstrings of a lesson's references into its notebook: `python tests/contracts.py 05`."""

import ast
import inspect
import json
import sys
import textwrap
from pathlib import Path

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def cells(number, name):
    """Yield (notebook's path, its content, the cell) of the cell in which learners write this function."""
    (path,) = NOTEBOOKS.glob(f"{number:02d}_*.ipynb")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and f'reference("{name}")' in "".join(cell["source"]):
            yield path, notebook, cell


def docstring(source, name):
    """Return the docstring of a function in a cell, without indentation."""
    (function,) = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name]
    return ast.get_docstring(function)


def bring(number):
    """Rewrite the docstrings of one lesson's exercise cells, and nothing else in them."""
    from course_lib.exercises import lessons

    for name, exercise in lessons.read("exercises", number).items():
        for path, notebook, cell in cells(number, name):
            lines = "".join(cell["source"]).split("\n")
            (function,) = [n for n in ast.parse("\n".join(lines)).body if getattr(n, "name", "") == name]
            old = function.body[0]
            text = textwrap.indent(f'"""{inspect.getdoc(exercise.reference)}\n"""', "    ", lambda line: line.strip())
            if "\n" not in inspect.getdoc(exercise.reference):
                text = text.replace('\n    """', '"""')
            lines[old.lineno - 1 : old.end_lineno] = text.split("\n")
            cell["source"] = "\n".join(lines).splitlines(keepends=True)
            path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.exit("usage: python tests/contracts.py NN, the lesson's number")
    bring(int(sys.argv[1]))
