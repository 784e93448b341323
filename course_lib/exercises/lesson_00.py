"""Two tiny exercises with which notebook 00 shows how the course is studied."""

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

SENTENCE = ["the", "baker", "slept", "."]


def left_context(words, position):
    return words[:position]


def left_context_by_loop(words, position):
    return [word for index, word in enumerate(words) if index < position]


def hide(words, position):
    return words[:position] + ["[MASK]"] + words[position + 1 :]


def hide_by_choice(words, position):
    return ["[MASK]" if index == position else word for index, word in enumerate(words)]


def inputs(d):
    words = d.words()
    return words, d.integer(0, len(words) - 1)


def edges():
    return [(SENTENCE, 2), (SENTENCE, 0), (SENTENCE, 3), (["yes"], 0), (["the", "cat", "saw", "the", "dog"], 3)]


def emptied(words, position):
    del words[position:]
    return words


def hide_in_place(words, position):
    words[position] = "[MASK]"
    return words


EXERCISES = (
    Exercise(
        left_context,
        second=left_context_by_loop,
        edges=edges,
        inputs=inputs,
        mistakes={
            "keeps the word itself": lambda words, position: words[: position + 1],
            "right context": lambda words, position: words[position + 1 :],
            "one word short": lambda words, position: words[: max(position - 1, 0)],
            "only the nearest word": lambda words, position: words[max(position - 1, 0) : position],
            "cuts the caller's list": emptied,
        },
    ),
    Exercise(
        hide,
        second=hide_by_choice,
        edges=edges,
        inputs=inputs,
        mistakes={
            "in place": hide_in_place,
            "word lost": lambda words, position: words[:position] + words[position + 1 :],
            "word kept": lambda words, position: words[:position] + ["[MASK]"] + words[position:],
            "every such word": lambda words, position: ["[MASK]" if w == words[position] else w for w in words],
            "rest lost": lambda words, position: words[:position] + ["[MASK]"],
        },
    ),
)
