"""Two tokenizations of one text: equal text read, and bits per character that no tokenization can flatter."""

import math

import pytest

from course_lib.experiments import lesson_07
from course_lib.experiments.materials import HELD_OUT_SHARE
from course_lib.text import corpora

SMALL = {"vocab_size": 600, "words": 12_000}
each_tokenizer = pytest.mark.parametrize("name", lesson_07.TOKENIZERS)


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "fp32")


@each_tokenizer
def test_the_text_is_cut_and_counted(name):
    data = lesson_07.tokenized(name, **SMALL)
    _, new = corpora.python_docs(limit_words=SMALL["words"]).split(HELD_OUT_SHARE, seed=0)
    sentences = [sentence for document in new.documents for sentence in document]
    tokens = sum(len(data.tokenizer.tokenize(sentence)) for sentence in sentences)
    assert data.tokens_per_character == pytest.approx(tokens / sum(map(len, sentences)))
    assert len(data.tokenizer) <= SMALL["vocab_size"]
    words = data.held_out[:, 1:-1] != data.tokenizer.sep_token_id
    assert tokens - 30 <= int(words.sum()) <= tokens  # only the last row, not full, is left out


def test_bytes_know_everything_and_case_is_kept_by_both():
    pieces, bytes_ = (lesson_07.tokenized(name, **SMALL) for name in lesson_07.TOKENIZERS)
    assert bytes_.unknown == 0 and pieces.unknown < 0.01
    for data in (pieces, bytes_):
        assert data.tokenizer.tokenize("The") != data.tokenizer.tokenize("the")


@pytest.mark.slow
@each_tokenizer
def test_every_arm_reads_the_text_as_often(name):
    data = lesson_07.tokenized(name, **SMALL)
    run = lesson_07.read_pieces(0, name, epochs=2, steps=10, learning_rate=2e-3, **SMALL)
    assert run["tokens"][-1] / data.rows.numel() == pytest.approx(2, abs=0.05)


def test_every_seed_holds_out_documents_of_its_own():
    first, second = (lesson_07.tokenized("word pieces", seed=seed, **SMALL) for seed in (0, 1))
    assert first.held_out[:5].tolist() != second.held_out[:5].tolist()


@each_tokenizer
def test_bits_follow_from_nats_and_from_what_a_token_covers(name):
    data = lesson_07.tokenized(name, seed=1, **SMALL)
    run = lesson_07.read_pieces(1, name, epochs=1, steps=10, learning_rate=2e-3, **SMALL)
    for nats, bits in zip(run["nats per token"], run["bits per character"], strict=True):
        assert bits == pytest.approx(nats / math.log(2) * data.tokens_per_character)
    assert 1 < run["bits per character"][-1] < 8  # between what English holds and a byte for every character
    assert run["bits per character"][-1] < run["bits per character"][0]
