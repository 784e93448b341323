"""The oracle: equal to counting every text of a cut-down town, and to what the real town says."""

import math
from collections import defaultdict
from functools import partial

import brute_force
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.town import tasks
from course_lib.town.language import TinyTown
from course_lib.town.oracle import NEGATIVES, Oracle
from course_lib.train.masking import Masking

EXACT = 1e-9
LENGTH = 12
TEXTS = brute_force.texts(LENGTH)
SHORT = brute_force.texts(6)  # for the count over all patterns of corruption
SOME = sorted(TEXTS)[:: len(TEXTS) // 60]  # spread over the whole language
texts = st.sampled_from(sorted(TEXTS))
ANNOTATED = brute_force.annotated(9)
NAMES = ("topic", "hero", "mood")
annotated = st.sampled_from(sorted({tuple(word for word, _, _ in text) for _, text in ANNOTATED}))
places = st.sets(st.integers(0, LENGTH - 1), min_size=1, max_size=LENGTH)


@pytest.fixture(scope="module")
def small():
    return Oracle(TinyTown.from_dict(brute_force.GRAMMAR))


@pytest.fixture(scope="module")
def town():
    return TinyTown.load()


@pytest.fixture(scope="module")
def oracle(town):
    return Oracle(town)


def as_row(oracle, distribution):
    """Turn {word: probability} into an array over the oracle's vocabulary."""
    row = np.zeros(len(oracle.vocabulary))
    for word, p in distribution.items():
        row[oracle.word_id[word]] = p
    return row


def test_the_count_is_over_a_whole_language():
    assert sum(TEXTS.values()) == pytest.approx(1, abs=EXACT)
    assert sum(brute_force.stories(3).values()) == pytest.approx(1, abs=EXACT)
    assert len(TEXTS) > 2000


# --- against the count of all texts
def test_log_prob_is_the_share_of_each_text(small):
    for words in SOME:
        assert small.log_prob(list(words)) == pytest.approx(math.log(TEXTS[words]), abs=EXACT)


def test_log_prob_of_a_beginning_sums_what_may_follow(small):
    for words in SOME[::10]:
        for n in range(1, LENGTH):
            share = sum(p for other, p in TEXTS.items() if other[:n] == words[:n])
            assert small.log_prob(list(words[:n])) == pytest.approx(math.log(share), abs=EXACT)


def test_next_word_equals_the_count(small):
    for words in SOME[::3]:
        p = small.next_word(list(words))
        assert p.shape == (LENGTH, len(small.vocabulary)) and p.dtype == np.float64
        for t in range(LENGTH):
            expected = brute_force.condition(TEXTS, dict(enumerate(words[:t])), t)
            np.testing.assert_allclose(p[t], as_row(small, expected), atol=EXACT)


def test_next_word_does_not_know_what_follows(small):
    for words in SOME[::10]:
        whole = small.next_word(list(words))
        for n in range(1, LENGTH):
            np.testing.assert_allclose(small.next_word(list(words[:n])), whole[:n], atol=EXACT)


@given(words=texts, hidden=places, left_only=st.booleans())
@settings(max_examples=60)
def test_fill_equals_the_count(small, words, hidden, left_only):
    p = small.fill(list(words), sorted(hidden), left_only)
    assert p.shape == (len(hidden), len(small.vocabulary))
    for row, t in enumerate(sorted(hidden)):
        seen = {u: w for u, w in enumerate(words) if u not in hidden and (u < t or not left_only)}
        np.testing.assert_allclose(p[row], as_row(small, brute_force.condition(TEXTS, seen, t)), atol=EXACT)


def test_fill_answers_in_the_order_asked(small):
    words = list(SOME[5])
    np.testing.assert_array_equal(small.fill(words, [7, 2])[::-1], small.fill(words, [2, 7]))


short_texts = st.sampled_from(sorted(SHORT))
VOCABULARY = TinyTown.from_dict(brute_force.GRAMMAR).vocabulary


@given(
    words=short_texts,
    fates=st.dictionaries(st.integers(0, 5), st.sampled_from([None, "keep", *VOCABULARY]), min_size=1, max_size=4),
    rate=st.sampled_from([0.15, 0.4]),
    shares=st.sampled_from([(0.1, 0.1), (0.3, 0.0), (0.2, 0.5)]),  # (random, keep)
    left_only=st.booleans(),
)
@settings(max_examples=40)
def test_restore_equals_the_count_over_all_selections(small, words, fates, rate, shares, left_only):
    random, keep = shares
    observed = [words[t] if fates.get(t, "keep") == "keep" else fates[t] for t in range(6)]
    at = sorted(fates)
    p = small.restore(observed, at, left_only, rate, random, keep)
    for row, t in enumerate(at):
        expected = brute_force.restore(SHORT, small.vocabulary, observed, t, rate, random, keep, left_only)
        np.testing.assert_allclose(p[row], as_row(small, expected), atol=EXACT)


def test_restore_of_a_kept_word_without_random_ones_is_certain(small):
    words = list(sorted(SHORT)[0])
    p = small.restore(words, [2], keep=0.2)
    assert p[0, small.word_id[words[2]]] == pytest.approx(1, abs=EXACT)


def test_restore_without_corruption_is_fill(small):
    words = list(SOME[20])
    observed = [None if t in (1, 4) else w for t, w in enumerate(words)]
    np.testing.assert_array_equal(small.restore(observed, [1, 4]), small.fill(words, [1, 4]))


def test_leaving_out_impossible_variables_changes_nothing(small, oracle, town, monkeypatch):
    cases = [(small, list(words), [0, 3, 7]) for words in SOME[::6]]
    cases += [(oracle, story.words[:30], [2, 9, 17, 18]) for story in town.stories(10, seed=5)]
    fast = [o.fill(words, hidden) for o, words, hidden in cases]
    assert len(oracle._possible(cases[-1][1])) < oracle._Z  # there is something to leave out
    monkeypatch.setattr(Oracle, "_possible", lambda self, words: np.arange(self._Z))
    for (o, words, hidden), p in zip(cases, fast, strict=True):
        np.testing.assert_allclose(o.fill(words, hidden), p, atol=EXACT)


@pytest.mark.parametrize("negative", NEGATIVES)
@pytest.mark.parametrize("sizes", [(1, 1), (2, 1), (1, 2)])
def test_follows_equals_the_count(small, negative, sizes):
    n = 3 if sum(sizes) == 2 else 4
    every = brute_force.stories(n)
    some = sorted(every)[:: len(every) // 4]
    pairs = [(s[: sizes[0]], s[sizes[0] : sum(sizes)]) for s in some]
    # ... and the second run from another story, or before the first
    pairs += [(s[: sizes[0]], t[n - sizes[1] :]) for s, t in zip(some, some[2:], strict=False)]
    pairs += [(s[sizes[1] : sum(sizes)], s[: sizes[1]]) for s in some]
    checked = set()
    for a, b in pairs:
        a, b = [list(x) for x in a], [list(x) for x in b]
        try:
            expected = brute_force.follows(every, a, b, negative, n)
        except ZeroDivisionError:
            with pytest.raises(ValueError, match="possible"):
                small.follows(a, b, negative, n)
            continue
        assert small.follows(a, b, negative, n) == pytest.approx(expected, abs=EXACT)
        checked.add(round(expected, 6))
    assert len(checked) >= 2  # the cases differ, so that a constant answer would fail


def test_sentence_probabilities_agree_with_the_forward_pass(small, oracle, town):
    for o, story in [(small, TinyTown.from_dict(brute_force.GRAMMAR).stories(1, sentences=3)[0])] + [
        (oracle, story) for story in town.stories(3, seed=2, sentences=3)
    ]:
        start = o._kinds.index(o.town.start)
        total = o._run(story.sentences)[start].sum() / o._Z
        assert math.log(total) == pytest.approx(o.log_prob(story.words), abs=EXACT)


# --- hidden variables and labels, against the count
@given(words=annotated, n=st.integers(1, 9), name=st.sampled_from(NAMES))
@settings(max_examples=40)
def test_a_hidden_variable_equals_the_count(small, words, n, name):
    expected = defaultdict(float)
    for (hidden, text), p in ANNOTATED.items():
        if all(text[t][0] == words[t] for t in range(n)):
            expected[hidden[NAMES.index(name)]] += p
    found = small.posterior(list(words[:n]), name)
    want = np.array([expected[value] for value in small.town.variables[name]])
    np.testing.assert_allclose(found, want / want.sum(), atol=1e-9)


def test_before_any_word_everything_is_equally_likely(small):
    np.testing.assert_allclose(small.posterior([], "hero"), [1 / 3] * 3)


@given(words=annotated, left_only=st.booleans(), what=st.sampled_from(["slot", "kind"]))
@settings(max_examples=40)
def test_the_label_of_a_word_equals_the_count(small, words, left_only, what):
    def label(kind, slots, parts):
        return [str(slot) if what == "slot" else kind for slot in slots]

    found = small.word_labels(list(words), label, left_only)
    assert len(found) == 9
    for t in range(9):
        expected = defaultdict(float)
        for (_, text), p in ANNOTATED.items():
            seen = range(t + 1) if left_only else range(9)
            if all(text[u][0] == words[u] for u in seen):
                expected[str(text[t][1 if what == "slot" else 2])] += p
        total = sum(expected.values())
        for name, p in found[t].items():
            assert p == pytest.approx(expected[name] / total, abs=1e-9), (t, name)


def test_the_two_readers_differ_where_the_evidence_stands_to_the_right(oracle, town):
    words = ["Anna", "walked", "to", "the", "kitchen", "with", "her", "dog", ".", "she", "needed", "an", "egg", "."]
    label = partial(tasks.word_labels, town, "kind at first word")
    both, left = (oracle.word_labels(words, label, left_only) for left_only in (False, True))
    assert both[9]["want"] == pytest.approx(1) and 0.2 < left[9]["want"] < 0.8  # 'she': needed? saw? told?
    assert left[0]["arrive"] == pytest.approx(1)  # every story begins so


# --- against the real grammar
def z_score(observed, expected, variance):
    """How many standard deviations the sum of what happened lies from the sum of what was foretold."""
    return (np.sum(observed) - np.sum(expected)) / math.sqrt(np.sum(variance))


def check_calibrated(p, right):
    """Hold what was drawn against the distributions [N, V] that foretold it: nats, hits, each word."""
    p, right = np.concatenate(p), np.concatenate(right)
    n = np.arange(len(p))
    assert (p[n, right] > 0).all()
    log_p = np.log(np.where(p > 0, p, 1))
    entropy = -(p * log_p).sum(axis=1)
    variance = (p * log_p**2).sum(axis=1) - entropy**2
    assert abs(z_score(-log_p[n, right], entropy, variance)) < 4
    best = p.max(axis=1)
    assert abs(z_score(p.argmax(axis=1) == right, best, best * (1 - best))) < 4
    assert (best * (1 - best)).sum() > 15  # enough was left open to tell
    for v in np.flatnonzero((p * (1 - p)).sum(axis=0) > 1):
        assert abs(z_score(right == v, p[:, v], p[:, v] * (1 - p[:, v]))) < 5


def test_stories_are_as_frequent_as_their_probabilities(oracle, town):
    n = 20_000
    stories = [story.words for story in town.stories(n, seed=11, sentences=2)]
    marginal = oracle.fill(stories[0][:12], range(12))  # nothing is visible: P(word at place)
    for t in range(12):
        counts = np.bincount([oracle.word_id[words[t]] for words in stories], minlength=len(oracle.vocabulary))
        expected = n * marginal[t]
        assert counts[expected == 0].sum() == 0
        often = expected > 5
        chi_square, freedom = ((counts - expected)[often] ** 2 / expected[often]).sum(), often.sum() - 1
        assert chi_square < freedom + 5 * math.sqrt(2 * freedom)


def test_next_word_is_calibrated_and_its_loss_is_the_entropy(oracle, town):
    stories = [story.words[:30] for story in town.stories(80, seed=3)]
    p = [oracle.next_word(words) for words in stories]
    check_calibrated(p, [[oracle.word_id[w] for w in words] for words in stories])
    for words, row in zip(stories[:10], p, strict=False):
        nats = -np.log([row[t, oracle.word_id[w]] for t, w in enumerate(words)]).sum()
        assert oracle.log_prob(words) == pytest.approx(-nats, abs=1e-8)


@pytest.mark.parametrize("left_only", [False, True])
@pytest.mark.parametrize("random,keep", [(0.0, 0.0), (0.1, 0.1)])
def test_restore_is_calibrated_under_the_masking_that_models_are_trained_with(oracle, town, left_only, random, keep):
    """The library's own masking corrupts the texts, with each word drawn for itself."""
    v = len(oracle.vocabulary)
    recipe = Masking(v, (v,), v + 1, mask=1 - random - keep, random=random, exact=False)
    stories = [[oracle.word_id[w] for w in story.words[:30]] for story in town.stories(120, seed=4)]
    masked = recipe(torch.tensor(stories), torch.Generator().manual_seed(0))
    p, right = [], []
    for inputs, selected, words in zip(masked.input_ids.tolist(), masked.selected, stories, strict=True):
        at = selected.nonzero().flatten().tolist()
        observed = [None if i == v else oracle.vocabulary[i] for i in inputs]
        p.append(oracle.restore(observed, at, left_only, random=random, keep=keep))
        right.append(np.array([words[t] for t in at], dtype=int))
    check_calibrated(p, right)


def test_the_town_is_as_rich_as_promised(oracle, town):
    """Exact sanity: the entropy of the text, and how much the right context is worth."""
    assert oracle._S >= 197 and oracle._Z >= 8 * 12 * 2 and len(oracle.vocabulary) >= 199
    stories = [story.words[:30] for story in town.stories(150, seed=6)]
    entropy = -np.mean([oracle.log_prob(words) for words in stories[:60]]) / 30
    assert 0.6 < entropy < 1.3
    pick = np.random.default_rng(0)
    hidden = [sorted(pick.choice(30, 5, replace=False)) for _ in stories]
    hits = {}
    for left_only in (False, True):
        hits[left_only] = np.mean([
            oracle.fill(words, at, left_only).argmax(axis=1) == [oracle.word_id[words[t]] for t in at]
            for words, at in zip(stories, hidden, strict=True)
        ])  # fmt: skip
    assert hits[False] - hits[True] >= 0.1
    assert 0.6 < hits[False] < 0.9


def test_a_word_is_decided_by_what_follows(oracle):
    words = ["yesterday", "Anna", "went", "to", "the", "kitchen", "."]
    both, left = oracle.fill(words, [0]), oracle.fill(words, [0], left_only=True)
    assert both[0, oracle.word_id["yesterday"]] == pytest.approx(1)
    assert left[0, oracle.word_id["yesterday"]] < 0.5


# --- bad input
def test_an_impossible_text_is_named_with_its_first_impossible_word(oracle):
    words = ["yesterday", "Anna", "went", "to", "the", "kitchen", ".", "he", "saw", "a", "pan"]
    for ask in (oracle.log_prob, oracle.next_word):
        with pytest.raises(ValueError, match=r"kitchen \. he' \(word 7 is impossible"):
            ask(words)
    with pytest.raises(ValueError, match="word 7 is impossible"):
        oracle.fill(words, [9])
    with pytest.raises(ValueError, match="word 2 is impossible"):
        oracle.fill(["yesterday", "Anna", "goes", "to", "the", "kitchen", "."], [5])


def test_an_unknown_word_is_named(oracle):
    noisy = partial(oracle.restore, at=[0], random=0.1)
    for ask in (oracle.log_prob, oracle.next_word, partial(oracle.fill, hidden=[0]), noisy):
        with pytest.raises(ValueError, match="'Zorro' is not a word of this town"):
            ask(["yesterday", "Zorro", "went"])
    with pytest.raises(ValueError, match="Zorro"):
        oracle.follows([["Zorro", "."]], [["Anna", "."]], "swapped")


def test_places_outside_the_text_are_refused(oracle):
    for place in (7, -1):
        with pytest.raises(ValueError, match=f"{place}.*outside the text of 7 words"):
            oracle.fill(["yesterday", "Anna", "went", "to", "the", "kitchen", "."], [0, place])


def test_a_visible_word_that_nothing_corrupted_cannot_be_restored(oracle):
    """Division by zero would give NaN, and NaN a ceiling that any model beats."""
    words = ["yesterday", "Anna", "went", "to", "the", "kitchen", "."]
    with pytest.raises(ValueError, match=r"'Anna' at place 1 .*random=.*keep="):
        oracle.restore(words, [1])  # as after 80/10/10, when nobody said so


def test_empty_texts_have_empty_answers(oracle):
    assert oracle.log_prob([]) == 0.0
    assert oracle.next_word([]).shape == (0, len(oracle.vocabulary))
    assert oracle.fill(["yesterday"], []).shape == (0, len(oracle.vocabulary))


def test_follows_refuses_what_makes_no_pair(oracle, town):
    story = town.stories(1)[0].sentences
    with pytest.raises(ValueError, match="5 . 2 sentences do not fit"):
        oracle.follows(story[:5], story[:2], "swapped")
    with pytest.raises(ValueError, match="at least one sentence"):
        oracle.follows([], story[:1], "swapped")


def test_a_sentence_without_its_first_word_is_none(small):
    whole, feel = ["once", "Ann", "went", "there", "."], ["dog", "."]
    assert small.follows([whole], [feel], "swapped", 3) > 0
    with pytest.raises(ValueError, match="Neither order of these sentences is possible"):
        small.follows([whole[1:]], [feel], "swapped", 3)
