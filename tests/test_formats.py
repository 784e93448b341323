"""The questions of the input formats: the same words in every form, and the right ones."""

import random

import pytest
import torch

from course_lib.experiments import excerpts, lesson_07
from course_lib.text import packing
from course_lib.train.masking import IGNORE

FORMATS = ("segment-pair", "sentence-pair", "full-sentences", "doc-sentences")


@pytest.fixture(scope="module")
def data():
    return excerpts.stories(documents=60, held_out=40)


def words_asked(asked):
    """Return for each story the words that are asked for, in order."""
    targets = iter(asked.batch.targets.tolist())
    return [[next(targets) for _ in range(int(row.sum()))] for row in asked.batch.select]


@pytest.mark.parametrize("pairs", [False, True])
def test_every_context_asks_for_the_same_words(data, pairs):
    first = words_asked(data.fourth_sentence(0, pairs=False))
    for context in excerpts.CONTEXTS:
        assert words_asked(data.fourth_sentence(context, pairs)) == first


@pytest.mark.parametrize("context", excerpts.CONTEXTS)
@pytest.mark.parametrize("pairs", [False, True])
def test_what_is_in_view_is_the_end_of_the_beginning(data, context, pairs):
    tokenizer, asked = data.tokenizer, data.fourth_sentence(context, pairs)
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    for row, story in enumerate(data.held_out):
        before = [word for sentence in story[3 - context : 3] for word in sentence]
        expected = [cls, *before, *([sep] if pairs and context else []), *story[3], sep]
        real = asked.rows[row] != pad
        assert asked.rows[row][real].tolist() == expected
        assert asked.batch.attention_mask[row].equal(real)
        hidden, select = asked.batch.input_ids[row], asked.batch.select[row]
        assert hidden[select].eq(tokenizer.mask_token_id).all()
        assert hidden[~select].equal(asked.rows[row][~select])
        asked_at = select.nonzero().flatten()
        last = len(expected) - 1
        assert asked_at.min() >= last - len(story[3]) and asked_at.max() < last  # in the fourth sentence only
        if pairs and context:
            types = asked.batch.token_type_ids[row]
            assert types[real].tolist() == [0] * (len(before) + 2) + [1] * (len(story[3]) + 1)


def test_segments_are_given_to_models_of_pairs_only(data):
    assert data.fourth_sentence(2, pairs=False).batch.token_type_ids is None
    assert data.fourth_sentence(0, pairs=True).batch.token_type_ids.sum() == 0  # one segment


def test_each_form_makes_the_rows_that_it_is_named_for(data):
    made = {form: data.rows(form, random.Random(0)) for form in FORMATS}
    pad, sep = data.tokenizer.pad_token_id, data.tokenizer.sep_token_id
    for form, rows in made.items():
        assert isinstance(rows, packing.Pairs) == form.endswith("pair"), form
        ids = rows.input_ids if form.endswith("pair") else rows
        assert ids.shape[1] <= excerpts.ROW and ids.max() < len(data.tokenizer)
    full, doc = made["full-sentences"], made["doc-sentences"]
    assert not (full == pad).any() and (doc == pad).any()
    assert ((full == sep).sum(dim=1) > 1).any() and ((doc == sep).sum(dim=1) == 1).all()
    spans = made["sentence-pair"].origins
    assert (spans[:, :, 2] - spans[:, :, 1] == 1).all()
    spans = made["segment-pair"].origins
    assert (spans[:, :, 2] - spans[:, :, 1] > 1).any()


def test_four_sentences_fit_into_every_row(data):
    assert all(sum(map(len, story[:4])) <= excerpts.ROW - 3 for story in data.held_out)
    assert all(len(story) == 12 for story in data.train)


@pytest.mark.slow
def test_a_short_run_returns_all_numbers_and_repeats(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "fp32")
    settings = dict(form="sentence-pair", nsp=True, documents=40, tokens_per_step=64, steps=10, learning_rate=2e-3)
    first, again = (lesson_07.read_format(3, **settings) for _ in range(2))
    expected = {"tokens"} | {f"context {n} {unit}" for n in excerpts.CONTEXTS for unit in ("nats", "accuracy")}
    assert set(first) == expected and {len(values) for values in first.values()} == {10}
    assert first == again
    tokens = [b - a for a, b in zip([0, *first["tokens"]], first["tokens"], strict=False)]
    assert all(40 < step < 90 for step in tokens)  # about as many tokens per step as asked for, whatever the rows


def test_labels_mark_nothing_but_words(data):
    batch = data.fourth_sentence(3, pairs=True).batch
    assert IGNORE not in batch.targets.tolist()
    special = torch.tensor(data.tokenizer.all_special_ids)
    assert not torch.isin(batch.targets, special).any()
