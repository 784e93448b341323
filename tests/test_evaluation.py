"""Floors, ceilings and scores: against the brute count of a cut-down town, and never below a trained model."""

import math
from collections import Counter

import brute_force
import numpy as np
import pytest
import torch

from course_lib import runtime
from course_lib.model.bodies import logits_at, tiny_bert, tiny_gpt, with_mask
from course_lib.text.packing import Pairs, blocks
from course_lib.text.tokenization import word_tokenizer
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle
from course_lib.train.evaluation import HeldOut, Score, ceiling, floor, next_word_ceiling
from course_lib.train.loop import train
from course_lib.train.masking import Masking
from course_lib.train.objectives import BothMasks, CausalLM, MaskedLM, PreTraining

N = 6  # words per row
TEXTS = brute_force.texts(N)
TOWN = TinyTown.from_dict(brute_force.GRAMMAR)
TOKENIZER = word_tokenizer(TOWN.vocabulary)
MASKED = MaskedLM(Masking.of(TOKENIZER, rate=0.3, mask=1.0, random=0.0))
CAUSAL = CausalLM.of(TOKENIZER)


def rows_of(n, seed, town=TOWN, tokenizer=TOKENIZER, words=N):
    stories = town.stories(n, seed)
    ids = [[tokenizer.convert_tokens_to_ids(sentence) for sentence in story.sentences] for story in stories]
    return blocks(tokenizer, ids, words + 2)


ROWS = rows_of(60, seed=1)


@pytest.fixture(scope="module")
def oracle():
    return Oracle(TOWN)


@pytest.fixture(autouse=True)
def fp32(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "fp32")
    monkeypatch.setenv("COURSE_DEVICE", "cpu")


def words_of(ids):
    return TOKENIZER.convert_ids_to_tokens(ids.tolist())[1:-1]


def brute(batch, seen_of):
    """-log P(right word) and whether the best guess was right, for each question of a batch, by counting texts."""
    nats, right = [], []
    for row, select in zip(ROWS, batch.select, strict=True):
        words = words_of(row)
        for t in range(N):
            seen = seen_of(words, select, t)
            if seen is None:
                continue
            p = brute_force.condition(TEXTS, seen, t)
            nats.append(-math.log(p[words[t]]))
            right.append(p)
    return nats, right


def check(score, nats, distributions):
    np.testing.assert_allclose(score.nats, nats, atol=1e-9)
    targets_right = [max(p.values()) for p in distributions]
    # Where two guesses are equally good either may count as right; where one is best it must be that one.
    for is_right, nat, best in zip(score.right, nats, targets_right, strict=True):
        if abs(math.exp(-nat) - best) > 1e-9:
            assert not is_right
    clear = [abs(math.exp(-n) - b) < 1e-9 and sum(abs(v - b) < 1e-9 for v in p.values()) == 1
             for n, b, p in zip(nats, targets_right, distributions, strict=True)]  # fmt: skip
    assert score.right[np.array(clear)].all() and sum(clear) > 20 and not score.right.all()
    assert score.loss == pytest.approx(np.mean(nats)) and score.perplexity == pytest.approx(math.exp(np.mean(nats)))


# --- ceilings
@pytest.mark.parametrize("left_only", [False, True])
def test_the_ceiling_is_the_count(oracle, left_only):
    held_out = HeldOut(ROWS, MASKED)

    def seen_of(words, select, t):
        if not select[t + 1]:
            return None
        hidden = [u for u in range(N) if select[u + 1]]
        return {u: w for u, w in enumerate(words) if u not in hidden and (u < t or not left_only)}

    check(ceiling(oracle, TOKENIZER, held_out, left_only), *brute(held_out.batch, seen_of))


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_next_word_ceiling_is_the_count(oracle, share):
    held_out = HeldOut(ROWS, CausalLM.of(TOKENIZER, share))

    def seen_of(words, select, t):  # place t + 1 of the row is asked for at place t
        return dict(enumerate(words[:t])) if select[t] else None

    score = next_word_ceiling(oracle, TOKENIZER, held_out)
    check(score, *brute(held_out.batch, seen_of))
    assert len(score.nats) == len(held_out.batch.targets)
    if share == 1.0:
        total = sum(oracle.log_prob(words_of(row)) for row in ROWS)
        assert score.loss == pytest.approx(-total / (60 * N), abs=1e-9)


@pytest.mark.parametrize("left_only", [False, True])
def test_the_ceiling_under_corruption_is_the_count(oracle, left_only):
    masking = Masking.of(TOKENIZER, rate=0.3, mask=0.5, random=0.3)
    held_out = HeldOut(ROWS[:25], MaskedLM(masking))
    score = ceiling(oracle, TOKENIZER, held_out, left_only, rate=0.3, random=0.3, keep=0.2)
    nats = []
    for row, inputs, select in zip(ROWS, held_out.batch.input_ids, held_out.batch.select, strict=False):
        observed = [None if w == "[MASK]" else w for w in words_of(inputs)]
        for t in range(N):
            if select[t + 1]:
                p = brute_force.restore(TEXTS, oracle.vocabulary, observed, t, 0.3, 0.3, 0.2, left_only)
                nats.append(-math.log(p[words_of(row)[t]]))
    np.testing.assert_allclose(score.nats, nats, atol=1e-9)


def test_the_ceiling_asks_how_words_were_corrupted(oracle):
    """Without it, a kept word would divide 0 by 0, and any model would beat NaN."""
    held_out = HeldOut(ROWS, MaskedLM(Masking.of(TOKENIZER, rate=0.5)))
    with pytest.raises(ValueError, match=r"was selected, yet is visible.*random=0\.1, keep=0\.1"):
        ceiling(oracle, TOKENIZER, held_out)


def test_the_ceilings_are_in_order():
    """Seeing more never hurts: floor < left-only < two-sided, on the course's own town."""
    town = TinyTown.load()
    tokenizer, oracle = word_tokenizer(town.vocabulary), Oracle(town)
    rows = rows_of(100, 2, town, tokenizer, 30)
    held_out = HeldOut(rows, MaskedLM(Masking.of(tokenizer, mask=1.0, random=0.0)))
    low = floor(rows_of(500, 3, town, tokenizer, 30), held_out, tokenizer.all_special_ids)
    left, both = (ceiling(oracle, tokenizer, held_out, left_only) for left_only in (True, False))
    assert low.accuracy + 0.2 < left.accuracy < both.accuracy - 0.1
    assert low.loss > left.loss + 0.5 > both.loss + 0.6


# --- floor
def test_the_floor_is_word_frequency():
    held_out = HeldOut(ROWS, MASKED)
    train_rows = rows_of(300, seed=5)
    counts = Counter(word for row in train_rows for word in words_of(row))
    total, score = sum(counts.values()), floor(train_rows, held_out, TOKENIZER.all_special_ids)
    targets = TOKENIZER.convert_ids_to_tokens(held_out.batch.targets.tolist())
    expected = [-math.log(counts[word] / total) for word in targets]
    np.testing.assert_allclose(score.nats, expected, atol=1e-3)
    assert score.accuracy == np.mean([word == counts.most_common(1)[0][0] for word in targets])


def test_an_unseen_word_is_improbable_not_impossible():
    held_out = HeldOut(ROWS, MASKED)
    one_word = torch.full((3, N + 2), int(ROWS[0, 1]))
    score = floor(one_word, held_out, TOKENIZER.all_special_ids)
    assert np.isfinite(score.nats).all() and score.nats.max() > 5


# --- never beaten
@pytest.mark.slow
@pytest.mark.parametrize("reader", ["two-sided", "left-only", "next word"])
def test_a_trained_model_comes_near_the_ceiling_and_never_above(oracle, reader):
    """Per question: nats of the model less nats of the oracle. Its mean may fall below 0 by sampling error only."""
    torch.set_num_threads(1)
    runtime.seed_all(0)
    objective = CAUSAL if reader == "next word" else MASKED
    if reader == "next word":
        model = tiny_gpt(TOKENIZER, n_embd=64)
    else:
        model = tiny_bert(TOKENIZER, hidden_size=64, intermediate_size=128)
    if reader == "left-only":
        model = with_mask(model, causal=True)
    held_out = HeldOut(rows_of(400, seed=7), objective)
    untrained = held_out.score(model)
    train(model, rows_of(4000, seed=8), objective, 250, batch_size=64, learning_rate=5e-3)
    score = held_out.score(model)
    if reader == "next word":
        best = next_word_ceiling(oracle, TOKENIZER, held_out)
    else:
        best = ceiling(oracle, TOKENIZER, held_out, left_only=reader == "left-only")
    gap = score.nats - best.nats
    error = gap.std(ddof=1) / math.sqrt(len(gap))
    assert gap.mean() >= -3 * error
    assert gap.mean() < 0.15 < untrained.loss - best.loss  # it learnt: the bound above says something
    hits = score.right.astype(float) - best.right
    assert hits.mean() <= 3 * max(hits.std(ddof=1), 0.1) / math.sqrt(len(hits))


def test_a_reader_that_peeks_is_caught(oracle):
    """The bound has teeth: a two-sided reader held against the left-only ceiling breaks it."""
    held_out = HeldOut(rows_of(400, seed=7), MASKED)
    two, left = (ceiling(oracle, TOKENIZER, held_out, left_only) for left_only in (False, True))
    gap = two.nats - left.nats
    assert gap.mean() < -3 * gap.std(ddof=1) / math.sqrt(len(gap))


# --- held-out questions
def test_every_model_answers_the_same_questions():
    held_out, again, other = HeldOut(ROWS, MASKED), HeldOut(ROWS, MASKED), HeldOut(ROWS, MASKED, seed=5)
    assert torch.equal(held_out.batch.input_ids, again.batch.input_ids)
    assert held_out.batch is held_out.batch
    assert not torch.equal(held_out.batch.input_ids, other.batch.input_ids)


@pytest.mark.parametrize(
    "objective", [MASKED, CAUSAL, BothMasks(MASKED, CAUSAL)], ids=["masked", "causal", "both"]
)
def test_a_score_is_the_model_s_own_loss(objective):
    torch.manual_seed(0)
    model = tiny_bert(TOKENIZER, initializer_range=0.3, hidden_dropout_prob=0.5)
    held_out = HeldOut(ROWS, objective)
    model.train()
    score = held_out.score(model)
    assert model.training  # as it was found
    batch = held_out.batch
    with torch.no_grad():
        logits = logits_at(model.eval(), batch.input_ids, batch.select, batch.attention_mask)
        loss = torch.nn.functional.cross_entropy(logits, batch.targets)
    assert score.loss == pytest.approx(loss.item(), rel=1e-5)
    assert score.accuracy == pytest.approx((logits.argmax(1) == batch.targets).float().mean().item())
    assert held_out(model) == {"held-out loss": score.loss, "held-out accuracy": score.accuracy}
    for rows_at_once in (1, 7, 60):  # the order of the answers does not depend on the chunks
        torch.testing.assert_close(
            held_out.log_probabilities(model, rows_at_once)[0], logits.log_softmax(-1), atol=1e-4, rtol=1e-4
        )


def test_scores_can_be_grouped():
    score = Score(np.array([1.0, 2.0, 3.0]), np.array([True, False, False]))
    assert (score.loss, score.accuracy) == (2.0, pytest.approx(1 / 3))
    part = score.at(np.array([True, False, True]))
    assert part.nats.tolist() == [1.0, 3.0] and part.accuracy == 0.5
    assert score.perplexity == pytest.approx(math.exp(2))


# --- what cannot be asked is told
def test_questions_that_ask_nothing_or_do_not_fit_are_named():
    model = tiny_bert(TOKENIZER, hidden_size=32, intermediate_size=64, max_position_embeddings=8)
    empty = torch.tensor([[TOKENIZER.cls_token_id, TOKENIZER.sep_token_id]] * 3)
    with pytest.raises(ValueError, match="MaskedLM asks for nothing in these 3 rows: give rows that hold words"):
        HeldOut(empty, MASKED).score(model)
    pairs = Pairs(ROWS, torch.zeros_like(ROWS), torch.zeros(len(ROWS)).long(), torch.zeros(len(ROWS), 2, 3), "swapped")
    with pytest.raises(ValueError, match="PreTraining asks about pairs only: use pair_score"):
        HeldOut(pairs, PreTraining(TOKENIZER.pad_token_id)).score(model)
    with pytest.raises(ValueError, match="Token id .* is outside the model's vocabulary of .*build the model with"):
        HeldOut(ROWS + 900, CAUSAL).score(model)
    with pytest.raises(ValueError, match="Rows of 16 tokens do not fit a model with 8 positions"):
        HeldOut(torch.cat([ROWS, ROWS], dim=1), CAUSAL).score(model)
