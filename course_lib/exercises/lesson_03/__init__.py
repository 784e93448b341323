"""Lesson 03, attention masks: what the notebook asks."""

from course_lib.exercises.lesson_03.exercises import EXERCISES
from course_lib.exercises.lesson_03.questions import QUESTIONS, QUIZZES

__all__ = ["EXERCISES", "QUESTIONS", "QUIZZES", "TITLE"]

TITLE = "Attention masks"
