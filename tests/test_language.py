"""Tiny Town: the stories say what the grammar says."""

import random
from collections import Counter
from math import sqrt

import brute_force
import pytest
import yaml

from course_lib.town.language import GRAMMAR_FILE, TinyTown

FILE = yaml.safe_load(GRAMMAR_FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def town():
    return TinyTown.load()


@pytest.fixture(scope="module")
def stories(town):
    return town.stories(2000, seed=0)


def near(count, n, p):
    """Is a count within 4.5 standard deviations of what a binomial says?"""
    return abs(count - n * p) <= 4.5 * sqrt(n * p * (1 - p)) + 1e-9


# --- stories
def test_the_same_seed_gives_the_same_stories(town):
    assert town.stories(20, seed=3) == TinyTown.load().stories(20, seed=3)
    assert town.stories(20, seed=3) != town.stories(20, seed=4)
    assert town.stories(20, seed=3)[:5] == town.stories(5, seed=3)  # more stories change none of the first


def test_a_story_leaves_the_global_generator_alone(town):
    random.seed(1)
    before = random.getstate()
    town.story(random.Random(0))
    assert random.getstate() == before


def test_the_town_is_as_rich_as_the_design_says(town):
    assert len(town.vocabulary) >= 199
    assert len(town.variables["topic"]) == 8
    assert len(town.variables["hero"]) == 12
    assert len(town.variables["mood"]) == 2
    assert sum(len(path.parts) for path in town.paths) >= 197  # the oracle's states


def test_every_story_fills_a_row_of_32_tokens(stories):
    """Rows take the first 30 words; leaving short stories out would bend the probabilities."""
    assert min(len(story.words) for story in stories) >= 30


def test_every_word_is_in_the_vocabulary_and_every_word_of_it_is_used(town, stories):
    assert town.vocabulary == sorted(set(town.vocabulary))
    said = {word for story in stories for word in story.words}
    asked = {w for story in stories[:300] for q in town.questions(story) for w in q.text.split()}
    assert said | asked == set(town.vocabulary)


def test_the_hidden_variables_are_uniform_and_independent(stories):
    n = len(stories)
    for which, size in (("topic", 8), ("hero", 12), ("mood", 2)):
        counts = Counter(getattr(story, which) for story in stories)
        assert len(counts) == size
        assert all(near(count, n, 1 / size) for count in counts.values())
    pairs = Counter((story.topic, story.mood) for story in stories)
    assert len(pairs) == 16 and all(near(count, n, 1 / 16) for count in pairs.values())


def test_the_chain_is_walked_as_often_as_its_weights_say(stories):
    assert all(story.kinds[0] == FILE["story"]["starts_with"] for story in stories)
    steps = Counter((a, b) for story in stories for a, b in zip(story.kinds, story.kinds[1:], strict=False))
    for kind, weights in FILE["story"]["then"].items():
        n = sum(count for (a, _), count in steps.items() if a == kind)
        assert n > 300
        for after in FILE["sentences"]:
            assert near(steps[kind, after], n, weights.get(after, 0) / sum(weights.values())), (kind, after)


def test_templates_and_alternatives_are_equally_likely(stories):
    arrivals = [story.sentences[0] for story in stories]
    for word in ("yesterday", "tomorrow", "today"):
        assert near(sum(s[0] == word for s in arrivals), len(arrivals), 1 / 9)
    verbs = Counter({"yesterday": "went", "tomorrow": "will", "today": "goes"}[s[0]] == s[2]
                    for s in arrivals if s[0] in ("yesterday", "tomorrow", "today"))  # fmt: skip
    assert verbs[False] == 0  # groups of alternatives are chosen together


def test_cut_down_town_is_sampled_as_often_as_counted():
    """The sampler against a count that shares no code with it."""
    every, n = brute_force.stories(2), 6000
    small = TinyTown.from_dict(brute_force.GRAMMAR)
    counts = Counter(tuple(map(tuple, s.sentences)) for s in small.stories(n, seed=0, sentences=2))
    assert set(counts) <= set(every)
    assert all(near(counts[story], n, p) for story, p in every.items() if n * p > 10)
    assert sum(n * p > 10 for p in every.values()) > 50


def test_agreement(town, stories):
    she = set(FILE["heroes"]["she"]["hero"])
    for story in stories[:500]:
        pron, poss = ("she", "her") if story.hero in she else ("he", "his")
        wrong = {"she", "her", "he", "his"} - {pron, poss}
        assert not wrong & set(story.words)
        assert not (set(town.variables["hero"]) - {story.hero}) & set(story.words)
        other = FILE["moods"]["sad" if story.mood == "happy" else "happy"]
        assert not {w for ws in other.values() for w in ws} & set(story.words)
        for sentence, slots in zip(story.sentences, story.slots, strict=True):
            for word, slot in zip(sentence, slots, strict=True):
                if slot in FILE["topics"]["farm"]:
                    words = FILE["topics"][story.topic][slot]
                    assert word in ([words] if isinstance(words, str) else words)


def test_a_and_an_agree_with_the_next_word(stories):
    followers = {"a": set(), "an": set()}
    for story in stories:
        for word, after in zip(story.words, story.words[1:], strict=False):
            if word in followers:
                followers[word].add(after)
    assert len(followers["a"]) > 20 and len(followers["an"]) > 10
    assert all(word[0] not in "aeiou" for word in followers["a"])
    assert all(word[0] in "aeiou" for word in followers["an"])


# --- gold annotation
def test_annotation_has_one_entry_per_word(stories):
    for story in stories[:200]:
        assert len(story.sentences) == len(story.kinds) == len(story.slots) == 6
        assert list(map(len, story.sentences)) == list(map(len, story.slots))
        assert story.words == sum(story.sentences, [])


def tagged(town, story):
    """Return (word, slot, tag) for each word of a story."""
    slots = [slot for row in story.slots for slot in row]
    return [(word, slot, town.labels.get(slot, "O")) for word, slot in zip(story.words, slots, strict=True)]


def test_tags_name_people_places_and_objects(town, stories):
    found = Counter()
    people = {name for classes in FILE["heroes"].values() for name in classes["hero"]}
    people |= {classes["person"] for classes in FILE["topics"].values()}
    places = {c["place"] for c in FILE["topics"].values()}
    objects = {w for c in FILE["topics"].values() for w in c["thing"] + c["item"] + c["tool"]}
    for story in stories[:300]:
        for word, _, tag in tagged(town, story):
            found[tag] += 1
            assert (tag == "PERSON") == (word in people) or word == "cook"  # a person or an act: see below
            assert (tag == "PLACE") == (word in places)
            assert (tag == "OBJECT") == (word in objects)
    assert set(found) == {"O", "PERSON", "PLACE", "OBJECT"}


def test_a_word_with_two_readings_is_tagged_by_its_slot(town, stories):
    """'cook' is a person and an act: only the gold annotation knows which."""
    tags = {(slot, tag) for story in stories for word, slot, tag in tagged(town, story) if word == "cook"}
    assert tags == {("person", "PERSON"), ("act", "O")}


def test_answers_point_at_themselves(town, stories):
    asked = Counter()
    for story in stories[:500]:
        for question in town.questions(story):
            answer = story.words[question.place]
            assert answer not in story.words[: question.place]  # the first mention
            if question.text == "who is the story about ?":
                assert answer == story.hero
            else:
                assert question.text == f"where did {story.hero} go ?"
                assert answer == FILE["topics"][story.topic]["place"]
            asked[question.text[:3]] += 1
    assert asked["who"] > 400 and asked["whe"] > 300


def test_a_question_without_an_answer_in_the_text_is_left_out():
    small = TinyTown.from_dict(brute_force.GRAMMAR)
    stories = small.stories(50, sentences=1)
    assert {len(small.questions(story)) for story in stories} == {0, 1}
    for story in stories:
        assert bool(small.questions(story)) == (story.hero in story.words)


def test_the_grammar_names_nothing_that_it_does_not_define(town):
    """A misspelt slot, kind or word class would be a KeyError in the middle of a story."""
    parts = [part for path in town.paths for part in path.parts]
    parts += [part for ask, _ in town.question_templates for part in ask.split()]
    named = {part[1:-1] for part in parts if "{" in part} | {*town.labels, *(a for _, a in town.question_templates)}
    assert named <= set(town.slots) and all(part == "{" + part[1:-1] + "}" for part in parts if "{" in part)
    assert {town.start, *(after for weights in town.chain.values() for after in weights)} <= set(town.chain)
    assert {path.kind for path in town.paths} == set(town.chain)
    for variable, choices in town.slots.values():
        assert list(choices) == (town.variables[variable] if variable else [None]) and all(choices.values())
    classes = [slot for section in ("topics", "moods") for slot in next(iter(FILE[section].values()))]
    assert len(set(classes)) == len(classes) and not set(classes) & set(FILE["anywhere"])  # one variable decides a slot
