"""Two tiny exercises, two predictions and a quiz with which notebook 00 shows how the course is studied."""

from course_lib.exercises.engine import Exercise, Mistake
from course_lib.exercises.questions import Question, Quiz

__all__ = ["EXERCISES", "QUESTIONS", "QUIZZES", "TITLE"]

TITLE = "Start here"
SENTENCE = ["the", "baker", "slept", "."]


def left_context(words, position):
    """Return the words before a position."""
    return words[:position]


def left_context_cases():
    yield (list(SENTENCE), 2)
    yield (list(SENTENCE), 0)
    yield (list(SENTENCE), 3)
    yield (["yes"], 0)


def left_context_by_loop(words, position):
    seen = []
    for index, word in enumerate(words):
        if index < position:
            seen.append(word)
    return seen


def left_context_by_removal(words, position):
    rest = list(words)
    del rest[position:]
    return rest


def emptied(words, position):
    del words[position:]
    return words


def hide(words, position):
    """Return the sentence with the word at this position hidden by [MASK]."""
    return words[:position] + ["[MASK]"] + words[position + 1 :]


def hide_cases():
    yield (list(SENTENCE), 1)
    yield (list(SENTENCE), 0)
    yield (list(SENTENCE), 3)
    yield (["the", "cat", "saw", "the", "dog"], 3)


def hide_by_copy(words, position):
    copy = list(words)
    copy[position] = "[MASK]"
    return copy


def hide_by_choice(words, position):
    return ["[MASK]" if index == position else word for index, word in enumerate(words)]


def hide_in_place(words, position):
    words[position] = "[MASK]"
    return words


def hide_every_such_word(words, position):
    return ["[MASK]" if word == words[position] else word for word in words]


EXERCISES = (
    Exercise(
        name="left_context",
        lesson=0,
        minutes=2,
        difficulty=1,
        reference=left_context,
        cases=left_context_cases,
        mistakes=(
            Mistake(
                "keeps the word itself",
                lambda words, position: words[: position + 1],
                "you keep the word at the position itself: a reader who has to guess it must not see it. "
                "A Python slice `words[:n]` ends before `n`.",
            ),
            Mistake(
                "right context",
                lambda words, position: words[position + 1 :],
                "you return what comes after the position; the left context is what comes before it.",
            ),
            Mistake(
                "one word short",
                lambda words, position: words[: max(position - 1, 0)],
                "the last word before the position is missing: positions count from 0, and a slice ends "
                "before its end.",
            ),
            Mistake(
                "only the nearest word",
                lambda words, position: words[max(position - 1, 0) : position],
                "you return only the nearest word; the left context is all words before the position.",
            ),
            Mistake(
                "cuts the caller's list",
                emptied,
                "the answer is right, but it cuts the caller's own list. A slice, `words[:n]`, makes a "
                "new one.",
            ),
        ),
        hints=(
            "Say it for one sentence first: before position 2 of `the baker slept .` stand `the` and "
            "`baker`.",
            "Python slices give you the start of a list: `words[:n]` holds `n` words.",
        ),
        alternatives=(left_context_by_loop, left_context_by_removal),
    ),
    Exercise(
        name="hide",
        lesson=0,
        minutes=3,
        difficulty=1,
        reference=hide,
        cases=hide_cases,
        mistakes=(
            Mistake(
                "in place",
                hide_in_place,
                "the answer is right, but it overwrites the caller's own list: the hidden word is lost "
                "for good, and "
                "nothing is left to compare a guess with. Build a new list, or work on a copy.",
            ),
            Mistake(
                "word lost",
                lambda words, position: words[:position] + words[position + 1 :],
                "the word is gone, but nothing stands in its place: every later word moves one position "
                "to the left.",
            ),
            Mistake(
                "word kept",
                lambda words, position: words[:position] + ["[MASK]"] + words[position:],
                "`[MASK]` is put in, but the word that it should hide still stands after it.",
            ),
            Mistake(
                "every such word",
                hide_every_such_word,
                "you hide the word wherever it occurs; only the one at the position is asked for.",
            ),
            Mistake(
                "rest lost",
                lambda words, position: words[:position] + ["[MASK]"],
                "all words after the position are lost: they are what a two-sided reader reads.",
            ),
        ),
        hints=(
            "The new sentence has three parts: what stands before, one `[MASK]`, what stands after.",
            "`words[:position]` is the first part. Lists are joined with `+`.",
            "The third part begins one position later: `words[position + 1:]`.",
        ),
        alternatives=(hide_by_copy, hide_by_choice),
    ),
)

QUESTIONS = (
    Question(
        name="first-word",
        lesson=0,
        text="In `tomorrow Clara will go to the farm .` the first word is hidden. Two perfect readers know "
        "the whole grammar; one reads from left to right, the other sees both sides. Who can be certain "
        "which word it is?",
        options={"a": "both", "b": "only the one who sees both sides", "c": "neither"},
        because={
            "a": "Then what stands before the word would decide it.",
            "b": "What decides this word comes after it.",
            "c": "Then several words would fit, whatever one sees.",
        },
    ),
    Question(
        name="first-training",
        lesson=0,
        text="A tiny BERT starts with random weights and trains for about fifteen seconds. Where will its "
        "accuracy on new stories end?",
        options={
            "a": "close to the floor: fifteen seconds are nothing",
            "b": "in between, in the middle half of the way to the ceiling",
            "c": "close to the ceiling: it is only a toy language",
        },
        because={
            "a": "It has learnt little more than which words are frequent.",
            "b": "It has learnt much from the nearest words, and not yet what a whole story tells.",
            "c": "It reads nearly as well as anyone could.",
        },
    ),
)

QUIZZES = (
    Quiz(
        name="floor-and-ceiling",
        lesson=0,
        text="Every accuracy in this course is drawn with a floor and a ceiling. What is the ceiling?",
        options={
            "a": "the best score that any model could reach on this task",
            "b": "the best score that our models have reached so far",
            "c": "an accuracy of 1",
        },
        answer="a",
        because={
            "a": "Some words cannot be known from what is visible, so even a perfect reader errs; how "
            "often, we compute.",
            "b": "A record can be broken; the ceiling cannot, whatever the model or the training.",
            "c": "Not even a perfect reader always knows which word comes: language leaves choices open.",
        },
    ),
)
