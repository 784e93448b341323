"""Attention masks: who may look at whom, and how to find out whether they did.

A mask here is an *additive float*: 0 where a query may look at a key, the most negative number of the dtype
where it may not. It is added to the scores before the softmax. Rows are queries (who looks), columns are keys
(who is looked at). Shapes: B sequences, H heads, T query positions, S key positions, D width of a head.

Sources: Attention Is All You Need (1706.03762) §3.2; BERT (1810.04805) §3; T5 (1910.10683) §3.2.1 for the
prefix mask; Longformer (2004.05150) §3.1 for the sliding window.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["attend", "bidirectional_mask", "causal_mask", "combine", "cross_mask", "leakage", "padding_mask",
           "prefix_mask", "sees_future", "sliding_window_mask", "visible"]  # fmt: skip

# ---------------------------------------------------------------------------------------------- mask builders
def padding_mask(attention_mask: Tensor) -> Tensor:
    """Hide padding *keys* from every query: 0/1 per token [B, S] -> additive [B, 1, 1, S].

    The query axis has length 1 and is broadcast: a padding mask closes columns, never rows.
    """
    odd = attention_mask[(attention_mask != 0) & (attention_mask != 1)]
    if len(odd):
        raise ValueError(f"The padding mask holds {odd[0].item():g}: use 1 for a real token and 0 for padding.")
    return _additive(attention_mask.bool()[:, None, None, :])


def bidirectional_mask(length: int) -> Tensor:
    """Let every position look at every position: additive [1, 1, T, T], all zeros."""
    return torch.zeros(1, 1, length, length)


def causal_mask(length: int) -> Tensor:
    """Let position i look at itself and what stands before it: additive [1, 1, T, T]. (1706.03762 §3.2.3)"""
    query, key = _positions(length)
    return _additive((key <= query)[None, None])


def prefix_mask(prefix: int | Sequence[int] | Tensor, length: int) -> Tensor:
    """Open the first `prefix` positions to everybody, keep the rest causal: additive [B, 1, T, T].

    `prefix` is one number (B = 1) or one per sequence. 0 is the causal mask, T the bidirectional one.
    Raises ValueError for a prefix outside 0..T. (T5, 1910.10683 §3.2.1)
    """
    query, key = _positions(length)
    prefixes = torch.as_tensor(prefix).reshape(-1, 1, 1, 1)
    if prefixes.min() < 0 or prefixes.max() > length:
        raise ValueError(f"prefix is {prefix}, but the length is {length}: use 0 to {length}.")
    return _additive((key <= query)[None, None] | (key < prefixes))


def sliding_window_mask(window: int, length: int) -> Tensor:
    """Let position i look at the `window` latest positions, itself included: additive [1, 1, T, T].

    This is the causal window of `transformers`: window 1 is "only myself", window T or more is the causal
    mask. (Longformer, 2004.05150 §3.1, describes the two-sided one.)
    """
    if window < 1:
        raise ValueError(f"window is {window}, which would hide even the position itself: use 1 or more.")
    query, key = _positions(length)
    return _additive(((key <= query) & (key > query - window))[None, None])


def cross_mask(source_mask: Tensor, length: int) -> Tensor:
    """Let T target positions look at the real tokens of a source: 0/1 per token [B, S] -> [B, 1, T, S].

    There is no causal part: the source is finished before the target begins. (1706.03762 §3.2.3)
    """
    return padding_mask(source_mask).expand(-1, 1, length, -1)


def combine(*masks: Tensor) -> Tensor:
    """Allow a look only where every mask allows it; shapes broadcast.

    Takes the minimum, not the sum: finfo.min + finfo.min overflows to -inf, and a row of -inf makes NaN.
    """
    return functools.reduce(torch.minimum, map(_additive_only, masks))


def visible(mask: Tensor) -> Tensor:
    """Turn an additive mask into booleans of the same shape, True where looking is allowed."""
    mask = _additive_only(mask)
    return mask > torch.finfo(mask.dtype).min / 2


# ------------------------------------------------------------------------------------------ attention by hand
def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Compute softmax(q k^T / sqrt(D) + mask) v and return (output, weights). (1706.03762 Eq. 1)

    q [..., T, D], k [..., S, D], v [..., S, Dv]; additive mask broadcastable to [..., T, S]. Returns output
    [..., T, Dv] and weights [..., T, S]. Bool and 0/1 masks are refused by name.
    """
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # [..., T, S]
    if mask is not None:
        scores = scores + _additive_only(mask)  # before the softmax, so that each row still sums to 1
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


# ------------------------------------------------------------------------------------------------- leak tests
def leakage(model: nn.Module, input_ids: Tensor, method: str = "gradient", **inputs) -> Tensor:
    """Measure how much input token j moves output i: matrix [T, T], rows outputs, columns inputs.

    method 'gradient': length of d(output_i . r)/d(embedding_j), with one random direction r for the outputs;
    method 'perturbation': largest change of output_i when token j is replaced (three random replacements).
    `input_ids` is one sequence, [T] or [1, T]; further `inputs` (attention_mask, position_ids, ...) go to the
    model. Works for any module that maps ids to [1, T, *] (or to a `transformers` output) through an
    nn.Embedding. Dropout is off while measuring; the model is left as it was found.
    """
    measure = {"gradient": _gradient, "perturbation": _perturbation}[method]
    ids = input_ids[None] if input_ids.ndim == 1 else input_ids
    if ids.ndim != 2 or len(ids) != 1 or ids.is_floating_point():
        raise ValueError(f"input_ids has shape {tuple(input_ids.shape)} and dtype {input_ids.dtype}: pass one "
                         "sequence of whole numbers, [T] or [1, T].")  # fmt: skip
    layer = next((module for module in model.modules() if isinstance(module, nn.Embedding)), None)  # of the tokens
    if layer is None:
        raise TypeError(f"{type(model).__name__} has no nn.Embedding, through which its inputs could be told apart.")
    device = layer.weight.device  # ids and masks are small: they go where the model is
    inputs = {name: v.to(device) if isinstance(v, Tensor) else v for name, v in inputs.items()}
    was_training = model.training
    model.eval()
    try:
        return measure(model, ids.to(device), layer, torch.Generator().manual_seed(0), inputs)
    finally:
        model.train(was_training)


def sees_future(matrix: Tensor, tolerance: float = 1e-5) -> bool:
    """Tell whether any output depends on a later input, given a matrix of `leakage`.

    `tolerance` is relative to the largest entry, since float32 sums differ in their last digits.
    """
    largest = matrix.abs().max()
    if not torch.isfinite(largest) or largest == 0:
        raise ValueError(f"the largest entry of the matrix is {largest.item()}, so it says nothing about the mask: "
                         "measure a model whose outputs are finite and depend on its inputs.")  # fmt: skip
    return bool(matrix.abs().triu(1).max() > tolerance * largest)


def _gradient(model, ids, layer, generator, inputs) -> Tensor:
    caught: list[Tensor] = []

    def cut(_module, _args, output):  # the embeddings become leaves: gradients stop here, and stay
        caught.append(output.detach().requires_grad_())
        return caught[-1].clone()  # a clone, because a leaf must not be changed in place

    handle = layer.register_forward_hook(cut)
    try:
        with torch.enable_grad():
            outputs = _first_tensor(model(ids, **inputs))[0]  # [T, *]
            direction = torch.randn(outputs.shape[-1], generator=generator).to(outputs)
            rows = []
            for score in outputs @ direction:
                slopes = torch.autograd.grad(score, caught, retain_graph=True, materialize_grads=True)
                rows.append(sum(slope[0].norm(dim=-1) for slope in slopes))  # [T, D] -> [T]
    finally:
        handle.remove()
    return torch.stack(rows)  # [T, T]


@torch.no_grad()
def _perturbation(model, ids, layer, generator, inputs) -> Tensor:
    length, moved = ids.shape[1], []
    # RoBERTa counts positions from the padding id, so a replacement by padding would move every position.
    allowed = [i for i in range(layer.num_embeddings) if i != layer.padding_idx]
    for _ in range(3):
        batch = ids.repeat(length + 1, 1)  # row 0 is untouched, row j + 1 has another token at j
        for j in range(length):
            others = [i for i in allowed if i != ids[0, j].item()]
            batch[j + 1, j] = others[int(torch.randint(len(others), (1,), generator=generator))]
        outputs = _first_tensor(model(batch, **inputs))  # [T + 1, T, *]
        moved.append((outputs[1:] - outputs[:1]).abs().amax(dim=-1))  # [input j, output i]
    return torch.stack(moved).amax(dim=0).T.contiguous()


# ---------------------------------------------------------------------------------------------------- helpers
def _additive(keep: Tensor) -> Tensor:
    return torch.zeros(keep.shape, device=keep.device).masked_fill(~keep, torch.finfo(torch.float32).min)


def _additive_only(mask: Tensor) -> Tensor:
    fix = "use an additive float mask, 0 = look, torch.finfo(dtype).min = do not (padding_mask() makes one)."
    if not mask.is_floating_point():
        raise TypeError(f"the mask has dtype {mask.dtype}: added to the scores it would hide nothing; {fix}")
    if (mask > 0).any():
        raise ValueError(f"the mask holds {mask.max().item():g}, which would *attract* attention; {fix}")
    return mask


def _positions(length: int) -> tuple[Tensor, Tensor]:
    positions = torch.arange(length)
    return positions[:, None], positions[None, :]  # queries down, keys across


def _first_tensor(result) -> Tensor:
    for name in ("logits", "last_hidden_state"):
        result = getattr(result, name, result)
    return result if isinstance(result, Tensor) else result[0]
