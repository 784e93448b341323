"""The exercises of lesson 06 about making pairs: the row, and a negative that is one."""

import random

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["MAKING"]


# --- the row of a pair


def pair_row(a, b, cls=2, sep=3):
    ids = [cls, *a, sep, *b, sep]
    segments = [0] * (len(a) + 2) + [1] * (len(b) + 1)
    return ids, segments


def pair_row_cases():
    yield [10, 11], [20]
    yield [10, 11, 12], [20, 21]
    yield [7], [8, 9, 9, 8], 101, 102


def pair_row_by_parts(a, b, cls=2, sep=3):
    ids, segments = [cls], [0]
    for segment, part in enumerate((a, b)):
        for token in [*part, sep]:
            ids.append(token)
            segments.append(segment)
    return ids, segments


def pair_row_by_slices(a, b, cls=2, sep=3):
    first = [cls, *list(a), sep]
    second = [*list(b), sep]
    return first + second, [int(place >= len(first)) for place in range(len(first) + len(second))]


def cls_before_both(a, b, cls=2, sep=3):
    return [cls, *a, sep, cls, *b, sep], [0] * (len(a) + 2) + [1] * (len(b) + 2)


def not_closed(a, b, cls=2, sep=3):
    return [cls, *a, sep, *b], [0] * (len(a) + 2) + [1] * len(b)


def one_segment(a, b, cls=2, sep=3):
    return [cls, *a, sep, *b, sep], [0] * (len(a) + len(b) + 3)


def separator_to_b(a, b, cls=2, sep=3):
    return [cls, *a, sep, *b, sep], [0] * (len(a) + 1) + [1] * (len(b) + 2)


# --- a negative that is none


def draw_negative(documents, d, i, rng):
    document = documents[d]
    following = {after for now, after in zip(document, document[1:], strict=False) if now == document[i]}
    others = [other for j, other in enumerate(documents) if j != d]
    while True:
        sentence = rng.choice(rng.choice(others))
        if sentence not in following:
            return sentence


TOWN = [
    ["Mia went home .", "she was glad .", "it was hot .", "she slept ."],
    ["Leo found a map .", "she was glad .", "he sang ."],
    ["it was hot .", "Ben took his hat ."],
]


def draw_negative_cases():
    for seed in range(60):
        yield TOWN, 0, seed % 3, random.Random(seed)
    for seed in range(60):
        yield TOWN, 1 + seed % 2, 0, random.Random(seed)


def is_a_negative(got, expected, documents, d, i, rng):
    """Accept any sentence of another document that does not follow sentence i anywhere in document d."""
    others = [sentence for j, other in enumerate(documents) if j != d for sentence in other]
    document = documents[d]
    if got not in others:
        return f"it returns {got!r}, which is in no other document than number {d}."
    if any(now == document[i] and after == got for now, after in zip(document, document[1:], strict=False)):
        return f"it returns {got!r}, and in document {d} exactly this does follow {document[i]!r}: a wrong label."
    return None


def draw_negative_from_list(documents, d, i, rng):
    document = documents[d]
    follows = [document[j + 1] for j in range(len(document) - 1) if document[j] == document[i]]
    good = [s for j, other in enumerate(documents) if j != d for s in other if s not in follows]
    return good[rng.randrange(len(good))]


def draw_negative_by_shuffling(documents, d, i, rng):
    sentences = sorted({(j, s) for j, other in enumerate(documents) if j != d for s in other})
    rng.shuffle(sentences)
    document = documents[d]
    return next(s for _, s in sentences if (document[i], s) not in set(zip(document, document[1:], strict=False)))


def any_sentence(documents, d, i, rng):
    return rng.choice(rng.choice(documents))


def another_document_s(documents, d, i, rng):
    return rng.choice(rng.choice([other for j, other in enumerate(documents) if j != d]))


def same_document_s(documents, d, i, rng):
    return rng.choice([s for j, s in enumerate(documents[d]) if j != i + 1])


def in_document(outcomes, wanted):
    """Tell whether draws come from document d itself: 'never', 'sometimes' or 'always'."""
    own = [got in documents[d] and not any(got in other for j, other in enumerate(documents) if j != d)
           for (documents, d, _, _), got in outcomes]
    return wanted == ("always" if _only_own(outcomes) else "sometimes" if any(own) else "never")


def _only_own(outcomes):
    return all(got in documents[d] for (documents, d, _, _), got in outcomes)


def follows_by_chance(outcomes):
    return in_document(outcomes, "never") and any(
        is_a_negative(got, None, *args) is not None for args, got in outcomes
    )


MAKING = (
    Exercise(
        name="pair_row", lesson=6, minutes=4, difficulty=1,
        reference=pair_row, cases=pair_row_cases,
        mistakes=(
            Mistake("CLS twice", cls_before_both,
                    "there is a [CLS] before both texts (a published bug): a pair is one row, opened by one [CLS]."),
            Mistake("not closed", not_closed, "B is not closed: a second [SEP] ends it."),
            Mistake("one segment", one_segment,
                    "all tokens are in segment 0, so that nothing tells the model where B begins but a [SEP]."),
            Mistake("separator to B", separator_to_b,
                    "the first [SEP] belongs to A: [CLS] A [SEP] are segment 0, B [SEP] segment 1."),
        ),
        hints=("How many tokens has the row? len(a) + len(b) + 3.",
               "Segment 0 covers [CLS], A and the first [SEP]; segment 1 covers B and the last [SEP]."),
        alternatives=(pair_row_by_parts, pair_row_by_slices),
    ),
    Exercise(
        name="draw_negative", lesson=6, minutes=8, difficulty=2,
        reference=draw_negative, cases=draw_negative_cases, compare=is_a_negative,
        mistakes=(
            Mistake("same document", same_document_s,
                    "the sentence is from the same document: that is another kind of negative, a much harder one. Draw "
                    "from another document.", lambda outcomes: in_document(outcomes, "always")),
            Mistake("any sentence", any_sentence,
                    "the sentence may come from document d itself, and then even be the true next one (a published "
                    "bug): leave that document out before you draw.",
                    lambda outcomes: in_document(outcomes, "sometimes")),
            Mistake("follows by chance", another_document_s,
                    "another document may hold the very text that follows here. Such a 'negative' has a wrong label: "
                    "draw again.", follows_by_chance),
        ),
        hints=("Which documents may B come from? And which sentences of theirs would be wrongly labelled?",
               "Collect every text that follows documents[d][i] anywhere in document d; draw until you are outside of "
               "it."),
        alternatives=(draw_negative_from_list, draw_negative_by_shuffling),
    ),
)  # fmt: skip
