"""Lesson 07, RoBERTa's recipe: what the notebook asks."""

from course_lib.exercises.lesson_07.exercises import EXERCISES
from course_lib.exercises.lesson_07.questions import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS", "TITLE"]

TITLE = "RoBERTa's recipe"
