"""Word overlap, written out by hand; the area under the curve against its definition and against itself."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.apply.pair_baseline import auc, best_threshold, idf, odds, overlap, word_odds

scores = st.lists(st.integers(0, 6).map(lambda n: n / 4), min_size=1, max_size=12)
texts = st.lists(st.sampled_from("abcdefg"), max_size=8)
WEIGHT = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 4.0}


def test_a_word_of_all_documents_weighs_nothing_and_a_rare_one_most():
    weight = idf([[["the", "cow"], ["the", "cow", "."]], [["the", "net"]], [["the"], ["cow"]], [["the"]]])
    assert weight == {"the": 0.0, "cow": math.log(2), ".": math.log(4), "net": math.log(4)}
    assert idf(iter([])) == {}


def test_overlap_by_hand():
    assert overlap("abc", "bcd", WEIGHT) == 3 / 7  # b and c of b, c and d
    assert overlap("bbb", "cbb", WEIGHT) == 1 / 3  # once each
    assert overlap("b", "bx", WEIGHT) == 1.0  # an unknown word counts nothing
    assert overlap("a", "a", WEIGHT) == overlap("", "", WEIGHT) == overlap("xy", "xy", WEIGHT) == 0.0
    assert overlap(iter("bc"), iter("c"), WEIGHT) == 2 / 3


@given(texts, texts, st.randoms())
def test_overlap_knows_no_order(a, b, rng):
    shuffled = rng.sample(a, len(a))
    assert overlap(a, b, WEIGHT) == overlap(b, a, WEIGHT) == overlap(shuffled, b, WEIGHT)
    assert 0 <= overlap(a, b, WEIGHT) <= 1


def test_a_and_b_change_places_to_the_last_bit():
    """A plain sum depends on the order of a set, and ties would be broken at random."""
    rng = random.Random(0)
    weight = {word: rng.random() for word in range(5000)}
    for _ in range(300):
        a, b = (rng.sample(range(5000), rng.randint(1, 60)) for _ in range(2))
        assert overlap(a, b + a[:5], weight) == overlap(a[:5] + b, a, weight)


@given(scores, scores)
def test_auc_is_its_definition(positives, negatives):
    wins = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    assert auc(positives, negatives) == pytest.approx(wins / len(positives) / len(negatives))
    assert auc(positives, negatives) + auc(negatives, positives) == pytest.approx(1)
    assert auc(positives, positives) == 0.5  # whatever is symmetric is at chance


@given(scores, scores)
def test_no_threshold_is_better(positives, negatives):
    def right(threshold):
        return sum(s > threshold for s in positives) + sum(s <= threshold for s in negatives)

    chosen = best_threshold(positives, negatives)
    assert right(chosen) == max(right(t) for t in [-1, 9, *(s / 8 for s in range(14))])
    assert chosen not in [*positives, *negatives]


def test_a_threshold_for_one_class_lies_beyond_it():
    assert best_threshold([1.0], []) < 1.0 < best_threshold([], [1.0])  # one class is all there is


def test_word_odds_by_hand():
    """Counts plus one over all counts plus the number of words, where B follows and where it does not."""
    pairs, follows = [("xy", "z"), ("x", "zz"), ("y", "x")], [True, True, False]
    weight = word_odds(pairs, follows, sides=(1,))
    assert weight == {(1, "x"): math.log((0 + 1) / 5 * 3 / (1 + 1)), (1, "z"): math.log((3 + 1) / 5 * 3 / (0 + 1))}
    both = word_odds(pairs, follows)
    assert both[0, "x"] == pytest.approx(math.log((2 + 1) / (6 + 4) / ((0 + 1) / (2 + 4))))
    assert odds("xx", "z", both) == pytest.approx(2 * both[0, "x"] + both[1, "z"])
    assert odds("?", "", both) == 0.0


def test_word_odds_can_tell_an_order_that_shared_words_cannot():
    start, end = ["once", "a", "cow"], ["the", "end"]
    pairs = [(start, end), (end, start)]
    weight = word_odds(pairs, [True, False])
    assert odds(*pairs[0], weight) > 0 > odds(*pairs[1], weight)
    assert overlap(*pairs[0], WEIGHT) == overlap(*pairs[1], WEIGHT)


