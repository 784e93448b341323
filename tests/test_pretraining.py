"""Words and pairs in one batch: the loss is the one of transformers, padding is invisible, both heads learn."""

import random
from dataclasses import fields, replace
from math import log

import pytest
import torch
from torch.nn import functional as F
from transformers import BertForPreTraining

from course_lib import runtime
from course_lib.model.bodies import pair_bert, tiny_bert
from course_lib.text.packing import balanced_pairs, doc_sentences
from course_lib.text.tokenization import encode_documents, word_tokenizer
from course_lib.town.language import TinyTown
from course_lib.town.oracle import NEGATIVES, Oracle
from course_lib.train.evaluation import HeldOut, pair_ceiling
from course_lib.train.loop import fit, train
from course_lib.train.masking import IGNORE, Masking
from course_lib.train.objectives import CausalLM, MaskedLM, PreTraining

TOKENIZER = word_tokenizer([f"w{i:02d}" for i in range(60)])
PAD, SEP = TOKENIZER.pad_token_id, TOKENIZER.sep_token_id
SMALL = dict(hidden_size=32, intermediate_size=64, num_attention_heads=2, max_position_embeddings=24)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def topics(n, seed=0):
    """Documents of two kinds: all words below 20, or all from 20 on."""
    draw = random.Random(seed)
    return [[[5 + 20 * (d % 2) + draw.randrange(20) for _ in range(draw.randint(1, 4))] for _ in range(4)]
            for d in range(n)]  # fmt: skip


PAIRS = balanced_pairs(TOKENIZER, topics(40), 24, random.Random(0), sentences=2)
MASKED = MaskedLM(Masking.of(TOKENIZER))


def build(causal=False, **overrides):
    torch.manual_seed(0)
    return pair_bert(TOKENIZER, causal, **SMALL | {"initializer_range": 0.3} | overrides).eval()


@pytest.mark.parametrize("causal", [False, True])
def test_the_loss_is_the_one_of_transformers(causal):
    """Mean of the masked words plus mean of the pairs (BERT, appendix A.2)."""
    model, masked = build(causal), MASKED.masking(PAIRS.input_ids, generator(3))
    batch = PreTraining(PAD, MASKED)(PAIRS, generator(3))
    theirs = model(
        masked.input_ids, attention_mask=(PAIRS.input_ids != PAD).long(), token_type_ids=PAIRS.token_type_ids,
        labels=masked.labels, next_sentence_label=PAIRS.labels,
    )  # fmt: skip
    words, pair = batch.logits(model)
    torch.testing.assert_close(pair, theirs.seq_relationship_logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(words, theirs.prediction_logits[masked.selected], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(batch.loss(words, pair), theirs.loss, atol=1e-5, rtol=1e-5)
    parts = F.cross_entropy(words, batch.targets) + F.cross_entropy(pair, PAIRS.labels)
    torch.testing.assert_close(batch.loss(words, pair), parts)
    assert (masked.labels[PAIRS.input_ids == PAD] == IGNORE).all() and len(batch.targets) == masked.selected.sum()


@pytest.mark.parametrize("causal,judge_at", [(False, "first"), (True, "last"), (False, "last")])
@pytest.mark.parametrize("words", [MASKED, None, CausalLM.of(TOKENIZER)])
def test_padding_changes_nothing(causal, judge_at, words):
    model, objective = build(causal), PreTraining(PAD, words, judge_at)
    for row in range(6):
        batch = objective(PAIRS[row : row + 1], generator())
        size = int((PAIRS.input_ids[row] != PAD).sum())
        short = replace(
            PAIRS[row : row + 1], input_ids=PAIRS.input_ids[row : row + 1, :size],
            token_type_ids=PAIRS.token_type_ids[row : row + 1, :size],
        )  # fmt: skip
        alone = objective(short, generator())
        if words is MASKED:  # with the same words hidden: the draw depends on the length of the row
            same = dict(input_ids=batch.input_ids[:, :size], select=batch.select[:, :size], targets=batch.targets)
            alone = replace(alone, **same)
        for with_padding, without in zip(batch.logits(model), alone.logits(model), strict=True):
            torch.testing.assert_close(with_padding, without, atol=1e-5, rtol=1e-5)


def test_rows_of_one_text_hide_their_padding_too():
    torch.manual_seed(0)
    model = tiny_bert(TOKENIZER, **SMALL | {"initializer_range": 0.3}).eval()
    rows = doc_sentences(TOKENIZER, topics(6), 24)
    batch = MASKED(rows, generator())
    assert torch.equal(batch.attention_mask, rows != PAD) and batch.tokens == (rows != PAD).sum() < rows.numel()
    theirs = model(batch.input_ids, attention_mask=(rows != PAD).long()).logits[batch.select]
    torch.testing.assert_close(batch.logits(model)[0], theirs, atol=1e-5, rtol=1e-5)


def test_a_pair_is_judged_from_cls_or_from_the_last_real_token():
    """Under the causal mask [CLS] sees nothing but itself: the same answer for every pair."""
    first, last = (PreTraining(PAD, None, at)(PAIRS, generator()) for at in ("first", "last"))
    assert first.judge_at is None and (PAIRS.input_ids.gather(1, last.judge_at[:, None]) == SEP).all()
    assert len(first.targets) == 0 and first.tokens == (PAIRS.input_ids != PAD).sum()
    body = build(causal=True)
    blind, seeing = (batch.logits(body)[1] for batch in (first, last))
    assert torch.allclose(blind, blind[:1].expand_as(blind), atol=1e-6) and seeing.std(dim=0).min() > 0.01
    hidden = body.bert(PAIRS.input_ids, (PAIRS.input_ids != PAD).long(), PAIRS.token_type_ids).last_hidden_state
    at_end = hidden[torch.arange(len(PAIRS)), (PAIRS.input_ids != PAD).sum(1) - 1]
    expected = body.cls.seq_relationship(body.bert.pooler(at_end[:, None]))
    torch.testing.assert_close(seeing, expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="judge_at='middle': a pair is judged from"):
        PreTraining(PAD, None, "middle")


def test_a_batch_splits_into_the_same_questions():
    batch = PreTraining(PAD, MASKED, "last")(PAIRS, generator())
    parts = list(batch.split(7))
    assert [len(part.input_ids) for part in parts][:2] == [7, 7] and len(parts) == -(-len(PAIRS) // 7)
    for name in [field.name for field in fields(batch)]:
        torch.testing.assert_close(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))
    assert all(len(part.targets) == part.select.sum() for part in parts)


@pytest.mark.parametrize("causal,judge_at,words", [
    (False, "first", MASKED), (False, "first", None), (True, "last", CausalLM.of(TOKENIZER)),
])  # fmt: skip
def test_both_heads_learn(causal, judge_at, words):
    """So few pairs can be learned by heart."""
    model, objective, few = build(causal, initializer_range=0.1), PreTraining(PAD, words, judge_at), PAIRS[:24]
    held_out = HeldOut(few, objective)
    history = train(model, few, objective, 120, batch_size=24, learning_rate=3e-3, evaluate=held_out, evaluations=3)
    pair = history.evals["pair accuracy"]
    assert pair[-1] == held_out.pair_score(model).accuracy > 0.95
    assert history.tokens[-1] == 120 * int((few.input_ids != PAD).sum())  # without padding
    if words is None:
        assert "held-out loss" not in history.evals and history.accuracy[-1] > 0.9  # of the pairs
    else:
        assert history.evals["held-out loss"][-1] < history.evals["held-out loss"][0]


def test_a_checkpoint_opens_with_from_pretrained_and_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))

    def again(labels=PAIRS.labels):
        rows = type(PAIRS)(PAIRS.input_ids, PAIRS.token_type_ids, labels, PAIRS.origins, PAIRS.negative)
        return fit(build, rows, PreTraining(PAD, MASKED), 3, tokenizer=TOKENIZER, batch_size=8)[0]

    model = again()
    [entry] = runtime.cache_dir().iterdir()
    twin = BertForPreTraining.from_pretrained(entry)
    for key, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[key])
    again()
    assert len(list(runtime.cache_dir().iterdir())) == 1
    again(1 - PAIRS.labels)  # other labels are other data
    assert len(list(runtime.cache_dir().iterdir())) == 2


@pytest.mark.parametrize("negative,matched", [*((n, False) for n in NEGATIVES), ("other document", True)])
def test_the_ceiling_of_pairs_knows_how_sure_it_may_be(negative, matched):
    town = TinyTown.load()
    tokenizer, oracle = word_tokenizer(town.vocabulary), Oracle(town)
    texts = [[" ".join(words) for words in story.sentences] for story in town.stories(300, seed=5)]
    ids = encode_documents(tokenizer, texts)
    pairs = balanced_pairs(tokenizer, ids, 64, random.Random(0), negative, 2, pairs=200, matched=matched)
    score = pair_ceiling(oracle, texts, pairs)
    assert score.accuracy > {"other document": 0.95}.get(negative, 0.7)
    assert score.loss < 0.6
    expected = []  # how surprised it expects to be is how surprised it is
    for spans, label, nats in zip(pairs.origins.tolist(), pairs.labels.tolist(), score.nats, strict=True):
        p = oracle.follows(*([s.split() for s in texts[d][i:j]] for d, i, j in spans), negative, matched=matched)
        assert nats == pytest.approx(-log((p, 1 - p)[label]))  # the reader was told how the pairs were made
        expected.append(sum(-q * log(q) for q in (p, 1 - p) if q > 0))
    assert abs(score.loss - sum(expected) / len(pairs)) < 4.5 * score.nats.std() / len(pairs) ** 0.5
