"""Labelled tasks: the gold annotation, at the right tokens, and nothing else."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.text import tokenization
from course_lib.town import tasks
from course_lib.town.language import TinyTown
from course_lib.train.masking import IGNORE

TOWN = TinyTown.load()
TOKENIZER = tokenization.word_tokenizer(TOWN.vocabulary)
STORIES = TOWN.stories(200, seed=5)


def words_of(row):
    return TOKENIZER.convert_ids_to_tokens(row.tolist())


@pytest.mark.parametrize("variable", ["topic", "mood", "hero"])
def test_a_text_gets_its_story_s_label(variable):
    task = tasks.classify(TOKENIZER, STORIES, variable)
    long = [story for story in STORIES if len(story.words) >= 30]
    assert len(task) == len(long) > 190 and task.rows.shape == (len(long), 32) and task.kind == "text"
    for story, row, label in zip(long, task.rows, task.targets.tolist(), strict=True):
        assert task.labels[label] == getattr(story, variable)
        assert words_of(row) == ["[CLS]", *story.words[:30], "[SEP]"]


def test_each_word_gets_its_tag_and_special_tokens_none():
    task = tasks.tag(TOKENIZER, STORIES)
    assert task.labels == ("O", "PERSON", "PLACE", "OBJECT")
    assert (task.targets[:, 0] == IGNORE).all() and (task.targets[:, -1] == IGNORE).all()
    for story, targets in zip([s for s in STORIES if len(s.words) >= 30], task.targets, strict=True):
        gold = [TOWN.labels.get(slot, "O") for row in story.slots for slot in row][:30]
        assert [task.labels[t] for t in targets[1:-1].tolist()] == gold


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_sentence_s_kind_is_asked_for_once(seed):
    stories = [story for story in TOWN.stories(4, seed) if len(story.words) >= 30]
    first, last = (tasks.tag(TOKENIZER, stories, what) for what in tasks.WORD_TASKS[1:])
    for story, row, early, late in zip(stories, first.rows, first.targets, last.targets, strict=True):
        words = words_of(row)
        assert [t for t in range(32) if late[t] != IGNORE] == [t for t in range(32) if words[t] == "."]
        begins = [t + 1 for t in range(30) if words[t] in ("[CLS]", ".")]
        assert [t for t in range(32) if early[t] != IGNORE] == begins
        for targets in (early, late):
            asked = targets[targets != IGNORE].tolist()
            assert [first.labels[k] for k in asked] == story.kinds[: len(asked)]


@pytest.mark.parametrize("question_first", [True, False])
def test_an_answer_stands_where_the_span_says(question_first):
    task = tasks.answer(TOKENIZER, STORIES, question_first=question_first)
    assert len(task) % 2 == 0 and task.rows.shape[1] == 32
    heroes, places = set(TOWN.variables["hero"]), set(TOWN.variables["topic"])
    for row, types, (start, end) in zip(task.rows, task.token_type_ids, task.targets.tolist(), strict=True):
        words = words_of(row)
        assert start == end and words.count("[SEP]") == 2 and words[-1] == "[SEP]"
        question = words[: words.index("[SEP]")] if question_first else words[words.index("[SEP]") :]
        assert words[start] in (heroes if "who" in question and "story" in question else places)
        assert words[start] not in words[:start] or words[start] in question  # the first time it is named
        border = words.index("[SEP]") + 1
        assert types.tolist() == [0] * border + [1] * (32 - border)
        assert (start >= border) == question_first


def test_only_the_question_tells_which_answer_is_meant():
    """The two rows of a passage differ in the question and the answer: the passage alone leaves both open."""
    task = tasks.answer(TOKENIZER, STORIES, question_first=False)
    for i in range(0, len(task), 2):
        a, b = task.rows[i].tolist(), task.rows[i + 1].tolist()
        shared = min(row.index(TOKENIZER.sep_token_id) for row in (a, b))
        assert a[:shared] == b[:shared] and task.targets[i, 0] != task.targets[i + 1, 0]
        assert max(task.targets[i].max(), task.targets[i + 1].max()) < shared


def test_the_answer_follows_from_the_words_alone():
    """A reader with two word lists finds every answer, so the ceiling is 1."""
    task = tasks.answer(TOKENIZER, STORIES)
    for row, (start, _) in zip(task.rows, task.targets.tolist(), strict=True):
        words = words_of(row)
        border = words.index("[SEP]")
        wanted = TOWN.variables["hero"] if "story" in words[:border] else TOWN.variables["topic"]
        assert next(t for t in range(border, 32) if words[t] in wanted) == start


def test_rows_are_taken_together():
    task = tasks.answer(TOKENIZER, STORIES)
    part = task[torch.tensor([3, 1])]
    assert len(part) == 2 and torch.equal(part.rows[0], task.rows[3])
    assert torch.equal(part.targets[1], task.targets[1]) and torch.equal(part.token_type_ids[0], task.token_type_ids[3])
    assert len(task[:4]) == 4 and tasks.tag(TOKENIZER, STORIES)[:2].token_type_ids is None


def test_new_words_are_labelled_and_unseen():
    train, asked = tasks.tag(TOKENIZER, STORIES[:5]), tasks.tag(TOKENIZER, STORIES[5:])
    new = tasks.new_words(train, asked)
    wanted = asked.targets != IGNORE
    assert len(new) == int(wanted.sum()) and new.any()
    seen = set(train.rows.flatten().tolist())
    words, labels = asked.rows[wanted].tolist(), asked.targets[wanted].tolist()
    for is_new, word, label in zip(new.tolist(), words, labels, strict=True):
        assert is_new == (word not in seen and asked.labels[label] != "O")


def test_errors_name_the_value_and_the_fix():
    with pytest.raises(ValueError, match="what='verbs' is unknown; choose one of 'tags', 'kind at"):
        tasks.tag(TOKENIZER, STORIES, "verbs")
    with pytest.raises(ValueError, match="None of the 0 stories has a passage with every answer"):
        tasks.answer(TOKENIZER, [])
