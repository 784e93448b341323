"""Find the exercises, predictions and quizzes of all lessons: every module `lesson_NN` beside this file.

A lesson module lists what it has in `TITLE`, `EXERCISES`, `QUESTIONS`, `QUIZZES`; that is all it takes.
"""

import difflib
import importlib
import re
from pathlib import Path

from course_lib.exercises.show import slip

__all__ = ["find", "lesson_numbers", "lesson_module", "everything"]

KINDS = {"EXERCISES": "exercise", "QUESTIONS": "prediction", "QUIZZES": "quiz"}


def lesson_numbers():
    """Return the numbers of the lessons that have a module here, in order."""
    names = (re.fullmatch(r"lesson_(\d\d)(\.py)?", path.name) for path in Path(__file__).parent.iterdir())
    return sorted({int(name[1]) for name in names if name})


def lesson_module(number):
    """Import and return the module of one lesson; ValueError when there is none."""
    if isinstance(number, bool) or not isinstance(number, int) or number not in lesson_numbers():
        raise slip(ValueError(f"there is no lesson {number!r}; the lessons are {lesson_numbers()}"))
    return importlib.import_module(f"course_lib.exercises.lesson_{number:02d}")


def everything(kind):
    """Return all items of one kind ('EXERCISES', 'QUESTIONS' or 'QUIZZES') of all lessons, in order."""
    return [item for number in lesson_numbers() for item in getattr(lesson_module(number), kind, ())]


def find(kind, name):
    """Return the item called `name`; ValueError with the nearest names when there is none."""
    # Lessons are imported one after the other, so that a lesson never waits for the imports of a later one.
    for number in lesson_numbers():
        for item in getattr(lesson_module(number), kind, ()):
            if item.name == name:
                return item
    known = sorted(item.name for item in everything(kind))
    close = difflib.get_close_matches(str(name), known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"known names: {', '.join(known) or 'none yet'}"
    raise slip(ValueError(f"there is no {KINDS[kind]} named {name!r}; {advice}"))
