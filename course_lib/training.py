"""One training loop for every objective: rows in, a trained ``transformers`` model and its history out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from course_lib import checkpoints, processes, runtime
from course_lib.models import answers, autocast
from course_lib.objectives import Objective
from course_lib.packing import Pairs

__all__ = ["History", "Diverged", "train", "fit"]

# modules whose edit outdates a cached model
MADE_BY = ("attention", "masking", "models", "objectives", "processes", "training")


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


def train(
    model: PreTrainedModel, rows: Tensor | Pairs, objective: Objective, steps: int, *, batch_size: int = 128,
    learning_rate: float = 3e-3, seed: int = 0, name: str = "model",
    evaluate: Callable[[PreTrainedModel], dict[str, float]] | None = None, evaluations: int = 10,
) -> History:  # fmt: skip
    """Train a model in place and return its history.

    rows int64 [N, T], or Pairs. AdamW with beta2 0.98 (RoBERTa, section 3.1), one cycle of the learning rate
    (10% up, then a cosine down), gradients clipped at norm 1. ``evaluate(model)`` returns named numbers and is
    called ``evaluations`` times. Interrupted by the user (Ctrl-C, the stop button) it keeps what it has.
    Raises Diverged when the loss is no longer a number.

    Inside ``processes.joined()`` several processes share each batch of ``batch_size`` rows and end with the
    weights that one process would have (without dropout, whose draws are each process's own).
    """
    _check(model, rows, steps, batch_size, learning_rate)
    device = runtime.device()
    model.to(device).train()
    processes.start_alike(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=device.type != "mps"
    )
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same batches on every device
    history, good = History(name), _snapshot(model)
    check_every, note_every = (1 if device.type == "cpu" else 20), max(1, steps // 50)
    evaluate_at = {round(steps * (i + 1) / evaluations) for i in range(evaluations)} if evaluate else set()
    seen, loss_sum, right, predicted, spent, resumed = 0, 0.0, 0.0, 0, 0.0, time.perf_counter()
    pairs_right, judged = 0.0, 0
    bar = runtime.bar(steps, name, shown=processes.rank()[0] == 0)
    try:
        for step, rows_now in enumerate(_batches(rows, batch_size, steps, generator), 1):
            rate = _one_cycle(step, steps, learning_rate)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = objective(rows_now, generator)  # every process draws the whole batch, and takes its share
            asked, seen = batch.asked, seen + batch.tokens
            n = asked[0] or asked[1]
            if not n:  # the mean over nothing is NaN, but nothing diverged
                raise ValueError(
                    f"Step {step}: no token of the batch is to be predicted. Use larger batches, a higher rate "
                    "or share, or rows that hold more than special tokens."
                )
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
                        f"The {what} of {name!r} became {value.item()} at step {step} (learning rate {rate:.2g}). The "
                        f"model is back in its last good state. Try a lower rate, e.g. {learning_rate / 3:.1g}.",
                        history, model,
                    )  # fmt: skip
                if noting:  # before the step: these weights have just been seen to give a finite loss
                    good = _snapshot(model)
            optimizer.step()
            loss_sum, right, predicted = loss_sum + loss * n, right + (hits if asked[0] else pair_hits), predicted + n
            pairs_right, judged = pairs_right + pair_hits, judged + asked[1]
            if noting:
                mean_loss, accuracy = float(loss_sum) / predicted, float(right) / predicted
                now = spent + time.perf_counter() - resumed
                history.note(step, seen, now, mean_loss, accuracy, float(pairs_right) / judged if judged else None)
                bar.set_postfix_str(f"loss {mean_loss:.2f}, accuracy {accuracy:.2f}, {seen / now:,.0f} tokens/s")
                loss_sum, right, predicted, pairs_right, judged = 0.0, 0.0, 0, 0.0, 0
            if step in evaluate_at:
                spent += time.perf_counter() - resumed
                for key, value in evaluate(model).items():
                    history.evals.setdefault(key, []).append(value)
                history.eval_tokens.append(seen)
                model.train()
                resumed = time.perf_counter()
            bar.update()
    except KeyboardInterrupt:
        print(f"{name}: stopped by you after {history.tokens[-1] if history.tokens else 0:,} tokens; kept as it is.")
        history = replace(history, interrupted=True)
    finally:
        bar.close()
        model.eval()
    return history


def fit(
    build: Callable[[], PreTrainedModel], rows: Tensor | Pairs, objective: Objective, steps: int, *,
    tokenizer: PreTrainedTokenizerBase, seed: int = 0, cache: bool = True, evaluate=None, **settings,
) -> tuple[PreTrainedModel, History]:  # fmt: skip
    """Build and train a model, or load it if the same thing was trained before. Returns (model, history).

    ``build()`` draws the first weights after ``seed`` is set. The cache key covers the configuration, the
    rows, the objective, every setting, the library's source and the versions of torch and transformers;
    ``settings`` as in :func:`train`. The checkpoint opens with ``from_pretrained`` and in pipelines.
    Nothing is kept when ``evaluate`` has no ``fingerprint`` (as HeldOut has): its numbers could be anything's.
    """
    cache = cache and (evaluate is None or hasattr(evaluate, "fingerprint"))
    runtime.seed_all(seed)
    model = build()
    device = runtime.device()
    key = checkpoints.fingerprint(
        model=type(model).__name__, config=model.config.to_diff_dict(), attention=model.config._attn_implementation,
        start=[p.detach().double().sum().item() for p in model.parameters()], rows=checkpoints.data_hash(rows),
        objective=repr(objective), steps=steps, seed=seed, settings={k: v for k, v in settings.items() if k != "name"},
        evaluate=getattr(evaluate, "fingerprint", None), source=checkpoints.source_hash(*MADE_BY),
        versions=[torch.__version__, transformers.__version__], device=[device.type, str(runtime.precision(device))],
    )  # fmt: skip
    entry = f"{type(model).__name__}-{key}"
    folder = checkpoints.load(entry) if cache else None
    if folder is not None:
        attention = model.config._attn_implementation
        model = type(model).from_pretrained(folder, attn_implementation=attention).to(device).eval()
        kept = json.loads((folder / "history.json").read_text(encoding="utf-8"))
        return model, History(**kept | {"name": settings.get("name", "model")})
    history = train(model, rows, objective, steps, seed=seed, evaluate=evaluate, **settings)
    if cache and not history.interrupted:

        def write(draft: Path) -> None:
            model.save_pretrained(draft)
            (_for_writing(tokenizer) if model.can_generate() else tokenizer).save_pretrained(draft)
            (draft / "history.json").write_text(json.dumps(asdict(history)), encoding="utf-8")

        checkpoints.save(entry, write)
    return model, history


def _check(model, rows: Tensor | Pairs, steps: int, batch_size: int, learning_rate: float) -> None:
    """Refuse settings that cannot work, before any time is spent."""
    rows = rows.input_ids if isinstance(rows, Pairs) else rows
    if rows.ndim != 2 or len(rows) == 0 or rows.is_floating_point():
        raise ValueError(f"rows must be token ids of shape [N, T], not {rows.dtype} {tuple(rows.shape)}.")
    if steps < 1 or batch_size < 1:
        raise ValueError(f"steps={steps}, batch_size={batch_size}: both must be at least 1.")
    together = processes.rank()[1]
    if batch_size < together:
        raise ValueError(
            f"batch_size={batch_size} cannot be shared by {together} processes: each needs at least one row. "
            f"Use batch_size={together} or more, or fewer processes."
        )
    if not (learning_rate > 0 and math.isfinite(learning_rate)):
        raise ValueError(f"learning_rate={learning_rate} must be a positive number, e.g. 3e-3.")
    longest = model.config.max_position_embeddings
    if rows.shape[1] > longest:
        raise ValueError(
            f"Rows of {rows.shape[1]} tokens do not fit a model with {longest} positions: cut the rows, or "
            "build the model with more (max_position_embeddings for BERT, n_positions for GPT-2)."
        )
    wrong = int(rows.max()) if int(rows.min()) >= 0 else int(rows.min())
    if not 0 <= wrong < model.config.vocab_size:
        raise ValueError(
            f"Token id {wrong} is outside the model's vocabulary of {model.config.vocab_size}: "
            "build the model with the tokenizer that made the rows."
        )


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
