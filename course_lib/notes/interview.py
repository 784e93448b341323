"""What an interviewer asks about a lesson, in English and Chinese, with the answers folded (data/interview.yaml).

In a notebook: `interview.show(4)`. The answers stand in no cell's source, which a double click would open.
"""

import functools
from dataclasses import dataclass

import yaml

from course_lib.notes.cards import Card, chinese, inline, markdown, plain, slip
from course_lib.notes.cards import show as display
from course_lib.places import DATA

__all__ = ["Asked", "load", "show"]

INTERVIEW_FILE = DATA / "interview.yaml"


@dataclass(frozen=True)
class Asked:
    """A question of an interview in English and Chinese, and its answer in both (Markdown)."""

    en: str
    zh: str
    answer: str


@functools.cache
def load():
    """Read {number of the lesson: its questions, in order}."""
    content = yaml.safe_load(INTERVIEW_FILE.read_text(encoding="utf-8"))
    return {number: tuple(Asked(**entry) for entry in entries) for number, entries in content.items()}


def show(number):
    """Show a lesson's questions, each with its answer in a fold; ValueError names the lessons that have any."""
    if number not in load():
        raise slip(ValueError(f"no interview questions for lesson {number!r}; there are some for {[*load()]}"))
    folds = "".join(
        f"<details><summary><b>{inline(asked.en)}</b> · {chinese(asked.zh)}</summary>{markdown(asked.answer)}</details>"
        for asked in load()[number]
    )
    lines = [f"{asked.en} {asked.zh}\n\n{plain(asked.answer)}" for asked in load()[number]]
    display(Card(folds, "\n".join(lines)))
