"""The exercises of lesson 10: cross-attention, and what a translator reads and is asked."""

import torch
from torch.nn import functional as F

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

QUERIES_KEYS = torch.arange(16.0).sin().reshape(2, 2, 4), torch.arange(32.0).cos().reshape(2, 4, 4)


def look_at_source(queries, keys, source_mask):
    scores = queries @ keys.transpose(1, 2) / keys.shape[2] ** 0.5
    scores = scores.masked_fill(source_mask[:, None, :] == 0, float("-inf"))
    return scores.softmax(dim=2)


def scaled(queries, keys):
    return queries @ keys.mT / keys.shape[2] ** 0.5


def closed(scores, mask, later=False):
    hidden = torch.ones_like(scores).triu(1).bool() & later
    return scores.masked_fill(hidden | (mask[:, None] == 0), -1e9)


def decoder_inputs(labels, start, pad):
    shifted = torch.full_like(labels, start)
    shifted[:, 1:] = labels[:, :-1]
    return shifted.masked_fill(shifted == -100, pad)


def filled(labels, pad):
    return labels.masked_fill(labels == -100, pad)


def target_labels(rows, sep, pad):
    labels = rows.roll(-1, dims=1)  # the next token
    seps_so_far = (rows == sep).cumsum(dim=1)
    return labels.masked_fill(seps_so_far != 1, -100)


def pair_rows(d):
    sep, pad, first, *words = d.shuffled(range(8))
    texts = [[first, *d.choices(words, 1, 3), sep, *d.choices(words, 1, 3), sep] for _ in range(d.integer(1, 3))]
    T = max(map(len, texts)) + d.integer(0, 2)
    return torch.tensor([text + [pad] * (T - len(text)) for text in texts]), sep, pad


def next_tokens(rows):
    return F.pad(rows[:, 1:], (0, 1), value=-100)


def so_far(rows, sep):
    return (rows == sep).cumsum(1)


def aligned_share(weights, gold):
    looked_at = weights[: len(gold)].argmax(dim=1) - 1  # row t writes word t; column 0 is [CLS]
    return (looked_at == torch.tensor(gold)).float().mean().item()


def weights_of(rows):
    rows = torch.tensor(rows).float()
    return rows / rows.sum(1, keepdim=True)


def aligned_inputs(d):
    T, S = d.integer(1, 5), d.integer(1, 4)
    return weights_of([d.shuffled(range(1, S + 3)) for _ in range(T + 1)]), d.choices(range(S), T)


def share(looked, gold):
    return (looked == torch.tensor(gold)).float().mean().item()


EXERCISES = (
    Exercise(look_at_source, inputs=lambda d: (d.floats("B", "T", "D"), d.floats("B", "S", "D"), d.mask("B", "S")),
             edges=[(*QUERIES_KEYS, torch.tensor([[1, 1, 1, 1], [0, 1, 0, 1]])),
                    (*QUERIES_KEYS, torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0]])),
                    (torch.ones(1, 1, 4), torch.ones(1, 1, 4), torch.ones(1, 1).long())], mistakes={
        "looks at padding": lambda queries, keys, mask: scaled(queries, keys).softmax(2),
        "mask after the softmax": lambda queries, keys, mask: scaled(queries, keys).softmax(2) * mask[:, None],
        "zero scores": lambda queries, keys, mask: (scaled(queries, keys) * mask[:, None]).softmax(2),
        "wrong axis": lambda queries, keys, mask: closed(scaled(queries, keys), mask).softmax(1),
        "no scale": lambda queries, keys, mask: closed(queries @ keys.mT, mask).softmax(2),
        "causal": lambda queries, keys, mask: closed(scaled(queries, keys), mask, later=True).softmax(2),
    }),
    Exercise(decoder_inputs, inputs=lambda d: (d.tensor([*range(4), -100], "B", "T"), d.integer(0, 4), d.integer(0, 4)),
             edges=[(torch.tensor([[7, 8, 9, 3], [5, 3, -100, -100]]), 3, 0),
                    (torch.tensor([[-100, 0, -100, 6]]), 0, 9), (torch.tensor([[4]]), 2, 1)], mistakes={
        "no shift": lambda labels, start, pad: filled(labels, pad),
        "-100 stays": lambda labels, start, pad: F.pad(labels[:, :-1], (1, 0), value=start),
        "round the corner": lambda labels, start, pad: filled(labels, pad).roll(1, 1),
        "wrong way": lambda labels, start, pad: F.pad(filled(labels, pad)[:, 1:], (0, 1), value=pad),
        "start in place": lambda labels, start, pad: F.pad(filled(labels, pad)[:, 1:], (1, 0), value=start),
    }),
    Exercise(target_labels, inputs=pair_rows,
             edges=[(torch.tensor([[2, 10, 11, 3, 20, 21, 3, 0, 0], [2, 12, 3, 22, 23, 24, 25, 3, 0]]), 3, 0),
                    (torch.tensor([[1, 30, 31, 9, 31, 31, 9, 5], [1, 33, 9, 41, 42, 43, 44, 9]]), 9, 5),
                    (torch.tensor([[2, 4, 0, 4, 0]]), 0, 1)], mistakes={
        "source too": lambda rows, sep, pad: next_tokens(rows).masked_fill(so_far(rows, sep) > 1, -100),
        "first word missing": lambda rows, sep, pad: target_labels(rows, sep, pad).masked_fill(rows == sep, -100),
        "end missing": lambda rows, sep, pad: torch.where(
            next_tokens(rows) == sep, -100, target_labels(rows, sep, pad)),
        "padding asked": lambda rows, sep, pad: next_tokens(rows).masked_fill(so_far(rows, sep) < 1, -100),
        "no shift": lambda rows, sep, pad: rows.masked_fill(so_far(rows, sep) - (rows == sep).int() != 1, -100),
    }),
    Exercise(aligned_share, inputs=aligned_inputs,
             edges=[(weights_of([[1, 2, 6, 3], [2, 7, 1, 3], [9, 4, 1, 2], [1, 2, 3, 8]]), [1, 0, 0]),
                    (weights_of([[1, 8, 2, 3], [1, 2, 3, 8]]), [0]),
                    (weights_of([[5, 4, 2, 1], [1, 2, 4, 9], [1, 2, 8, 5]]), [0, 1])], mistakes={
        "[CLS] forgotten": lambda weights, gold: share(weights[:-1].argmax(1), gold),
        "reading, not writing": lambda weights, gold: share(weights[1:].argmax(1) - 1, gold),
        "mass": lambda weights, gold: weights[range(len(gold)), torch.tensor(gold) + 1].mean().item(),
        "by column": lambda weights, gold: share(weights.argmax(0)[torch.tensor(gold) + 1], range(len(gold))),
        "words only": lambda weights, gold: share(weights[:-1, 1:-1].argmax(1), gold),
    }),
)  # fmt: skip
