"""The sister language: one translation for each sentence, an alignment that says where each word comes from."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.town import sister_language
from course_lib.town.language import TinyTown
from course_lib.town.sister_language import STOPS, SisterLanguage, sentences

LANGUAGE = SisterLanguage()
MANY = sentences(2000, seed=7)
some_sentence = st.sampled_from(MANY)


@pytest.mark.parametrize(("english", "sister"), [
    ("Anna went to the kitchen .", "ota ehta nehctika annao tnewo ."),
    ("tomorrow Anna will go to the farm .", "ota ehto mrafa worromoto annao lliwo ogo ."),
    ("who has the rope ? it is on the box .", "ehto epora ohwa saha ? noa ehta xoba tio sio ."),
    ("it was cold , so she took her hat .", "dloca tia sawo , reha taha osa ehso koota ."),
])  # fmt: skip
def test_by_hand(english, sister):
    """Worked out on paper from the three rules."""
    assert " ".join(LANGUAGE.translate(english.split())) == sister


@pytest.mark.parametrize(("english", "sister"), [
    ("Anna went to the kitchen .", "ota ehta nehctika annaa tnewa ."),
    ("then she left the farm .", "ehto mrafa nehto ehso tfelo ."),
    ("who has the rope ? it is on the box .", "ehto epora ohwo saho ? noa ehta xoba tia sia ."),
])  # fmt: skip
def test_the_dialect_by_hand(english, sister):
    """In each clause the last word's number of letters gives all endings but its own."""
    assert " ".join(SisterLanguage(agreement="last word").translate(english.split())) == sister


@given(some_sentence)
def test_the_dialect_differs_in_endings_alone(sentence):
    dialect = SisterLanguage(agreement="last word")
    assert dialect.alignment(sentence) == LANGUAGE.alignment(sentence) and dialect.vocabulary == LANGUAGE.vocabulary
    for ours, theirs in zip(LANGUAGE.translate(sentence), dialect.translate(sentence), strict=True):
        assert ours == theirs if ours in STOPS else ours[:-1] == theirs[:-1]
    with pytest.raises(ValueError, match="agreement='first word' is unknown; choose one of"):
        SisterLanguage(agreement="first word")


@given(some_sentence)
def test_each_word_comes_from_the_place_that_the_alignment_names(sentence):
    places, target = LANGUAGE.alignment(sentence), LANGUAGE.translate(sentence)
    assert sorted(places) == list(range(len(sentence))) and len(target) == len(sentence)
    for place, word in zip(places, target, strict=True):
        source = sentence[place]
        assert word == source if source in STOPS else word[:-1] == source[::-1].lower()


@given(some_sentence)
def test_stops_stay_and_each_clause_ends_with_its_verb(sentence):
    places = LANGUAGE.alignment(sentence)
    start = 0
    for at, word in enumerate(sentence):
        if word in STOPS:
            clause = places[start:at]
            assert places[at] == at and sorted(clause) == list(range(start, at))
            verbs = [i for i in sorted(clause) if sentence[i] in LANGUAGE.verbs]
            assert clause[-1] == verbs[0]
            start = at + 1


@given(some_sentence)
def test_an_ending_depends_on_the_next_source_word_alone(sentence):
    target, places = LANGUAGE.translate(sentence), LANGUAGE.alignment(sentence)
    for word, place in zip(target, places, strict=True):
        if sentence[place] not in STOPS:
            following = sentence[place + 1]
            assert word[-1] == ("o" if following not in STOPS and len(following) % 2 == 0 else "a")


def test_every_clause_of_the_town_has_a_verb():
    for path in TinyTown.load().paths:
        verbs = LANGUAGE.verbs | {"{did}", "{face}"}
        clauses = " ".join(path.parts).replace("?", ",").replace(" .", "").split(" , ")
        assert all(set(clause.split()) & verbs for clause in clauses), path.parts


def test_no_two_sentences_share_a_translation_and_no_word_is_in_both_languages():
    assert len({tuple(LANGUAGE.translate(s)) for s in MANY}) == len(set(MANY)) > 1000
    words = LANGUAGE.vocabulary
    assert len(words) == len(set(words)) == 2 * len(set(LANGUAGE.town.vocabulary) - set(STOPS))
    assert not set(words) & set(LANGUAGE.town.vocabulary)
    assert {word for s in MANY for word in LANGUAGE.translate(s)} - set(STOPS) <= set(words)


def test_unknown_words_are_named():
    with pytest.raises(ValueError, match=r"Tiny Town has no \['moon'\]"):
        LANGUAGE.translate(["Anna", "saw", "the", "moon", "."])


def test_sentences_are_repeatable_and_what_is_held_out_never_comes_in_training():
    train, asked = sentences(3000, seed=1), sentences(300, seed=1, held_out=True)
    assert train == sentences(3000, seed=1) and train[:300] != sentences(300, seed=2)
    assert len(train) == 3000 > len(set(train)) and len(asked) == 300 == len(set(asked))
    assert not set(asked) & set(sentences(20_000, seed=5))


def test_about_a_tenth_is_held_out_of_every_kind_of_sentence():
    town = TinyTown.load()
    told = {pair for story in town.stories(3000, seed=11) for pair in zip(story.kinds, map(tuple, story.sentences))}  # noqa: B905
    for kind in town.chain:
        aside = [sister_language._set_aside(sentence) for other, sentence in told if other == kind]
        assert 0.06 < sum(aside) / len(aside) < 0.14, kind


def test_asking_for_more_than_the_town_says_is_refused(monkeypatch):
    story = SimpleNamespace(sentences=[["it", "was", "wet", "."], ["it", "was", "hot", "."]])
    monkeypatch.setattr(sister_language.TinyTown, "load", lambda: SimpleNamespace(story=lambda rng: story))
    monkeypatch.setattr(sister_language, "_set_aside", lambda sentence: True)
    assert len(sentences(2, held_out=True)) == 2
    with pytest.raises(ValueError, match="n=3: only 2 such sentences"):
        sentences(3, held_out=True)
