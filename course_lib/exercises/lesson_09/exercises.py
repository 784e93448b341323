"""The exercises of lesson 09, in the order of the notebook."""

from course_lib.exercises.lesson_09.caching import CACHING
from course_lib.exercises.lesson_09.choosing import CHOOSING
from course_lib.exercises.lesson_09.counting import COUNTING

__all__ = ["EXERCISES"]

EXERCISES = (*CHOOSING, *CACHING, *COUNTING)
