"""The exercises of lesson 08: references, other right answers and known mistakes."""

from course_lib.exercises.lesson_08 import answers, heads

__all__ = ["EXERCISES"]

EXERCISES = heads.EXERCISES + answers.EXERCISES
