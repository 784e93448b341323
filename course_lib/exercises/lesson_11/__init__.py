"""Lesson 11, the review: what the notebook asks (its interview drill is in exercises/drill.py)."""

from course_lib.exercises.lesson_11.exercises import EXERCISES
from course_lib.exercises.lesson_11.questions import QUESTIONS, QUIZZES

__all__ = ["EXERCISES", "QUESTIONS", "QUIZZES", "TITLE"]

TITLE = "Review"
