"""Lesson 02, attention by hand: what the notebook asks."""

from course_lib.exercises.lesson_02.exercises import EXERCISES
from course_lib.exercises.lesson_02.questions import QUESTIONS, QUIZZES

__all__ = ["EXERCISES", "QUESTIONS", "QUIZZES", "TITLE"]

TITLE = "Attention by hand"
