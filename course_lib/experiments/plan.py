"""A plan says what to train and how to measure it; running it trains one model per seed, together where that pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from course_lib import runtime, training
from course_lib.objectives import Objective

__all__ = ["Plan"]


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
        """Train and measure; for each seed, lists over training: tokens, and each number of ``measure``."""
        return [self._one(seed) for seed in seeds]

    def _one(self, seed: int) -> dict:
        runtime.seed_all(seed)
        model = self.build()
        history = training.train(
            model, self.rows, self.objective, self.steps, batch_size=self.batch_size,
            learning_rate=self.learning_rate, seed=seed, evaluate=self.measure,
        )  # fmt: skip
        if history.interrupted:
            raise KeyboardInterrupt
        return {"tokens": history.eval_tokens, **history.evals}
