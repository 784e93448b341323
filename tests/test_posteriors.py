"""What the exact reader knows of labels: equal to counting every text of a cut-down town."""

import functools
from collections import defaultdict
from functools import lru_cache

import brute_force
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.town import tasks
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle

LENGTH = 9
NAMES = ("topic", "hero", "mood")


@lru_cache
def told():
    """Return {(hidden, ((word, slot, kind), ...)): probability} for all texts of LENGTH words, counted by hand."""
    found = defaultdict(float)

    def go_on(so_far, kind, p, hidden):
        if len(so_far) >= LENGTH:
            found[hidden, so_far[:LENGTH]] += p
            return
        for q, parts in brute_force.SENTENCES[kind]:
            slots = [part.strip("{}") if part.startswith("{") else None for part in parts]
            for words, r in filled(parts, hidden):
                said = tuple((word, slot, kind) for word, slot in zip(words, slots, strict=True))
                for after, s in brute_force.CHAIN[kind].items():
                    go_on(so_far + said, after, p * q * r * s, hidden)

    for hidden in brute_force.HIDDEN:
        go_on((), "go", 1 / len(brute_force.HIDDEN), hidden)
    return dict(found)


def filled(parts, hidden):
    """Yield (words, probability) for one template."""
    out = [((), 1.0)]
    for part in parts:
        options = brute_force.words_for(part, *hidden)
        out = [((*words, word), p / len(options)) for words, p in out for word in options]
    return out


TEXTS = sorted({tuple(word for word, _, _ in text) for _, text in told()})
texts = st.sampled_from(TEXTS)


@pytest.fixture(scope="module")
def town():
    return TinyTown.from_dict(brute_force.GRAMMAR)


@pytest.fixture(scope="module")
def oracle(town):
    return Oracle(town)


def test_the_count_is_over_the_whole_language():
    assert sum(told().values()) == pytest.approx(1) and len(TEXTS) > 400


@given(words=texts, n=st.integers(1, LENGTH), name=st.sampled_from(NAMES))
@settings(max_examples=40, deadline=None)
def test_a_hidden_variable_equals_the_count(town, oracle, words, n, name):
    expected = defaultdict(float)
    for (hidden, text), p in told().items():
        if all(text[t][0] == words[t] for t in range(n)):
            expected[hidden[NAMES.index(name)]] += p
    found = oracle.posterior(list(words[:n]), name)
    want = np.array([expected[value] for value in town.variables[name]])
    np.testing.assert_allclose(found, want / want.sum(), atol=1e-9)


def test_before_any_word_everything_is_equally_likely(oracle):
    np.testing.assert_allclose(oracle.posterior([], "hero"), [1 / 3] * 3)


def test_an_unknown_variable_is_named(oracle):
    with pytest.raises(ValueError, match="'plot' is none of a story's hidden variables: choose one of topic"):
        oracle.posterior(["now"], "plot")


@given(words=texts, left_only=st.booleans(), what=st.sampled_from(["slot", "kind"]))
@settings(max_examples=40, deadline=None)
def test_the_label_of_a_word_equals_the_count(oracle, words, left_only, what):
    def label(kind, slots, parts):
        return [str(slot) if what == "slot" else kind for slot in slots]

    found = oracle.word_labels(list(words), label, left_only)
    assert len(found) == LENGTH
    for t in range(LENGTH):
        expected = defaultdict(float)
        for (_, text), p in told().items():
            seen = range(t + 1) if left_only else range(LENGTH)
            if all(text[u][0] == words[u] for u in seen):
                expected[str(text[t][1 if what == "slot" else 2])] += p
        total = sum(expected.values())
        for name, p in found[t].items():
            assert p == pytest.approx(expected[name] / total, abs=1e-9), (t, name)


def test_the_two_readers_differ_where_the_evidence_stands_to_the_right():
    town = TinyTown.load()
    words = ["Anna", "walked", "to", "the", "kitchen", "with", "her", "dog", ".", "she", "needed", "an", "egg", "."]
    label = functools.partial(tasks.word_labels, town, "kind at first word")
    both, left = (Oracle(town).word_labels(words, label, left_only) for left_only in (False, True))
    assert both[9]["want"] == pytest.approx(1) and 0.2 < left[9]["want"] < 0.8  # 'she': needed? saw? told?
    assert left[0]["arrive"] == pytest.approx(1)  # every story begins so
