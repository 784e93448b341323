"""Lesson 04, one body and two masks: what the notebook asks."""

from course_lib.exercises.lesson_04.exercises import EXERCISES
from course_lib.exercises.lesson_04.questions import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS", "TITLE"]

TITLE = "Encoder-only versus decoder-only"
