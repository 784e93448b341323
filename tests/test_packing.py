"""Rows and pairs: nothing lost, nothing invented, and no label wrong."""

import hashlib
import random
from collections import Counter
from itertools import chain
from math import log, sqrt

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import BertForPreTraining, BertTokenizer

from course_lib.text.packing import balanced_pairs, blocks, doc_sentences, full_sentences, segment_pairs
from course_lib.text.tokenization import encode_documents, train_byte_bpe, word_tokenizer
from course_lib.town.language import TinyTown
from course_lib.town.oracle import NEGATIVES, Oracle

TOWN = TinyTown.load()
TOKENIZER = word_tokenizer([f"w{i:02d}" for i in range(40)])
CLS, SEP, PAD = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id, TOKENIZER.pad_token_id
sentence = st.lists(st.integers(5, 44), min_size=1, max_size=8)
documents = st.lists(st.lists(sentence, max_size=5), max_size=6)
# few words, so that sentences repeat; empty ones among them
repetitive = st.lists(st.lists(st.lists(st.integers(5, 6), max_size=2), max_size=7), min_size=2, max_size=5)
each_negative = pytest.mark.parametrize("negative", NEGATIVES)


def text_of(row):
    """The ids of a row between [CLS] and the last [SEP]."""
    ids = [i for i in row if i != PAD]
    assert ids[0] == CLS and ids[-1] == SEP and row == ids + [PAD] * (len(row) - len(ids))
    return ids[1:-1]


def different(n, sentences, tokens=3):
    """Documents in which no two sentences are alike."""
    numbers = range(n * sentences)
    every = [[5 + i // 40**t % 40 for t in range(tokens)] for i in numbers]
    return [every[i : i + sentences] for i in numbers[::sentences]]


# --- one text per row
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


@given(documents, st.integers(3, 20))
def test_doc_sentences_fill_rows_from_one_document_at_a_time(documents, length):
    flat = [list(chain.from_iterable(document)) for document in documents]
    assume(any(flat))
    rows = iter(doc_sentences(TOKENIZER, documents, length).tolist())
    for ids in filter(None, flat):
        while ids:
            text = text_of(next(rows))
            assert text == ids[: length - 2]  # full, unless the document ends
            ids = ids[len(text) :]
    assert next(rows, None) is None


def test_rows_of_tiny_town_read_as_its_stories():
    tokenizer = word_tokenizer(TOWN.vocabulary)
    stories = TOWN.stories(20, seed=1)
    rows = blocks(tokenizer, encode_documents(tokenizer, [[" ".join(s) for s in x.sentences] for x in stories]), 32)
    assert rows.shape == (20, 32)
    for row, story in zip(rows.tolist(), stories, strict=True):
        assert tokenizer.convert_ids_to_tokens(row) == ["[CLS]", *story.words[:30], "[SEP]"]


def test_rows_begin_as_the_tokenizer_s_own_do():
    """RoBERTa's <s> and </s> stand where BERT has [CLS] and [SEP]."""
    tokenizer = train_byte_bpe(["a small text to learn from"], vocab_size=270)
    ids = tokenizer("a small", add_special_tokens=False)["input_ids"]
    assert blocks(tokenizer, [[ids]], len(ids) + 2).tolist() == [tokenizer("a small")["input_ids"]]
    padded = tokenizer("a small", padding="max_length", max_length=len(ids) + 5)["input_ids"]
    assert doc_sentences(tokenizer, [[ids]], len(ids) + 5).tolist() == [padded]


# --- pairs, whoever made them
def check_rows(pairs, documents, length):
    """Every row is [CLS] A [SEP] B [SEP] with the texts it says it has, less what a row cannot hold."""
    documents = [[s for s in document if s] for document in documents]
    n = len(pairs)
    assert pairs.input_ids.shape == pairs.token_type_ids.shape == (n, length) and pairs.origins.shape == (n, 2, 3)
    for part in (pairs.input_ids, pairs.token_type_ids, pairs.labels, pairs.origins):
        assert part.dtype == torch.int64
    for row in range(n):
        a, b = pairs.segments(row)
        spans = pairs.origins[row].tolist()
        full = [list(chain.from_iterable(documents[d][first:end])) for d, first, end in spans]
        assert all(first < end for _, first, end in spans) and a and b
        size = len(a) + len(b) + 3
        assert pairs.input_ids[row].tolist() == [CLS, *a, SEP, *b, SEP] + [PAD] * (length - size)
        types = [0] * (len(a) + 2) + [1] * (len(b) + 1) + [0] * (length - size)
        assert pairs.token_type_ids[row].tolist() == types
        if sum(map(len, full)) <= length - 3:
            assert [a, b] == full
        else:
            assert size == length  # cut to fit, and not more
            for cut, whole in zip((a, b), full, strict=True):
                assert any(whole[i : i + len(cut)] == cut for i in range(len(whole) - len(cut) + 1))
            assert abs(len(a) - len(b)) <= 1 or len(min(full, key=len)) == min(len(a), len(b))  # from the longer


def test_a_pair_is_what_the_tokenizer_makes_of_two_texts():
    [text] = documents = [["w01 w02", "w03", "w04 w05 w06", "w07 w08"]]
    pairs = balanced_pairs(TOKENIZER, encode_documents(TOKENIZER, documents), 12, random.Random(0), "same document")
    for row, spans in enumerate(pairs.origins.tolist()):
        a, b = (text[first] for _, first, _ in spans)
        theirs = TOKENIZER(a, b, padding="max_length", max_length=12)
        assert pairs.input_ids[row].tolist() == theirs["input_ids"]
        assert pairs.token_type_ids[row].tolist() == theirs["token_type_ids"]


def test_label_0_is_next_as_in_transformers():
    assert "0 indicates sequence B is a continuation of sequence A" in BertForPreTraining.forward.__doc__
    documents = different(4, 2)
    for row, label in zip(*(lambda p: (p.origins.tolist(), p.labels.tolist()))(
        balanced_pairs(TOKENIZER, documents, 9, random.Random(0))), strict=True):  # fmt: skip
        (d, _, end), (other, first, _) = row
        assert (label == 0) == ((d, end) == (other, first))


def test_rows_of_pairs_can_be_taken():
    pairs = balanced_pairs(TOKENIZER, different(6, 4), 16, random.Random(0), matched=True)
    for which in (slice(3, 9), torch.tensor([7, 0, 7]), pairs.labels == 1):
        some = pairs[which]
        for name in ("input_ids", "token_type_ids", "labels", "origins"):
            assert torch.equal(getattr(some, name), getattr(pairs, name)[which])
        assert len(some) == len(some.labels) and (some.negative, some.matched) == ("other document", True)


@pytest.mark.parametrize("make", [segment_pairs, *(lambda *a, n=n: balanced_pairs(*a, n, 1) for n in NEGATIVES)])
def test_the_seed_decides_and_the_documents_are_left_as_they_are(make):
    documents = different(20, 6)
    before = [[list(s) for s in document] for document in documents]
    first, again, other = (make(TOKENIZER, documents, 16, random.Random(seed)) for seed in (1, 1, 2))
    assert documents == before
    for name in ("input_ids", "token_type_ids", "labels", "origins"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.input_ids[:30], other.input_ids[:30])
    stream = random.Random(1)
    make(TOKENIZER, documents, 16, stream)
    assert not torch.equal(make(TOKENIZER, documents, 16, stream).input_ids[:30], first.input_ids[:30])  # a new pass


# --- segment pairs: the original BERT's
@given(st.lists(st.lists(sentence, max_size=6), min_size=2, max_size=6), st.integers(5, 40), st.integers(0, 99),
       st.sampled_from([0.0, 0.1, 1.0]))  # fmt: skip
def test_segment_pairs_read_every_sentence_once(documents, length, seed, short):
    assume(sum(map(bool, documents)) >= 2)
    pairs = segment_pairs(TOKENIZER, documents, length, random.Random(seed), short)
    check_rows(pairs, documents, length)
    read = {d: 0 for d, document in enumerate(documents) if document}
    for (a, b), label in zip(pairs.origins.tolist(), pairs.labels.tolist(), strict=True):
        assert a[1] == read[a[0]]
        read[a[0]] = a[2]
        if label == 0:
            assert b[0] == a[0] and b[1] == a[2]
            read[a[0]] = b[2]
    assert read == {d: len(documents[d]) for d in read}


def test_the_same_pairs_as_google_s_own():
    """The digest was made with create_instances_from_document of google-research/bert, its masking left out."""
    draw = random.Random(2018)
    documents = [
        [[draw.randint(5, 44) for _ in range(draw.randint(1, 15))] for _ in range(draw.randint(1, 12))]
        for _ in range(60)
    ]
    pairs = segment_pairs(TOKENIZER, documents, 32, random.Random(0))
    assert (len(pairs), int(pairs.labels.sum())) == (161, 90)
    lines = []
    for row, label in enumerate(pairs.labels.tolist()):
        a, b = pairs.segments(row)
        lines.append(" ".join(map(str, ["C", *a, "S", *b, "S", label])))
    assert lines[2] == "C 7 19 26 29 27 9 31 26 34 42 18 20 S 31 5 7 22 20 17 6 8 S 1"
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest == "c45ac84b8b69ddd747df74cf73bee1a1a24b21dae983d8f5921f0bf248e29e3a"


def share(documents, length, short=0.1):
    labels = segment_pairs(TOKENIZER, documents, length, random.Random(0), short).labels
    return labels.double().mean().item(), 4.5 * sqrt(0.25 / len(labels))


@pytest.mark.parametrize("sentences", [2, 3, 6])
def test_the_share_of_negatives_of_documents_that_fit_one_row(sentences):
    """Each document gives one negative on average: a coin, or in the end the single sentence that is left over."""
    pairs = [0.0, 1.0]  # expected pairs of a document, by its sentences
    for n in range(2, sentences + 1):
        pairs.append(1 + 0.5 * sum(pairs[n - a] for a in range(1, n)) / (n - 1))
    measured, tolerance = share([[[5]] * sentences] * 4000, 32, short=0.0)
    assert abs(measured - 1 / pairs[sentences]) < tolerance


def test_more_than_half_are_negatives():
    """Measured with Google's function: 0.579 for 20 sentences of 20 tokens at 128, 0.791 for about 30 tokens at 32."""
    usual, tolerance = share([[[5] * 20] * 20] * 800, 128)
    assert abs(usual - 0.575) < tolerance and usual - tolerance > 0.5
    lengths = random.Random(0)
    long = [[[5] * lengths.randint(10, 50) for _ in range(20)] for _ in range(800)]
    assert abs(share(long, 32)[0] - 0.795) < 0.02


def test_b_of_a_negative_is_from_another_document_and_from_any_place():
    documents = different(40, 5)
    pairs = segment_pairs(TOKENIZER, documents * 20, 64, random.Random(0), 0.0)
    b, a = pairs.origins[pairs.labels == 1][:, 1], pairs.origins[pairs.labels == 1][:, 0]
    assert (a[:, 0] != b[:, 0]).all()
    n = len(b)
    for place in range(5):
        assert abs((b[:, 1] == place).sum() - n / 5) < 4.5 * sqrt(n * 0.16)
    assert b[:, 0].unique().numel() > 400


def test_what_does_not_fit_is_cut_at_both_ends():
    short = [[[5], [6]]]  # a chunk of two sentences, without which every label would be 1
    documents = [[list(range(5, 25))] * 2, [list(range(25, 45))] * 2] * 500 + short
    pairs = segment_pairs(TOKENIZER, documents, 23, random.Random(0))
    pairs = pairs[(pairs.origins[:, :, 0] < 1000).all(dim=1)]
    starts = Counter(pairs.segments(row)[0][0] % 20 for row in range(len(pairs)))
    mean = sum(((start - 5) % 20) * n for start, n in starts.items()) / len(pairs)
    assert len(starts) > 8 and abs(mean - 5) < 0.3  # ten of twenty tokens go, half of them in front


# --- balanced pairs
@each_negative
@given(documents=repetitive, k=st.integers(1, 2), length=st.integers(5, 12), seed=st.integers(0, 99))
def test_half_follow_and_no_negative_does(negative, documents, k, length, seed):
    try:
        pairs = balanced_pairs(TOKENIZER, documents, length, random.Random(seed), negative, k)
    except ValueError:
        assume(False)
    check_rows(pairs, documents, length)
    documents = [[s for s in document if s] for document in documents]
    assert pairs.negative == negative and 2 * int(pairs.labels.sum()) == len(pairs)
    positives, seen = [], {0: Counter(), 1: Counter()}
    for (a, b), label in zip(pairs.origins.tolist(), pairs.labels.tolist(), strict=True):
        seen[label][a[0]] += 1
        assert a[2] - a[1] == b[2] - b[1] == k
        if label == 0:
            assert a[0] == b[0] and a[2] == b[1]
            positives.append((a[0], a[1]))
            continue
        text_a, text_b = documents[a[0]][slice(*a[1:])], documents[b[0]][slice(*b[1:])]
        assert not any(
            documents[a[0]][i : i + 2 * k] == text_a + text_b for i in range(len(documents[a[0]]) - 2 * k + 1)
        )
        assert (a[0] != b[0]) == (negative == "other document")
        if negative == "swapped":
            assert b[2] == a[1]
        elif negative == "same document":
            assert a[2] <= b[1] or b[2] <= a[1]
    assert len(set(positives)) == len(positives)
    assert seen[0] == seen[1]  # a document says nothing about the label


@each_negative
@pytest.mark.parametrize("k", [1, 2])
def test_every_two_neighbours_are_a_positive_once(negative, k):
    documents = different(7, 6) + [different(1, 6)[0][: 2 * k - 1]]  # the last is too short
    pairs = balanced_pairs(TOKENIZER, documents, 32, random.Random(0), negative, k)
    spans = sorted((*a, *b) for (a, b), label in zip(pairs.origins.tolist(), pairs.labels, strict=True) if not label)
    assert spans == [(d, i, i + k, d, i + k, i + 2 * k) for d in range(7) for i in range(6 - 2 * k + 1)]
    if negative == "swapped":
        turned = sorted((*b, *a) for (a, b), label in zip(pairs.origins.tolist(), pairs.labels, strict=True) if label)
        assert turned == spans
    fewer = balanced_pairs(TOKENIZER, documents, 32, random.Random(0), negative, k, pairs=8)
    assert len(fewer) == 8 and fewer.labels.sum() == 4
    assert 10 < sum(abs(pairs.labels[1:] - pairs.labels[:-1])) < len(pairs) - 10  # in random order


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("negative", ["other document", "same document"])
def test_negatives_come_from_every_place_equally_often(negative, k):
    pairs = balanced_pairs(TOKENIZER, different(600, 6), 32, random.Random(0), negative, k)
    starts = pairs.origins[pairs.labels == 1][:, :, 1]
    if negative == "other document":
        places = [(a, b) for a in range(7 - k) for b in range(7 - k)]
    else:
        places = [(a, b) for a in range(7 - k) for b in range(7 - k) if abs(a - b) >= k and b != a + k]
    counts = Counter(map(tuple, starts.tolist()))
    assert set(counts) == set(places)
    n, p = len(starts), 1 / len(places)
    assert all(abs(counts[place] - n * p) < 4.5 * sqrt(n * p * (1 - p)) for place in places)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_matched_negatives_give_nothing_away_by_a_or_b_alone(k):
    pairs = balanced_pairs(TOKENIZER, different(600, 6), 32, random.Random(0), sentences=k, matched=True)
    check_rows(pairs, different(600, 6), 32)
    a, b = pairs.origins.unbind(dim=1)
    no, yes = (pairs.labels == 1).nonzero().flatten(), (pairs.labels == 0).nonzero().flatten()
    assert sorted(a[no].tolist()) == sorted(a[yes].tolist())
    assert (a[no, 0] != b[no, 0]).all()
    n, places = len(no), 7 - 2 * k
    counts = Counter(b[no, 1].tolist())
    assert set(counts) == set(range(k, k + places))
    assert all(abs(c - n / places) <= 4.5 * sqrt(n / places * (1 - 1 / places)) for c in counts.values())
    chosen = Counter(b[no, 0].tolist())
    assert len(chosen) > 350 and max(chosen.values()) < 10 * places


@each_negative
@pytest.mark.parametrize("k", [1, 2])
def test_tiny_town_s_oracle_is_exact_on_these_pairs(negative, k):
    """A reader whose probabilities are right is right as often as it expects, and as surprised as it expects."""
    tokenizer, oracle = word_tokenizer(TOWN.vocabulary), Oracle(TOWN)
    stories = [story.sentences for story in TOWN.stories(300, seed=5)]
    ids = encode_documents(tokenizer, [[" ".join(words) for words in story] for story in stories])
    pairs = balanced_pairs(tokenizer, ids, 64, random.Random(0), negative, k, pairs=300)
    follows = []
    for spans in pairs.origins.tolist():
        a, b = (stories[d][first:end] for d, first, end in spans)
        follows.append(oracle.follows(a, b, negative))
    p, is_next = np.clip(follows, 1e-9, 1 - 1e-9), pairs.labels.numpy() == 0
    assert abs((p - is_next).mean()) < 4.5 * sqrt((p * (1 - p)).mean() / len(p))
    sure = np.maximum(p, 1 - p)
    assert abs(((p > 0.5) == is_next).mean() - sure.mean()) < 4.5 * sqrt((sure * (1 - sure)).mean() / len(p))
    assert sure.mean() > {"other document": 0.95, "same document": 0.7, "swapped": 0.7}[negative]
    nats = -np.log(np.where(is_next, p, 1 - p))
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert abs(nats.mean() - entropy.mean()) < 4.5 * nats.std() / sqrt(len(p)) < log(2)


def test_pairs_that_always_follow_are_left_out():
    """In 'x x' the swapped pair is the same pair, so neither a positive nor a negative is made of it."""
    x, y, z = [5], [6], [7]
    pairs = balanced_pairs(TOKENIZER, [[x, x, y], [x, y, x, y], [y, z]], 8, random.Random(0), "swapped")
    assert sorted({tuple(a) for a, _ in pairs[pairs.labels == 0].origins.tolist()}) == [(0, 1, 2), (2, 0, 1)]
    with pytest.raises(ValueError, match="does follow, word for word: give more varied documents"):
        balanced_pairs(TOKENIZER, [[x, x, x, x]], 8, random.Random(0), "same document")


# --- bad input
@pytest.mark.parametrize("pack", [blocks, full_sentences])
def test_bad_input_is_refused_by_name(pack):
    with pytest.raises(ValueError, match="length=2 leaves no room"):
        pack(TOKENIZER, [[[5, 6]]], 2)
    for nothing in ([], [[]], [[[5, 6]]]):
        with pytest.raises(ValueError, match="No row of length 32 could be filled: .*shorter length or more text"):
            pack(TOKENIZER, nothing, 32)
    bare = BertTokenizer(vocab={"[UNK]": 0, "a": 1}, cls_token=None, sep_token=None)
    with pytest.raises(ValueError, match="no cls_token, sep_token"):
        pack(bare, [[[1]]], 3)


def test_rows_that_may_be_padded_need_text_and_a_padding_token():
    with pytest.raises(ValueError, match="length=2 leaves no room"):
        doc_sentences(TOKENIZER, [[[5, 6]]], 2)
    for nothing in ([], [[]], [[[]]]):
        with pytest.raises(ValueError, match="No row of length 8 could be filled: there is no text"):
            doc_sentences(TOKENIZER, nothing, 8)
    bare = BertTokenizer(vocab={"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}, pad_token=None)
    with pytest.raises(ValueError, match="pad_token"):
        doc_sentences(bare, [[[3]]], 8)


@pytest.mark.parametrize(
    "documents,change,message",
    [
        (2, dict(length=4), r"length=4 leaves no room for \[CLS\] A \[SEP\] B \[SEP\]; use at least 5"),
        (2, dict(negative="random"), "negative='random' is unknown; choose one of .*swapped"),
        (1, dict(), r"='other document' needs 2 document\(s\) of at least 2 sentences, and 1 of 1 have as many"),
        (3, dict(sentences=2), "needs 2 .* of at least 4 sentences, and 0 of 3 have .*longer documents, or fewer sent"),
        (0, dict(negative="swapped"), "needs 1 .* of at least 2 sentences, and 0 of 0"),
    ],
)
def test_balanced_pairs_refuse_what_cannot_work(documents, change, message):
    settings = dict(length=16, negative="other document", sentences=1) | change
    with pytest.raises(ValueError, match=message):
        balanced_pairs(TOKENIZER, different(documents, 3), rng=random.Random(0), **settings)


@pytest.mark.parametrize(
    "documents,settings,message",
    [
        ([[[5], [6]], []], (16,), "A negative needs another document, and 1 of 2 have text"),
        ([], (16,), "0 of 0 have text"),
        ([[[5], [6]], [[7]]], (4,), "length=4 leaves no room"),
    ],
)
def test_segment_pairs_refuse_what_cannot_work(documents, settings, message):
    with pytest.raises(ValueError, match=message):
        segment_pairs(TOKENIZER, documents, settings[0], random.Random(0), *settings[1:])
