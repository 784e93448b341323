"""RoBERTa's recipe in arms: what the arguments change, and that they change nothing else."""

import pytest
import torch

from course_lib import evaluation
from course_lib.experiments import recipes, texts
from course_lib.masking import Masking, StaticMasking
from course_lib.objectives import MaskedLM

SHORT = {"rows": 64, "steps": 10, "batch_size": 8}


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "fp32")


def test_it_measures_held_out_and_training_rows():
    [run] = recipes.recipe([0], masks=None, **SHORT)
    assert set(run) == {"tokens", "fill nats", "fill accuracy", "training nats"}
    assert run["tokens"] == [8 * 32 * step for step in range(1, 11)]
    assert all(value > 0 for value in run["fill nats"] + run["training nats"])


def test_only_the_masks_differ_between_the_arms():
    """One step from the same weights on the same rows: other masks, so another loss; the same masks, the same."""
    runs = {masks: recipes.recipe([0], masks=masks, **SHORT | {"steps": 1})[0] for masks in (1, 10, None)}
    assert len({tuple(run["tokens"]) for run in runs.values()}) == 1
    assert len({run["fill nats"][-1] for run in runs.values()}) == 3
    assert recipes.recipe([0], masks=1, **SHORT | {"steps": 1})[0] == runs[1]


def test_training_rows_are_asked_as_in_training():
    """With one static mask the training loss is about the very questions that are trained on."""
    data = texts.material(rows=64)
    masking = StaticMasking(Masking.of(data.tokenizer), 1, seed=5)
    asked = evaluation.HeldOut(data.rows, MaskedLM(masking)).batch
    trained = MaskedLM(masking)(data.rows, torch.Generator().manual_seed(99))
    assert asked.input_ids.equal(trained.input_ids) and asked.targets.equal(trained.targets)


def test_each_seed_has_masks_of_its_own():
    data = texts.material(rows=8)
    made = [StaticMasking(Masking.of(data.tokenizer), 1, seed)(data.rows, torch.Generator()) for seed in (0, 1)]
    assert not made[0].selected.equal(made[1].selected)
