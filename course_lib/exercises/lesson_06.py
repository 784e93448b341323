"""The exercises of lesson 06: pairs of texts, their negatives, their loss and how they are ranked."""

import itertools
import random

import torch
from torch.nn import functional as F

from course_lib.exercises import compare
from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

PAIRS = (([10, 11, 12, 13], [20, 21], 8), ([10], [20, 21, 22, 23], 7), ([10, 11], [20, 21], 9),
         ([5, 5, 2, 5], [5, 3, 6, 7], 8), ([8] * 9, [1, 2], 9), ([1, 2], [0] * 9, 6),
         ([4, 5, 6], [7, 8, 9], 5), ([4], [7], 5), ([4, 0], [7, 0], 7))  # fmt: skip
TOWN = [
    ["it was hot .", "Ben took his hat ."],
    ["Mia went home .", "she was glad .", "it was hot .", "she was glad .", "she slept .", "it rained ."],
    ["Leo found a map .", "she slept .", "she was glad .", "he sang .", "it rained .", "Leo found a map .",
     "it was hot .", "he ate .", "it rained .", "Leo left ."],
    ["Ann called ."],
]  # fmt: skip
LOGITS = torch.tensor([[2.0, -1.0], [0.5, 0.5], [-1.0, 3.0]])
SCORES = (0.0, 1.0, -1.0, 0.5, 3.0, 1e-9)


def fitted_pair(a, b, length, cls, sep):
    a, b = list(a), list(b)
    while len(a) + len(b) + 3 > length:
        (a if len(a) > len(b) else b).pop()
    ids = [cls, *a, sep, *b, sep]
    segments = [0] * (len(a) + 2) + [1] * (len(b) + 1)
    return ids, segments


def shortening(choose):
    """Return fitted_pair with choose(a, b) for the list that loses its last token."""

    def fitted(a, b, length, cls, sep):
        a, b = list(a), list(b)
        while len(a) + len(b) + 3 > length:
            choose(a, b).pop()
        return fitted_pair(a, b, length, cls, sep)

    return fitted


def draw_negatives(documents, d, i, n, rng):
    here = documents[d]
    following = [after for now, after in itertools.pairwise(here) if now == here[i]]
    elsewhere = [sentence for j, document in enumerate(documents) if j != d for sentence in document]
    return rng.choices([sentence for sentence in elsewhere if sentence not in following], k=n)


def negative_inputs(d):
    documents = [d.choices("abc", 1, 4) for _ in range(d.integer(2, 4))]
    own = d.integer(0, len(documents) - 1)
    documents[own - 1].append("z")  # there is always one
    return documents, own, d.integer(0, len(documents[own]) - 1), d.integer(1, 6), random.Random(d.integer(0, 9))


def good_ones(documents, d, i):
    """Return every true negative, as often as it stands in other documents."""
    pairs = set(itertools.pairwise(documents[d]))
    return [s for j, other in enumerate(documents) if j != d for s in other if (documents[d][i], s) not in pairs]


def negatives_compare(got, expected, documents, d, i, n, rng):
    if not isinstance(got, list | tuple) or len(got) != n:
        return compare.same(got, expected)
    for sentence in got:
        if (documents[d][i], sentence) in itertools.pairwise(documents[d]):
            return f"it draws {sentence!r}, which follows {documents[d][i]!r} in document {d}: a wrong label."
        if sentence not in good_ones(documents, d, i):
            return f"it draws {sentence!r}, which is in no other document than number {d}."
    return None


def negatives_judge(outcomes):
    (documents, d, i, n, _), _ = outcomes[0]
    drawn, good = [s for _, got in outcomes for s in got], good_ones(documents, d, i)
    firsts = {s: sum(other.count(s) / len(other) for j, other in enumerate(documents) if j != d) for s in good}

    def odd(p):
        total = sum(p.values())
        return [s for s in p if not compare.within_binomial(drawn.count(s), len(drawn), p[s] / total)]

    even = {s: good.count(s) for s in good}
    if not odd(even):
        twice = sum(one == other for one, other in zip(drawn[::2], drawn[1::2], strict=True))
        chance = sum((m / len(good)) ** 2 for m in even.values())
        if compare.within_binomial(twice, len(drawn) // 2, chance):
            return None
        return f"of {len(drawn) // 2} pairs of draws {twice} are equal, not about {chance:.0%}: draw each one anew."
    known = {"document first": firsts, "each text once": dict.fromkeys(good, 1)}
    s = max(odd(even), key=lambda s: abs(drawn.count(s) - len(drawn) * even[s] / len(good)))
    numbers = {"text": repr(s), "share": f"{drawn.count(s) / len(drawn):.1%}", "right": f"{even[s] / len(good):.1%}"}
    found = [name for name, p in known.items() if not odd(p) and sum(map(drawn.count, p)) == len(drawn)]
    return (found[0], numbers) if found else "{text} is {share} of the draws, not {right}.".format(**numbers)


def drawing(candidates):
    """Return draw_negatives from other candidates(other documents, document d, i, the true negatives)."""

    def draws(documents, d, i, n, rng):
        others = documents[:d] + documents[d + 1 :]
        return rng.choices(candidates(others, documents[d], i, good_ones(documents, d, i)), k=n)

    return draws


def pair_loss(logits, labels):
    log_p = logits.log_softmax(dim=-1)  # [B, 2]
    return -log_p[torch.arange(len(labels)), labels].mean()


def area_under_curve(positives, negatives):
    wins = 0.0
    for high in positives:
        for low in negatives:
            wins += 1.0 if high > low else 0.5 if high == low else 0.0
    return wins / (len(positives) * len(negatives))


def won(positives, negatives, tie):
    wins = [float(p > n) + tie * (p == n) for p in positives for n in negatives]
    return sum(wins) / len(wins)


EXERCISES = (
    Exercise(fitted_pair, inputs=lambda d: (
                 *(d.choices(range(9), 1, 7) for _ in "ab"), d.integer(5, 18), *d.choice(((2, 3), (101, 102)))),
             edges=[(*pair, 2, 3) for pair in PAIRS], mistakes={
        "row cut off": lambda a, b, length, *ends: tuple(part[:length] for part in fitted_pair(a, b, 99, *ends)),
        "only B": shortening(lambda a, b: b or a),
        "ties from A": shortening(lambda a, b: a if len(a) >= len(b) else b),
        "halves": lambda a, b, length, *ends: fitted_pair(
            a[: (length - 2) // 2], b[: (length - 3) // 2], length, *ends),
        "separator to B": lambda *pair: (fitted_pair(*pair)[0], [*fitted_pair(*pair)[1][1:], 1]),
        "specials forgotten": lambda a, b, length, *ends: fitted_pair(a, b, length + 3, *ends),
    }),
    Exercise(draw_negatives, inputs=negative_inputs, compare=negatives_compare,
             trial=lambda seed: ([*TOWN, TOWN[1]], 1, 1, 4000, random.Random(seed)), judge=negatives_judge,
             edges=[*((TOWN, *at, 30, random.Random(1)) for at in ((1, 1), (1, 3), (0, 1), (0, 0), (1, 5), (2, 0))),
                    ([["a", "b"], ["b", "c"]], 0, 0, 1, random.Random(0))], mistakes={
        "follows by chance": drawing(lambda others, here, i, good: sum(others, [])),
        "document first": drawing(
            lambda others, here, i, good: [s for one in others for s in one * (60 // len(one)) if s in good]),
        "each text once": drawing(lambda others, here, i, good: sorted(set(good))),
    }),
    Exercise(pair_loss, inputs=lambda d: (d.floats("B", 2, more=(150.0, -150.0)), d.ids("B", V=2)), trains=True,
             edges=[*((LOGITS, torch.tensor(labels)) for labels in ([0, 1, 1], [1, 0, 0], [0, 0, 0])),
                    (torch.tensor([[200.0, -200.0]]), torch.tensor([1]))], mistakes={
        "ignore_index=0": lambda logits, labels: F.cross_entropy(logits, labels, ignore_index=0),
        "the notes' labels": lambda logits, labels: F.cross_entropy(logits, 1 - labels),
        "softmax twice": lambda logits, labels: F.cross_entropy(logits.softmax(dim=-1), labels),
        "summed": lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum"),
        "log of the softmax": lambda logits, labels: F.nll_loss(logits.softmax(dim=-1).log(), labels),
    }),
    Exercise(area_under_curve, inputs=lambda d: (d.choices(SCORES, 1, 5), d.choices(SCORES, 1, 5)),
             edges=[([3.0], [1.0]), ([1.0], [3.0]), ([0.5], [0.5]), ([1.0, 2.0], [2.0, 2.0, 0.0]),
                    ([0.1, 0.9, 0.4], [0.2, 0.4, 0.0, 0.7]), ([-2.0, -2.0], [1.0, -2.0, -3.0])], mistakes={
        "ties lose": lambda positives, negatives: won(positives, negatives, 0),
        "ties win": lambda positives, negatives: won(positives, negatives, 1),
        "upside down": lambda positives, negatives: won(negatives, positives, 0.5),
        "side by side": lambda positives, negatives: sum(
            won([p], [n], 0.5) for p, n in zip(positives, negatives, strict=False)
        ) / min(len(positives), len(negatives)),
        "never below": lambda *scores: max(won(*scores, 0.5), won(*scores[::-1], 0.5)),
    }),
)  # fmt: skip
