"""What a notebook calls: predict and reveal, check with hint and solution, quiz, progress.

`from course_lib.exercises import check, hint, predict, progress, quiz, reference, reveal, solution`
"""

from course_lib.exercises.engine import check, reference
from course_lib.exercises.help import hint, solution
from course_lib.exercises.overview import progress
from course_lib.exercises.questions import predict, quiz, reveal

__all__ = ["check", "hint", "predict", "progress", "quiz", "reference", "reveal", "solution"]
