"""The instructor's notes: cells of the lessons with the tag `instructor`, which learners' copies and pages lack.

A note stands below the heading of the section that it is about, and is one fold in Markdown:

    <details><summary>For the instructor · 2 h: 4 min · 2 days: 12 min</summary>

    - **Show:** what is on the projector, and what you say to it.
    - **Ask:** what the class is asked, and what you do with the votes.
    - **Run:** which cells are run, and what takes how long.
    - **Stuck:** where people get stuck, and the sentence that helps.
    - **Late:** what to leave out.
    - **Second instructor:** what the other one does meanwhile.

    </details>

A format that its first line does not name leaves the section out. `Show` is there always, the other parts where
there is something to say.

Slides (tools/kit/slides.py) find a section's figures, predictions and quizzes by their calls. A cell's tag `slide` puts
it on a slide besides; `no-slide` keeps it off.
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

from course_lib.notes.working_copy import INSTRUCTOR

__all__ = ["FORMATS", "NOTEBOOKS", "PARTS", "Note", "lessons", "notes", "read"]

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
FORMATS = yaml.safe_load(Path(__file__).with_name("kit.yaml").read_text(encoding="utf-8"))["formats"]
PARTS = ("Show", "Ask", "Run", "Stuck", "Late", "Second instructor")
HEAD = r"<details><summary>For the instructor((?: · [^·<]+: \d+ min)+)</summary>"
FOLD = re.compile(HEAD + r"\n\n(.+?)\n\n</details>", re.S)
PART = re.compile(r"^- \*\*([\w ]+):\*\* (.+?)(?=^- \*\*|\Z)", re.M | re.S)


@dataclass(frozen=True)
class Note:
    """What an instructor needs to know of a section, and its minutes in each format that has it."""

    lesson: int
    section: str  # its heading, without '#'; may be the lesson's title
    cell: int  # the number of the note's own cell in the stored notebook, from 0
    minutes: dict[str, int]
    parts: dict[str, str]  # Markdown, by the names of PARTS, in their order


def read(cell, lesson=0, section="", number=0):
    """Read one instructor's cell; ValueError says what its form lacks."""
    where = f"the instructor's note below {section!r} of lesson {lesson:02d}"
    found = FOLD.fullmatch(cell.source.strip())
    if not found:
        raise ValueError(f"{where} is not in the form that tools/kit/notes.py describes: {cell.source[:80]!r}")
    minutes = {name: int(count) for name, count in re.findall(r" · ([^·:]+): (\d+) min", found[1])}
    parts = {name: " ".join(text.split()) for name, text in PART.findall(found[2])}
    if strange := [*(set(minutes) - set(FORMATS)), *(set(parts) - set(PARTS))]:
        raise ValueError(f"{where} says {strange[0]!r}; formats are {[*FORMATS]}, parts {[*PARTS]}")
    if "Show" not in parts or PART.sub("", found[2]).strip():
        raise ValueError(f"{where} needs a part **Show:**, and nothing but parts")
    return Note(lesson, section, number, minutes, {name: parts[name] for name in PARTS if name in parts})


def lessons():
    """Return {number of the lesson: path of its notebook}."""
    return {int(path.name[:2]): path for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}


@functools.cache
def notes(lesson):
    """Read all notes of a lesson, in its order."""
    found, section = [], ""
    for number, cell in enumerate(nbformat.read(lessons()[lesson], as_version=4).cells):
        if INSTRUCTOR in cell.metadata.get("tags", []):
            found.append(read(cell, lesson, section, number))
        elif cell.cell_type == "markdown" and (headings := re.findall(r"^(#+) (.+)", cell.source, re.M)):
            highest = min(level for level, _ in headings)
            section = [text for level, text in headings if level == highest][-1]
    return tuple(found)
