"""Judge a pair of texts without any network: the baselines that a trained model has to beat.

How many of their words, weighed by rarity, do A and B share? This knows no order: what it can tell is what can be told
by topic. And which words stand in which segment? Naive Bayes on counts, of both segments or of B alone, which sees no
relation at all (a hypothesis-only baseline: Gururangan et al., arXiv:1803.02324, and Poliak et al., arXiv:1805.01042).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

__all__ = ["auc", "best_threshold", "idf", "odds", "overlap", "word_odds"]

Word = Hashable  # a word, or its id


def idf(documents: Iterable[Iterable[Iterable[Word]]]) -> dict[Word, float]:
    """Weigh each word by the log of (all documents / documents that hold it): 0 for a word that all hold.

    documents: lists of sentences, which are lists of words.
    """
    documents = [{word for sentence in document for word in sentence} for document in documents]
    holding = Counter(word for document in documents for word in document)
    return {word: math.log(len(documents) / n) for word, n in holding.items()}


def overlap(a: Iterable[Word], b: Iterable[Word], weight: Mapping[Word, float]) -> float:
    """Return the weight of the words in both texts over the weight of the words in either, each counted once: 0..1."""
    a, b = set(a), set(b)
    # fsum does not depend on the order of its terms, so that a and b can change places to the last bit.
    common, either = (math.fsum(weight.get(word, 0.0) for word in words) for words in (a & b, a | b))
    return common / either if either else 0.0


def word_odds(
    pairs: Iterable[Sequence[Sequence[Word]]], follows: Iterable[bool], sides: Sequence[int] = (0, 1)
) -> dict[tuple[int, Word], float]:
    """Weigh each word of each segment by the log of how much likelier it is where B follows: {(side, word): log odds}.

    pairs: (A, B) to count in. ``sides``: the segments that are read, 0 for A and 1 for B. One is added to each count.
    """
    counts = {True: Counter(), False: Counter()}
    for pair, label in zip(pairs, follows, strict=True):
        counts[bool(label)].update((side, word) for side in sides for word in pair[side])
    seen = counts[True] | counts[False]
    total = {label: sum(found.values()) + len(seen) for label, found in counts.items()}
    share = {label: {key: (found[key] + 1) / total[label] for key in seen} for label, found in counts.items()}
    return {key: math.log(share[True][key] / share[False][key]) for key in sorted(seen, key=repr)}


def odds(a: Iterable[Word], b: Iterable[Word], weights: Mapping[tuple[int, Word], float]) -> float:
    """Add up the weights of :func:`word_odds` over two segments: above 0, B is taken to follow A (naive Bayes)."""
    return math.fsum(weights.get((side, word), 0.0) for side, words in enumerate((a, b)) for word in words)


def auc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Return how often a positive scores above a negative, a tie counting half: the area under the ROC curve."""
    ordered = np.sort(negatives)
    below, up_to = (np.searchsorted(ordered, positives, side).sum() for side in ("left", "right"))
    return float((below + up_to) / (2 * len(positives) * len(negatives)))


def best_threshold(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Return the score from which on 'positive' is right most often: choose it on other pairs than you test on."""
    scores = np.unique([*positives, *negatives])
    cuts = np.array([scores[0] - 1, *(scores[1:] + scores[:-1]) / 2, scores[-1] + 1])
    right = np.searchsorted(np.sort(negatives), cuts) - np.searchsorted(np.sort(positives), cuts)  # up to a constant
    return float(cuts[right.argmax()])
