"""What a notebook calls: predict and reveal, check with try_it, hint and solution, quiz, progress, panel.

`from course_lib.exercises import check, hint, panel, predict, reference, reveal, solution`
"""

from course_lib.exercises.engine import check, reference
from course_lib.exercises.help import hint, solution, try_it
from course_lib.exercises.overview import panel, progress
from course_lib.exercises.questions import predict, quiz, reveal
from course_lib.notes.working_copy import restart_lesson

__all__ = [
    "check", "hint", "panel", "predict", "progress", "quiz", "reference", "restart_lesson", "reveal", "solution",
    "try_it",
]  # fmt: skip
