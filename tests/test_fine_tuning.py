"""Fine-tuning: transformers' own heads on the body's own weights, and scores between floor and ceiling."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import runtime
from course_lib.apply import fine_tuning
from course_lib.model import bodies
from course_lib.text import tokenization
from course_lib.town import tasks
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle

TOWN = TinyTown.load()
TOKENIZER = tokenization.word_tokenizer(TOWN.vocabulary)
STORIES = TOWN.stories(120, seed=7)
TASKS = {
    "topic": tasks.classify(TOKENIZER, STORIES),
    "tags": tasks.tag(TOKENIZER, STORIES),
    "kinds": tasks.tag(TOKENIZER, STORIES, "kind at first word"),
    "answers": tasks.answer(TOKENIZER, STORIES),
}
SMALL = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
BODIES = {
    "masked": lambda: bodies.tiny_bert(TOKENIZER, **SMALL),
    "causal": lambda: bodies.causal_bert(TOKENIZER, **SMALL),
}
POOLING = {"masked": "first", "causal": "last"}


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setenv("COURSE_PRECISION", "fp32")


def body(kind="masked", seed=0):
    runtime.seed_all(seed)
    return BODIES[kind]().eval()


def states(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


# --- heads
def test_rows_with_padding_are_refused():
    task = TASKS["topic"][:4]
    padded = replace(task, rows=torch.cat([task.rows[:, :-1], torch.zeros(4, 1).long()], dim=1))
    with pytest.raises(ValueError, match="Rows of 'topic' hold padding, which these heads would read: cut them"):
        fine_tuning.fine_tune(body(), padded, steps=1)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("task", TASKS)
def test_logits_are_those_of_the_transformers_class(kind, task):
    task, start = TASKS[task][:5], body(kind)
    model = fine_tuning.with_head(start, task, POOLING[kind]).eval()
    seen = {"input_ids": task.rows}
    if task.token_type_ids is not None:
        seen["token_type_ids"] = task.token_type_ids
    with torch.no_grad():
        found = fine_tuning.logits(model, fine_tuning.hidden_states(model, task))
        theirs = model(**seen)
    theirs = torch.stack([theirs.start_logits, theirs.end_logits], 2) if task.kind == "span" else theirs.logits
    torch.testing.assert_close(found, theirs, atol=1e-5, rtol=1e-4)
    assert type(model).__module__.startswith("transformers.")


@pytest.mark.parametrize("kind", BODIES)
def test_the_body_comes_along_and_the_head_is_fresh(kind):
    start = body(kind)
    models_made = []
    for seed in (1, 2):
        runtime.seed_all(seed)
        models_made.append(fine_tuning.with_head(start, TASKS["tags"], "last"))
    one, two = (model.state_dict() for model in models_made)
    brought = start.base_model.state_dict()
    for name, value in models_made[0].base_model.state_dict().items():
        assert torch.equal(value, brought[name]), name
    assert not torch.equal(one["classifier.weight"], two["classifier.weight"])


def test_the_mask_is_kept_or_changed():
    for kind, causal, expected in (("masked", None, False), ("causal", None, True), ("causal", False, False)):
        model = fine_tuning.with_head(body(kind), TASKS["tags"], causal=causal).eval()
        rows = TASKS["tags"].rows[:1]
        other = rows.clone()
        other[0, -2] = 7
        with torch.no_grad():
            early = (model(rows).logits - model(other).logits)[0, 3].abs().max().item()
        assert (early == 0) == expected, kind


@pytest.mark.parametrize("pooling", ["first", "mean", "last"])
def test_a_label_is_read_from_what_pooling_says(pooling):
    model = fine_tuning.with_head(body(), TASKS["topic"], pooling).eval()
    hidden = fine_tuning.hidden_states(model, TASKS["topic"][:4])
    summary = {"first": hidden[:, 0], "mean": hidden.mean(1), "last": hidden[:, 31]}[pooling]
    pooled = torch.tanh(model.bert.pooler.dense(summary))
    torch.testing.assert_close(fine_tuning.logits(model, hidden), model.classifier(pooled))


def test_what_cannot_work_is_refused():
    with pytest.raises(ValueError, match=r"Under a causal mask \[CLS\] sees nothing but itself: use pooling='last'"):
        fine_tuning.with_head(body("causal"), TASKS["topic"])


# --- training
@pytest.mark.parametrize("task", TASKS)
def test_frozen_trains_the_head_alone_and_otherwise_everything(task):
    start = body()
    before = states(start.base_model)
    for frozen in (True, False):
        model = fine_tuning.fine_tune(start, TASKS[task][:16], frozen=frozen, steps=3, seed=3)
        runtime.seed_all(3)
        fresh = fine_tuning.with_head(start, TASKS[task][:16]).state_dict()
        moved = {name for name, value in model.state_dict().items() if not torch.equal(value, fresh[name])}
        head = {name for name in fresh if name.startswith(("classifier", "qa_outputs")) or "pooler" in name}
        assert moved >= head and (moved == head) == frozen
        assert all(torch.equal(value, before[name]) for name, value in start.base_model.state_dict().items())


def test_the_same_seed_gives_the_same_model():
    runs = [states(fine_tuning.fine_tune(body(), TASKS["tags"][:8], steps=4, seed=s)) for s in (1, 1, 2)]
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert any(not torch.equal(runs[0][name], runs[2][name]) for name in runs[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("task", TASKS)
def test_a_few_rows_can_be_learned_by_heart(kind, task, monkeypatch):
    monkeypatch.setitem(fine_tuning.RATES, False, 5e-3)
    few = TASKS[task][:8]
    model = fine_tuning.fine_tune(body(kind), few, pooling=POOLING[kind], steps=150)
    causal_ahead = task == "kinds" and kind != "masked"  # what comes next cannot be seen, but rows can be known
    assert fine_tuning.score(model, few).accuracy > (0.7 if causal_ahead else 0.95)


# --- scores
def test_a_score_has_an_entry_for_each_thing_asked():
    for name, task in TASKS.items():
        found = fine_tuning.score(fine_tuning.with_head(body(), task), task)
        asked = len(task) if name in ("topic", "answers") else int((task.targets != -100).sum())
        assert found.nats.shape == found.right.shape == (asked,)
        assert found.loss > 0


def test_the_floor_is_the_most_frequent_answer():
    train, asked = TASKS["tags"][:60], TASKS["tags"][60:]
    wanted = train.targets[train.targets != -100]
    most = int(wanted.bincount().argmax())
    found = fine_tuning.floor(train, asked)
    truth = asked.targets[asked.targets != -100]
    assert found.accuracy == pytest.approx((truth == most).float().mean().item())
    shares = wanted.bincount(minlength=4) / len(wanted)
    assert found.loss == pytest.approx(-shares[truth].log().mean().item(), rel=1e-3)


def test_ceilings_of_the_two_readers():
    oracle = Oracle(TOWN)
    scores = {
        what: [fine_tuning.ceiling(oracle, TOKENIZER, tasks.tag(TOKENIZER, STORIES[:40], what), left)
               for left in (False, True)]
        for what in tasks.WORD_TASKS
    }  # fmt: skip
    both, left = scores["tags"]
    assert both.accuracy == 1 and left.accuracy == pytest.approx(1, abs=0.01)  # 'cook': a person, or what one does
    both, left = scores["kind at first word"]
    assert both.accuracy > 0.9 > 0.7 > left.accuracy > 0.3 and both.loss < 0.3 < left.loss
    both, left = scores["kind at full stop"]
    assert left.accuracy == both.accuracy == 1
    assert fine_tuning.ceiling(oracle, TOKENIZER, TASKS["topic"][:30]).accuracy > 0.9


def test_the_ceiling_is_calibrated():
    """Where the exact reader says 70%, it is right in about 70% of cases."""
    mood = tasks.classify(TOKENIZER, TOWN.stories(300, seed=11), "mood")
    found = fine_tuning.ceiling(Oracle(TOWN), TOKENIZER, mood)
    p = np.exp(-found.nats)
    expected = np.where(found.right, p, 1 - p)  # two moods: how sure it was of its choice
    assert found.accuracy == pytest.approx(expected.mean(), abs=4 * math.sqrt(0.25 / len(mood)))


@given(seed=st.integers(0, 10_000), T=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_best_span_is_the_best_of_all_allowed(seed, T):
    logits = torch.randn(3, T, 2, generator=torch.Generator().manual_seed(seed))
    for row, (start, end) in zip(logits, fine_tuning.best_spans(logits).tolist(), strict=True):
        allowed = [(s, e) for s in range(T) for e in range(s, min(T, s + 4))]
        assert (start, end) in allowed
        best = max((row[s, 0] + row[e, 1]).item() for s, e in allowed)
        assert (row[start, 0] + row[end, 1]).item() == pytest.approx(best)
