"""One training loop for every objective: rows in, a trained ``transformers`` model and its history out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from numbers import Integral
from pathlib import Path

import safetensors.torch
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from course_lib import runtime
from course_lib.model.bodies import answers, autocast, check_rows
from course_lib.text.packing import Pairs
from course_lib.train import checkpoints, processes, provenance
from course_lib.train.history import Diverged, History, Tally, numbers
from course_lib.train.objectives import Batch, Objective

__all__ = ["History", "Diverged", "train", "fit"]


def train(
    model: PreTrainedModel, rows: Tensor | Pairs, objective: Objective, steps: int, *, batch_size: int = 128,
    learning_rate: float = 3e-3, seed: int = 0, name: str = "model",
    evaluate: Callable[[PreTrainedModel], dict[str, float]] | None = None, evaluations: int = 10,
) -> History:  # fmt: skip
    """Train a model in place and return its history.

    rows int64 [N, T], or Pairs. AdamW with beta2 0.98 (RoBERTa, section 3.1), one cycle of the learning rate
    (10% up, then a cosine down), gradients clipped at norm 1. ``evaluate(model)`` returns named numbers and is
    called ``evaluations`` times. Interrupted by the user (Ctrl-C, the stop button) it keeps what it has.
    Raises Diverged when the loss is no longer a number. Whatever else goes wrong on the way (memory, ``evaluate``),
    the exception carries the model as trained so far, and its history, as ``.model`` and ``.history``.

    Inside ``processes.joined()`` several processes share each batch of ``batch_size`` rows and end with the
    weights that one process would have (without dropout, whose draws are each process's own).
    """
    _check(model, rows, objective, steps, batch_size, learning_rate, seed, evaluate, evaluations)
    device = runtime.device()
    model.to(device).train()
    processes.start_alike(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=device.type != "mps"
    )
    generator = torch.Generator().manual_seed(int(seed))  # on the CPU: the same batches on every device
    history, good = History(name), _snapshot(model)
    check_every, note_every = (1 if device.type == "cpu" else 20), max(1, steps // 50)
    evaluate_at = {round(steps * (i + 1) / evaluations) for i in range(evaluations)} if evaluate else set()
    done, tally, spent, resumed = 0, Tally(), 0.0, time.perf_counter()
    bar = runtime.bar(steps, name, shown=processes.rank()[0] == 0)
    try:
        for step, rows_now in enumerate(_batches(rows, batch_size, steps, generator), 1):
            rate = _one_cycle(step, steps, learning_rate)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = objective(rows_now, generator)  # every process draws the whole batch, and takes its share
            asked, tokens = _asked(batch, objective, step), batch.tokens
            batch = processes.share(batch).to(device)
            with autocast(device):
                words, pairs = answers(model, batch)  # logits [N, V] and [B, 2], or None
            loss = batch.loss(words, pairs, asked)
            optimizer.zero_grad()
            loss.backward()
            loss, hits, pair_hits = processes.add_up(model, loss.detach(), *batch.hits(words, pairs))
            slope = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            noting = step % note_every == 0 or step == steps
            if noting or step % check_every == 0:
                what, value = ("gradient", slope) if math.isfinite(loss.item()) else ("loss", loss)
                if not math.isfinite(value.item()):
                    model.load_state_dict(good)
                    raise Diverged(
                        f"The {what} of {name!r} became {value.item()} at step {step} (learning rate {rate:.2g}). "
                        + _advice(step, learning_rate), history, model,
                    )  # fmt: skip
                if noting:  # before the step: these weights have just been seen to give a finite loss
                    good = _snapshot(model)
            optimizer.step()
            done = step
            tally.add(asked, tokens, loss, hits, pair_hits)
            if noting:
                tally.note(history, step, now := spent + time.perf_counter() - resumed)
                bar.set_postfix_str(f"loss {history.loss[-1]:.2f}, accuracy {history.accuracy[-1]:.2f}, "
                                    f"{tally.seen / now:,.0f} tokens/s")  # fmt: skip
            if step in evaluate_at:
                spent += time.perf_counter() - resumed
                for key, value in numbers(evaluate(model)).items():
                    history.evals.setdefault(key, []).append(value)
                history.eval_tokens.append(tally.seen)
                model.train()
                resumed = time.perf_counter()
            bar.update()
    except KeyboardInterrupt:
        print(f"{name}: stopped by you after {tally.seen:,} tokens; kept as it is.")
        if tally.predicted:  # the steps since the last note
            tally.note(history, done, spent + time.perf_counter() - resumed)
        history = replace(history, interrupted=done < steps or len(history.eval_tokens) < len(evaluate_at))
    except Exception as error:
        if not isinstance(error, Diverged) and done:
            error.model, error.history = model, history
            error.add_note(f"The model, trained for {done} of {steps} steps, is in this exception's .model.")
        raise
    finally:
        bar.close()
        model.eval()
    return history


def fit(
    build: Callable[[], PreTrainedModel], rows: Tensor | Pairs, objective: Objective, steps: int, *,
    tokenizer: PreTrainedTokenizerBase, seed: int = 0, cache: bool = True, evaluate=None, **settings,
) -> tuple[PreTrainedModel, History]:  # fmt: skip
    """Build and train a model, or load it if the same thing was trained before. Returns (model, history).

    ``build()`` draws the first weights after ``seed`` is set; it is always called, and a kept model is its weights
    put into what it built. The cache key covers the model as built, the rows, the objective, every setting, the
    course's code as it stands in memory and the versions of torch and transformers; ``settings`` as in :func:`train`.
    The checkpoint opens with ``from_pretrained`` and in pipelines. Only what the course itself defines is kept (see
    :mod:`course_lib.train.provenance`): with an objective, a hook, an ``evaluate`` or a changed function of your own,
    the model is trained anew each time, so that what you changed is what you see.
    """
    runtime.seed_all(seed)
    model = build()
    entry = _entry(model, rows, objective, steps, seed, evaluate, settings) if cache else None
    history = _kept(entry, model) if entry else None
    if history is not None:
        model.to(runtime.device()).eval()
        return model, replace(history, name=settings.get("name", "model"))
    history = train(model, rows, objective, steps, seed=seed, evaluate=evaluate, **settings)
    if entry and not history.interrupted:

        def write(draft: Path) -> None:
            model.save_pretrained(draft)
            (_for_writing(tokenizer) if model.can_generate() else tokenizer).save_pretrained(draft)
            (draft / "history.json").write_text(json.dumps(asdict(history)), encoding="utf-8")

        try:
            checkpoints.save(entry, write)
        except (Exception, KeyboardInterrupt) as error:  # the model is trained: nothing here may cost it
            print(f"{history.name}: trained, but not kept for next time ({type(error).__name__}: {error}).")
    return model, history


def _entry(model, rows, objective, steps, seed, evaluate, settings: dict) -> str | None:
    """Name the cache's entry of a run after all that makes it; None where that cannot be told."""
    settings, device = {key: value for key, value in settings.items() if key != "name"}, runtime.device()
    try:
        key = checkpoints.fingerprint(
            model=provenance.describe_model(model), random=provenance.describe(torch.get_rng_state()),
            run=provenance.describe(train, rows, objective, steps, seed, evaluate, settings),
            versions=[torch.__version__, transformers.__version__],
            device=[device.type, str(runtime.precision(device))],
            arithmetic=[str(torch.get_default_dtype()), torch.get_float32_matmul_precision()],
        )  # fmt: skip
    except (provenance.Unknown, RecursionError):
        return None
    return f"{type(model).__name__}-{key}"


def _kept(entry: str, model: PreTrainedModel) -> History | None:
    """Put the weights of a kept run into the model and return its history; None, the model unharmed, if none fits."""
    folder = checkpoints.load(entry)
    if folder is None:
        return None
    try:
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        history = History(**json.loads((folder / "history.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, safetensors.SafetensorError):  # deleted while it was being read
        return None
    own = model.state_dict()
    stored = {own[key].data_ptr() for key in weights.keys() & own.keys()}  # of tied weights one is stored
    fits = weights.keys() <= own.keys() and all(own[key].shape == value.shape for key, value in weights.items())
    if not fits or any(value.data_ptr() not in stored for key, value in own.items() if key not in weights):
        return None
    model.load_state_dict(weights, strict=False)
    return history


def _asked(batch, objective, step: int) -> tuple[int, int]:
    """Count the words and pairs that a batch asks for; the mean over none would be NaN, though nothing diverged."""
    if not isinstance(batch, Batch):
        raise TypeError(f"{objective!r:.80} made {type(batch).__name__}: an objective returns an objectives.Batch.")
    if not any(batch.asked):
        raise ValueError(
            f"Step {step}: no token of the batch is to be predicted. Use larger batches, a higher rate "
            "or share, or rows that hold more than special tokens."
        )
    return batch.asked


def _advice(step: int, learning_rate: float) -> str:
    if step == 1:
        return ("No weight had been changed yet, so the rate is not to blame: look at the batch, e.g. at a position "
                "that may look at nothing.")  # fmt: skip
    return f"The model is back in its last good state. Try a lower rate, e.g. {learning_rate / 3:.1g}."


def _check(
    model, rows: Tensor | Pairs, objective, steps: int, batch_size: int, learning_rate: float, seed: int = 0,
    evaluate=None, evaluations: int = 10,
) -> None:  # fmt: skip
    """Refuse settings that cannot work, before any time is spent."""
    if not isinstance(model, PreTrainedModel):
        raise TypeError(f"model is a {type(model).__name__}: give a model of transformers, e.g. bodies.tiny_bert(...).")
    if not isinstance(rows, Tensor | Pairs):
        raise TypeError(f"rows is a {type(rows).__name__}: give a tensor [N, T] or Pairs, see course_lib.text.packing.")
    for what, called in (("objective", objective), ("evaluate", evaluate)):
        if not (callable(called) or (what == "evaluate" and called is None)):
            raise TypeError(f"{what}={called!r:.60} cannot be called.")
    for what, value, least in (("steps", steps, 1), ("batch_size", batch_size, 1), ("seed", seed, 0),
                               ("evaluations", evaluations, 1)):  # fmt: skip
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{what}={value!r} must be a whole number, at least {least}.")
    rows, together = rows.input_ids if isinstance(rows, Pairs) else rows, processes.rank()[1]
    if batch_size < together:
        raise ValueError(
            f"batch_size={batch_size} cannot be shared by {together} processes: each needs at least one row. "
            f"Use batch_size={together} or more, or fewer processes."
        )
    if not (learning_rate > 0 and math.isfinite(learning_rate)):
        raise ValueError(f"learning_rate={learning_rate} must be a positive number, e.g. 3e-3.")
    check_rows(model, rows)
    if bad := [key for key, weight in model.named_parameters() if not weight.isfinite().all()]:
        raise ValueError(f"The model starts with NaN or infinity in {bad[0]!r} and {len(bad) - 1} more weights: "
                         "build it anew.")  # fmt: skip


def _batches(rows: Tensor | Pairs, batch_size: int, steps: int, generator: torch.Generator) -> Iterator[Tensor | Pairs]:
    """Yield ``steps`` batches [B, T]: every row once in random order, then again in another order."""
    order, at = torch.randperm(len(rows), generator=generator), 0
    for _ in range(steps):
        take = order[at : at + batch_size]
        at += batch_size
        while len(take) < batch_size:
            order = torch.randperm(len(rows), generator=generator)
            at = batch_size - len(take)
            take = torch.cat([take, order[:at]])
        yield rows[take]


def _one_cycle(step: int, steps: int, peak: float, warm_up: float = 0.1) -> float:
    """The learning rate at a step (1-based): linear up over the first tenth, then half a cosine down to 1% of peak."""
    up = max(1, round(steps * warm_up))
    if step <= up:
        return peak * step / up
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - up) / max(1, steps - up))))


def _for_writing(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Copy a tokenizer so that a text begins with [CLS] but stays open: a model that writes goes on after it.

    The pipeline "text-generation" would end the prompt with [SEP], after which no training row goes on.
    """
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    first = tokenizer.cls_token
    backend.post_processor = TemplateProcessing(
        single=f"{first} $A", special_tokens=[(first, tokenizer.cls_token_id)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False, **tokenizer.special_tokens_map,
    )  # fmt: skip


def _snapshot(model) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in model.state_dict().items()}
