"""Rows of equal length: nothing lost, nothing invented."""

from itertools import chain

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import BertTokenizer

from course_lib.packing import blocks, full_sentences
from course_lib.tinytown import TinyTown
from course_lib.tokenization import encode_documents, train_byte_bpe, word_tokenizer

TOKENIZER = word_tokenizer([f"w{i:02d}" for i in range(40)])
CLS, SEP = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id
sentence = st.lists(st.integers(5, 44), min_size=1, max_size=8)
documents = st.lists(st.lists(sentence, max_size=5), max_size=6)


@given(documents, st.integers(3, 20))
def test_blocks_are_the_beginnings_of_documents(documents, length):
    flat = [list(chain.from_iterable(document)) for document in documents]
    expected = [[CLS, *ids[: length - 2], SEP] for ids in flat if len(ids) >= length - 2]
    assume(expected)
    rows = blocks(TOKENIZER, documents, length)
    assert rows.dtype == torch.int64
    assert rows.tolist() == expected


@given(documents, st.integers(3, 20))
def test_full_sentences_lose_only_the_last_unfilled_row(documents, length):
    stream = []
    for document in documents:
        ids = list(chain.from_iterable(document))
        stream += ([SEP] if stream and ids else []) + ids  # a border stands between two documents
    full = len(stream) // (length - 2)
    assume(full)
    rows = full_sentences(TOKENIZER, documents, length)
    assert rows.shape == (full, length)
    assert (rows[:, 0] == CLS).all() and (rows[:, -1] == SEP).all()
    assert rows[:, 1:-1].flatten().tolist() == stream[: full * (length - 2)]


def test_rows_of_tiny_town_read_as_its_stories():
    town = TinyTown.load()
    tokenizer = word_tokenizer(town.vocabulary)
    stories = town.stories(20, seed=1)
    rows = blocks(tokenizer, encode_documents(tokenizer, [[" ".join(s) for s in x.sentences] for x in stories]), 32)
    assert rows.shape == (20, 32)
    for row, story in zip(rows.tolist(), stories, strict=True):
        assert tokenizer.convert_ids_to_tokens(row) == ["[CLS]", *story.words[:30], "[SEP]"]


def test_rows_begin_as_the_tokenizer_s_own_do():
    """RoBERTa's <s> and </s> stand where BERT has [CLS] and [SEP]."""
    tokenizer = train_byte_bpe(["a small text to learn from"], vocab_size=270)
    ids = tokenizer("a small", add_special_tokens=False)["input_ids"]
    assert blocks(tokenizer, [[ids]], len(ids) + 2).tolist() == [tokenizer("a small")["input_ids"]]


@pytest.mark.parametrize("pack", [blocks, full_sentences])
def test_bad_input_is_refused_by_name(pack):
    with pytest.raises(ValueError, match="length=2 leaves no room"):
        pack(TOKENIZER, [[[5, 6]]], 2)
    for nothing in ([], [[]], [[[5, 6]]]):
        with pytest.raises(ValueError, match="No row of length 32 could be filled: .*shorter length or more text"):
            pack(TOKENIZER, nothing, 32)
    bare = BertTokenizer(vocab={"[UNK]": 0, "a": 1}, cls_token=None, sep_token=None)
    with pytest.raises(ValueError, match=r"no \[CLS\] or \[SEP\]"):
        pack(bare, [[[1]]], 3)
