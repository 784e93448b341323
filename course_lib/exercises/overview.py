"""Show how far a learner has come, lesson by lesson."""

from course_lib.exercises import lessons
from course_lib.notes.progress import load
from course_lib.plots.tables import table

__all__ = ["progress"]

HEADER = ["lesson", "predictions made", "predictions right", "exercises right", "quizzes right"]


def progress(lesson=None):
    """Return a table of your predictions, exercises and quizzes: of all lessons, or of one (its number)."""
    done = load()
    return table([row(n, done) for n in (lessons.numbers() if lesson is None else [lesson])], HEADER, "Your progress")


def row(number, done):
    """Return a lesson's row: its title and counts such as '2 of 4'."""
    asked = lessons.read("predictions", number)  # first: it says what is wrong with the number
    entries = {kind: lessons.texts(number)[kind] for kind in lessons.KINDS}
    guesses = [done["predictions"].get(name, {}) for name in asked]
    guesses = [entry for entry, item in zip(guesses, asked.values(), strict=True) if entry.get("first") in item.options]
    right = sum(entry["first"] == entry.get("answer") and not entry.get("late") for entry in guesses)
    solved, passed = (
        sum(bool(done[kind].get(name, {}).get("right")) for name in entries[kind]) for kind in ("exercises", "quizzes")
    )
    return [
        f"{number:02d} {lessons.texts(number)['title']}", f"{len(guesses)} of {len(asked)}",
        f"{right} of {len(guesses)}",
        f"{solved} of {len(entries['exercises'])}", f"{passed} of {len(entries['quizzes'])}",
    ]  # fmt: skip
