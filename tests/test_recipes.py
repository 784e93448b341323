"""RoBERTa's recipe in arms: what the arguments change, and that they change nothing else."""

import pytest
import torch

from course_lib import runtime
from course_lib.experiments import lesson_07, materials
from course_lib.experiments.lesson_07 import recipe
from course_lib.model import bodies
from course_lib.train import evaluation, loop
from course_lib.train.masking import Masking, StaticMasking
from course_lib.train.objectives import MaskedLM

SHORT = {"rows": 64, "steps": 10, "batch_size": 8, "learning_rate": 2e-3}


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "fp32")
    monkeypatch.setattr(lesson_07, "ASKED", 40)


def test_it_measures_held_out_and_training_rows():
    run = recipe(0, masks=None, **SHORT).train(0)
    assert set(run) == {"tokens", "fill nats", "fill accuracy", "training nats"}
    assert run["tokens"] == [8 * 32 * step for step in range(1, 11)]
    assert all(value > 0 for value in run["fill nats"] + run["training nats"])


def test_only_the_masks_differ_between_the_arms():
    """One step from the same weights on the same rows: other masks, so another loss; the same masks, the same."""
    runs = {masks: recipe(0, masks=masks, **SHORT | {"steps": 1}).train(0) for masks in (1, 10, None)}
    assert len({tuple(run["tokens"]) for run in runs.values()}) == 1
    assert len({run["fill nats"][-1] for run in runs.values()}) == 3
    assert recipe(0, masks=1, **SHORT | {"steps": 1}).train(0) == runs[1]


def test_training_rows_are_asked_as_in_training():
    """With one static mask the training loss is about the very questions that are trained on."""
    data = materials.material(rows=64)
    masking = StaticMasking(Masking.of(data.tokenizer), 1, seed=5)
    asked = evaluation.HeldOut(data.rows, MaskedLM(masking)).batch
    trained = MaskedLM(masking)(data.rows, torch.Generator().manual_seed(99))
    assert asked.input_ids.equal(trained.input_ids) and asked.targets.equal(trained.targets)


def test_each_seed_has_text_and_so_masks_of_its_own():
    one, other = (recipe(seed, masks=1, **SHORT | {"rows": 16}) for seed in (3, 4))
    assert not one.rows.equal(other.rows)
    masks = [plan.objective(plan.rows, torch.Generator()).select for plan in (one, other)]
    assert not masks[0].equal(masks[1])
    assert one.objective == other.objective  # alike but for the text, so that a GPU may stack them


def test_a_seed_measures_its_own_held_out_rows():
    """The same model scores otherwise on another seed's held-out rows."""
    texts_of = [materials.material(rows=64, held_out=40, seed=seed) for seed in (3, 4)]
    assert not texts_of[0].held_out.equal(texts_of[1].held_out)
    run = recipe(4, masks=None, **SHORT | {"steps": 1}).train(4)
    runtime.seed_all(4)
    fresh = bodies.tiny_bert(texts_of[1].tokenizer)
    settings = {"seed": 4, "batch_size": 8, "learning_rate": 2e-3}
    loop.train(fresh, texts_of[1].rows, MaskedLM(Masking.of(texts_of[1].tokenizer)), 1, **settings)
    scores = [text.fill().score(fresh).loss for text in texts_of]
    assert run["fill nats"] == [pytest.approx(scores[1], abs=1e-5)] and abs(scores[0] - scores[1]) > 1e-4
