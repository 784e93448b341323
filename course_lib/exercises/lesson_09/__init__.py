"""Lesson 09, generation: what the notebook asks."""

from course_lib.exercises.lesson_09.exercises import EXERCISES
from course_lib.exercises.lesson_09.questions import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS", "TITLE"]

TITLE = "Generation"
