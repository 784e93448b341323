"""The experiments of lesson 08: which body, which mask, which rows, and the names of their numbers."""

from types import SimpleNamespace

import pytest
import torch

from course_lib import runtime
from course_lib.apply import fine_tuning
from course_lib.experiments import find, materials
from course_lib.experiments import lesson_08 as transfer
from course_lib.experiments.lesson_08 import TASKS
from course_lib.experiments.materials import HELD_OUT, LABELLED, labelled
from course_lib.model import bodies
from course_lib.train import loop


@pytest.fixture
def small(monkeypatch):
    """Bodies of width 32 that cost nothing, and a note of every fine-tuning."""
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    calls, real = [], fine_tuning.fine_tune

    def build(causal):
        build = bodies.causal_bert if causal else bodies.tiny_bert
        return build(materials.town_words()[1], hidden_size=32, num_attention_heads=2, intermediate_size=64)

    def body(seed, causal=False, steps=0):
        runtime.seed_all(seed)
        history = {"topic accuracy": [0.5], "topic frozen accuracy": [0.4]}
        return build(causal), SimpleNamespace(eval_tokens=[1024], evals=history)

    def note(start, task, **settings):
        calls.append(SimpleNamespace(causal_body=start.config.is_decoder, rows=len(task), task=task.name, **settings))
        return real(start, task, **settings | {"steps": 2})

    monkeypatch.setattr(transfer, "ASKED", 24)
    monkeypatch.setattr(transfer, "best", transfer.best.__wrapped__)
    monkeypatch.setattr(transfer, "_build", build)
    monkeypatch.setattr(transfer, "body_of", body)
    monkeypatch.setattr(fine_tuning, "fine_tune", note)
    return calls


@pytest.mark.parametrize("task", [*TASKS, "mood"])
def test_labelled_rows_are_new_for_each_seed_and_never_held_out(task):
    parts = [labelled(task, 24, seed) for seed in (LABELLED, LABELLED + 1, HELD_OUT)]
    rows = [{tuple(row) for row in part.rows.tolist()} for part in parts]
    assert all(len(part) == 24 for part in parts)
    assert not (rows[0] & rows[1] or rows[0] & rows[2] or rows[1] & rows[2])
    assert torch.equal(labelled.__wrapped__(task, 24, LABELLED).rows, parts[0].rows)


def test_the_held_out_stories_are_the_same_for_every_number_of_labels():
    few, many = labelled("tags", 16, LABELLED), labelled("tags", 64, LABELLED)
    assert torch.equal(few.rows, many.rows[:16]) and torch.equal(few.targets, many.targets[:16])


def test_each_seed_has_a_text_of_its_own_to_read_to_learn_and_to_be_asked_about(monkeypatch):
    read = []
    tokenizer = materials.town_words()[1]
    monkeypatch.setattr(materials, "material", lambda seed: SimpleNamespace(rows=seed, tokenizer=tokenizer))
    monkeypatch.setattr(loop, "fit", lambda build, rows, *_, **settings: read.append((rows, settings)))
    for seed in (3, 4):
        transfer.body_of(seed)
    assert [(rows, settings["seed"], settings["evaluate"].seed) for rows, settings in read] == [(3, 3, 3), (4, 4, 4)]
    asked = [labelled("topic", 24, HELD_OUT + seed) for seed in (3, 4)]
    assert not torch.equal(asked[0].rows, asked[1].rows)
    monkeypatch.setattr(transfer, "ASKED", 24)
    assert transfer.best.__wrapped__("topic", 3) == 1.0 and transfer.best.__wrapped__("mood", 3) < 1.0


@pytest.mark.parametrize("how", ["from scratch", "untrained, frozen", "frozen", "fine-tuned"])
def test_few_labels_to_many(small, how):
    numbers = transfer.few_labels(3, how, labels=(16, 32), steps=2, longer=9)
    tasks, sizes = ("topic", "mood", "tags"), (16, 32)
    expected = {f"{task}, {n} labels{own}" for task in tasks for n in sizes for own in ("", ", own")}
    expected |= {"mood, 16 labels, 9 steps", "mood, 32 labels, 9 steps", "mood ceiling"}
    assert set(numbers) - expected == {"tags, 16 labels, new words", "tags, 32 labels, new words"}
    assert set(numbers) >= expected
    assert [(call.rows, call.steps) for call in small] == [
        (16, 2), (32, 2), (16, 2), (32, 2), (16, 9), (32, 9), (16, 2), (32, 2)
    ]  # fmt: skip
    assert all(call.frozen == how.endswith("frozen") and call.seed == 3 for call in small)


@pytest.mark.parametrize(
    ("mask", "trained", "causal_body", "causal"),
    [("bidirectional", True, False, False), ("causal", True, True, True), ("lifted", True, True, False),
     ("untrained", False, False, False), ("untrained, causal", False, True, True)],
)  # fmt: skip
def test_the_mask_is_kept_or_lifted(small, monkeypatch, mask, trained, causal_body, causal):
    made, fresh = [], transfer.fresh_body
    monkeypatch.setattr(transfer, "fresh_body", lambda *given: made.append(given) or fresh(*given))
    numbers = transfer.masks(0, mask, labels=16, topic_labels=8, steps=2)
    assert list(numbers) == [*TASKS, "kind at first word ceiling", "kind at first word causal ceiling"]
    assert numbers["kind at first word ceiling"] > numbers["kind at first word causal ceiling"]
    assert [call.rows for call in small] == [8, *[16] * (len(TASKS) - 1)]
    assert all((call.causal_body, call.causal) == (causal_body, causal) for call in small) and bool(made) != trained


def test_one_vector_per_story(small):
    for read, frozen, pooling in (("frozen, [CLS]", True, "first"), ("fine-tuned, mean", False, "mean"),
                                  ("untrained, mean", True, "mean")):  # fmt: skip
        numbers = transfer.summaries(0, read, labels=(16,), steps=2)
        assert list(numbers) == ["topic, 16 labels"]
        assert (small[-1].frozen, small[-1].pooling) == (frozen, pooling)


def test_the_way_through_pre_training_starts_before_it(small):
    before = transfer.Probe(0)(transfer.fresh_body(0, causal=True))
    assert set(before) == {"topic accuracy", "topic frozen accuracy"}
    assert transfer.while_reading(0, causal=True, steps=0) == {
        "tokens": [0, 1024], "topic accuracy": [before["topic accuracy"], 0.5],
        "topic frozen accuracy": [before["topic frozen accuracy"], 0.4],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["transfer-labels", "cls-vector", "transfer-mask", "early-transfer"])
def test_arms_differ_in_the_argument_named(name):
    experiment = find(name)
    assert all(set(settings) == {experiment.vary} for settings in experiment.arms.values())
