"""The ceilings by context: an excerpt's exact reader sums over everything that may have stood before."""

import math
from collections import defaultdict

import brute_force
import numpy as np
import pytest

from course_lib.experiments.excerpts import CONTEXTS, ExcerptReader, context_ceiling, stories
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle

SMALL = TinyTown.from_dict(brute_force.GRAMMAR)


def excerpts(sentence, sentences=3):
    """Count all stories by what stands from sentence number ``sentence`` on: {words: probability}."""
    found = defaultdict(float)
    for story, p in brute_force.stories(sentences).items():
        found[sum(story[sentence:], ())] += p
    return found


@pytest.mark.parametrize("sentence", [0, 1, 2])
def test_an_excerpt_is_as_likely_as_all_stories_that_hold_it_there(sentence):
    reader, counted = ExcerptReader(SMALL, sentence), excerpts(sentence)
    assert sum(counted.values()) == pytest.approx(1)
    for words in sorted(counted)[:: len(counted) // 40]:
        assert reader.log_prob(list(words)) == pytest.approx(math.log(counted[words]), abs=1e-9)


def test_hidden_words_of_an_excerpt_equal_the_count():
    """The first five words of what stands from the second sentence on: two sentences have at least six."""
    reader, counted = ExcerptReader(SMALL, 1), defaultdict(float)
    for words, p in excerpts(1).items():
        counted[words[:5]] += p
    for words in sorted(counted)[::9]:
        for hidden in ({0}, {1, 3}, {0, 2, 4}):
            seen = {t: word for t, word in enumerate(words) if t not in hidden}
            found = reader.fill(list(words), sorted(hidden))
            for row, t in enumerate(sorted(hidden)):
                told = brute_force.condition(counted, seen, t)
                expected = [told.get(word, 0.0) for word in reader.vocabulary]
                np.testing.assert_allclose(found[row], expected, atol=1e-9)


def test_from_the_first_sentence_on_it_is_the_ordinary_reader():
    plain, reader = Oracle(SMALL), ExcerptReader(SMALL, 0)
    words = ["her", "dog", "ran", ".", "the", "rope", "fell", "."]
    np.testing.assert_allclose(reader.next_word(words), plain.next_word(words))


@pytest.fixture(scope="module")
def some():
    return stories(documents=20, held_out=30)


def test_more_context_is_never_worse_for_a_perfect_reader(some):
    """On average, over the same words: what stands before can only tell something."""
    losses = [context_ceiling(some, n).loss for n in CONTEXTS]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1] + 0.1


def test_all_contexts_are_asked_about_the_same_words(some):
    scores = [context_ceiling(some, n) for n in CONTEXTS]
    assert len({len(score.nats) for score in scores}) == 1


def test_with_three_sentences_it_is_the_ceiling_of_whole_beginnings(some):
    score, asked, plain = context_ceiling(some, 3), some.fourth_sentence(3, pairs=False).batch, Oracle(some.town)
    nats, words = iter(score.nats), some.tokenizer.convert_ids_to_tokens(range(len(some.tokenizer)))
    for story, select in zip(some.held_out, asked.select, strict=True):
        text = [words[t] for sentence in story[:4] for t in sentence]
        at = (select.nonzero().flatten() - 1).tolist()
        for place, p in zip(at, plain.fill(text, at), strict=True):
            assert next(nats) == pytest.approx(-math.log(p[plain.word_id[text[place]]]))
    assert next(nats, None) is None
