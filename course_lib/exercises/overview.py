"""Show how far a learner has come: in one lesson, at its top, and lesson by lesson."""

import html
import json

from course_lib.exercises import lessons
from course_lib.notes.cards import Card
from course_lib.notes.progress import load
from course_lib.notes.working_copy import LESSONS
from course_lib.plots.tables import table

__all__ = ["panel", "progress"]

HEADER = ["lesson", "predictions made", "predictions right", "exercises right", "quizzes right"]


def progress(lesson=None):
    """Return a table of your predictions, exercises and quizzes: of all lessons, or of one (its number)."""
    done = load()
    return table([row(n, done) for n in (lessons.numbers() if lesson is None else [lesson])], HEADER, "Your progress")


def row(number, done):
    """Return a lesson's row: its title and counts such as '2 of 4'."""
    asked, (guesses, solved, passed) = count(number, done)
    right = sum(entry["first"] == entry.get("answer") and not entry.get("late") for entry in guesses.values())
    entries = lessons.texts(number)
    return [
        f"{number:02d} {entries['title']}", f"{len(guesses)} of {len(asked)}", f"{right} of {len(guesses)}",
        f"{len(solved)} of {len(entries['exercises'])}", f"{len(passed)} of {len(entries['quizzes'])}",
    ]  # fmt: skip


def count(number, done):
    """Return a lesson's predictions, and what was done: guesses {name: entry}, names of exercises and of quizzes."""
    asked = lessons.read("predictions", number)  # first: it says what is wrong with the number
    found = {name: done["predictions"].get(name, {}) for name in asked}
    guesses = {name: entry for name, entry in found.items() if entry.get("first") in asked[name].options}
    solved, passed = (
        [name for name in lessons.texts(number)[kind] if done[kind].get(name, {}).get("right")]
        for kind in ("exercises", "quizzes")
    )
    return asked, (guesses, solved, passed)


def panel(lesson):
    """Return a card for the top of a lesson (its number): what is left here, and the next open exercise."""
    asked, (guesses, solved, passed) = count(lesson, load())
    exercises, quizzes = (lessons.texts(lesson)[kind] for kind in ("exercises", "quizzes"))
    left = [
        f"{len(all_) - len(done)} of {len(all_)} {kind}"
        for kind, all_, done in (("predictions", asked, guesses), ("exercises", exercises, solved),
                                 ("quizzes", quizzes, passed))
        if len(all_) > len(done)
    ]  # fmt: skip
    where = f"Lesson {lesson} of {lessons.numbers()[-1]}"
    what = f"Left here: {', '.join(left)}." if left else "Nothing is left here: all is predicted and solved."
    body, text = f"<b>{where}</b> · {what}", f"{where}. {what}"
    if open_ := [name for name in exercises if name not in solved]:
        told = f"{open_[0]} ({exercises[open_[0]]['minutes']} minutes)"
        text += f"\nNext open exercise: {told}"
        place = _section(lesson, open_[0])
        told = f'<a href="#{html.escape(place)}">{html.escape(told)}</a>' if place else html.escape(told)
        body += f"<br>Next open exercise: {told}"
    return Card(f"{body}<br><small>Run this cell again to count anew.</small>", text)


def _section(lesson, name):
    """Return the heading above an exercise as JupyterLab writes it in addresses, or '' where the lesson is not here."""
    heading = ""
    for path in LESSONS.glob(f"{lesson:02d}_*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                heading = ([line for line in source.splitlines() if line.startswith("#")] or [heading])[-1]
            elif f'reference("{name}")' in source:
                return heading.lstrip("# ").replace(" ", "-")
    return ""
