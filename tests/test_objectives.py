"""Objectives: who is asked what, and that the loss is the one that transformers computes."""

from math import sqrt

import pytest
import torch
from torch.nn import functional as F

from course_lib.attention import prefix_mask, visible
from course_lib.masking import IGNORE, Masking
from course_lib.models import causal_bert, logits_at, tiny_bert, tiny_gpt
from course_lib.objectives import AnyMask, BothMasks, CausalLM, MaskedLM
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


MASK = TOKENIZER.mask_token_id


def any_mask(kind, **settings):
    """AnyMask that draws one kind of batch only: 0 bidirectional, 1 causal, 2 prefix."""
    return AnyMask(Masking.of(TOKENIZER, **settings), tuple(float(kind == i) for i in range(3)))


def asked(batch):
    """The labels as transformers writes them: int64 [B, T], -100 where nothing is asked."""
    return torch.full_like(batch.input_ids, IGNORE).masked_scatter(batch.select, batch.targets).tolist()


def by_hand(row, hidden, prefix, pad=PAD):
    """Say in a slow loop what AnyMask must ask of a row whose positions ``hidden`` are [MASK]: labels [T]."""
    labels = []
    for t, token in enumerate(row):
        following = row[t + 1] if t + 1 < len(row) else SEP
        sees_it = t + 1 < prefix
        if t in hidden:
            labels.append(token)
        elif token != pad and not sees_it and following not in TOKENIZER.all_special_ids:
            labels.append(following)
        else:
            labels.append(IGNORE)
    return labels


def test_any_mask_on_one_row_written_out():
    """[CLS] 10 11 12 [SEP] 13 14 [SEP] with 12 hidden: causal, then with a prefix of three and one that holds 12."""
    row, hidden = torch.tensor([[CLS, 10, 11, 12, SEP, 13, 14, SEP]]), torch.tensor([[0, 0, 0, 1, 0, 0, 0, 0]]).bool()

    class Hide12(Masking):
        def select(self, ids, generator):
            return hidden

    masking = Hide12.of(TOKENIZER)
    seen = [CLS, 10, 11, MASK, SEP, 13, 14, SEP]
    no = IGNORE
    wanted = {  # prefix: labels
        0: [10, 11, 12, 12, 13, 14, no, no],
        1: [10, 11, 12, 12, 13, 14, no, no],
        3: [no, no, 12, 12, 13, 14, no, no],
        4: [no, no, no, 12, 13, 14, no, no],  # the [SEP] after it is special: nobody is asked for it
        6: [no, no, no, 12, no, 14, no, no],
        7: [no, no, no, 12, no, no, no, no],
    }
    for prefix, labels in wanted.items():
        batch = AnyMask(masking)._from_the_left(row, masking, prefix, generator())
        assert batch.input_ids.tolist() == [seen], prefix
        assert asked(batch) == [labels] == [by_hand(row[0].tolist(), [3], prefix)], prefix
        can_see = [[key <= query or key < prefix for key in range(8)] for query in range(8)]
        assert batch.attention_mask.shape == (1, 1, 8, 8) and batch.attention_mask.dtype == torch.float32
        assert visible(batch.attention_mask)[0, 0].tolist() == can_see, prefix


@pytest.mark.parametrize("length", [3, 4, 20])
@pytest.mark.parametrize("padding", [0, 1])
def test_any_mask_asks_in_every_batch_what_the_slow_loop_asks(length, padding):
    ids, stream, prefixes = rows(6, length, padding), generator(), set()
    for _ in range(150):
        batch = any_mask(2, rate=0.3)(ids, stream)
        sees = visible(batch.attention_mask)[0, 0]
        prefix = int(sees[0].sum())  # what the first position sees
        prefixes.add(prefix)
        assert torch.equal(batch.attention_mask, prefix_mask(prefix if prefix > 1 else 0, length))
        hidden = batch.input_ids == MASK
        assert torch.equal(batch.input_ids.masked_scatter(hidden, ids[hidden]), ids)  # nothing else is changed
        assert asked(batch) == [
            by_hand(row, places.nonzero()[:, 0].tolist(), prefix)
            for row, places in zip(ids.tolist(), hidden, strict=True)
        ]
    assert prefixes == set(range(1, length - padding if padding == 0 else length - padding + 1))


def test_any_mask_under_the_causal_mask_hides_as_many_words_as_mlm_and_replaces_none():
    ids, masking = rows(200), Masking.of(TOKENIZER)
    batch = any_mask(1)(ids, generator())
    assert ((batch.input_ids != ids) == (batch.input_ids == MASK)).all()
    assert (batch.input_ids == MASK).sum(dim=1).tolist() == [3] * 200  # 15% of 20
    assert torch.equal(batch.attention_mask, prefix_mask(0, 20))
    mlm = any_mask(0)(ids, generator())
    assert mlm.attention_mask is None and len(mlm.targets) == 600
    kept_or_random = (mlm.input_ids != MASK) & mlm.select
    assert abs(int(kept_or_random.sum()) - 120) < 4.5 * sqrt(600 * 0.2 * 0.8)  # 80/10/10 as the masking says
    assert masking.mask == 0.8


def test_any_mask_mixes_its_three_masks_and_rates_as_told():
    ids, stream = rows(4, 20), generator()
    both, kinds, rates = AnyMask(Masking.of(TOKENIZER), (0.5, 0.3, 0.2), rates=(0.1, 0.5)), [0, 0, 0], []
    for _ in range(1000):
        batch = both(ids, stream)
        if batch.attention_mask is None:
            kinds[0] += 1
            rates.append(len(batch.targets) / 80)
        else:
            kinds[1 + (visible(batch.attention_mask)[0, 0].sum() > 210).item()] += 1
    prefixes = 200 * 18 / 19  # one prefix in 19 is of one position: the causal mask
    for count, wanted in zip(kinds, (500, 500 - prefixes, prefixes), strict=True):
        assert abs(count - wanted) < 4.5 * sqrt(wanted * (1 - wanted / 1000))
    assert min(rates) == 0.1 and max(rates) == 0.5 and abs(sum(rates) / len(rates) - 0.3) < 0.03


def test_any_mask_never_looks_at_padding_from_a_prefix_and_a_row_of_one_token_works():
    ids = rows(6, 20, padding=9)
    for _ in range(50):
        sees = visible(any_mask(2)(ids, generator(_)).attention_mask)[0, 0]
        assert not sees[:11, 11:].any()
    single = any_mask(2)(torch.tensor([[10]]), generator())
    assert single.input_ids.tolist() == [[MASK]] and single.targets.tolist() == [10]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.5, 0.4, 0.2), (1.2, -0.2, 0.0)])
def test_any_mask_refuses_shares_that_are_none(shares):
    with pytest.raises(ValueError, match="shares="):
        AnyMask(Masking.of(TOKENIZER), shares)


@pytest.mark.parametrize("rates", [(0.0, 0.5), (0.5, 0.1), (0.1, 1.0)])
def test_any_mask_refuses_rates_that_are_none(rates):
    with pytest.raises(ValueError, match="rates="):
        AnyMask(Masking.of(TOKENIZER), rates=rates)


@pytest.mark.parametrize(
    "objective", [MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER, 0.5), any_mask(1), any_mask(2)]
)
def test_the_rows_are_left_as_they_are_and_the_seed_decides(objective):
    ids = rows()
    before = ids.clone()
    first, again = objective(ids, generator(5)), objective(ids, generator(5))
    assert torch.equal(ids, before)
    assert torch.equal(first.select, again.select) and torch.equal(first.targets, again.targets)
