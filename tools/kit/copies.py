"""Pack the lessons of a format for a class: learners' copies without solutions, and copies with all exercises solved.

Each zip holds one folder, as a repository for nbgitpuller would have it: README.txt, the glass model's page, lessons/.
"""

import ast
import hashlib
import re

import nbformat

from course_lib.exercises import lessons as texts
from course_lib.exercises.help import solution_source
from course_lib.notes import working_copy
from tools.kit import plan
from tools.packed import pack

__all__ = ["learner", "make", "solved"]

SHOWS = re.compile(r'\s*solution\("\w+"\)\s*')  # a cell that does nothing else
STUB = re.compile(r'\breference\("(\w+)"\)')
LINK = re.compile(r"\[([^\]\n]+)\]\((\d\d_\w+\.ipynb)(#[^)]*)?\)")
README = """\
One Mask Apart, {what} for a class of {format}.
Open lessons/{first} in JupyterLab with the course's kernel: Python 3 after `make lab`, "One Mask Apart" on a hub.
From a USB stick: copy this folder onto the computer, beside the installed course; the network is never needed.
"""


def learner(notebook):
    """Return a lesson as learners get it: no outputs, no notes to instructors, no cell that shows a solution."""
    cells = [cell for cell in notebook["cells"] if not SHOWS.fullmatch(cell["source"])]
    return working_copy.cleared(notebook | {"cells": cells})


def solved(notebook):
    """Return a lesson with a right answer in each exercise. Stored outputs stay, but not below what was replaced."""
    cells = []
    for cell in working_copy.for_learners(notebook["cells"]):
        if cell["cell_type"] == "code" and (name := STUB.search(cell["source"])):
            cell = cell | {"source": answered(cell["source"], name[1]), "outputs": [], "execution_count": None}
        cells.append(cell)
    return notebook | {"cells": cells}


def answered(source, name):
    """Return an exercise's cell with the reference in the place of its stub; the docstring stays."""
    imports, _, right = solution_source(texts.find("exercises", name).reference).rpartition("\n\n\n")
    (stub,) = [node for node in ast.parse(source).body if getattr(node, "name", "") == name]
    lines = source.splitlines()
    lines[stub.body[0].end_lineno : stub.end_lineno] = right.splitlines()[ast.parse(right).body[0].body[0].lineno - 1 :]
    return "\n".join([imports, *lines] if imports else lines)


def _only(notebook, names):
    """Return a notebook whose links lead to these notebooks; of other links the text stays."""

    def kept(link):
        return link[0] if link[2] in names else link[1]

    cells = [
        cell | {"source": LINK.sub(kept, cell["source"])} if cell["cell_type"] == "markdown" else cell
        for cell in notebook["cells"]
    ]
    return notebook | {"cells": cells}


def make(folder, formats):
    """Write both zips of each format into folder/FORMAT, with a file of their checksums; returns the paths."""
    written = []
    for name in formats:
        place = folder / plan.short(name)
        place.mkdir(parents=True, exist_ok=True)
        paths = {path.name: path for number, path in plan.lessons().items() if number in plan.numbers(name)}
        stored = {file: nbformat.read(path, as_version=4) for file, path in paths.items()}
        sums = []
        for what, change in (("learners", learner), ("solutions", solved)):
            label = f"one-mask-apart-{plan.short(name)}-{what}"
            files = {f"lessons/{file}": _text(_only(change(book), stored)) for file, book in stored.items()}
            about = {"learners": "lessons", "solutions": "lessons with solutions"}[what]
            files["README.txt"] = README.format(what=about, format=name, first=min(stored))
            page = working_copy.LESSONS.parent / working_copy.PAGE
            files[working_copy.PAGE] = page.read_text(encoding="utf-8")
            written.append(place / f"{label}.zip")
            pack(written[-1], ((f"{label}/{file}", text) for file, text in sorted(files.items())))
            sums.append(f"{hashlib.sha256(written[-1].read_bytes()).hexdigest()}  {label}.zip\n")
        (place / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
        written.append(place / "SHA256SUMS")
    return written


def _text(notebook):
    return nbformat.writes(nbformat.from_dict(notebook)) + "\n"
