"""Lesson 08, fine-tuning: what the notebook asks."""

from course_lib.exercises.lesson_08.exercises import EXERCISES
from course_lib.exercises.lesson_08.questions import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS", "TITLE"]

TITLE = "Fine-tuning"
