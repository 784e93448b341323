"""A tiny exercise with which notebook 00 shows how the course is studied."""

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

SENTENCE = ["the", "baker", "slept", "."]
EDGES = [(SENTENCE, 2), (SENTENCE, 0), (SENTENCE, 3), (["yes"], 0), (["the", "cat", "saw", "the", "dog"], 3)]


def hide(words, position):
    return words[:position] + ["[MASK]"] + words[position + 1 :]


def inputs(d):
    words = d.choices([*SENTENCE, "saw", "[MASK]", "[PAD]"], 1, 7)
    return words, d.integer(0, len(words) - 1)


EXERCISES = (
    Exercise(hide, inputs=inputs, edges=EDGES, mistakes={
        "word lost": lambda words, position: words[:position] + words[position + 1 :],
        "word kept": lambda words, position: words[:position] + ["[MASK]"] + words[position:],
        "every such word": lambda words, position: ["[MASK]" if w == words[position] else w for w in words],
        "rest lost": lambda words, position: words[:position] + ["[MASK]"],
    }),
)  # fmt: skip
