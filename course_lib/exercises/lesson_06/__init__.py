"""Lesson 06, next-sentence prediction: what the notebook asks."""

from course_lib.exercises.lesson_06.exercises import EXERCISES
from course_lib.exercises.lesson_06.questions import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS", "TITLE"]

TITLE = "Next-sentence prediction"
