"""The exercises of lesson 03: masks, and what leaks through them."""

from dataclasses import dataclass

import torch

from course_lib.exercises import compare
from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

LOWEST = torch.finfo(torch.float32).min
HIDDEN = -1e4  # BERT's own code added -10000; anything as low hides a key as well as finfo.min does
OUTPUTS = torch.arange(24.0).reshape(3, 4, 2)
MASKS = ([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], [[0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]],
         [[1, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 1]])  # fmt: skip
SIX = torch.tensor([3, 1, 4, 1, 5, 9])


def same_mask(got, expected, *args):
    """Accept any additive mask that hides the same keys: finfo.min, -inf, -1e9, in any float precision."""
    got = torch.where(got <= HIDDEN, LOWEST, got.float()) if got.is_floating_point() else got
    return compare.same(got, expected)


def padding_keys(lengths, T):
    real = torch.arange(T)[None, :] < lengths[:, None]  # [B, T]
    hidden = torch.finfo(torch.float32).min
    return torch.where(real, 0.0, hidden)[:, None, None, :]


def sliding_window(window, T):
    query, key = torch.arange(T)[:, None], torch.arange(T)[None, :]
    return (key <= query) & (key > query - window)


def causal_weights(q, k):
    T, D = q.shape
    scores = q @ k.T / D**0.5
    future = torch.ones(T, T).triu(1).bool()
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


def scaled(q, k):
    return q @ k.T / q.shape[1] ** 0.5


def upper(scores, diagonal=1):
    return torch.full_like(scores, float("-inf")).triu(diagonal)


def last_real(outputs, attention_mask):
    B, T, D = outputs.shape
    last = (attention_mask * torch.arange(T)).argmax(dim=1)  # [B], wherever the padding is
    return outputs[torch.arange(B), last]


def leaking_positions(read, ids, V):
    before, found = read(ids), set()
    for j in range(len(ids)):
        for word in range(V):
            other = ids.clone()
            other[j] = word
            moved = (read(other) - before).abs().amax(dim=-1) > 1e-6  # [T]
            found |= {i for i in range(j) if moved[i]}
    return sorted(found)


@dataclass(frozen=True)
class Reader:
    """A little reader: output i sums up the tokens that row i of `sees` allows; with `word`, only that word counts."""

    sees: tuple[tuple[int, ...], ...]
    word: int | None = None

    def __call__(self, ids):
        T = len(ids)
        code = (torch.arange(T) + 1) * ((ids + 1) if self.word is None else (ids == self.word).long())
        seen = 0.001 * (torch.tensor(self.sees) @ code)
        return torch.stack([torch.ones(T), seen], dim=1)  # [T, 2]


def reader(T, sees, word=None):
    return Reader(tuple(tuple(int(sees(i, j)) for j in range(T)) for i in range(T)), word)


def leaking_inputs(d):
    T, V = d.integer(1, 4), d.integer(1, 5)
    sees = tuple(tuple(d.choices((0, 1), T)) for _ in range(T))
    return Reader(sees, d.choice([None, *range(V)])), d.ids(T, V=V), V


def moves(read, ids, V, tries=range):
    """Return all pairs (output i, input j) such that output i moves when token j is replaced by one of tries(V)."""
    found = set()
    for j, word in ((j, word) for j in range(len(ids)) for word in tries(V)):
        moved = (read(torch.where(torch.arange(len(ids)) == j, word, ids)) - read(ids)).abs().sum(-1) > 1e-5
        found |= {(i, j) for i in moved.nonzero()[:, 0].tolist()}
    return sorted(found)


EXERCISES = (
    Exercise(padding_keys, inputs=lambda d: (1 + d.ids("B", V=d.size("T")), d.size("T")), compare=same_mask,
             edges=[(torch.tensor([2]), 3), (torch.tensor([4, 1, 3]), 4), (torch.tensor([6, 4]), 6)], mistakes={
        "inverted": lambda lengths, T: (padding_keys(lengths, T) == 0) * LOWEST,
        "0/1 mask": lambda lengths, T: (padding_keys(lengths, T) == 0).float(),
        "bool mask": lambda lengths, T: padding_keys(lengths, T) == 0,
        "rows": lambda lengths, T: padding_keys(lengths, T).transpose(-2, -1),
        "one too many": lambda lengths, T: padding_keys(lengths + 1, T),
    }),
    Exercise(sliding_window, inputs=lambda d: (d.integer(1, 8), d.integer(1, 7)),
             edges=[(2, 4), (1, 3), (3, 6), (9, 5), (1, 1)], mistakes={
        "one too many": lambda window, T: sliding_window(window + 1, T),
        "two-sided": lambda window, T: torch.ones(T, T).tril(window - 1).triu(1 - window).bool(),
        "no window": lambda window, T: torch.ones(T, T).tril().bool(),
        "turned": lambda window, T: sliding_window(window, T).T,
        "hides": lambda window, T: ~sliding_window(window, T),
    }),
    Exercise(causal_weights, inputs=lambda d: (d.floats("T", "D"), d.floats("T", "D", more=(300.0, -300.0))),
             edges=[(torch.eye(3), torch.eye(3) + 1),
                    (torch.ones(2, 1), torch.ones(2, 1)),
                    # a later key with a huge score: what is normalised after the softmax has underflowed to 0 before
                    (torch.ones(3, 4), torch.tensor([[0.0] * 4, [1.0] * 4, [1e6] * 4]))], mistakes={
        "after the softmax": lambda q, k: scaled(q, k).softmax(-1).tril(),
        "renormalised": lambda q, k: torch.nn.functional.normalize(scaled(q, k).softmax(-1).tril(), p=1, eps=0),
        "zero scores": lambda q, k: scaled(q, k).tril().softmax(-1),
        "not scaled": lambda q, k: (q @ k.T + upper(q @ k.T)).softmax(-1),
        "hides itself": lambda q, k: (scaled(q, k) + upper(q @ k.T, 0)).softmax(-1),
    }),
    Exercise(last_real, inputs=lambda d: (d.floats("B", "T", "D"), d.mask("B", "T")),
             edges=[(sign * OUTPUTS, torch.tensor(mask)) for mask in MASKS for sign in (1, -1)], mistakes={
        "last column": lambda outputs, mask: outputs[:, -1],
        "count": lambda outputs, mask: outputs[torch.arange(len(outputs)), mask.sum(1) - 1],
        "zeroed padding": lambda outputs, mask: (outputs * mask[:, :, None])[:, -1],
        "mean": lambda outputs, mask: (outputs * mask[:, :, None]).sum(1) / mask.sum(1)[:, None],
        "all pairs": lambda outputs, mask: outputs[:, (mask * torch.arange(mask.shape[1])).argmax(1)],
    }),
    Exercise(leaking_positions, inputs=leaking_inputs,
             edges=[(reader(6, lambda i, j: j <= i), SIX, 11),  # honest
                    (reader(6, lambda i, j: True), SIX, 11),
                    (reader(6, lambda i, j: j <= i + 1), SIX, 11),
                    (reader(6, lambda i, j: j <= i or (i, j) == (1, 3)), SIX, 11),  # one hole in its mask
                    (reader(6, lambda i, j: j <= i + 2, word=0), SIX, 11),  # reacts to one word only
                    (reader(3, lambda i, j: True, word=3), torch.tensor([0, 1, 1]), 4)], mistakes={
        "itself": lambda read, ids, V: sorted({i for i, j in moves(read, ids, V) if j >= i}),
        "last token only": lambda read, ids, V: [i for i, j in moves(read, ids, V) if i < j == len(ids) - 1],
        "inputs": lambda read, ids, V: sorted({j for i, j in moves(read, ids, V) if j > i}),
        "one other word": lambda read, ids, V: sorted(
            {i for i, j in moves(read, ids, V, lambda V: [(ids + 1) % V]) if j > i}
        ),
    }),
)
