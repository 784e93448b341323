"""The exercises of lesson 09: the loop of generation, the cache, and what probabilities add up to."""

from dataclasses import dataclass

import torch

from course_lib.exercises import compare
from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

PARITY = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4  # two words decide the third
TWO = torch.tensor([[0.6, 0.1], [0.05, 0.25]])
FOUR = TWO[:, :, None, None] * TWO


def grow(read, prompt, n, end):
    ids = prompt
    for _ in range(n):
        new = read(ids)[-1].argmax()
        ids = torch.cat([ids, new[None]])
        if new == end:
            break
    return ids


@dataclass(frozen=True)
class Model:
    """A little causal model: its next token depends on the newest, on the position and on all that was read."""

    V: int
    newest: int
    position: int
    past: int

    def __call__(self, ids):
        wanted = self.newest * ids + self.position * torch.arange(len(ids)) + self.past * ids.cumsum(0) + 1
        return -((torch.arange(self.V) - wanted[:, None]) % self.V).float()  # [T, V], no ties, none above 0


STEP = Model(5, 1, 0, 0)


def grow_inputs(d):
    V = d.integer(2, 6)
    model = Model(V, d.integer(0, 3), d.integer(0, 3), d.integer(0, 3))
    return model, d.ids(d.integer(1, 4), V=V), d.integer(0, 6), d.integer(0, V - 1)


def growing(choose):
    """Return grow for a model of which only choose(read, prompt, ids) is asked for the next token."""
    return lambda read, prompt, n, end: grow(lambda ids: choose(read, prompt, ids), prompt, n, end)


def end_left_out(read, prompt, n, end):
    ids = grow(read, prompt, n, end)
    return ids[:-1] if len(ids) > len(prompt) and ids[-1] == end else ids


def nucleus(p, top_p, least):
    largest, order = p.sort(descending=True)
    before = largest.cumsum(0) - largest  # the mass of the words that are more probable
    keep = (before < top_p) | (torch.arange(len(p)) < least)
    out = torch.zeros_like(p)
    out[order[keep]] = largest[keep] / largest[keep].sum()
    return out


def kept_alike(got, expected, p, *_):
    """Accept any choice among words of equal probability."""
    sizes = compare.same(got.sort().values, expected.sort().values)
    wrong = sizes or compare.same(got * p[got > 0].sum(), p * (got > 0))
    return compare.same(got, expected) if wrong else None


def nucleus_inputs(d):
    V = d.integer(1, 6)
    p = torch.bincount(torch.tensor(d.choices(range(V), 16)), minlength=V) / 16
    return p, (2 * d.integer(0, 15) + 1) / 32, d.integer(1, V)  # near no sum, for those who go by logarithms


def right_words(upto, p, top_p, rank, least):
    return (upto - p < top_p) | (rank < least)


def nucleus_by(keep=right_words, sort=True, divide=True, back=True):
    """Return nucleus with another keep(mass with the word, its probability, top_p, rank, least), or without a step."""

    def wrong(p, top_p, least):
        largest, order = p.sort(descending=True) if sort else (p, torch.arange(len(p)))
        kept = largest * keep(largest.cumsum(0), largest, top_p, torch.arange(len(p)), least)
        kept = kept / kept.sum() if divide else kept
        return torch.zeros_like(p).scatter(0, order, kept) if back else kept

    return wrong


def attend_with_cache(q, k, v, past_k, past_v):
    n, t = len(q), len(past_k)
    keys, values = torch.cat([past_k, k]), torch.cat([past_v, v])  # [t + n, D]
    later = torch.ones(n, t + n).triu(t + 1).bool()  # new token i stands at t + i
    scores = (q @ keys.T / q.shape[1] ** 0.5).masked_fill(later, float("-inf"))
    return scores.softmax(dim=1) @ values, keys, values


def attending(diagonal):
    """Return attend_with_cache with a mask that begins at another diagonal."""

    def wrong(q, k, v, past_k, past_v):
        keys, values = torch.cat([past_k, k]), torch.cat([past_v, v])
        hidden = torch.ones(len(q), len(keys)).triu(diagonal(len(past_k))).bool()
        return (q @ keys.T / q.shape[1] ** 0.5).masked_fill(hidden, -torch.inf).softmax(1) @ values, keys, values

    return wrong


def tokens_that_fit(memory, layers, width, rows=1, bytes_each=2):
    token = 2 * layers * width * bytes_each  # a key and a value in every layer
    return memory // (rows * token)


def fitting(token):
    """Return tokens_that_fit with another weight of a token in all texts."""
    return lambda memory, layers, width, rows=1, size=2: memory // token(layers * width, rows, size)


def memory_inputs(d):
    layers, width, rows, bytes_each = d.integer(1, 3), d.integer(1, 4), d.integer(1, 3), d.choice([2, 4, 1])
    token = 2 * layers * width * rows * bytes_each
    return max(0, d.integer(0, 5) * token + d.integer(-1, token)), layers, width, rows, bytes_each


def pseudo_mass(joint):
    product = torch.ones_like(joint)
    for axis in range(joint.dim()):
        product = product * joint / joint.sum(dim=axis, keepdim=True)  # P(this word | the others)
    return product.sum()


def joint_inputs(d):
    weights = d.ids(*[d.integer(1, 3)] * d.integer(1, 3), V=5)
    if any((weights.sum(axis) == 0).any() for axis in range(weights.dim())):
        weights = weights + 1
    return (weights / weights.sum(),)


def conditionals(joint):
    return torch.stack([joint / joint.sum(axis, keepdim=True) for axis in range(joint.dim())])


def best_in_context(shown, keys, values):
    unseen = (1 - 1 / keys) ** shown  # none of the pairs had the letter
    return (1 - unseen) + unseen / values


EXERCISES = (
    Exercise(grow, inputs=grow_inputs,
             edges=[(Model(11, 3, 2, 1), torch.tensor([2, 9, 4]), 6, 10), (STEP, torch.tensor([0, 3]), 4, 0),
                    (STEP, torch.tensor([3]), 4, 4), (STEP, torch.tensor([3]), 0, 4)], mistakes={
        "first position": growing(lambda read, prompt, ids: read(ids)[:1]),
        "only the last token": growing(lambda read, prompt, ids: read(ids[-1:])),
        "not fed back": growing(lambda read, prompt, ids: read(prompt)),
        "prompt lost": lambda read, prompt, n, end: grow(read, prompt, n, end)[len(prompt) :],
        "never stops": lambda read, prompt, n, end: grow(read, prompt, n, None),
        "end left out": end_left_out,
        "end in the prompt": lambda read, prompt, n, end: prompt if end in prompt else grow(read, prompt, n, end),
    }),
    Exercise(nucleus, inputs=nucleus_inputs, compare=kept_alike,
             edges=[(torch.tensor([0.125, 0.0625, 0.5, 0.3125]), 0.6, 1), (torch.tensor([0.25, 0.5, 0.25]), 0.5, 1),
                    (torch.tensor([0.125, 0.75, 0.125]), 0.3, 2), (torch.tensor([0.0, 1.0]), 0.9, 2),
                    (2.0 ** -torch.tensor([5.0, 1.0, 2.0, 3.0, 4.0, 5.0]), 0.95, 1), (torch.tensor([1.0]), 0.5, 1),
                    (torch.tensor([0.5, 0.25, 0.125, 0.125]), 0.875, 1)], mistakes={
        "the crossing word": nucleus_by(lambda upto, p, top_p, rank, least: (upto <= top_p) | (rank < least)),
        "one too many": nucleus_by(lambda upto, p, top_p, rank, least: (upto - p <= top_p) | (rank < least)),
        "top-p alone": nucleus_by(lambda upto, p, top_p, rank, least: upto - p < top_p),
        "not renormalised": nucleus_by(divide=False),
        "not sorted": nucleus_by(sort=False),
        "order of size": nucleus_by(back=False),
    }),
    Exercise(attend_with_cache, inputs=lambda d: (
                 *(d.floats("n", "D") for _ in "qkv"), *(d.floats(d.size("t") - 1, "D") for _ in "kv")),
             edges=[tuple(torch.arange(rows * 2.0).reshape(rows, 2).sin() + part for part, rows in enumerate(sizes))
                    for sizes in ((2, 2, 2, 3, 3), (1, 1, 1, 2, 2), (3, 3, 3, 0, 0), (1, 1, 1, 0, 0))],
             mistakes={  # given: q, k, v, past_k, past_v
        "top-left mask": attending(lambda t: 1),
        "no mask": attending(lambda t: 99),
        "blind to itself": attending(lambda t: t),
        "no scaling": lambda q, *given: attend_with_cache(q * q.shape[1] ** 0.5, *given),
        "cache not grown": lambda *given: (attend_with_cache(*given)[0], *given[3:]),
        "only the new": lambda *given: (attend_with_cache(*given)[0], *given[1:3]),
        "in front": lambda *given: (attend_with_cache(*given)[0], torch.cat(given[1::2]), torch.cat(given[2::2])),
    }),
    Exercise(tokens_that_fit, inputs=memory_inputs,
             edges=[(100, 2, 3), (96, 2, 3), (95, 2, 3, 2, 4), (0, 1, 1), (10**9, 12, 768, 4)], mistakes={
        "keys only": fitting(lambda numbers, rows, size: numbers * rows * size),
        "queries too": fitting(lambda numbers, rows, size: 3 * numbers * rows * size),
        "one text": fitting(lambda numbers, rows, size: 2 * numbers * size),
        "numbers": fitting(lambda numbers, rows, size: 2 * numbers * rows),
        "rounded up": lambda memory, *others: -tokens_that_fit(-memory, *others),
    }),
    Exercise(pseudo_mass, inputs=joint_inputs,
             edges=[(TWO,), (torch.eye(2) / 2,), (PARITY,), (TWO[0] / 0.7,), (FOUR[0] / 0.7,), (FOUR,)], mistakes={
        "chain rule": lambda joint: joint.sum(),
        "two words": lambda joint: conditionals(joint)[:2].prod(0).sum(),
        "same side": lambda joint: (conditionals(joint)[0] ** joint.dim()).sum(),
        "added": lambda joint: conditionals(joint).sum(),
    }),
    Exercise(best_in_context, inputs=lambda d: (d.integer(0, 20), d.integer(1, 12), d.integer(1, 12)),
             edges=[(1, 2, 4), (0, 8, 8), (8, 8, 8), (40, 26, 2), (2, 1, 5), (0, 1, 3), (3, 4, 1)], mistakes={
        "no luck": lambda shown, keys, values: 1 - (1 - 1 / keys) ** shown,
        "no repeats": lambda shown, keys, values: 1 - max(0, 1 - shown / keys) * (1 - 1 / values),
        "a guess": lambda shown, keys, values: 1 / values,
        "counted twice": lambda shown, keys, values: 1 - (1 - 1 / keys) ** shown + 1 / values,
        "keys for values": lambda shown, keys, values: best_in_context(shown, values, keys),
    }),
)  # fmt: skip
