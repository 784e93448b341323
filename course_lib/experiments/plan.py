"""A plan says what to train and how to measure it; running it trains one model per seed, together where that pays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from course_lib import runtime
from course_lib.train import loop, scaling
from course_lib.train.objectives import Objective

__all__ = ["Plan", "run"]


@dataclass(frozen=True)
class Plan:
    """One arm of an experiment, without its seed."""

    build: Callable[[], PreTrainedModel]  # draws the first weights from torch's global generator
    rows: Tensor  # int64 [N, T]
    objective: Objective
    measure: Callable[[PreTrainedModel], dict[str, float]]  # named numbers, taken ten times on the way
    steps: int
    batch_size: int = 32
    learning_rate: float = 2e-3

    def run(self, seeds: list[int]) -> list[dict]:
        """Train and measure on one text; for each seed, lists over training: tokens, and each number of ``measure``."""
        return run(dict.fromkeys(seeds, self))

    def _settings(self) -> dict:
        return {"batch_size": self.batch_size, "learning_rate": self.learning_rate}

    def _one(self, seed: int) -> loop.History:
        runtime.seed_all(seed)
        settings = self._settings() | {"evaluate": self.measure}
        return loop.train(self.build(), self.rows, self.objective, self.steps, seed=seed, **settings)


def run(plans: Mapping[int, Plan]) -> list[dict]:
    """Train and measure one model per seed, each on the text of its own plan; otherwise the plans are alike.

    Returns for each seed what :meth:`Plan.run` does. On a CUDA GPU the seeds are trained as one stack: 32 tiny models
    cost it little more than one.
    """
    histories = _stacked(plans) if _stacks(plans) else [plan._one(seed) for seed, plan in plans.items()]
    if any(history.interrupted for history in histories):
        raise KeyboardInterrupt
    return [{"tokens": history.eval_tokens, **history.evals} for history in histories]


def _stacks(plans: Mapping[int, Plan]) -> bool:
    if len(plans) < 2 or runtime.device().type != "cuda":
        return False
    one = next(iter(plans.values()))
    return scaling.can_stack(one.build(), one.rows, one.objective)


def _stacked(plans: Mapping[int, Plan]) -> list[loop.History]:
    one, each = next(iter(plans.values())), list(plans.values())
    made = scaling.train_seeds(
        one.build, [plan.rows for plan in each], one.objective, one.steps, list(plans),
        evaluate=[plan.measure for plan in each], **one._settings(),
    )  # fmt: skip
    return [history for _, history in made]
