"""The exercise with which notebook 00 shows how the course is studied: a ceiling, computed by hand."""

import math

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

WORDS = ("cat", "dog", "pony", "tomorrow", "a", "[MASK]")
PET, TIME, TIE = {"cat": 0.25, "dog": 0.75}, {"tomorrow": 1.0}, {"cat": 0.5, "dog": 0.5}


def best_share(gaps):
    return sum(max(gap.values()) for gap in gaps) / len(gaps)


def inputs(d):
    gaps = []
    for _ in range(d.integer(1, 5)):
        words = sorted(set(d.choices(WORDS, 1, 4)))
        weights = [d.integer(1, 9) for _ in words]
        gaps.append({word: weight / sum(weights) for word, weight in zip(words, weights, strict=True)})
    return (gaps,)


EXERCISES = (
    Exercise(best_share, inputs=inputs, edges=[([PET, TIME],), ([TIE],), ([PET, PET, TIE],), ([TIME],)], mistakes={
        "first word": lambda gaps: sum(next(iter(gap.values())) for gap in gaps) / len(gaps),
        "sum": lambda gaps: sum(max(gap.values()) for gap in gaps),
        "worst word": lambda gaps: sum(min(gap.values()) for gap in gaps) / len(gaps),
        "a guess among the words": lambda gaps: sum(1 / len(gap) for gap in gaps) / len(gaps),
        "all right at once": lambda gaps: math.prod(max(gap.values()) for gap in gaps),
    }),
)  # fmt: skip
