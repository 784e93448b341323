"""The exercises of lesson 09: the loop of generation, the cache, and what probabilities add up to."""

import itertools
from dataclasses import dataclass

import torch

from course_lib.exercises import compare
from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]


# --- the loop, and what ends it
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


def grow_inputs(d):
    V = d.integer(2, 6)
    model = Model(V, d.integer(0, 3), d.integer(0, 3), d.integer(0, 3))
    return model, d.ids(d.integer(1, 4), V=V), d.integer(0, 6), d.integer(0, V - 1)


def grow_in_a_list(read, prompt, n, end):
    ids, new = prompt.tolist(), []
    while len(new) < n and end not in new:
        scores = read(torch.tensor(ids + new)).tolist()[-1]
        new.append(scores.index(max(scores)))
    return torch.tensor(ids + new)


def growing(choose):
    """Return grow with another choice of the next token, choose(read, prompt, ids)."""

    def wrong(read, prompt, n, end):
        ids = prompt
        for _ in range(n):
            new = choose(read, prompt, ids)
            ids = torch.cat([ids, new[None]])
            if new == end:
                break
        return ids

    return wrong


def end_left_out(read, prompt, n, end):
    ids = grow(read, prompt, n, end)
    return ids[:-1] if len(ids) > len(prompt) and ids[-1] == end else ids


# --- top-p
def nucleus(p, top_p, least):
    largest, order = p.sort(descending=True)
    before = largest.cumsum(0) - largest  # the mass of the words that are more probable
    keep = (before < top_p) | (torch.arange(len(p)) < least)
    out = torch.zeros_like(p)
    out[order[keep]] = largest[keep] / largest[keep].sum()
    return out


def nucleus_one_by_one(p, top_p, least):
    left, kept = sorted(range(len(p)), key=lambda word: p[word].item()), []
    while left and (len(kept) < least or sum(p[word].item() for word in kept) < top_p):
        kept.append(left.pop())
    mass = sum(p[word].item() for word in kept)
    return torch.tensor([p[word].item() / mass if word in kept else 0.0 for word in range(len(p))])


def kept_alike(got, expected, p, *_):
    """Accept any choice among words of equal probability."""
    problem = compare.same(got, expected)
    if problem is None or got.shape != p.shape:
        return problem
    kept = got > 0
    sizes = compare.same(got.sort().values, expected.sort().values)
    return problem if sizes or compare.same(got * p[kept].sum(), p * kept) else None


def nucleus_inputs(d):
    V = d.integer(1, 6)
    p = torch.bincount(torch.tensor(d.choices(range(V), 16)), minlength=V) / 16  # sums are exact, so is a border
    return p, d.integer(1, 31) / 32, d.integer(1, V)


def nucleus_by(keep, sort=True, divide=True, back=True):
    """Return nucleus with keep(mass with the word, its probability, top_p, rank, least), or without a step."""

    def wrong(p, top_p, least):
        largest, order = p.sort(descending=True) if sort else (p, torch.arange(len(p)))
        kept = largest * keep(largest.cumsum(0), largest, top_p, torch.arange(len(p)), least)
        kept = kept / kept.sum() if divide else kept
        return torch.zeros_like(p).scatter(0, order, kept) if back else kept

    return wrong


def right_words(upto, p, top_p, rank, least):
    return (upto - p < top_p) | (rank < least)


# --- several tokens at once, with a cache
def attend_with_cache(q, k, v, past_k, past_v):
    n, t = len(q), len(past_k)
    keys, values = torch.cat([past_k, k]), torch.cat([past_v, v])  # [t + n, D]
    later = torch.ones(n, t + n).triu(t + 1).bool()  # new token i stands at t + i
    scores = (q @ keys.T / q.shape[1] ** 0.5).masked_fill(later, float("-inf"))
    return scores.softmax(dim=1) @ values, keys, values


def attend_one_by_one(q, k, v, past_k, past_v):
    rows, keys, values = [], past_k, past_v
    for query, key, value in zip(q, k, v, strict=True):
        keys, values = torch.vstack([keys, key]), torch.vstack([values, value])
        rows.append((keys @ query / len(query) ** 0.5).softmax(0) @ values)
    return torch.stack(rows), keys, values


def cache_inputs(d):
    n, t, D = d.integer(1, 3), d.integer(0, 3), d.integer(1, 3)
    return tuple(d.floats(rows, D) for rows in (n, n, n, t, t))


def attending(diagonal, scaled=True):
    """Return attend_with_cache with a mask that begins at another diagonal; None: with no mask."""

    def wrong(q, k, v, past_k, past_v):
        keys, values = torch.cat([past_k, k]), torch.cat([past_v, v])
        scores = q @ keys.T / (q.shape[1] ** 0.5 if scaled else 1)
        if diagonal is not None:
            hidden = torch.ones(len(q), len(keys)).triu(diagonal(len(past_k))).bool()
            scores = scores.masked_fill(hidden, float("-inf"))
        return scores.softmax(1) @ values, keys, values

    return wrong


# --- what fits into memory
def tokens_that_fit(memory, layers, width, rows=1, bytes_each=2):
    token = 2 * layers * width * bytes_each  # a key and a value in every layer
    return memory // (rows * token)


def tokens_by_counting(memory, layers, width, rows=1, bytes_each=2):
    tokens, used = -1, 0
    while used <= memory:
        tokens += 1
        used += sum(width * bytes_each for _ in range(rows) for _ in range(layers) for _ in "KV")
    return tokens


def memory_inputs(d):
    layers, width, rows, bytes_each = d.integer(1, 3), d.integer(1, 4), d.integer(1, 3), d.choice([2, 4, 1])
    token = 2 * layers * width * rows * bytes_each
    return max(0, d.integer(0, 5) * token + d.integer(-1, token)), layers, width, rows, bytes_each


# --- no probability
def pseudo_mass(joint):
    product = torch.ones_like(joint)
    for axis in range(joint.dim()):
        product = product * joint / joint.sum(dim=axis, keepdim=True)  # P(this word | the others)
    return product.sum()


def pseudo_mass_by_loops(joint):
    total = 0.0
    for words in itertools.product(range(len(joint)), repeat=joint.dim()):
        term = 1.0
        for axis, word in enumerate(words):
            others = [joint[(*words[:axis], other, *words[axis + 1 :])].item() for other in range(len(joint))]
            term *= others[word] / sum(others)
        total += term
    return total


def joint_edges():
    parity = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4  # two words decide the third
    two = torch.tensor([[0.6, 0.1], [0.05, 0.25]])
    return [(two,), (torch.eye(2) / 2,), (parity,), (two[:, :, None] * torch.tensor([0.2, 0.8]),), (two[0] / 0.7,)]


def joint_inputs(d):
    weights = d.ids(*[d.integer(1, 3)] * d.integer(1, 3), V=5)
    if any((weights.sum(axis) == 0).any() for axis in range(weights.dim())):
        weights = weights + 1
    return (weights / weights.sum(),)


def conditionals(joint, axes=None):
    """Return P(word | the others) for each axis."""
    return [joint / joint.sum(axis, keepdim=True) for axis in (range(joint.dim()) if axes is None else axes)]


def product(factors):
    return torch.stack(list(factors)).prod(0).sum()


def given_the_word(joint):
    axes = range(joint.dim())
    marginals = [joint.sum([a for a in axes if a != axis], keepdim=True) if len(axes) > 1 else joint for axis in axes]
    return product(joint / marginal for marginal in marginals)


# --- the best possible in context
def best_in_context(shown, keys, values):
    unseen = (1 - 1 / keys) ** shown  # none of the pairs had the letter
    return (1 - unseen) + unseen / values


def best_in_context_pair_by_pair(shown, keys, values):
    known = 0.0
    for _ in range(shown):
        known += (1 - known) / keys
    return known + (1 - known) / values


EXERCISES = (
    Exercise(
        grow,
        second=grow_in_a_list,
        edges=lambda: [
            (Model(11, 3, 2, 1), torch.tensor([2, 9, 4]), 6, 10),
            (Model(5, 1, 0, 0), torch.tensor([0, 3]), 4, 0),
            (Model(5, 1, 0, 0), torch.tensor([3]), 4, 4),
            (Model(5, 1, 0, 0), torch.tensor([3]), 0, 4),
            (Model(6, 1, 1, 1), torch.tensor([1, 1]), 1, 5),
        ],
        inputs=grow_inputs,
        mistakes={
            "first position": growing(lambda read, prompt, ids: read(ids)[0].argmax()),
            "only the last token": growing(lambda read, prompt, ids: read(ids[-1:])[-1].argmax()),
            "not fed back": growing(lambda read, prompt, ids: read(prompt)[-1].argmax()),
            "prompt lost": lambda read, prompt, n, end: grow(read, prompt, n, end)[len(prompt) :],
            "never stops": lambda read, prompt, n, end: grow(read, prompt, n, None),
            "end left out": end_left_out,
            "end in the prompt": lambda read, prompt, n, end: prompt if end in prompt else grow(read, prompt, n, end),
        },
    ),
    Exercise(
        nucleus,
        second=nucleus_one_by_one,
        edges=lambda: [
            (torch.tensor([0.125, 0.0625, 0.5, 0.3125]), 0.6, 1),
            (torch.tensor([0.25, 0.5, 0.25]), 0.5, 1),
            (torch.tensor([0.125, 0.75, 0.125]), 0.3, 2),
            (torch.tensor([0.0, 1.0]), 0.9, 2),
            (2.0 ** -torch.tensor([5.0, 1.0, 2.0, 3.0, 4.0, 5.0]), 0.95, 1),
            (torch.tensor([1.0]), 0.5, 1),
        ],
        inputs=nucleus_inputs,
        compare=kept_alike,
        mistakes={
            "the crossing word": nucleus_by(lambda upto, p, top_p, rank, least: (upto <= top_p) | (rank < least)),
            "one too many": nucleus_by(lambda upto, p, top_p, rank, least: (upto - p <= top_p) | (rank < least)),
            "top-p alone": nucleus_by(lambda upto, p, top_p, rank, least: upto - p < top_p),
            "not renormalised": nucleus_by(right_words, divide=False),
            "not sorted": nucleus_by(right_words, sort=False),
            "order of size": nucleus_by(right_words, back=False),
        },
    ),
    Exercise(
        attend_with_cache,
        second=attend_one_by_one,
        edges=lambda: [
            tuple(torch.arange(rows * 2.0).reshape(rows, 2).sin() + part for part, rows in enumerate(sizes))
            for sizes in ((2, 2, 2, 3, 3), (1, 1, 1, 2, 2), (3, 3, 3, 0, 0), (1, 1, 1, 0, 0))
        ],
        inputs=cache_inputs,
        mistakes={
            "top-left mask": attending(lambda t: 1),
            "no mask": attending(None),
            "blind to itself": attending(lambda t: t),
            "no scaling": attending(lambda t: t + 1, scaled=False),
            "cache not grown": lambda q, k, v, past_k, past_v: (
                attend_with_cache(q, k, v, past_k, past_v)[0], past_k, past_v),
            "only the new": lambda q, k, v, past_k, past_v: (
                attend_with_cache(q, k, v, past_k, past_v)[0], k, v),
            "in front": lambda q, k, v, past_k, past_v: (
                attend_with_cache(q, k, v, past_k, past_v)[0], torch.cat([k, past_k]), torch.cat([v, past_v])),
        },
    ),
    Exercise(
        tokens_that_fit,
        second=tokens_by_counting,
        edges=lambda: [(100, 2, 3), (96, 2, 3), (95, 2, 3, 2, 4), (0, 1, 1), (10**9, 12, 768, 4), (8 * 10**10, 96, 12288)],
        inputs=memory_inputs,
        mistakes={
            "keys only": lambda memory, layers, width, rows=1, size=2: memory // (layers * width * rows * size),
            "queries too": lambda memory, layers, width, rows=1, size=2: memory // (3 * layers * width * rows * size),
            "one text": lambda memory, layers, width, rows=1, size=2: memory // (2 * layers * width * size),
            "numbers": lambda memory, layers, width, rows=1, size=2: memory // (2 * layers * width * rows),
            "rounded up": lambda memory, layers, width, rows=1, size=2: -(-memory // (2 * layers * width * rows * size)),
            "squared": lambda memory, layers, width, rows=1, size=2: int(
                (memory // (2 * layers * width * rows * size)) ** 0.5
            ),
        },
    ),
    Exercise(
        pseudo_mass,
        second=pseudo_mass_by_loops,
        edges=joint_edges,
        inputs=joint_inputs,
        mistakes={
            "chain rule": lambda joint: joint.sum(),
            "two words": lambda joint: product(conditionals(joint, range(min(2, joint.dim())))),
            "same side": lambda joint: product(conditionals(joint, [0] * joint.dim())),
            "given the word": given_the_word,
            "added": lambda joint: sum(conditionals(joint)).sum(),
        },
    ),
    Exercise(
        best_in_context,
        second=best_in_context_pair_by_pair,
        edges=lambda: [(1, 2, 4), (0, 8, 8), (8, 8, 8), (40, 26, 2), (2, 1, 5), (0, 1, 3), (3, 4, 1)],
        inputs=lambda d: (d.integer(0, 20), d.integer(1, 12), d.integer(1, 12)),
        mistakes={
            "no luck": lambda shown, keys, values: 1 - (1 - 1 / keys) ** shown,
            "no repeats": lambda shown, keys, values: best_in_context(1, 1 / min(1, max(shown / keys, 1e-9)), values),
            "a guess": lambda shown, keys, values: 1 / values,
            "counted twice": lambda shown, keys, values: 1 - (1 - 1 / keys) ** shown + 1 / values,
            "keys for values": lambda shown, keys, values: best_in_context(shown, values, keys),
        },
    ),
)
