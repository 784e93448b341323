"""The exercises of lesson 10, in the order of the notebook."""

from course_lib.exercises.lesson_10 import looking, teaching

__all__ = ["EXERCISES"]

EXERCISES = (*looking.EXERCISES, *teaching.EXERCISES)
