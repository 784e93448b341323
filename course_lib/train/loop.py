"""One training loop for every objective: rows in, a trained ``transformers`` model and its history out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from numbers import Integral

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from course_lib import kernel, runtime
from course_lib.model.bodies import autocast, check_rows
from course_lib.text.packing import Pairs
from course_lib.train import checkpoints, provenance
from course_lib.train.history import Diverged, History, Stopped, stopped
from course_lib.train.objectives import Objective
from course_lib.train.watch import Watch

__all__ = ["History", "Diverged", "Stopped", "adamw", "check", "fit", "one_cycle", "order", "stopped", "train"]


def train(
    model: PreTrainedModel, rows: Tensor | Pairs, objective: Objective, steps: int, *, batch_size: int = 128,
    learning_rate: float = 3e-3, seed: int = 0, name: str = "model",
    evaluate: Callable[[PreTrainedModel], dict[str, float]] | None = None, evaluations: int = 10,
) -> History:  # fmt: skip
    """Train a model in place and return its history.

    rows int64 [N, T], or Pairs. AdamW, one cycle of the learning rate (10% up, then a cosine down), gradients clipped
    at norm 1. ``evaluate(model)`` returns named numbers and is called ``evaluations`` times. Raises Diverged when the
    loss is no longer a number, and Stopped (a KeyboardInterrupt) when the user stops it. Whatever ends it early, the
    exception carries the model as trained so far, and its history, as ``.model`` and ``.history``.
    """
    check(model, rows, steps, batch_size, learning_rate, evaluations)
    device = runtime.device()
    model.to(device).train()
    optimizer = adamw(model.parameters(), device)
    generator = torch.Generator().manual_seed(int(seed))  # on the CPU: the same batches on every device
    asking = (lambda: [evaluate(model)]) if evaluate else None
    with Watch([model], [name], model.state_dict(), steps, learning_rate, asking, evaluations) as watch:
        for step, take in enumerate(order(len(rows), batch_size, steps, generator), 1):
            optimizer.param_groups[0]["lr"] = one_cycle(step, steps, learning_rate)
            batch = objective(rows[take], generator).to(device)
            with autocast(device):
                words, pairs = batch.logits(model)  # [N, V], and [B, 2] or None
                loss = batch.loss(words, pairs)
            optimizer.zero_grad()
            loss.backward()
            slope = clip_grad_norm_(model.parameters(), 1.0)
            watch.check(loss, slope)  # both finite, or the run ends here with the last good weights
            optimizer.step()
            watch.add([batch], loss, *batch.hits(words, pairs))
    return watch.histories[0]


def adamw(weights, device: torch.device) -> torch.optim.Optimizer:
    """Make the optimizer of every run: AdamW with beta2 0.98 (RoBERTa, section 3.1); its rate is set at each step."""
    return torch.optim.AdamW(weights, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01, fused=device.type != "mps")


def one_cycle(step: int, steps: int, peak: float, warm_up: float = 0.1) -> float:
    """Give the learning rate at a step (1-based): up over the first tenth, then half a cosine down to 1% of peak."""
    up = max(1, round(steps * warm_up))
    if step <= up:
        return peak * step / up
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - up) / max(1, steps - up))))


def order(rows: int, batch_size: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield ``steps`` batches of row numbers [B]: every row once in random order, then again in another order."""
    shuffled, at = torch.randperm(rows, generator=generator), 0
    for _ in range(steps):
        take = shuffled[at : at + batch_size]
        at += batch_size
        while len(take) < batch_size:
            shuffled = torch.randperm(rows, generator=generator)
            at = batch_size - len(take)
            take = torch.cat([take, shuffled[:at]])
        yield take


def fit(
    build: Callable[[], PreTrainedModel], rows: Tensor | Pairs, objective: Objective, steps: int, *,
    tokenizer: PreTrainedTokenizerBase, seed: int = 0, evaluate=None, **settings,
) -> tuple[PreTrainedModel, History]:  # fmt: skip
    """Build and train a model, or load it if the same thing was trained before. Returns (model, history).

    ``build()`` draws the first weights after ``seed`` is set; a kept model is its weights put into what it built.
    ``settings`` as in :func:`train`. The cache's key covers the course's source files, the libraries, the model as
    built and all arguments (:mod:`course_lib.train.provenance`); with an objective, a hook, an ``evaluate`` or a
    changed function of your own the model is trained anew each time, so that what you changed is what you see.
    """
    runtime.seed_all(seed)
    model = build()
    recipe = {what: value for what, value in settings.items() if what != "name"}
    key = provenance.key(model, rows, objective, steps, seed, evaluate, recipe)
    entry = f"{type(model).__name__}-{key}" if key else None
    if entry and (history := checkpoints.load(entry, model)):
        kernel.unfinished.clear()
        model.to(runtime.device()).eval()
        history = replace(history, name=settings.get("name", "model"))
        if not runtime.quiet():
            print(f"{history.name}: trained already, taken from the disk ({steps:,} steps).")
        return model, history
    history = train(model, rows, objective, steps, seed=seed, evaluate=evaluate, **settings)
    if entry:
        checkpoints.save(entry, model, tokenizer, history)
    return model, history


def check(model, rows: Tensor | Pairs, steps: int, batch_size: int, learning_rate: float, evaluations: int = 10):
    """Refuse settings that cannot work, before any time is spent."""
    if not isinstance(model, PreTrainedModel):
        raise TypeError(f"model is a {type(model).__name__}: give a model of transformers, e.g. bodies.tiny_bert(...).")
    for what, value in (("steps", steps), ("batch_size", batch_size), ("evaluations", evaluations)):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{what}={value!r} must be a whole number, at least 1.")
    if not (learning_rate > 0 and math.isfinite(learning_rate)):
        raise ValueError(f"learning_rate={learning_rate} must be a positive number, e.g. 3e-3.")
    check_rows(model, rows.input_ids if isinstance(rows, Pairs) else rows)
    if bad := [key for key, weight in model.named_parameters() if not weight.isfinite().all()]:
        raise ValueError(f"The model starts with NaN or infinity in {bad[0]!r} and {len(bad) - 1} more weights: "
                         "build it anew.")  # fmt: skip


provenance.remember()  # what anybody changes from here on is seen by fit's cache
