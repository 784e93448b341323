"""Lesson 10, the encoder-decoder: what the notebook asks."""

from course_lib.exercises.lesson_10.exercises import EXERCISES
from course_lib.exercises.lesson_10.questions import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS", "TITLE"]

TITLE = "Encoder-decoder and cross-attention"
