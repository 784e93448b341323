"""The speed tricks compute what the plain way computes: logits, and three steps of training."""

import random
from dataclasses import fields, replace

import pytest
import torch
from test_loop import CAUSAL, MASKED, ROWS, SMALL, TOKENIZER, weights
from transformers import BertForSequenceClassification, RobertaConfig, RobertaForMaskedLM

from course_lib import runtime
from course_lib.apply.translation import Translation, tiny_encoder_decoder
from course_lib.experiments.world import ModernBertForPairs
from course_lib.model import fast
from course_lib.model.bodies import causal_bert, modern_bert, pair_bert, tiny_bert, tiny_gpt
from course_lib.text.packing import balanced_pairs
from course_lib.train.evaluation import HeldOut
from course_lib.train.loop import train
from course_lib.train.masking import Masking
from course_lib.train.objectives import BothMasks, MaskedLM, PreTraining
from course_lib.train.whole_words import WholeWordMasking

pytestmark = pytest.mark.usefixtures("one_cold_cpu")

PADDED = ROWS.clone()
PADDED[::2, -3:] = torch.tensor([TOKENIZER.sep_token_id, *[TOKENIZER.pad_token_id] * 2])
TEXTS = [[[random.Random(i).randrange(5, 13)] * 3 for i in range(d, d + 4)] for d in range(30)]
PAIRS = balanced_pairs(TOKENIZER, TEXTS, 16, random.Random(0), sentences=2)
TRANSLATIONS = torch.tensor([[2, 6, 7, 3, 8, 9, 3, 0], [2, 6, 3, 9, 3, 0, 0, 0]] * 8)
PAD = TOKENIZER.pad_token_id


def roberta(tokenizer, **small):
    return RobertaForMaskedLM(RobertaConfig(
        vocab_size=len(tokenizer), num_attention_heads=4, max_position_embeddings=40, pad_token_id=PAD,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **small))  # fmt: skip


def gpt(tokenizer, attn_implementation=fast.ATTENTION, **small):
    return tiny_gpt(tokenizer, n_embd=32, n_layer=2, attn_implementation=attn_implementation)


def causal_pairs(tokenizer, **small):
    return pair_bert(tokenizer, causal=True, **small)


WHOLE = MaskedLM(WholeWordMasking(**vars(Masking.of(TOKENIZER)) | {"continuations": (7,)}))
EVERY = {
    "masked": (tiny_bert, MASKED, PADDED), "masked, RoBERTa": (roberta, MASKED, PADDED),
    "masked, two heads": (pair_bert, MASKED, PADDED), "whole words": (tiny_bert, WHOLE, ROWS),
    "causal": (causal_bert, CAUSAL, PADDED), "GPT": (gpt, CAUSAL, ROWS),
    "both masks": (tiny_bert, BothMasks(MASKED, CAUSAL), ROWS),
    "pairs": (pair_bert, PreTraining(PAD), PAIRS), "words and pairs": (pair_bert, PreTraining(PAD, MASKED), PAIRS),
    "no pairs": (pair_bert, PreTraining(PAD, MASKED, None), PAIRS),
    "pairs, left to right": (causal_pairs, PreTraining(PAD, CAUSAL, "last"), PAIRS),
    "encoder-decoder": (tiny_encoder_decoder, Translation.of(TOKENIZER), TRANSLATIONS),
    "prefix": (tiny_bert, Translation.of(TOKENIZER, reader="prefix"), TRANSLATIONS),
}  # fmt: skip


@pytest.fixture(params=EVERY)
def case(request):
    build, objective, rows = EVERY[request.param]

    def made(**settings):
        runtime.seed_all(0)
        return build(TOKENIZER, **SMALL | {"num_hidden_layers": 2} | settings)

    return made, objective, rows


def plain(patch):
    """Take every trick away."""
    patch.setattr(fast, "knows", lambda model: False)


def test_the_logits_are_those_of_the_plain_way(case, monkeypatch):
    build, objective, rows = case
    model, batch = build().eval(), objective(rows[:16], torch.Generator().manual_seed(0))
    found = batch.logits(model)
    plain(monkeypatch)
    expected = batch.logits(model.eval())
    assert found[0].shape == (len(batch.targets), len(TOKENIZER)) and (found[1] is None) == (batch.pair_labels is None)
    for ours, theirs in zip(found, expected, strict=True):
        if ours is not None:
            torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-5)


def test_three_steps_of_training_are_those_of_the_plain_way(case, monkeypatch):
    """With eager attention, the forward pass of transformers itself, and an optimizer that is not fused."""
    build, objective, rows = case
    sooner = build()
    quick = train(sooner, rows, objective, 3, batch_size=8, learning_rate=1e-3)
    plain(monkeypatch)
    adamw = torch.optim.AdamW
    monkeypatch.setattr(torch.optim, "AdamW", lambda *args, **given: adamw(*args, **given | {"fused": False}))
    slowly = build(attn_implementation="eager")
    slow = train(slowly, rows, objective, 3, batch_size=8, learning_rate=1e-3)
    assert quick.loss == pytest.approx(slow.loss, rel=1e-5)
    assert quick.accuracy == slow.accuracy and quick.pair_accuracy == slow.pair_accuracy
    theirs = weights(slowly)
    for name, value in weights(sooner).items():
        if not name.endswith("key.bias"):  # no gradient but rounding noise, which Adam scales up to whole steps
            torch.testing.assert_close(value, theirs[name], atol=2e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_held_out_score_is_that_of_the_plain_way(precision, monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", precision)
    runtime.seed_all(0)
    model, held_out = tiny_bert(TOKENIZER, **SMALL), HeldOut(PADDED, MASKED)
    found = held_out.score(model).loss
    plain(monkeypatch)
    assert held_out.score(model).loss == pytest.approx(found, abs=1e-6 if precision == "fp32" else 5e-3)


def test_in_bfloat16_a_head_meets_few_numbers_of_rows_and_answers_those_that_were_asked(monkeypatch):
    """oneDNN keeps what it compiles for each number of rows, which would be another one at every step."""
    monkeypatch.setenv("COURSE_PRECISION", "bf16")
    model, met = tiny_bert(TOKENIZER, **SMALL).eval(), set()
    model.cls.predictions.register_forward_pre_hook(lambda _, inputs: met.add(len(inputs[0])))
    seen = {"input_ids": ROWS, "attention_mask": None, "token_type_ids": None}
    everywhere = torch.arange(100)
    with torch.no_grad(), fast.autocast(torch.device("cpu")):
        whole, _ = fast.logits(model, seen, everywhere)
        for n in (1, 31, 32, 33, 64, 0):
            words, _ = fast.logits(model, seen, everywhere[:n])
            assert words.shape == (n, whole.shape[1])
            torch.testing.assert_close(words, whole[:n], rtol=0.02, atol=0.02)
    assert met == {32, 64, 128, 0}


def test_a_batch_on_a_device_has_been_counted_before():
    """A number that is counted on a GPU must be waited for: what moved is not counted again."""
    batch = MASKED(PADDED[:4], torch.Generator().manual_seed(0))
    moved = batch.to(torch.device("meta"))  # holds shapes and no values: to count there would be an error
    assert moved.positions.shape == (len(batch.targets),)
    assert moved.tokens == batch.tokens == int((PADDED[:4] != PAD).sum())
    held = [getattr(moved, field.name) for field in fields(moved)]
    assert {part.device.type for part in held if part is not None} == {"meta"}
    assert torch.equal(batch.select.flatten()[batch.positions], torch.ones(len(batch.targets)).bool())


def test_a_model_without_the_head_is_named():
    batch = MASKED(ROWS[:2], torch.Generator())
    model = tiny_bert(TOKENIZER, **SMALL)
    with pytest.raises(TypeError, match="BertForSequenceClassification has no head for words"):
        batch.logits(BertForSequenceClassification(model.config))
    with pytest.raises(TypeError, match="BertForMaskedLM has no head for pairs: build the model with bodies.pair_bert"):
        PreTraining(PAD)(PAIRS[:2], torch.Generator()).logits(model)


def test_a_modern_bert_judges_a_pair_from_its_first_token_and_reads_words_as_ever():
    runtime.seed_all(0)
    model = modern_bert(TOKENIZER, kind=ModernBertForPairs, hidden_size=32, intermediate_size=32).eval()
    batch = PreTraining(PAD, MaskedLM(Masking.of(TOKENIZER)))(PAIRS[:8], torch.Generator().manual_seed(0))
    with torch.no_grad():
        words, pairs = batch.logits(model)
        hidden = model.model(batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        torch.testing.assert_close(pairs, model.judge(hidden[:, 0]), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(words, model.decoder(model.head(hidden[batch.select])), atol=1e-5, rtol=1e-4)
    last = replace(batch, judge_at=batch.attention_mask.sum(dim=1) - 1)
    with torch.no_grad():
        assert not torch.allclose(last.logits(model)[1], pairs)
