"""Objectives: who is asked what, and that the loss is the one that transformers computes."""

from math import sqrt

import pytest
import torch
from torch.nn import functional as F

from course_lib.attention import visible
from course_lib.masking import IGNORE, Masking
from course_lib.models import causal_bert, logits_at, tiny_bert, tiny_gpt
from course_lib.objectives import BothMasks, CausalLM, MaskedLM
from course_lib.tokenization import word_tokenizer

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


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_shares_outside_0_1_are_refused(share):
    with pytest.raises(ValueError, match=f"share={share}"):
        CausalLM.of(TOKENIZER, share)


def test_both_masks_mix_whole_batches():
    both = BothMasks(MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER), causal_share=0.25)
    ids, stream = rows(), generator()
    causal = 0
    for _ in range(400):
        batch = both(ids, stream)
        if batch.attention_mask is None:
            assert (batch.input_ids != ids).any() and len(batch.targets) == 8 * 3
        else:
            causal += 1
            assert torch.equal(batch.input_ids, ids) and len(batch.targets) == 8 * 18
            assert torch.equal(visible(batch.attention_mask)[0, 0], torch.ones(20, 20).tril().bool())
    assert abs(causal - 100) < 4.5 * sqrt(400 * 0.25 * 0.75)


def test_one_body_under_both_masks_reads_as_the_decoder_does():
    """The causal half of BothMasks asks an encoder exactly what it asks its decoder twin."""
    from course_lib.models import with_mask

    torch.manual_seed(0)
    model, ids = tiny_bert(TOKENIZER, initializer_range=0.2).eval(), rows()
    both = BothMasks(MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER), causal_share=1.0)
    alone = CausalLM.of(TOKENIZER)(ids, generator())
    torch.testing.assert_close(
        loss_of(model, both(ids, generator())), loss_of(with_mask(model, causal=True), alone), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("objective", [MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER, 0.5)])
def test_the_rows_are_left_as_they_are_and_the_seed_decides(objective):
    ids = rows()
    before = ids.clone()
    first, again = objective(ids, generator(5)), objective(ids, generator(5))
    assert torch.equal(ids, before)
    assert torch.equal(first.select, again.select) and torch.equal(first.targets, again.targets)
