"""More than one training run's worth of machine: many seeds at once on a device, one run over many processes.

    scaling.train_seeds(build, rows, objective, steps, seeds=range(32))            # one GPU, 32 models
    torchrun --standalone --nproc-per-node=2 -m course_lib.train.scaling --steps 200     # two processes, one model

A small model leaves a GPU idle: starting the work costs more time than the work. Models of one shape are stacked
along a new first axis, so that each operation is started once for all of them (torch.func).
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F
from transformers import PreTrainedModel

from course_lib import runtime
from course_lib.model.attention import bidirectional_mask, padding_mask
from course_lib.model.bodies import autocast, logits_at
from course_lib.train import loop, processes
from course_lib.train.history import Diverged, History, numbers
from course_lib.train.masking import IGNORE
from course_lib.train.objectives import Batch, Objective

__all__ = ["can_stack", "train_seeds"]

STACKED = {"input_ids", "select", "targets", "attention_mask"}  # the fields of a batch that this module knows


def can_stack(model: PreTrainedModel, rows: Tensor, objective: Objective) -> bool:
    """Tell whether :func:`train_seeds` can train models like this one: no dropout, nothing unknown in a batch."""
    return not _obstacle(model, rows, objective)


def train_seeds(
    build: Callable[[], PreTrainedModel], rows: Tensor | Sequence[Tensor], objective: Objective, steps: int,
    seeds: Sequence[int], *, batch_size: int = 128, learning_rate: float = 3e-3, name: str = "model",
    evaluate: Callable | Sequence[Callable] | None = None, evaluations: int = 10,
) -> list[tuple[PreTrainedModel, History]]:  # fmt: skip
    """Train one model per seed, all at the same time; returns (model, history) for each, in the order of seeds.

    The same as ``runtime.seed_all(seed); model = build(); loop.train(model, ..., seed=seed)`` for each seed
    (to 1e-4 in float32): its own first weights, order of rows, masks and gradient clipping. ``rows`` and ``evaluate``
    are shared, or a list with one for each seed. ``seconds`` in every history are those of all seeds together.
    Raises ValueError where :func:`can_stack` says no, and Diverged when the loss of one seed is no longer a number.
    """
    seeds, models = list(seeds), []
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds={seeds}: at least one, and each only once.")
    if processes.rank()[1] > 1:
        raise ValueError("train_seeds stays in one process: start it without torchrun.")
    each_rows = [rows] * len(seeds) if isinstance(rows, Tensor) else list(rows)
    each_evaluate = list(evaluate) if isinstance(evaluate, Sequence) else [evaluate] * len(seeds)
    if not len(seeds) == len(each_rows) == len(each_evaluate):
        raise ValueError(f"{len(each_rows)} texts and {len(each_evaluate)} evaluations for {len(seeds)} seeds.")
    device = runtime.device()
    for seed in seeds:
        runtime.seed_all(seed)
        models.append(build().to(device).train())
    for one, text, asked in zip(models, each_rows, each_evaluate, strict=True):
        loop._check(one, text, objective, steps, batch_size, learning_rate, 0, asked, evaluations)
    if problem := _obstacle(models[0], each_rows[0], objective):
        raise ValueError(f"{problem} Train the seeds one by one with loop.train.")
    stack = _Stack(models, device)
    optimizer = torch.optim.AdamW(
        stack.weights.values(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=device.type != "mps"
    )
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    drawn_from = zip(each_rows, generators, strict=True)
    batches = zip(*(loop._batches(text, batch_size, steps, g) for text, g in drawn_from), strict=True)
    histories, good = [History(f"{name}, seed {seed}") for seed in seeds], stack.copy()
    check_every, note_every = (1 if device.type == "cpu" else 20), max(1, steps // 50)
    evaluate_at = {round(steps * (i + 1) / evaluations) for i in range(evaluations)} if evaluate else set()
    loss_sum, right, predicted = 0.0, 0.0, 0.0
    seen, spent, resumed = [0] * len(seeds), 0.0, time.perf_counter()
    bar = runtime.bar(steps, f"{name}, {len(seeds)} seeds")
    try:
        for step, rows_now in enumerate(batches, 1):
            rate = loop._one_cycle(step, steps, learning_rate)
            for group in optimizer.param_groups:
                group["lr"] = rate
            drawn = [objective(r, g) for r, g in zip(rows_now, generators, strict=True)]
            n = torch.tensor([len(batch.targets) for batch in drawn])
            if not n.all():
                raise ValueError(f"Step {step}: no token of a batch is to be predicted. Use larger batches.")
            nats, hits = stack.read(drawn)  # [S] each
            loss = nats / n.to(device)
            optimizer.zero_grad()
            loss.sum().backward()  # each weight belongs to one seed: the sum mixes nothing
            slope = stack.clip(1.0)
            noting = step % note_every == 0 or step == steps
            if noting or step % check_every == 0:
                finite = (loss.detach().isfinite() & slope.isfinite()).tolist()
                if not all(finite):
                    stack.restore(good)
                    bad = finite.index(False)
                    raise Diverged(
                        f"The loss of {histories[bad].name!r} became {loss[bad].item()} and its gradient "
                        f"{slope[bad].item()} at step {step} (learning rate {rate:.2g}). All models are back in their "
                        f"last good state. Try a lower rate, e.g. {learning_rate / 3:.1g}.",
                        histories[bad], models[bad],
                    )  # fmt: skip
                if noting:
                    good = stack.copy()
            optimizer.step()
            seen = [before + batch.tokens for before, batch in zip(seen, drawn, strict=True)]
            loss_sum, right, predicted = loss_sum + nats.detach(), right + hits, predicted + n
            if noting:
                now = spent + time.perf_counter() - resumed
                columns = (loss_sum.cpu() / predicted).tolist(), (right.cpu() / predicted).tolist()
                for history, tokens, *one in zip(histories, seen, *columns, strict=True):
                    history.note(step, tokens, now, *one)
                bar.set_postfix_str(f"{sum(seen) / now:,.0f} tokens/s")
                loss_sum, right, predicted = 0.0, 0.0, 0.0
            if step in evaluate_at:
                spent += time.perf_counter() - resumed
                stack.write_back()
                for model, history, tokens, asked in zip(models, histories, seen, each_evaluate, strict=True):
                    for key, value in numbers(asked(model)).items():
                        history.evals.setdefault(key, []).append(value)
                    history.eval_tokens.append(tokens)
                resumed = time.perf_counter()
            bar.update()
    except KeyboardInterrupt:
        print(f"{name}: stopped by you after {max(seen):,} tokens for each seed; kept as it is.")
        histories = [replace(history, interrupted=True) for history in histories]
    finally:
        bar.close()
        stack.write_back()
        for model in models:
            model.eval()
    return list(zip(models, histories, strict=True))


class _Reader(nn.Module):
    """A model whose forward pass is :func:`logits_at`, as torch.func wants it."""

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        return logits_at(self.model, input_ids, positions, mask)


class _Stack:
    """S models as one: ``weights`` [S, ...] are trained, the models themselves are brought up to date on demand."""

    def __init__(self, models: list[PreTrainedModel], device: torch.device):
        self.readers, self.device = [_Reader(model) for model in models], device
        self.weights, self.buffers = stack_module_state(self.readers)
        self.frame = copy.deepcopy(self.readers[0])  # only its forward pass is used
        self.frame.model.set_attn_implementation("eager")  # vmap knows no rule for the fused CPU kernel
        self.frame.model.config.pad_token_id = None  # GPT-2 would look for padding, which vmap forbids
        for module in self.frame.modules():
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                module.register_forward_hook(_without_padding(module.padding_idx))
                module.padding_idx = None  # vmap would spare this row in the first seed only

    def read(self, drawn: list[Batch]) -> tuple[Tensor, Tensor]:
        """Sum the loss in nats and the hits over one batch per seed: [S], [S]."""
        ids, positions, labels = (x.to(self.device) for x in _aligned(drawn))
        inputs = [ids, positions, labels]
        if any(batch.attention_mask is not None for batch in drawn):
            inputs.append(_stacked_masks(drawn).to(self.device))

        def one(weights, buffers, ids, positions, labels, mask=None):
            logits = functional_call(self.frame, (weights, buffers), (ids, positions, mask)).float()  # [B, K, V]
            nats = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE, reduction="sum")
            return nats, (logits.detach().argmax(2) == labels).sum()

        with autocast(self.device):
            return vmap(one)(self.weights, self.buffers, *inputs)

    def clip(self, longest: float) -> Tensor:
        """Shorten each seed's gradient to a norm, as clip_grad_norm_ does for one; returns the norms before: [S]."""
        gradients = [w.grad for w in self.weights.values()]
        norms = torch.cat([g.flatten(1) for g in gradients], dim=1).norm(dim=1)
        shrink = (longest / (norms + 1e-6)).clamp(max=1.0)
        for g in gradients:
            g.mul_(shrink.view(-1, *[1] * (g.ndim - 1)))
        return norms

    def copy(self) -> dict[str, Tensor]:
        return {key: weight.detach().clone() for key, weight in self.weights.items()}

    @torch.no_grad()
    def restore(self, weights: dict[str, Tensor]) -> None:
        for key, weight in self.weights.items():
            weight.copy_(weights[key])

    @torch.no_grad()
    def write_back(self) -> None:
        for i, reader in enumerate(self.readers):
            for key, parameter in reader.named_parameters():
                parameter.copy_(self.weights[key][i])
            reader.train()


def _without_padding(index: int) -> Callable:
    """Make a hook that lets no gradient through to an embedding's padding row, as ``padding_idx`` does."""
    return lambda _, inputs, out: torch.where((inputs[0] == index)[..., None], out.detach(), out)


def _aligned(drawn: list[Batch]) -> tuple[Tensor, Tensor, Tensor]:
    """Turn S batches into input ids [S, B, T], positions [S, B, K] and labels [S, B, K].

    K is the most that any row is asked for; shorter lists are filled with positions whose label is ignored.
    """
    ids, select = (torch.stack([getattr(batch, name) for batch in drawn]) for name in ("input_ids", "select"))
    labels = torch.full(select.shape, IGNORE)
    labels[select] = torch.cat([batch.targets for batch in drawn])
    most = int(select.sum(dim=2).max())
    positions = (~select).byte().argsort(dim=2, stable=True)[:, :, :most]  # the selected ones first, in order
    return ids, positions, labels.gather(2, positions)


def _stacked_masks(drawn: list[Batch]) -> Tensor:
    """Bring the masks of S batches, padding, causal or none, to one additive shape: [S, 1 or B, 1, T, T]."""
    length, masks = drawn[0].input_ids.shape[1], []
    for mask in (batch.attention_mask for batch in drawn):
        additive = bidirectional_mask(length) if mask is None else mask if mask.ndim == 4 else padding_mask(mask)
        masks.append(additive.cpu().expand(-1, -1, length, length))
    return torch.stack(torch.broadcast_tensors(*masks))


def _obstacle(model: PreTrainedModel, rows: Tensor, objective: Objective) -> str:
    """Say why models like this one cannot be stacked, or ''."""
    rate = max((m.p for m in model.modules() if isinstance(m, nn.Dropout)), default=0.0)
    if rate > 0:
        return f"Stacked models cannot draw the dropout of {rate} that each alone would draw."
    batch = objective(rows[:2], torch.Generator().manual_seed(0))
    unknown = [f.name for f in fields(batch) if f.name not in STACKED and getattr(batch, f.name) is not None]
    return f"Stacked training does not know the batch's {', '.join(unknown)}." if unknown else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the lessons' BERT on Tiny Town in all processes that torchrun started, and say how fast."""
    from course_lib.model import bodies
    from course_lib.text import corpora, packing, tokenization
    from course_lib.town import language
    from course_lib.train.masking import Masking
    from course_lib.train.objectives import MaskedLM

    parser = argparse.ArgumentParser(prog="python -m course_lib.train.scaling", description=main.__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=128, help="rows per step, over all processes (default 128)")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    runtime.threads()
    tokenizer = tokenization.word_tokenizer(language.TinyTown.load().vocabulary)
    corpus = tokenization.encode_documents(tokenizer, corpora.tiny_town(2000, seed=0))
    rows = packing.blocks(tokenizer, corpus, 32)
    with processes.joined() as (rank, together):
        runtime.seed_all(options.seed)
        model = bodies.tiny_bert(tokenizer)
        history = loop.train(
            model, rows, MaskedLM(Masking.of(tokenizer)), options.steps, batch_size=options.batch_size,
            learning_rate=options.learning_rate, seed=options.seed, name=f"BERT in {together}",
        )  # fmt: skip
        if rank == 0:
            print(
                f"{together} process(es) on {model.device.type}: {history.tokens_per_second:,.0f} tokens/s, "
                f"loss {history.loss[-1]:.3f} after {history.tokens[-1]:,} tokens"
            )


if __name__ == "__main__":
    main()
