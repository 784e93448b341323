"""The exercises of lesson 01: pieces of words, and rows of tokens."""

import torch

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

KNOWN = {*"readunk", *("##" + letter for letter in "readunklbs"), "read", "un", "##read", "##er", "##able", "reader"}
PIECES = [mark + piece for mark in ("", "##") for piece in ("a", "b", "c", "ab", "ba", "bc", "aba", "bab", "cab")]


def longest_match(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        end = len(word)
        while end > start and ("##" if start else "") + word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(("##" if start else "") + word[start:end])
        start = end
    return pieces


def cut(word, vocabulary, mark="##", pick=max, missing=None):
    """The same from all pieces that fit at a place: by `pick`, and with `missing` where there is none."""
    pieces, start = [], 0
    while start < len(word):
        now = mark if start else ""
        fits = [end for end in range(start + 1, len(word) + 1) if now + word[start:end] in vocabulary]
        if not fits and missing is None:
            return ["[UNK]"]
        end = pick(fits, default=start + 1)
        pieces.append(now + word[start:end] if fits else missing)
        start = end
    return pieces


def some_cut(word, vocabulary, mark=""):
    """Return any way to cut the word, long pieces tried first, or None."""
    for end in range(len(word), 0, -1):
        rest = some_cut(word[end:], vocabulary, "##") if mark + word[:end] in vocabulary else None
        if rest is not None:
            return [mark + word[:end], *rest]
    return None if word else []


def segment_ids(length_a, length_b):
    second = [1] * (length_b + 1) if length_b else []
    return [0] * (length_a + 2) + second


def first_pieces(word_ids):
    found, before = [], None
    for position, word in enumerate(word_ids):
        if word is not None and word != before:
            found.append(position)
        before = word
    return found


def first_pieces_inputs(d):
    ids = [None] * d.integer(0, 2)
    for _ in range(d.integer(1, 2)):  # texts
        ids += [word for word in range(d.integer(1, 3)) for _ in range(d.integer(1, 3))]
        ids += [None] * d.integer(1, 2)
    return (ids[:-1] if d.choice((False, True)) else ids,)


def where(word_ids, first):
    """Return the positions i of words for which first(i) holds."""
    return [i for i, word in enumerate(word_ids) if word is not None and first(i)]


def roberta_positions(ids, pad):
    real = ids != pad  # [B, T]
    return real.cumsum(dim=1) * real + pad


EXERCISES = (
    Exercise(longest_match, inputs=lambda d: ("".join(d.choices("abc", 1, 6)), set(d.choices(PIECES, 1, 14))),
             edges=[*((word, KNOWN) for word in ("reader", "unread", "readable", "readx", "dread", "r", "x")),
                    ("abc", {"a", "ab", "##bc"}),  # the longest first piece leads nowhere
                    ("abc", {"ab", "a", "##bc", "##c"}), ("aba", {"a", "ab", "##a", "##ba"})], mistakes={
        "no ##": lambda word, vocabulary: cut(word, vocabulary, mark=""),
        "shortest": lambda word, vocabulary: cut(word, vocabulary, pick=min),
        "[UNK] inside": lambda word, vocabulary: cut(word, vocabulary, missing="[UNK]"),
        "whole words": lambda word, vocabulary: [word] if word in vocabulary else ["[UNK]"],
        "goes back": lambda word, vocabulary: some_cut(word, vocabulary) or ["[UNK]"],
    }),
    Exercise(segment_ids, inputs=lambda d: (d.integer(1, 8), d.integer(0, 8)), edges=[(3, 2), (1, 1), (5, 0), (2, 6)],
             mistakes={
        "separator with B": lambda a, b: [0] * (a + 1) + [1] * (b + 2 if b else 1),
        "no last [SEP]": lambda a, b: [0] * (a + 2) + [1] * b,
        "no [CLS]": lambda a, b: [0] * (a + 1) + [1] * (b + 1 if b else 0),
        "empty B": lambda a, b: [0] * (a + 2) + [1] * (b + 1),
    }),
    Exercise(first_pieces, inputs=first_pieces_inputs,
             edges=[(ids,) for ids in ([None, 0, 0, 1, 2, 2, None], [None, 0, 1, 1, None, 0, 0, 1, None], [0, 0])],
             mistakes={
        "all pieces": lambda ids: where(ids, lambda i: True),
        "last pieces": lambda ids: where(ids, lambda i: [*ids, None][i + 1] != ids[i]),
        "special tokens": lambda ids: [i for i, word in enumerate(ids) if i == 0 or ids[i - 1] != word],
        "by index": lambda ids: where(ids, lambda i: ids.index(ids[i]) == i),
        "round the corner": lambda ids: where(ids, lambda i: ids[i - 1] != ids[i]),
    }),
    Exercise(roberta_positions, inputs=lambda d: (d.ids("B", "T", V=4), d.integer(0, 3)),
             edges=[(torch.tensor([[0, 7, 8, 2, 1, 1], [0, 9, 2, 1, 1, 1]]), 1), (torch.tensor([[1, 1, 0, 5, 2]]), 1),
                    (torch.tensor([[3, 7, 0, 0], [0, 4, 0, 3]]), 0), (torch.tensor([[0, 7, 7, 2]]), 1)], mistakes={
        "from zero": lambda ids, pad: torch.arange(ids.shape[1]).repeat(len(ids), 1),
        "padding counted": lambda ids, pad: torch.arange(pad + 1, pad + 1 + ids.shape[1]).repeat(len(ids), 1),
        "padding not parked": lambda ids, pad: (ids != pad).long().cumsum(dim=1) + pad,
        "one too low": lambda ids, pad: ((ids != pad).long().cumsum(dim=1) - 1) * (ids != pad) + pad,
    }),
)
