"""What a training run did: its numbers over time, and how it tells that it went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from transformers import PreTrainedModel

__all__ = ["Diverged", "History", "Tally", "numbers"]


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

    def note(
        self, step: int, tokens: int, seconds: float, loss: float, accuracy: float, pair_accuracy: float | None = None
    ) -> None:
        """Add one entry to each of the lists."""
        self.steps.append(step)
        self.tokens.append(tokens)
        self.seconds.append(seconds)
        self.loss.append(loss)
        self.accuracy.append(accuracy)
        if pair_accuracy is not None:
            self.pair_accuracy.append(pair_accuracy)


class Diverged(ArithmeticError):
    """The loss became NaN or infinite; ``model`` holds its last good state, ``history`` what led there."""

    def __init__(self, message: str, history: History, model: PreTrainedModel | None = None):
        super().__init__(message)
        self.history, self.model = history, model


class Tally:
    """Sums since the last note, and the tokens seen so far."""

    def __init__(self):
        self.seen = 0
        self._empty()

    def _empty(self) -> None:
        self.loss, self.right, self.pairs_right, self.predicted, self.judged = 0.0, 0.0, 0.0, 0, 0

    def add(self, asked: tuple[int, int], tokens: int, loss, hits, pair_hits) -> None:
        """Add one step: its loss counts for as many words as it asked for, or pairs where no word was."""
        n = asked[0] or asked[1]
        self.seen, self.loss, self.predicted = self.seen + tokens, self.loss + loss * n, self.predicted + n
        self.right = self.right + (hits if asked[0] else pair_hits)
        self.pairs_right, self.judged = self.pairs_right + pair_hits, self.judged + asked[1]

    def note(self, history: History, step: int, seconds: float) -> None:
        """Write the means into a history and start again."""
        pairs = float(self.pairs_right) / self.judged if self.judged else None
        loss, right = float(self.loss) / self.predicted, float(self.right) / self.predicted
        history.note(step, self.seen, seconds, loss, right, pairs)
        self._empty()


def numbers(found) -> dict[str, float]:
    """Turn what ``evaluate`` returned into plain numbers: NumPy's, torch's and bool become float."""
    if not isinstance(found, Mapping):
        raise TypeError(f"evaluate returned {found!r:.60}: it must return numbers by name, e.g. {{'accuracy': 0.5}}.")
    try:
        return {str(key): float(value) for key, value in found.items()}
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"evaluate returned {found!r:.200}: each value must be one number, e.g. x.mean().") from None
