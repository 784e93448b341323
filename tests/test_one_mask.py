"""Lesson 04's measuring code: each seed its own text, and limits and an untrained start beside what was trained."""

import pytest
import torch

from course_lib import runtime
from course_lib.experiments import EXPERIMENTS, lesson_04, materials
from course_lib.model import bodies
from course_lib.train import evaluation

SMALL = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=1)
SHORT = {"corpus": "tiny town", "objective": "masked", "causal": False, "steps": 10, "batch_size": 4,
         "learning_rate": 2e-3}  # fmt: skip
QUESTIONS = ("fill two-sided", "fill left-only", "next word")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A few rows and a tiny model: what is measured is the same."""
    bert, causal, material = bodies.tiny_bert, bodies.causal_bert, materials.material
    monkeypatch.setattr(bodies, "tiny_bert", lambda tokenizer: bert(tokenizer, **SMALL))
    monkeypatch.setattr(bodies, "causal_bert", lambda tokenizer: causal(tokenizer, **SMALL))
    monkeypatch.setattr(materials, "material", lambda corpus, held_out=12, seed=0: material(corpus, 60, 12, seed))
    lesson_04.limits.cache_clear()
    yield
    lesson_04.limits.cache_clear()


def test_every_seed_has_its_own_text_limits_and_untrained_start():
    runs = [lesson_04.read_and_fill(seed, **SHORT, own_text=True).train(seed) for seed in (3, 4)]
    for seed, run in zip((3, 4), runs, strict=True):
        assert {len(values) for values in run.values()} == {10}
        data = materials.material("tiny town", seed=seed)
        for name in QUESTIONS:
            asked = data.next_word() if name == "next word" else data.fill()
            exact = (evaluation.next_word_ceiling(data.oracle, data.tokenizer, asked) if name == "next word" else
                     evaluation.ceiling(data.oracle, data.tokenizer, asked, left_only=name == "fill left-only"))
            assert set(run[f"ceiling {name} nats"]) == {exact.loss}
            assert run[f"ceiling {name} accuracy"][0] == exact.accuracy
            assert run[f"floor {name} nats"][0] > exact.loss
            runtime.seed_all(seed)
            start = bodies.with_mask(bodies.tiny_bert(data.tokenizer), causal=name != "fill two-sided")
            assert run[f"untrained {name} nats"][0] == pytest.approx(asked.score(start).loss, abs=2e-3)
    assert runs[0]["ceiling next word nats"] != runs[1]["ceiling next word nats"]


def test_without_a_text_of_its_own_the_run_is_that_of_the_first_edition():
    run = lesson_04.read_and_fill(0, **SHORT).train(0)
    assert set(run) == {"tokens"} | {f"{name} {what}" for name in QUESTIONS for what in ("accuracy", "nats")}


def test_arms_start_from_the_same_weights_and_read_the_same_text():
    experiment, weights = EXPERIMENTS["one-mask-apart"], []
    plans = [lesson_04.read_and_fill(5, **experiment.settings(arm)) for arm in experiment.arms]
    for made in plans:
        runtime.seed_all(5)
        weights.append(made.build().state_dict())
    assert torch.equal(plans[0].rows, plans[1].rows)
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
