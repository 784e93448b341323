"""Lesson 01, from text to tokens: what the notebook asks."""

from course_lib.exercises.lesson_01.exercises import EXERCISES
from course_lib.exercises.lesson_01.questions import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS", "TITLE"]

TITLE = "From text to tokens"
