"""The exercises of lesson 01, in their order."""

from course_lib.exercises.lesson_01 import pieces, rows

__all__ = ["EXERCISES"]

EXERCISES = pieces.EXERCISES + rows.EXERCISES
