"""What a notebook calls: predict and reveal, check with hint and solution, quiz, progress, panel, restart_lesson.

`from course_lib.exercises import check, hint, panel, predict, reference, reveal, solution`
"""

from course_lib.exercises.engine import check, reference
from course_lib.exercises.help import hint, solution
from course_lib.exercises.overview import panel, progress
from course_lib.exercises.questions import predict, quiz, reveal
from course_lib.notes.working_copy import restart_lesson

__all__ = [
    "check", "hint", "panel", "predict", "progress", "quiz", "reference", "restart_lesson", "reveal", "solution",
]  # fmt: skip
