"""The first form of a lesson's exercises and questions, until it is converted. Goes with the last old lesson."""

from dataclasses import dataclass, field

from course_lib.exercises import compare, engine

__all__ = []


@dataclass(frozen=True)
class Mistake:
    name: str
    function: object
    message: str
    symptom: object = None


def Exercise(name, lesson, minutes, difficulty, reference, cases, mistakes, hints, alternatives=(),
             compare=compare.same):  # fmt: skip
    messages = {m.name: m.message for m in mistakes}
    texts = {"minutes": minutes, "stars": difficulty, "hints": list(hints), "mistakes": messages}
    functions = {m.name: m.function for m in mistakes}
    return engine.Exercise(
        reference, second=alternatives[0], inputs=None, edges=lambda: list(cases()), mistakes=functions,
        compare=compare, name=name, texts=texts,
    )  # fmt: skip


@dataclass(frozen=True)
class Question:
    name: str
    lesson: int
    text: str
    options: dict
    because: dict = field(default_factory=dict)
    answer: str = ""


@dataclass(frozen=True)
class Quiz:
    name: str
    lesson: int
    text: str
    options: dict
    answer: str
    because: dict = field(default_factory=dict)
