"""Whole-word masking: words stay together, the count is kept, and the fate of the chosen tokens is Masking's own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer

from course_lib.text.tokenization import word_tokenizer
from course_lib.train.masking import Masking
from course_lib.train.whole_words import WholeWordMasking

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcde", *(f"##{c}" for c in "vwxyz")]
TOKENIZER = BertTokenizer(
    vocab={token: i for i, token in enumerate(TOKENS)}, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
    sep_token="[SEP]", mask_token="[MASK]",
)  # fmt: skip
MASKING = WholeWordMasking.of(TOKENIZER)


def encoded(*texts):
    """Encode rows given as pieces separated by spaces: int64 [n, longest], padded."""
    longest = max(len(text.split()) for text in texts)
    rows = [text.split() + ["[PAD]"] * (longest - len(text.split())) for text in texts]
    return torch.tensor([[TOKENS.index(piece) for piece in row] for row in rows])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def by_loop(ids):
    """Number the words of each row in the plainest way."""
    out = []
    for row in ids.tolist():
        number, numbers, open_word = -1, [], False
        for token in map(TOKENS.__getitem__, row):
            if token in TOKENS[:5]:
                open_word = False
                numbers.append(-1)
                continue
            if not (token.startswith("##") and open_word):
                number += 1
            open_word = True
            numbers.append(number)
        out.append(numbers)
    return out


texts = st.lists(st.integers(5, len(TOKENS) - 1), min_size=1, max_size=24)
batches = st.integers(1, 4).flatmap(lambda n: st.lists(texts, min_size=n, max_size=n))


def framed(rows):
    longest = max(map(len, rows))
    return torch.tensor([[2, *row, 3, *[0] * (longest - len(row))] for row in rows])


def test_words_of_an_example():
    ids = encoded("[CLS] a ##v ##w b [SEP] c ##x [SEP]", "[CLS] ##v a [SEP]")
    assert MASKING.words(ids).tolist() == [[-1, 0, 0, 0, 1, -1, 2, 2, -1], [-1, 0, 1, -1, -1, -1, -1, -1, -1]]


@given(batches)
def test_words_are_those_of_a_plain_loop(rows):
    ids = framed(rows)
    assert MASKING.words(ids).tolist() == by_loop(ids)


@given(batches, st.sampled_from([0.1, 0.15, 0.5, 0.9]), st.booleans(), st.integers(0, 99))
def test_a_word_is_chosen_whole_or_not_at_all(rows, rate, exact, seed):
    ids = framed(rows)
    masking = WholeWordMasking.of(TOKENIZER, rate=rate, exact=exact)
    chosen = masking.select(ids, generator(seed))
    for numbers, taken in zip(by_loop(ids), chosen.tolist(), strict=True):
        fates = {n: {t for m, t in zip(numbers, taken, strict=True) if m == n} for n in set(numbers)}
        assert all(len(fate) == 1 for fate in fates.values()) and fates.get(-1, {False}) == {False}


@given(batches, st.sampled_from([0.15, 0.4, 0.7]), st.integers(0, 99))
def test_never_more_than_the_count_and_no_word_left_that_fits(rows, rate, seed):
    ids = framed(rows)
    chosen = WholeWordMasking.of(TOKENIZER, rate=rate).select(ids, generator(seed))
    count = Masking.of(TOKENIZER, rate=rate, limit=None).select(ids, generator(seed)).sum(dim=1)  # capped by the words
    for numbers, taken, most in zip(by_loop(ids), chosen.tolist(), count.tolist(), strict=True):
        assert sum(taken) <= most
        left = [numbers.count(n) for n in set(numbers) - {-1}
                if not any(t for m, t in zip(numbers, taken, strict=True) if m == n)]  # fmt: skip
        assert all(size > most - sum(taken) for size in left)


def test_words_of_one_piece_each_are_masked_as_often_as_by_masking():
    ids = encoded("[CLS] " + "a b c d e " * 6 + "[SEP]").expand(500, -1)
    assert WholeWordMasking.of(TOKENIZER).select(ids, generator()).sum(dim=1).unique().tolist() == [5]


def test_each_word_is_chosen_about_equally_often():
    ids = encoded("[CLS] " + "a ##v b ##w c ##x d ##y " * 3 + "[SEP]").expand(4000, -1)
    share = WholeWordMasking.of(TOKENIZER, rate=0.25).select(ids, generator()).float().mean(dim=0)[1:-1]
    assert torch.allclose(share, torch.full_like(share, 6 / 24), atol=0.035)  # five standard errors


def test_what_becomes_of_the_chosen_is_80_10_10_and_the_input_is_left_alone():
    ids = encoded("[CLS] " + "a ##v b c ##w ##x " * 4 + "[SEP]").repeat(4000, 1)
    before = ids.clone()
    masked = MASKING(ids, generator())
    assert torch.equal(ids, before) and torch.equal(masked.labels[masked.selected], ids[masked.selected])
    share = (masked.input_ids[masked.selected] == 4).float().mean().item()
    assert abs(share - 0.8) < 0.01 and torch.equal(masked.input_ids[~masked.selected], ids[~masked.selected])


def test_the_same_generator_state_gives_the_same_words():
    ids = framed([[5, 10, 6, 7, 11, 12, 8]] * 3)
    assert torch.equal(MASKING.select(ids, generator(3)), MASKING.select(ids, generator(3)))


def test_a_limit_holds():
    ids = encoded("[CLS] " + "a b ##v " * 10 + "[SEP]").expand(20, -1)
    assert WholeWordMasking.of(TOKENIZER, rate=0.5, limit=3).select(ids, generator()).sum(dim=1).max() <= 3


def test_a_tokenizer_without_pieces_is_refused():
    with pytest.raises(ValueError, match="begins with '##'"):
        WholeWordMasking.of(word_tokenizer(["one", "two"]))
