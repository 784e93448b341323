"""Exercises of lesson 01 about rows of tokens: references, other right answers and known mistakes."""

import torch

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


def segment_ids(length_a, length_b):
    return [0] * (length_a + 2) + [1] * (length_b + 1 if length_b else 0)


def segment_ids_cases():
    yield 3, 2
    yield 1, 1
    yield 5, 0
    yield 2, 6


def segment_ids_by_tokens(length_a, length_b):
    tokens = ["[CLS]", *["a"] * length_a, "[SEP]"] + ([*["b"] * length_b, "[SEP]"] if length_b else [])
    return [int(position > length_a + 1) for position in range(len(tokens))]


def separator_with_b(length_a, length_b):
    return [0] * (length_a + 1) + [1] * (length_b + 2 if length_b else 1)


def without_last_separator(length_a, length_b):
    return [0] * (length_a + 2) + [1] * length_b


def without_cls(length_a, length_b):
    return [0] * (length_a + 1) + [1] * (length_b + 1 if length_b else 0)


def empty_b_counts(length_a, length_b):
    return [0] * (length_a + 2) + [1] * (length_b + 1)


def first_pieces(word_ids):
    return [i for i, word in enumerate(word_ids) if word is not None and (i == 0 or word_ids[i - 1] != word)]


def first_pieces_cases():
    yield ([None, 0, 1, 2, None],)
    yield ([None, 0, 0, 1, 2, 2, 2, None],)
    yield ([None, 0, 1, 1, None, 0, 0, 1, None, None],)
    yield ([0, 0, 1],)


def first_pieces_by_memory(word_ids):
    found, last = [], None
    for i, word in enumerate(word_ids):
        if word is not None and word != last:
            found.append(i)
        last = word
    return found


def all_pieces(word_ids):
    return [i for i, word in enumerate(word_ids) if word is not None]


def last_pieces(word_ids):
    ends = [*word_ids[1:], None]
    return [i for i, word in enumerate(word_ids) if word is not None and ends[i] != word]


def with_specials(word_ids):
    return [i for i, word in enumerate(word_ids) if i == 0 or word_ids[i - 1] != word]


def by_index(word_ids):
    return [word_ids.index(word) for word in sorted({w for w in word_ids if w is not None})]


def roberta_positions(ids, pad):
    real = (ids != pad).long()
    return real.cumsum(dim=1) * real + pad


def roberta_positions_cases():
    yield torch.tensor([[0, 7, 8, 2]]), 1
    yield torch.tensor([[0, 7, 8, 2, 1, 1], [0, 9, 2, 1, 1, 1]]), 1
    yield torch.tensor([[1, 1, 0, 5, 2]]), 1
    yield torch.tensor([[3, 7, 0, 0]]), 0


def roberta_positions_by_loop(ids, pad):
    out = torch.full_like(ids, pad)
    for b in range(ids.shape[0]):
        seen = 0
        for t in range(ids.shape[1]):
            if ids[b, t] != pad:
                seen += 1
                out[b, t] = pad + seen
    return out


def from_zero(ids, pad):
    return torch.arange(ids.shape[1]).expand_as(ids).clone()


def pad_counts(ids, pad):
    return torch.arange(pad + 1, pad + 1 + ids.shape[1]).expand_as(ids).clone()


def pad_moves_on(ids, pad):
    return (ids != pad).long().cumsum(dim=1) + pad


def one_too_low(ids, pad):
    real = (ids != pad).long()
    return (real.cumsum(dim=1) - 1 + pad) * real + pad * (1 - real)


EXERCISES = (
    Exercise(
        name="segment_ids", lesson=1, minutes=4, difficulty=1,
        reference=segment_ids, cases=segment_ids_cases,
        mistakes=(
            Mistake("separator with B", separator_with_b,
                    "the first [SEP] ends A, so it has segment 0."),
            Mistake("no last [SEP]", without_last_separator,
                    "B ends with a [SEP] too: it has segment 1 and is missing here."),
            Mistake("no [CLS]", without_cls, "[CLS] is missing: it opens the row and has segment 0."),
            Mistake("empty B", empty_b_counts,
                    "without B there is no second [SEP]: a single text is [CLS] A [SEP], all of segment 0."),
        ),
        hints=("Write [CLS] A A A [SEP] B B [SEP] down and put a digit under each.",
               "A brings two special tokens along, B one; no B, no second [SEP]."),
        alternatives=(segment_ids_by_tokens,),
    ),
    Exercise(
        name="first_pieces", lesson=1, minutes=5, difficulty=2,
        reference=first_pieces, cases=first_pieces_cases,
        mistakes=(
            Mistake("all pieces", all_pieces,
                    "every piece is listed: a word in three pieces would get three tags. Take its first."),
            Mistake("last pieces", last_pieces, "these are the last pieces of the words: BERT tags the first."),
            Mistake("special tokens", with_specials, "special tokens (None) are no words: nobody tags [CLS]."),
            Mistake("by index", by_index,
                    "in the second text of a pair the words are numbered from 0 again, and `index` finds only the "
                    "first text's."),
        ),
        hints=("A piece is a first one if the piece before it belongs to something else.",
               "Compare word_ids[i] with word_ids[i - 1], and leave out None."),
        alternatives=(first_pieces_by_memory,),
    ),
    Exercise(
        name="roberta_positions", lesson=1, minutes=6, difficulty=2,
        reference=roberta_positions, cases=roberta_positions_cases,
        mistakes=(
            Mistake("from zero", from_zero, "positions count from 0 here; RoBERTa's begin one after the padding id."),
            Mistake("padding counted", pad_counts,
                    "padding moves the count on: the first real token has position pad + 1 on either side."),
            Mistake("padding not parked", pad_moves_on,
                    "padding shares the position of the last real token; it belongs at the position `pad`."),
            Mistake("one too low", one_too_low,
                    "the first real token has position pad + 1: position pad is taken by the padding."),
        ),
        hints=("How many real tokens stand at or before each place? `cumsum` counts them.",
               "count * real + pad: padding has count * 0 + pad."),
        alternatives=(roberta_positions_by_loop,),
    ),
)  # fmt: skip
