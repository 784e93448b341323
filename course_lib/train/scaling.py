"""Many seeds at once on a GPU, as an experiment's records want them.

A small model leaves a GPU idle: starting the work costs more time than the work. Models of one shape are stacked
along a new first axis, so that each operation is started once for all of them (torch.func).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import fields

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F
from transformers import PreTrainedModel

from course_lib import runtime
from course_lib.model.attention import bidirectional_mask, padding_mask
from course_lib.model.fast import autocast, logits_at
from course_lib.train import loop
from course_lib.train.batch import Batch
from course_lib.train.history import History
from course_lib.train.masking import IGNORE
from course_lib.train.objectives import Objective
from course_lib.train.watch import Watch

__all__ = ["can_stack", "train_seeds"]

STACKED = {"input_ids", "select", "targets", "attention_mask"}  # the fields of a batch that this module knows


def can_stack(model: PreTrainedModel, rows: Tensor, objective: Objective) -> bool:
    """Tell whether :func:`train_seeds` can train models like this one: no dropout, nothing unknown in a batch."""
    batch = objective(rows[:2], torch.Generator().manual_seed(0))
    asked = {field.name for field in fields(batch) if getattr(batch, field.name) is not None}
    return asked <= STACKED and not any(part.p for part in model.modules() if isinstance(part, nn.Dropout))


def train_seeds(
    build: Sequence[Callable[[], PreTrainedModel]], rows: Sequence[Tensor], objective: Sequence[Objective], steps: int,
    seeds: Sequence[int], *, evaluate: Sequence[Callable], batch_size: int, learning_rate: float,
) -> list[tuple[PreTrainedModel, History]]:  # fmt: skip
    """Train one model per seed, all at the same time; returns (model, history) for each, in the order of seeds.

    The same as ``runtime.seed_all(seed); model = build(); loop.train(model, ..., seed=seed)`` for each seed
    (to 1e-4 in float32): its own first weights, order of rows, masks and gradient clipping. ``build``, ``rows``,
    ``objective`` and ``evaluate`` hold one for each seed, whose text they may depend on; the models are of one shape,
    and :func:`can_stack` says which models and objectives it is for. ``seconds`` in every history are those of all
    seeds together. Raises Diverged when the loss of one seed is no longer a number.
    """
    models, device = [], runtime.device()
    for seed, make, text in zip(seeds, build, rows, strict=True):
        runtime.seed_all(seed)
        models.append(make().to(device).train())
        loop.check(models[-1], text, steps, batch_size, learning_rate)
    stack, generators = _Stack(models, device), [torch.Generator().manual_seed(seed) for seed in seeds]
    optimizer = loop.adamw(stack.weights.values(), device)
    orders = [loop.order(len(text), batch_size, steps, g) for text, g in zip(rows, generators, strict=True)]

    def measure():
        stack.write_back()
        return [ask(model) for ask, model in zip(evaluate, models, strict=True)]

    names = [f"model, seed {seed}" for seed in seeds]
    try:
        with Watch(models, names, stack.weights, steps, learning_rate, measure, evaluations=10) as watch:
            for step, takes in enumerate(zip(*orders, strict=True), 1):
                optimizer.param_groups[0]["lr"] = loop.one_cycle(step, steps, learning_rate)
                drawn = [ask(text[take], g)
                         for ask, text, take, g in zip(objective, rows, takes, generators, strict=True)]  # fmt: skip
                loss, hits = stack.read(drawn)  # [S] each
                optimizer.zero_grad()
                loss.sum().backward()  # each weight belongs to one seed: the sum mixes nothing
                slope = stack.clip(1.0)
                watch.check(loss, slope)
                optimizer.step()
                watch.add(drawn, loss, hits, torch.zeros_like(hits))
    finally:
        stack.write_back()
    return list(zip(models, watch.histories, strict=True))


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
        """Compute the mean loss in nats, and count the hits, of one batch per seed: [S], [S]."""
        asked = torch.tensor([len(batch.targets) for batch in drawn])
        ids, positions, labels = (x.to(self.device) for x in _aligned(drawn))
        inputs = [ids, positions, labels]
        if any(batch.attention_mask is not None for batch in drawn):
            inputs.append(_stacked_masks(drawn).to(self.device))

        def one(weights, buffers, ids, positions, labels, mask=None):
            logits = functional_call(self.frame, (weights, buffers), (ids, positions, mask)).float()  # [B, K, V]
            nats = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE, reduction="sum")
            return nats, (logits.detach().argmax(2) == labels).sum()

        with autocast(self.device):
            nats, hits = vmap(one)(self.weights, self.buffers, *inputs)
        return nats / asked.to(self.device), hits

    def clip(self, longest: float) -> Tensor:
        """Shorten each seed's gradient to a norm, as clip_grad_norm_ does for one; returns the norms before: [S]."""
        gradients = [w.grad for w in self.weights.values()]
        norms = torch.cat([g.flatten(1) for g in gradients], dim=1).norm(dim=1)
        shrink = (longest / (norms + 1e-6)).clamp(max=1.0)
        for g in gradients:
            g.mul_(shrink.view(-1, *[1] * (g.ndim - 1)))
        return norms

    @torch.no_grad()
    def write_back(self) -> None:
        for i, reader in enumerate(self.readers):
            for key, parameter in reader.named_parameters():
                parameter.copy_(self.weights[key][i])


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
