"""A plan says what to train and how to measure it; running it trains one model per seed, together where that pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from course_lib import parallel, runtime, training
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
        """Train and measure; for each seed, lists over training: tokens, and each number of ``measure``.

        On a CUDA GPU several seeds are trained as one stack: 32 tiny models cost it little more than one.
        """
        settings = {"batch_size": self.batch_size, "learning_rate": self.learning_rate, "evaluate": self.measure}
        histories = self._stacked(seeds, settings) if self._stacks(seeds) else [self._one(s, settings) for s in seeds]
        if any(history.interrupted for history in histories):
            raise KeyboardInterrupt
        return [{"tokens": history.eval_tokens, **history.evals} for history in histories]

    def _stacks(self, seeds: list[int]) -> bool:
        if len(seeds) < 2 or runtime.device().type != "cuda":
            return False
        return parallel.can_stack(self.build(), self.rows, self.objective)

    def _stacked(self, seeds: list[int], settings: dict) -> list[training.History]:
        made = parallel.train_seeds(self.build, self.rows, self.objective, self.steps, seeds, **settings)
        return [history for _, history in made]

    def _one(self, seed: int, settings: dict) -> training.History:
        runtime.seed_all(seed)
        return training.train(self.build(), self.rows, self.objective, self.steps, seed=seed, **settings)
