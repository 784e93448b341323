"""A second way to each answer of lesson 01, found without the first."""

from itertools import groupby

import torch

from course_lib.exercises.lesson_01 import cut as longest_match  # noqa: F401, by all pieces that fit


def segment_ids(length_a, length_b):
    tokens = ["[CLS]", *["a"] * length_a, "[SEP]"] + ([*["b"] * length_b, "[SEP]"] if length_b else [])
    return [int(position > length_a + 1) for position in range(len(tokens))]


def first_pieces(word_ids):
    lengths = [(word, len(list(group))) for word, group in groupby(word_ids)]
    starts = [sum(length for _, length in lengths[:n]) for n in range(len(lengths))]
    return [start for start, (word, _) in zip(starts, lengths, strict=True) if word is not None]


def roberta_positions(ids, pad):
    rows = ids.tolist()
    return torch.tensor(
        [[pad + (t != pad) * sum(s != pad for s in row[: i + 1]) for i, t in enumerate(row)] for row in rows]
    )
