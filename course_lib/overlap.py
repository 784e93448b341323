"""Judge a pair of texts without any network: how many of their words, weighed by rarity, do they share?

The score knows no order, neither of the words nor of the two texts. What it can tell about next-sentence
prediction is what can be told by topic.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

__all__ = ["auc", "best_threshold", "idf", "overlap"]

Word = Hashable  # a word, or its id


def idf(documents: Iterable[Iterable[Iterable[Word]]]) -> dict[Word, float]:
    """Weigh each word by the log of (all documents / documents that hold it): 0 for a word that all hold.

    documents: lists of sentences, which are lists of words. The inverse document frequency of search engines.
    """
    documents = [{word for sentence in document for word in sentence} for document in documents]
    holding = Counter(word for document in documents for word in document)
    return {word: math.log(len(documents) / n) for word, n in holding.items()}


def overlap(a: Iterable[Word], b: Iterable[Word], weight: Mapping[Word, float]) -> float:
    """Return the weight of the words in both texts over the weight of the words in either: 0..1.

    A word counts once, and one without a weight counts nothing. 0 if there is nothing to weigh.
    """
    a, b = set(a), set(b)
    # fsum does not depend on the order of its terms, so that a and b can change places to the last bit.
    common, either = (math.fsum(weight.get(word, 0.0) for word in words) for words in (a & b, a | b))
    return common / either if either else 0.0


def auc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Return how often a positive scores above a negative, a tie counting half: the area under the ROC curve.

    0.5 is chance, whatever the number of each. Raises ValueError if there are none of one kind.
    """
    if not len(positives) or not len(negatives):
        raise ValueError(f"{len(positives)} positives and {len(negatives)} negatives: auc() needs one of each.")
    scored = sorted([(float(s), True) for s in positives] + [(float(s), False) for s in negatives])
    wins, below, at = 0.0, 0, 0
    while at < len(scored):
        end = at
        while end < len(scored) and scored[end][0] == scored[at][0]:
            end += 1
        right = sum(positive for _, positive in scored[at:end])
        ties = end - at - right
        wins += right * (below + ties / 2)
        below, at = below + ties, end
    return wins / (len(positives) * len(negatives))


def best_threshold(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Return the score from which on 'positive' is right most often: choose it on other pairs than you test on.

    It lies half way between two neighbouring scores; below all, or above all, where one class is all there is.
    """
    scored = sorted([(float(s), 1) for s in positives] + [(float(s), -1) for s in negatives])
    if not scored:
        raise ValueError("There is no score to choose a threshold from.")
    right = len(positives)  # from below all scores on, every pair is called positive
    best, threshold = right, scored[0][0] - 1.0
    for at, (score, sign) in enumerate(scored):
        right -= sign
        after = scored[at + 1][0] if at + 1 < len(scored) else score + 2.0
        if after > score and right > best:
            best, threshold = right, (score + after) / 2
    return threshold
