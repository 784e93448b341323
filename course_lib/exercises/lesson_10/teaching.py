"""Lesson 10's exercises on what a translator reads and is asked: references, right answers and known mistakes."""

import torch
from torch.nn import functional as F

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


# --- what the decoder reads in training
def decoder_inputs(labels, start, pad):
    shifted = torch.full_like(labels, start)
    shifted[:, 1:] = labels[:, :-1]
    return shifted.masked_fill(shifted == -100, pad)


def decoder_inputs_cases():
    yield torch.tensor([[7, 8, 3]]), 3, 0
    yield torch.tensor([[7, 8, 9, 3], [5, 3, -100, -100]]), 3, 0
    yield torch.tensor([[11, 2, -100, -100, -100], [4, 6, 12, 2, -100]]), 1, 9


def decoder_inputs_by_padding(labels, start, pad):
    return torch.where(labels == -100, pad, labels).roll(1, 1).index_fill(1, torch.tensor([0]), start)


def decoder_inputs_by_loop(labels, start, pad):
    return torch.tensor([[start, *(pad if t == -100 else t for t in row[:-1])] for row in labels.tolist()])


def inputs_are_labels(labels, start, pad):
    return labels.masked_fill(labels == -100, pad)


def inputs_keep_ignored(labels, start, pad):
    return F.pad(labels[:, :-1], (1, 0), value=start)


def inputs_round_the_corner(labels, start, pad):
    return inputs_are_labels(labels, start, pad).roll(1, 1)


def inputs_shifted_left(labels, start, pad):
    return F.pad(inputs_are_labels(labels, start, pad)[:, 1:], (0, 1), value=pad)


# --- the loss on the target alone
def target_labels(rows, sep, pad):
    labels = rows.roll(-1, dims=1)
    labels[:, -1] = -100
    seps_so_far = (rows == sep).cumsum(dim=1)
    return labels.masked_fill(seps_so_far != 1, -100)


def target_labels_cases():
    yield torch.tensor([[2, 10, 11, 3, 20, 21, 3]]), 3, 0
    yield torch.tensor([[2, 10, 11, 3, 20, 21, 3, 0, 0], [2, 12, 3, 22, 23, 24, 25, 3, 0]]), 3, 0
    yield torch.tensor([[1, 30, 31, 32, 9, 40, 9, 5], [1, 33, 9, 41, 42, 43, 44, 9]]), 9, 5


def target_labels_by_loop(rows, sep, pad):
    labels = torch.full_like(rows, -100)
    for b, row in enumerate(rows.tolist()):
        first = row.index(sep)
        last = row.index(sep, first + 1)
        labels[b, first:last] = rows[b, first + 1 : last + 1]
    return labels


def target_labels_by_position(rows, sep, pad):
    T, is_sep = rows.shape[1], rows == sep
    first = is_sep.int().argmax(dim=1, keepdim=True)
    last = T - 1 - is_sep.flip(1).int().argmax(dim=1, keepdim=True)
    at = torch.arange(T)
    return torch.where((at >= first) & (at < last), F.pad(rows[:, 1:], (0, 1), value=-100), -100)


def labels_with_source(rows, sep, pad):
    labels = F.pad(rows[:, 1:], (0, 1), value=-100)
    return labels.masked_fill(labels == pad, -100)


def labels_without_first(rows, sep, pad):
    return target_labels(rows, sep, pad).masked_fill(rows == sep, -100)


def labels_with_padding(rows, sep, pad):
    labels = F.pad(rows[:, 1:], (0, 1), value=-100)
    return labels.masked_fill((rows == sep).cumsum(1) < 1, -100)


def labels_in_place(rows, sep, pad):
    after_first = ((rows == sep).cumsum(1) - (rows == sep).int()) == 1
    return rows.masked_fill(~after_first | (rows == pad), -100)


EXERCISES = (
    Exercise(
        name="decoder_inputs", lesson=10, minutes=5, difficulty=1,
        reference=decoder_inputs, cases=decoder_inputs_cases,
        mistakes=(
            Mistake("no shift", inputs_are_labels,
                    "each position reads the very token that it is asked for: the loss falls to nothing, and the model "
                    "cannot write. Shift to the right."),
            Mistake("-100 stays", inputs_keep_ignored,
                    "-100 is a label, not a token: the embedding has no row for it. Put the padding token there."),
            Mistake("round the corner", inputs_round_the_corner,
                    "the first position reads the last token of the row (`roll` goes round the corner), not the start "
                    "token."),
            Mistake("wrong way", inputs_shifted_left,
                    "you shifted to the left: position t then reads token t + 1, which is later than what it is asked "
                    "for."),
        ),
        hints=("Position 0 reads the start token and is asked for label 0. What does position 1 read?",
               "Shift to the right by one, put `start` in front, then replace -100."),
        alternatives=(decoder_inputs_by_padding, decoder_inputs_by_loop),
    ),
    Exercise(
        name="target_labels", lesson=10, minutes=8, difficulty=2,
        reference=target_labels, cases=target_labels_cases,
        mistakes=(
            Mistake("source too", labels_with_source,
                    "the source words are asked for as well: effort goes into the language of the source, which "
                    "nobody will ask it to write."),
            Mistake("first word missing", labels_without_first,
                    "nobody asks for the first target word: it is the first [SEP] that has to predict it. In writing, "
                    "everything starts there."),
            Mistake("padding asked", labels_with_padding,
                    "after the last [SEP] the padding is asked for: nothing comes after the end."),
            Mistake("no shift", labels_in_place,
                    "each position is asked for the token that it holds itself: in one stack the labels are the *next* "
                    "tokens."),
        ),
        hints=("The first [SEP] is asked for the first target word, the last target word for the closing [SEP].",
               "Count the [SEP] up to each position: `(rows == sep).cumsum(1)`. Where it is 1, a question is asked."),
        alternatives=(target_labels_by_loop, target_labels_by_position),
    ),
)  # fmt: skip
