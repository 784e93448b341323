"""Objectives: who is asked what, and that the loss is the one that transformers computes."""

from math import sqrt

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from course_lib.experiments.every_mask import RATES, EveryMask
from course_lib.model import attention
from course_lib.model.bodies import causal_bert, logits_at, tiny_bert, tiny_gpt
from course_lib.text.tokenization import word_tokenizer
from course_lib.train.masking import IGNORE, Masking
from course_lib.train.objectives import BothMasks, CausalLM, MaskedLM, UnderMask

TOKENIZER = word_tokenizer([f"w{i:02d}" for i in range(60)])
CLS, SEP, PAD = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id, TOKENIZER.pad_token_id


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(n=8, length=20, padding=0):
    ids = torch.randint(5, len(TOKENIZER), (n, length), generator=generator())
    ids[:, 0], ids[:, length - 1 - padding] = CLS, SEP
    if padding:
        ids[:, -padding:] = PAD
    return ids


def loss_of(model, batch):
    return F.cross_entropy(logits_at(model, batch.input_ids, batch.select, batch.attention_mask), batch.targets)


@pytest.mark.parametrize("build", [tiny_gpt, causal_bert])
def test_the_causal_loss_is_the_one_of_transformers(build):
    """Their model shifts the labels inside; ours are shifted once, outside."""
    torch.manual_seed(0)
    model, ids = build(TOKENIZER, initializer_range=0.2).eval(), rows(padding=3)
    labels = ids.masked_fill(torch.isin(ids, torch.tensor(TOKENIZER.all_special_ids)), IGNORE)
    batch = CausalLM.of(TOKENIZER)(ids, generator())
    ours, theirs = loss_of(model, batch), model(ids, labels=labels).loss
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_the_masked_loss_is_the_one_of_transformers():
    torch.manual_seed(0)
    model, ids = tiny_bert(TOKENIZER, initializer_range=0.2).eval(), rows()
    masking = Masking.of(TOKENIZER)
    masked, batch = masking(ids, generator(3)), MaskedLM(masking)(ids, generator(3))
    assert torch.equal(batch.input_ids, masked.input_ids)
    theirs = model(masked.input_ids, labels=masked.labels).loss
    torch.testing.assert_close(loss_of(model, batch), theirs, atol=1e-5, rtol=1e-5)


def test_causal_targets_are_the_next_tokens():
    ids = torch.tensor([[CLS, 10, 11, SEP, 12, SEP, PAD]])
    batch = CausalLM.of(TOKENIZER)(ids, generator())
    assert batch.select.tolist() == [[True, True, False, True, False, False, False]]
    assert batch.targets.tolist() == [10, 11, 12]  # special tokens are never asked for
    assert batch.input_ids is ids and batch.attention_mask is None


def test_masked_targets_are_the_originals_in_reading_order():
    ids = rows(50)
    batch = MaskedLM(Masking.of(TOKENIZER))(ids, generator())
    assert torch.equal(batch.targets, ids[batch.select])
    assert batch.attention_mask is None
    again = MaskedLM(Masking.of(TOKENIZER))(ids, generator(1))
    assert not torch.equal(batch.select, again.select)  # dynamic masking


def test_a_share_of_the_positions_is_a_random_share():
    ids = rows(400, 32)
    whole = CausalLM.of(TOKENIZER)(ids, generator()).select
    for share in (0.15, 0.5):
        batch = CausalLM.of(TOKENIZER, share)(ids, generator())
        n = int(whole.sum())
        assert not (batch.select & ~whole).any()
        assert abs(len(batch.targets) - n * share) < 4.5 * sqrt(n * share * (1 - share))
        assert torch.equal(batch.targets, ids.roll(-1, 1)[batch.select])
        by_place = batch.select.sum(dim=0)[:30]
        assert (abs(by_place - 400 * share) < 4.5 * sqrt(400 * share * (1 - share))).all()
    assert torch.equal(CausalLM.of(TOKENIZER, 1.0)(ids, generator()).select, whole)
    assert whole.sum() == 400 * 30


def test_both_masks_mix_whole_batches():
    both = BothMasks(MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER))
    ids, stream = rows(), generator()
    causal = 0
    for _ in range(400):
        batch = both(ids, stream)
        if batch.attention_mask is None:
            assert (batch.input_ids != ids).any() and len(batch.targets) == 8 * 3
        else:
            causal += 1
            assert torch.equal(batch.input_ids, ids) and len(batch.targets) == 8 * 18
            assert torch.equal(attention.visible(batch.attention_mask)[0, 0], torch.ones(20, 20).tril().bool())
    assert abs(causal - 200) < 4.5 * sqrt(400 * 0.5 * 0.5)


def test_under_a_mask_the_same_is_asked():
    mask, ids = attention.sliding_window_mask(2, 20), rows()
    asked, plain = UnderMask(CausalLM.of(TOKENIZER), mask)(ids, generator()), CausalLM.of(TOKENIZER)(ids, generator())
    assert torch.equal(asked.attention_mask, mask) and plain.attention_mask is None
    assert torch.equal(asked.targets, plain.targets) and torch.equal(asked.select, plain.select)


def test_one_body_under_both_masks_reads_as_the_decoder_does():
    """The causal half of BothMasks asks an encoder exactly what it asks its decoder twin."""
    from course_lib.model.bodies import with_mask

    torch.manual_seed(0)
    model, ids = tiny_bert(TOKENIZER, initializer_range=0.2).eval(), rows()
    both = BothMasks(MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER))
    alone = CausalLM.of(TOKENIZER)(ids, generator())
    causal = next(batch for seed in range(9) if (batch := both(ids, generator(seed))).attention_mask is not None)
    torch.testing.assert_close(
        loss_of(model, causal), loss_of(with_mask(model, causal=True), alone), atol=1e-5, rtol=1e-5
    )


# --- every mask ---------------------------------------------------------------------------------------------------
TEXTS = torch.tensor([[CLS, *range(first, first + 30), SEP] for first in (10, 20, 35)])


def every_mask_batches(n=300):
    goal, generator = EveryMask.of(TOKENIZER, cut=True), torch.Generator().manual_seed(1)
    return [goal(TEXTS, generator) for _ in range(n)]


def test_every_mask_is_drawn_and_each_is_one_of_attention_s():
    kinds = {"bidirectional": 0, "causal": 0, "prefix": 0, "window": 0}
    for batch in every_mask_batches(600):
        length = batch.input_ids.shape[1]
        mask = batch.attention_mask
        if mask is None:
            kinds["bidirectional"] += 1
        elif torch.equal(mask, attention.causal_mask(length)):
            kinds["causal"] += 1
        elif any(torch.equal(mask, attention.sliding_window_mask(n, length)) for n in range(1, EveryMask.WIDEST + 1)):
            kinds["window"] += 1
        else:
            assert any(torch.equal(mask, attention.prefix_mask(n, length)) for n in range(1, length + 1))
            kinds["prefix"] += 1
    assert 0.25 < kinds["bidirectional"] / 600 < 0.45 and 0.25 < kinds["causal"] / 600 < 0.45
    assert 0.08 < kinds["prefix"] / 600 < 0.25 and 0.08 < kinds["window"] / 600 < 0.25


def test_rows_are_cut_after_a_word_and_end_in_sep():
    lengths = [batch.input_ids.shape[1] for batch in every_mask_batches()]
    assert min(lengths) == EveryMask.SHORTEST + 2 and max(lengths) == 32
    assert 0.4 < np.mean(np.array(lengths) == 32) < 0.6
    for batch in every_mask_batches(50):
        assert (batch.input_ids[:, 0] == 2).all() and (batch.input_ids[:, -1] == 3).all()


def test_a_hidden_word_is_asked_for_itself_and_a_visible_one_at_most_for_the_next():
    seen = set()
    for batch in every_mask_batches():
        length = batch.input_ids.shape[1]
        rows = torch.cat([TEXTS[:, : length - 1], torch.full((3, 1), 3)], dim=1)
        wanted, at = batch.targets.tolist(), batch.select.nonzero().tolist()
        looks_ahead = batch.attention_mask is None or bool(attention.visible(batch.attention_mask)[0, 0, 0, 1:].any())
        for (b, t), word in zip(at, wanted, strict=True):
            hidden = batch.input_ids[b, t] == TOKENIZER.mask_token_id
            assert word == rows[b, t] if hidden else word == rows[b, t + 1]
            assert hidden or not looks_ahead, "the next word must not stand in view"
            assert t < length - 1 and (hidden or t < length - 2), "[SEP] is never asked for"
            seen.add(bool(hidden))
        shown = batch.input_ids != TOKENIZER.mask_token_id
        assert torch.equal(batch.input_ids[shown], rows[shown]), "nothing but [MASK] is written"
    assert seen == {True, False}


def test_the_rates_are_drawn_and_the_generator_decides_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    shares = [(b.input_ids == TOKENIZER.mask_token_id).float().mean().item() * 32 / 30 for b in every_mask_batches()]
    assert min(shares) < 0.1 and max(shares) > 0.4
    assert abs(np.mean(shares) - np.mean(RATES)) < 0.05
    assert torch.equal(before, torch.get_rng_state())
    again = [b.targets.tolist() for b in every_mask_batches(20)]
    assert again == [b.targets.tolist() for b in every_mask_batches(20)]


def only(kind):
    """EveryMask that draws one kind of mask: 0 bidirectional, 1 causal, 2 prefix, 3 window."""
    return EveryMask.of(TOKENIZER, shares=tuple(float(kind == i) for i in range(4)))


@pytest.mark.parametrize("kind", range(4))
def test_every_mask_asks_for_no_special_token_and_sees_no_padding(kind):
    """[CLS] 10 11 12 [SEP] 13 [SEP] [PAD]: what each position is asked for, written out."""
    row = torch.tensor([[CLS, 10, 11, 12, SEP, 13, SEP, PAD]] * 2)
    row[1, 5:7] = torch.tensor([SEP, PAD])
    following, stream, seen = {0: 10, 1: 11, 2: 12, 4: 13}, generator(), set()
    for _ in range(60):
        batch = only(kind)(row, stream)
        for b, t, wanted in zip(*batch.select.nonzero().T.tolist(), batch.targets.tolist(), strict=True):
            hidden = batch.input_ids[b, t] == TOKENIZER.mask_token_id
            assert wanted == row[b, t] if hidden else (kind in (1, 3) and wanted == following[t])
            assert wanted not in TOKENIZER.all_special_ids
            seen.add((t, bool(hidden)))
        mask = batch.attention_mask
        if kind == 0:
            assert torch.equal(mask, row != PAD)
        else:
            assert not attention.visible(mask)[0, 0, :6, 6:].any()  # six positions of the shorter row are real
    assert {(t, True) for t in (1, 2, 3, 5)} <= seen
    assert ({(t, False) for t in following} <= seen) is (kind in (1, 3))


@pytest.mark.parametrize(
    "objective", [MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER, 0.5), EveryMask.of(TOKENIZER)]
)
def test_the_rows_are_left_as_they_are_and_the_seed_decides(objective):
    ids = rows()
    before = ids.clone()
    first, again = objective(ids, generator(5)), objective(ids, generator(5))
    assert torch.equal(ids, before)
    assert torch.equal(first.select, again.select) and torch.equal(first.targets, again.targets)
