"""Two tiny exercises with which notebook 00 shows how the course is studied."""

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

SENTENCE = ["the", "baker", "slept", "."]
EDGES = [(SENTENCE, 2), (SENTENCE, 0), (SENTENCE, 3), (["yes"], 0), (["the", "cat", "saw", "the", "dog"], 3)]


def left_context(words, position):
    return words[:position]


def hide(words, position):
    return words[:position] + ["[MASK]"] + words[position + 1 :]


def inputs(d):
    words = d.choices([*SENTENCE, "saw", "[MASK]", "[PAD]"], 1, 7)
    return words, d.integer(0, len(words) - 1)


EXERCISES = (
    Exercise(left_context, inputs=inputs, edges=EDGES, mistakes={
        "keeps the word itself": lambda words, position: words[: position + 1],
        "right context": lambda words, position: words[position + 1 :],
        "one word short": lambda words, position: words[: max(position - 1, 0)],
        "only the nearest word": lambda words, position: words[max(position - 1, 0) : position],
    }),
    Exercise(hide, inputs=inputs, edges=EDGES, mistakes={
        "word lost": lambda words, position: words[:position] + words[position + 1 :],
        "word kept": lambda words, position: words[:position] + ["[MASK]"] + words[position:],
        "every such word": lambda words, position: ["[MASK]" if w == words[position] else w for w in words],
        "rest lost": lambda words, position: words[:position] + ["[MASK]"],
    }),
)  # fmt: skip
