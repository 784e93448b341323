"""Lesson 05: masked language modelling, why 15% and why 80/10/10."""

from course_lib.exercises.lesson_05.exercises import EXERCISES
from course_lib.exercises.lesson_05.questions import QUESTIONS, QUIZZES

__all__ = ["EXERCISES", "QUESTIONS", "QUIZZES", "TITLE"]

TITLE = "Masked language modelling"
