"""What stands beside the steps of a training run: notes, evaluations, a progress bar, and a good end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from course_lib import kernel, runtime
from course_lib.train.batch import Batch
from course_lib.train.history import Diverged, History, Stopped

__all__ = ["Watch"]


class Watch:
    """Watch a run, or the runs of several models that are trained at once: ``histories`` has one for each.

    weights: the tensors that are trained, by name. evaluate: gives named numbers for each model, ``evaluations`` times.

        with Watch(...) as watch:
            for ...:
                ...
                watch.check(loss, slope)  # before the optimizer's step
                watch.add([batch], loss, *batch.hits(words, pairs))  # after it

    Whatever ends the run early, the exception carries the model and its history as ``.model`` and ``.history``: Stopped
    where the user did.
    """

    def __init__(
        self, models: Sequence[PreTrainedModel], names: Sequence[str], weights: Mapping[str, Tensor], steps: int,
        learning_rate: float, evaluate: Callable[[], list[Mapping]] | None, evaluations: int,
    ):  # fmt: skip
        self.models, self.histories, self.weights = models, [History(name) for name in names], weights
        self.steps, self.learning_rate, self.evaluate = steps, learning_rate, evaluate
        self.name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        self.evaluate_at = {round(steps * (i + 1) / evaluations) for i in range(evaluations)} if evaluate else set()
        self.note_every = max(1, steps // 50)
        self.check_every = 1 if runtime.device().type == "cpu" else 20  # whoever looks at a number waits for the device
        self.done, self.seen = 0, [0] * len(names)

    def __enter__(self) -> Watch:
        kernel.unfinished.clear()
        self.good, self.spent, self.since = self._snapshot(), 0.0, time.perf_counter()
        self.bar = runtime.bar(self.steps, self.name)
        self._start_again()
        return self

    def check(self, loss: Tensor, slope: Tensor) -> None:
        """Raise Diverged, the weights as they last were good, unless losses and gradient norms [] or [S] are finite."""
        noting = self._notes(self.done + 1)
        if not noting and (self.done + 1) % self.check_every:
            return
        finite = (loss.detach().isfinite() & slope.isfinite()).reshape(-1).tolist()
        if not all(finite):
            self._diverge(finite.index(False), loss.detach().reshape(-1), slope.reshape(-1))
        if noting:
            self.good = self._snapshot()  # these weights have just been seen to give a finite loss

    def add(self, batches: Sequence[Batch], loss: Tensor, right: Tensor, pairs_right: Tensor) -> None:
        """Count a finished step: one batch for each model, their losses and right guesses [] or [S]."""
        self.done += 1
        asked = [batch.asked for batch in batches]
        counted = [words or pairs for words, pairs in asked]  # pairs only where no word is asked for
        self.seen = [before + batch.tokens for before, batch in zip(self.seen, batches, strict=True)]
        self.counted = [a + b for a, b in zip(self.counted, counted, strict=True)]
        self.judged = [a + pairs for a, (_, pairs) in zip(self.judged, asked, strict=True)]
        many = counted[0] if len(set(counted)) == 1 else torch.tensor(counted).to(loss.device, non_blocking=True)
        self.nats = self.nats + loss.detach() * many
        self.right = self.right + (right if asked[0][0] else pairs_right)
        self.pairs_right = self.pairs_right + pairs_right
        if self._notes(self.done):
            self._note()
        if self.done in self.evaluate_at:
            self._evaluate()
        self.bar.update()

    def __exit__(self, kind, error, _) -> None:
        self.bar.close()
        for model in self.models:
            model.eval()
        if isinstance(error, KeyboardInterrupt):
            raise self._stopped() from None
        if isinstance(error, Exception) and not isinstance(error, Diverged) and self.done:
            error.model, error.history = self.models[0], self.histories[0]
            error.add_note(f"The model, trained for {self.done} of {self.steps} steps, is in this exception's .model.")

    def _stopped(self) -> Stopped:
        _level([[h.steps, h.tokens, h.seconds, h.loss, h.accuracy] for h in self.histories])
        _level([[h.eval_tokens, *h.evals.values()] for h in self.histories])
        if any(self.counted) and self.done not in self.histories[0].steps[-1:]:  # the steps since the last note
            self._note()
        left = self.done < self.steps or len(self.histories[0].eval_tokens) < len(self.evaluate_at)
        self.histories = [replace(history, interrupted=left) for history in self.histories]
        when = f"after {self.done:,} of {self.steps:,} steps ({max(self.seen):,} tokens)" if left else "after its end"
        return Stopped(f"{self.name}: stopped by you {when}.", self.models[0], self.histories[0])

    def _notes(self, step: int) -> bool:
        return step % self.note_every == 0 or step == self.steps

    def _note(self) -> None:
        """Write the means since the last note into the histories."""
        now = self.spent + time.perf_counter() - self.since
        sums, n = (self.nats, self.right, self.pairs_right), len(self.histories)
        nats, right, pairs_right = (torch.as_tensor(x).expand(n).tolist() for x in sums)
        for i, history in enumerate(self.histories):
            history.steps.append(self.done)
            history.tokens.append(self.seen[i])
            history.seconds.append(now)
            history.loss.append(nats[i] / self.counted[i])
            history.accuracy.append(right[i] / self.counted[i])
            if self.judged[i]:
                history.pair_accuracy.append(pairs_right[i] / self.judged[i])
        self.bar.set_postfix_str(f"loss {history.loss[-1]:.2f}, accuracy {history.accuracy[-1]:.2f}, "
                                 f"{sum(self.seen) / now / 1000:,.0f}k tokens/s")  # fmt: skip
        self._start_again()

    def _start_again(self) -> None:
        self.nats = self.right = self.pairs_right = 0.0
        self.counted = self.judged = [0] * len(self.histories)

    def _evaluate(self) -> None:
        self.spent += time.perf_counter() - self.since
        for model, history, tokens, found in zip(self.models, self.histories, self.seen, self.evaluate(), strict=True):
            for key, value in _numbers(found).items():
                history.evals.setdefault(key, []).append(value)
            history.eval_tokens.append(tokens)
            model.train()
        self.since = time.perf_counter()

    def _snapshot(self) -> dict[str, Tensor]:
        return {key: value.detach().clone() for key, value in self.weights.items()}

    @torch.no_grad()
    def _diverge(self, bad: int, loss: Tensor, slope: Tensor) -> None:
        for key, value in self.weights.items():
            value.copy_(self.good[key])
        what, value = ("gradient", slope[bad].item()) if math.isfinite(loss[bad].item()) else ("loss", loss[bad].item())
        advice = f"The model is back in its last good state. Try a lower rate, e.g. {self.learning_rate / 3:.1g}."
        if not self.done:
            advice = ("No weight had been changed yet, so the rate is not to blame: look at the batch, e.g. at a "
                      "position that may look at nothing.")  # fmt: skip
        raise Diverged(
            f"The {what} of {self.histories[bad].name!r} became {value} at step {self.done + 1} (learning rate "
            f"{self.learning_rate:.2g}). {advice}", self.histories[bad], self.models[bad],
        )  # fmt: skip


def _numbers(found) -> dict[str, float]:
    """Turn what ``evaluate`` returned into plain numbers: NumPy's, torch's and bool become float."""
    if not isinstance(found, Mapping):
        raise TypeError(f"evaluate returned {found!r:.60}: it must return numbers by name, e.g. {{'accuracy': 0.5}}.")
    try:
        return {str(key): float(value) for key, value in found.items()}
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"evaluate returned {found!r:.200}: each value must be one number, e.g. x.mean().") from None


def _level(runs: list[list[list]]) -> None:
    """Cut lists to the shortest: a stop may come while they are being written."""
    shortest = min(len(numbers) for lists in runs for numbers in lists)
    for numbers in (numbers for lists in runs for numbers in lists):
        del numbers[shortest:]
