"""Masking, held against the original BERT's rule and against transformers' collator."""

from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer, DataCollatorForLanguageModeling

from course_lib.text.tokenization import word_tokenizer
from course_lib.train.masking import IGNORE, Masking, StaticMasking

WORDS = [f"w{i:02d}" for i in range(40)]
TOKENIZER = word_tokenizer(WORDS)
PAD, UNK, CLS, SEP, MASK = range(5)
V = len(TOKENIZER)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(n, words, padding=0, seed=0):
    """Make rows [CLS] words [SEP] padding: int64 [n, words + 2 + padding]."""
    ids = torch.randint(5, V, (n, words), generator=generator(seed))
    edge = torch.ones(n, 1, dtype=torch.long)
    return torch.cat([CLS * edge, ids, SEP * edge, torch.full((n, padding), PAD)], dim=1)


def near(count, n, p):
    """Is a count within 4.5 standard deviations of what a binomial says?"""
    return abs(float(count) - n * p) <= 4.5 * sqrt(n * p * (1 - p))


def original_bert_count(tokens, rate, limit):
    """How many tokens google-research/bert predicts: create_masked_lm_predictions, word for word."""
    candidates = [token for token in tokens if token not in ("[CLS]", "[SEP]")]
    return min(len(candidates), min(limit, max(1, int(round(len(tokens) * rate)))))


# --- how many
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    rate=st.one_of(st.sampled_from([0.15, 0.3, 0.4, 0.145, 0.285, 0.5]), st.floats(0.01, 0.99)),
    limit=st.one_of(st.none(), st.integers(1, 20)),
    seed=st.integers(0, 1000),
)
def test_exact_counts_are_the_original_ones(lengths, rate, limit, seed):
    longest = max(lengths)
    ids = torch.cat([rows(1, n, longest - n, seed) for n in lengths])
    selected = Masking.of(TOKENIZER, rate=rate, limit=limit)(ids, generator(seed)).selected
    for row, chosen in zip(ids, selected, strict=True):
        tokens = [t for t in TOKENIZER.convert_ids_to_tokens(row.tolist()) if t != "[PAD]"]
        assert chosen.sum() == original_bert_count(tokens, rate, limit if limit is not None else 1000)


def test_halves_are_rounded_as_in_python():
    """0.15 * 190 is 28.5 in Python, which rounds to the even 28, and a little more in float32."""
    cases = [(0.15, 190), (0.14, 75), (0.59, 50), (0.145, 100), (0.5, 5), (0.5, 7), (0.15, 32)]
    for rate, n in cases:
        expected = int(round(n * rate))
        chosen = Masking.of(TOKENIZER, rate=rate)(rows(3, n - 2), generator()).selected
        assert chosen.sum(dim=1).tolist() == [expected] * 3


def test_each_ordinary_place_is_selected_equally_often():
    n = 4000
    chosen = Masking.of(TOKENIZER)(rows(n, 18), generator()).selected[:, 1:-1].sum(dim=0)
    assert all(near(count, n, 3 / 18) for count in chosen)
    pairs = Masking.of(TOKENIZER)(rows(n, 18), generator()).selected
    assert near((pairs[:, 1] & pairs[:, 2]).sum(), n, 3 / 18 * 2 / 17)  # neighbours are not chosen together


def test_special_tokens_are_never_selected_nor_put_in():
    for exact in (True, False):
        recipe = Masking.of(TOKENIZER, rate=0.9, mask=0.0, random=1.0, exact=exact)
        ids = rows(200, 10, padding=3)
        ids[:, 4] = UNK
        masked = recipe(ids, generator())
        assert not masked.selected[ids < 5].any()
        assert (masked.input_ids[masked.selected] >= 5).all()
        assert (masked.input_ids[~masked.selected] == ids[~masked.selected]).all()


def test_a_row_of_special_tokens_only_is_left_alone():
    ids = torch.tensor([[CLS, SEP, PAD, PAD], [CLS, 7, SEP, PAD]])
    selected = Masking.of(TOKENIZER)(ids, generator()).selected
    assert selected.tolist() == [[False] * 4, [False, True, False, False]]


# --- what becomes of them
def test_labels_are_the_original_tokens_where_selected():
    ids = rows(50, 30)
    masked = Masking.of(TOKENIZER)(ids, generator())
    assert (masked.labels[masked.selected] == ids[masked.selected]).all()
    assert (masked.labels[~masked.selected] == IGNORE).all()
    assert IGNORE == -100 and torch.nn.CrossEntropyLoss().ignore_index == IGNORE


def test_the_input_is_left_as_it_is():
    ids = rows(50, 30)
    before = ids.clone()
    masked = Masking.of(TOKENIZER)(ids, generator())
    assert torch.equal(ids, before)
    assert masked.input_ids.data_ptr() != ids.data_ptr()


def test_the_same_generator_state_gives_the_same_masks():
    ids, recipe = rows(20, 30), Masking.of(TOKENIZER)
    first, again = recipe(ids, generator(3)), recipe(ids, generator(3))
    assert torch.equal(first.input_ids, again.input_ids) and torch.equal(first.labels, again.labels)
    stream = generator(3)
    recipe(ids, stream)
    assert not torch.equal(recipe(ids, stream).selected, first.selected)  # dynamic: the next draw is another
    torch.manual_seed(0)
    state = torch.get_rng_state()
    recipe(ids, stream)
    assert torch.equal(torch.get_rng_state(), state)  # the global generator is not touched


def fates(masked, ids):
    """Count [MASK], another token, unchanged, among the selected."""
    out, original = masked.input_ids[masked.selected], ids[masked.selected]
    return int((out == MASK).sum()), int(((out != MASK) & (out != original)).sum()), int((out == original).sum())


@pytest.mark.parametrize("mask,random", [(0.8, 0.1), (1.0, 0.0), (0.0, 1.0), (0.5, 0.25), (0.0, 0.0)])
def test_shares_of_the_selected(mask, random):
    ids = rows(3000, 30)
    masked = Masking.of(TOKENIZER, mask=mask, random=random)(ids, generator())
    n = int(masked.selected.sum())
    to_mask, other, same = fates(masked, ids)
    words = V - 5
    assert near(to_mask, n, mask)
    assert near(other, n, random * (words - 1) / words)  # one random word in 40 is the same one
    assert near(same, n, 1 - mask - random + random / words)


def test_random_words_are_uniform_over_ordinary_tokens():
    ids = rows(4000, 30)
    masked = Masking.of(TOKENIZER, rate=0.5, mask=0.0, random=1.0)(ids, generator())
    drawn = masked.input_ids[masked.selected]
    counts = torch.bincount(drawn, minlength=V)
    assert counts[:5].sum() == 0
    assert all(near(count, len(drawn), 1 / (V - 5)) for count in counts[5:])


def test_the_bernoulli_form_has_the_collator_s_statistics():
    """The same counts from both, each within binomial bounds of the recipe and of each other."""
    ids = rows(3000, 30, padding=2)
    masked = Masking.of(TOKENIZER, exact=False)(ids, generator())
    collator = DataCollatorForLanguageModeling(TOKENIZER, mlm_probability=0.15, seed=0)
    theirs = collator([{"input_ids": row} for row in ids])
    eligible = int((ids >= 5).sum())
    counts = {}
    for name, inputs, labels in (
        ("ours", masked.input_ids, masked.labels),
        ("theirs", theirs["input_ids"], theirs["labels"]),
    ):
        chosen = labels != IGNORE
        assert not chosen[ids < 5].any()
        assert torch.equal(labels[chosen], ids[chosen])
        assert torch.equal(inputs[~chosen], ids[~chosen])
        n = int(chosen.sum())
        out, original = inputs[chosen], ids[chosen]
        kept, replaced = int((out == original).sum()), int(((out != MASK) & (out != original)).sum())
        assert near(n, eligible, 0.15)
        assert near((out == MASK).sum(), n, 0.8)
        per_row = chosen.sum(dim=1).double()
        counts[name] = (n, kept, replaced, per_row.var().item())
    (n, kept, replaced, spread), (their_n, their_kept, their_replaced, their_spread) = counts.values()
    assert abs(n - their_n) < 4.5 * sqrt(2 * eligible * 0.15 * 0.85)
    assert abs(kept - their_kept) < 4.5 * sqrt(2 * n * 0.1 * 0.9)
    assert abs(replaced - their_replaced) < 4.5 * sqrt(2 * n * 0.1 * 0.9)
    variance = 30 * 0.15 * 0.85  # drawn each for itself: the number per row is binomial in both
    assert abs(spread / variance - 1) < 0.15 and abs(their_spread / variance - 1) < 0.15


# --- bad input
@pytest.mark.parametrize("rate", [0, 1, -0.15, 1.5, float("nan"), float("inf")])
def test_rates_outside_0_1_are_refused(rate):
    with pytest.raises(ValueError, match=f"rate={rate}.*between 0 and 1, e.g. 0.15"):
        Masking.of(TOKENIZER, rate=rate)


@pytest.mark.parametrize("shares", [(0.9, 0.2), (-0.1, 0.1), (0.8, -0.1), (float("nan"), 0.1), (0.8, float("nan"))])
def test_shares_beyond_1_are_refused(shares):
    with pytest.raises(ValueError, match=f"mask={shares[0]}, random={shares[1]}"):
        Masking.of(TOKENIZER, mask=shares[0], random=shares[1])


def test_a_tokenizer_without_mask_is_refused():
    without = BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4}, mask_token=None)
    with pytest.raises(ValueError, match="no mask_token.*add_special_tokens"):
        Masking.of(without)


@pytest.mark.parametrize("ids", [torch.zeros(4, dtype=torch.long), torch.zeros(2, 4)])
def test_ids_of_another_shape_or_type_are_refused(ids):
    with pytest.raises(ValueError, match=r"shape \[B, T\]"):
        Masking.of(TOKENIZER)(ids, generator())


# --- masks drawn once (StaticMasking)
@given(copies=st.integers(1, 12), seed=st.integers(0, 9))
def test_a_static_mask_is_one_of_its_copies(copies, seed):
    """Whatever the generator: each row is fed as one of ``copies`` rows that are made once and for all."""
    ids, masking = rows(6, 20), StaticMasking(Masking.of(TOKENIZER), copies, seed)
    made = [[masking.copy(row[None], number) for number in range(copies)] for row in ids]
    for start in range(3):
        fed = masking(ids, generator(start))
        for row in range(len(ids)):
            assert any(
                fed.input_ids[row].equal(copy.input_ids[0]) and fed.labels[row].equal(copy.labels[0])
                for copy in made[row]
            )


def test_a_static_mask_follows_the_row_into_any_batch():
    ids, masking = rows(8, 20), StaticMasking(Masking.of(TOKENIZER), 1)
    whole, order = masking(ids, generator()), torch.tensor([5, 2, 7])
    assert masking(ids[order], generator(7)).input_ids.equal(whole.input_ids[order])


def test_copies_come_in_turn_with_equal_chances():
    row, masking = rows(1, 20), StaticMasking(Masking.of(TOKENIZER), 4)
    made = [masking.copy(row, number).input_ids[0] for number in range(4)]
    assert len({tuple(copy.tolist()) for copy in made}) == 4
    fed = masking(row.expand(2000, -1), generator()).input_ids
    for copy in made:
        assert near((fed == copy).all(dim=1).sum(), 2000, 1 / 4)


def test_static_masks_are_made_by_the_recipe():
    """A copy is what the recipe makes: the same counts, and each seed its own."""
    ids, recipe = rows(50, 30), Masking.of(TOKENIZER, rate=0.3)
    one, other = (StaticMasking(recipe, 1, seed)(ids, generator()) for seed in (0, 1))
    assert one.selected.sum(dim=1).equal(recipe(ids, generator()).selected.sum(dim=1))
    assert not one.selected.equal(other.selected)
    assert StaticMasking(recipe).pad_id == recipe.pad_id
