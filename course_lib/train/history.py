"""What a training run did: its numbers over time, and how it tells that it went wrong, or was stopped."""

from __future__ import annotations

from dataclasses import dataclass, field

from transformers import PreTrainedModel

from course_lib import kernel

__all__ = ["Diverged", "History", "Stopped", "stopped"]


class Evaluations(dict):
    """Numbers by name; one that was not measured is told in a sentence."""

    def __missing__(self, name):
        there = ", ".join(self) or "nothing yet: the run ended before its first evaluation"
        raise kernel.slip(LookupError(f"{name!r} was not measured; there is {there}."))


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
    evals: dict[str, list[float]] = field(default_factory=Evaluations)
    eval_tokens: list[int] = field(default_factory=list)
    interrupted: bool = False  # the user stopped it before its end

    @property
    def tokens_per_second(self) -> float:
        """Training speed over the whole run, evaluations left out."""
        return self.tokens[-1] / self.seconds[-1] if self.seconds and self.seconds[-1] else 0.0


class Diverged(ArithmeticError):
    """The loss became NaN or infinite; ``model`` holds its last good state, ``history`` what led there."""

    def __init__(self, message: str, history: History, model: PreTrainedModel | None = None):
        super().__init__(message)
        self.history, self.model = history, model


class Stopped(KeyboardInterrupt):
    """The user stopped a run; ``model`` and ``history`` are as far as it came. A notebook shows the message alone."""

    def __init__(self, message: str, model: PreTrainedModel, history: History):
        super().__init__(f"{message} It is kept: `model, history = loop.stopped()`. Run the cell again to train anew.")
        self.model, self.history = model, history
        kernel.unfinished[:] = [(model, history)]

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def stopped() -> tuple[PreTrainedModel, History] | None:
    """Return (model, history) of the last training run, as far as it came, if the user stopped it; else None."""
    return kernel.unfinished[0] if kernel.unfinished else None
