"""Show how far a learner has come, lesson by lesson."""

from course_lib.exercises import registry
from course_lib.exercises.show import Card, inline, show
from course_lib.exercises.store import load

__all__ = ["progress"]

HEADER = ("lesson", "predictions made", "predictions right", "exercises right", "quizzes right")


def progress(lesson=None):
    """Show a table of your predictions, exercises and quizzes: of all lessons, or of one (its number)."""
    numbers = registry.lesson_numbers() if lesson is None else [lesson]
    done = load()
    rows = [row(registry.lesson_module(number), number, done) for number in numbers]
    head = "".join(f'<th scope="col">{title}</th>' for title in HEADER)
    body = "".join(
        f'<tr><th scope="row" style="text-align:left">{inline(first)}</th>'
        + "".join(f"<td>{cell}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    widths = [max(len(line[i]) for line in (HEADER, *rows)) for i in range(len(HEADER))]
    text = "\n".join(
        "  ".join(
            [
                first.ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)),
            ]
        )
        for first, *rest in (HEADER, *rows)
    )
    table = (
        f"<table><caption>Your progress</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    show(Card(table, text))


def row(module, number, done):
    """Return a lesson's row: its title and counts such as '2 of 4'."""
    questions, exercises, quizzes = (
        getattr(module, kind, ()) for kind in ("QUESTIONS", "EXERCISES", "QUIZZES")
    )
    guesses = [(item, done["predictions"].get(item.name, {})) for item in questions]
    guesses = [(item, entry) for item, entry in guesses if entry.get("first") in item.options]
    right = sum(entry["first"] == entry.get("answer") and not entry.get("late") for _, entry in guesses)
    solved = sum(bool(done["exercises"].get(item.name, {}).get("right")) for item in exercises)
    passed = sum(bool(done["quizzes"].get(item.name, {}).get("right")) for item in quizzes)
    return [
        f"{number:02d} {getattr(module, 'TITLE', '')}".strip(),
        f"{len(guesses)} of {len(questions)}",
        f"{right} of {len(guesses)}",
        f"{solved} of {len(exercises)}",
        f"{passed} of {len(quizzes)}",
    ]
