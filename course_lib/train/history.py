"""What a training run did: its numbers over time, and how it tells that it went wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from transformers import PreTrainedModel

__all__ = ["Diverged", "History"]


@dataclass(frozen=True)
class History:
    """What a training run did, at about fifty moments: lists of equal length, and evaluations at some of them."""

    name: str
    steps: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)  # seen so far: B * T per step, without padding
    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)  # nats per word, plus nats per pair; mean since the last entry
    accuracy: list[float] = field(default_factory=list)  # of the words; of the pairs if no word is asked for
    pair_accuracy: list[float] = field(default_factory=list)  # stays empty where no pairs are judged
    evals: dict[str, list[float]] = field(default_factory=dict)
    eval_tokens: list[int] = field(default_factory=list)
    interrupted: bool = False

    @property
    def tokens_per_second(self) -> float:
        """Training speed over the whole run, evaluations left out."""
        return self.tokens[-1] / self.seconds[-1] if self.seconds and self.seconds[-1] else 0.0


class Diverged(ArithmeticError):
    """The loss became NaN or infinite; ``model`` holds its last good state, ``history`` what led there."""

    def __init__(self, message: str, history: History, model: PreTrainedModel | None = None):
        super().__init__(message)
        self.history, self.model = history, model
