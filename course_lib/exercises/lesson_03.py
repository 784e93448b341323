"""The exercises of lesson 03: masks, and what leaks through them."""

from dataclasses import dataclass

import torch

from course_lib.exercises import compare
from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

OUTPUTS = torch.arange(24.0).reshape(3, 4, 2)
MASKS = ([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], [[0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]],
         [[1, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 1]])  # fmt: skip
SIX = torch.tensor([3, 1, 4, 1, 5, 9])


def draw_mask(kinds):
    def may(i, j):
        return kinds[j] == "P" or (kinds[j] == "A" and j <= i)

    T = len(kinds)
    return ["".join("x" if may(i, j) else "." for j in range(T)) for i in range(T)]


def rows(kinds, may):
    return ["".join(".x"[may(i, j)] for j in range(len(kinds))) for i in range(len(kinds))]


def one_layer(moves, layers):
    output, token = moves.nonzero(as_tuple=True)
    steps = token - output  # negative: a token before
    return [int(-steps.min()) // layers, int(steps.max()) // layers]


def band(T, back, ahead):
    """Return booleans [T, T]: may position i look at j, from `back` places before it to `ahead` places after it?"""
    step = torch.arange(T)[None, :] - torch.arange(T)[:, None]
    return (-back <= step) & (step <= ahead)


def banded(d):
    back, ahead, layers = d.integer(0, 2), d.integer(0, 2), d.integer(1, 3)
    return band(layers * max(back, ahead) + d.integer(1, 3), back * layers, ahead * layers), layers


def far_with_two(layers):
    T = 2**layers
    query, key = torch.arange(T)[:, None], torch.arange(T)[None, :]
    return [(key == query) | (key == query - 2**layer) for layer in range(layers)]


def same_jump(layers, jump):
    return [torch.eye(2**layers).bool() | torch.eye(2**layers).roll(jump, 0).tril().bool() for _ in range(layers)]


def all_reach(got, expected, layers):
    """Accept any masks through which every token reaches the last output; the reason names what is missing."""
    if any(mask.dtype != torch.bool or mask.shape != (2**layers,) * 2 for mask in got) or len(got) != layers:
        return compare.same(got, expected)
    for number, mask in enumerate(got, 1):
        if mask.triu(1).any():
            return f"in layer {number} a position looks at a later one."
        if (most := int(mask.sum(1).max())) > 2:
            return f"in layer {number} a position looks at {most} positions; at most 2 are allowed."
    alive = torch.arange(2**layers) == 2**layers - 1
    for mask in reversed(got):
        alive = mask[alive].any(0)
    return None if alive.all() else f"only {int(alive.sum())} of {2**layers} tokens reach the last output."


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
    Exercise(draw_mask, inputs=lambda d: ("".join(kind * d.integer(0, 2) for kind in "-PA-") or d.choice("PA-"),),
             edges=[("PPAA",), ("PPAA-",), ("-PPA",), ("PAA",), ("P",), ("AA",), ("-PA-",)], mistakes={
        "causal": lambda kinds: rows(kinds, lambda i, j: kinds[j] != "-" and j <= i),
        "padding": lambda kinds: rows(kinds, lambda i, j: kinds[j] == "P" or j <= i),
        "rows of padding": lambda kinds: rows(kinds, lambda i, j: "-" not in (kinds[i], kinds[j])
                                              and (kinds[j] == "P" or j <= i)),
        "turned": lambda kinds: ["".join(column) for column in zip(*draw_mask(kinds), strict=True)],
        "hides itself": lambda kinds: rows(kinds, lambda i, j: kinds[j] == "P" or (kinds[j] == "A" and j < i)),
    }),
    Exercise(one_layer, inputs=banded, edges=[(band(6, 2, 2), 2), (band(5, 4, 0), 2), (band(7, 3, 6), 3),
                                              (band(4, 1, 0), 1), (band(1, 0, 0), 3)], mistakes={
        "the whole model": lambda moves, layers: one_layer(moves, 1),
        "turned": lambda moves, layers: one_layer(moves, layers)[::-1],
        "counts itself": lambda moves, layers: [1 + n for n in one_layer(moves, layers)],
        "first row": lambda moves, layers: [0, (int(moves[0].sum()) - 1) // layers],
    }),
    Exercise(far_with_two, inputs=lambda d: (d.integer(1, 4),), edges=[(3,), (1,), (2,), (4,)], compare=all_reach,
             mistakes={
        "one step each": lambda layers: same_jump(layers, 1),
        "one long jump": lambda layers: same_jump(layers, 2 ** (layers - 1)),
        "everything": lambda layers: [torch.ones(2**layers, 2**layers).tril().bool()] * layers,
        "the future": lambda layers: [mask.T for mask in far_with_two(layers)],
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
    Exercise(last_real, inputs=lambda d: (d.floats("B", "T", "D"), d.mask("B", "T")),
             edges=[(sign * OUTPUTS, torch.tensor(mask)) for mask in MASKS for sign in (1, -1)], mistakes={
        "last column": lambda outputs, mask: outputs[:, -1],
        "count": lambda outputs, mask: outputs[torch.arange(len(outputs)), mask.sum(1) - 1],
        "zeroed padding": lambda outputs, mask: (outputs * mask[:, :, None])[:, -1],
        "mean": lambda outputs, mask: (outputs * mask[:, :, None]).sum(1) / mask.sum(1)[:, None],
        "all pairs": lambda outputs, mask: outputs[:, (mask * torch.arange(mask.shape[1])).argmax(1)],
    }),
)
