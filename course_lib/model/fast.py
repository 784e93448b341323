"""Speed tricks, off the reading path: each computes what the plain way computes, sooner (tests/test_fast.py).

Attention by the fastest route of the device, bfloat16 where the machine multiplies it natively, and after the last
attention only the positions that are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from course_lib import runtime

__all__ = ["ATTENTION", "autocast", "course_attention", "knows", "logits", "logits_at"]

ATTENTION = "course_attention"  # our name in transformers' attention registry
LOWEST = torch.finfo(torch.bfloat16).min  # the additive mask's "may not", as in course_lib.model.attention


def course_attention(
    module, query, key, value, attention_mask, dropout=0.0, scaling=None, is_causal=None, **_
):
    """Compute scaled dot-product attention (AIAYN, section 3.2.1) by the fastest route of the device.

    query, key, value [B, H, T, D/H]; additive or bool mask [B, 1, T, S] or None. Returns
    ([B, T, H, D/H], None). Same mathematics as "sdpa"; but on CPUs its backward pass in bfloat16 takes ten
    times as long as the two matrix products written out, and they need [B, H, T, S] numbers of memory.
    """
    if is_causal is None:
        is_causal = getattr(module, "is_causal", False)
    causal = bool(is_causal) and attention_mask is None and query.shape[2] > 1
    mask = attention_mask
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        if causal:
            mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool).tril()
        scores = query @ key.transpose(2, 3) * (scaling or query.shape[3] ** -0.5)  # [B, H, T, S]
        if mask is not None:
            scores = scores.masked_fill(~mask, LOWEST) if mask.dtype == torch.bool else scores + mask
        weights = F.dropout(scores.softmax(3, dtype=torch.float32), dropout).to(value.dtype)
        out = weights @ value
    else:
        if mask is not None and mask.dtype != torch.bool:
            mask = mask.clamp(min=torch.finfo(query.dtype).min).to(query.dtype)  # -inf would make NaN
        out = F.scaled_dot_product_attention(query, key, value, mask, dropout, causal, scale=scaling)
    return out.transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, course_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


def autocast(device: torch.device):
    """Enter bfloat16 autocast where the machine multiplies it natively (runtime.precision), else nothing."""
    dtype = runtime.precision(device)
    return torch.autocast(device.type, dtype) if dtype == torch.bfloat16 else nullcontext()


def knows(model: PreTrainedModel) -> bool:
    """Tell whether :func:`logits` can take a model apart: into a body and a head for words."""
    return _head(model) is not None


def _head(model: PreTrainedModel) -> Callable[[Tensor], Tensor] | None:
    """Find what makes logits [..., V] of hidden states [..., D]; of BERT's two heads, the one for words."""
    if hasattr(model, "head") and hasattr(model, "decoder"):  # ModernBERT
        return lambda hidden: model.decoder(model.head(hidden))
    head = getattr(model, "cls", getattr(model, "lm_head", None))
    return getattr(head, "predictions", head)


def logits(
    model: PreTrainedModel, seen: dict[str, Tensor | None], positions: Tensor, judged: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Compute the logits of words and pairs as ``Batch.logits`` does, and only what they need.

    seen: the model's input_ids [B, T], attention_mask and token_type_ids; positions int64 [N], counted through all
    rows (``Batch.positions``), or [B, K] within each row; judged int64 [B], counted through all rows, or None.
    Returns [N, V] or [B, K, V], and [B, 2] or None.

    The vocabulary head costs as much as the body when V is large. And after the last attention every position is on
    its own, so that a BERT body goes on with the N selected ones alone: of two layers a third of the work is saved,
    and a hook is all it takes. Positions are listed, since a mask of bool would make a GPU wait to be counted.
    """
    body, head = model.base_model, _head(model)
    if positions.ndim == 1 and torch.is_autocast_enabled("cpu") and (more := -len(positions) % 32):
        # oneDNN keeps what it compiled for each number of rows: hundreds of megabytes, were every number to come
        words, pairs = logits(model, seen, torch.cat([positions, positions.new_zeros(more)]), judged)
        return words[:-more], pairs
    if judged is not None and hasattr(model, "judge"):  # no BERT: one layer for pairs, and no pooler
        hidden = body(**seen).last_hidden_state
        return head(_picked(hidden, positions)), model.judge(_picked(hidden, judged))
    if judged is not None:
        with _only(body, torch.cat([positions, judged]), together=True):
            hidden = body(**seen).last_hidden_state[0]  # [N + B, D]
        words, at_pairs = hidden.split([len(positions), len(judged)])
        return head(words), model.cls.seq_relationship(body.pooler(at_pairs[:, None]))  # it takes the first position
    if getattr(body, "encoder", None) is None or body.pooler is not None:  # no BERT, or a pooler
        return head(_picked(body(**seen).last_hidden_state, positions)), None
    with _only(body, positions):
        return head(body(**seen).last_hidden_state), None


def logits_at(
    model: PreTrainedModel, input_ids: Tensor, select: Tensor, attention_mask: Tensor | None = None
) -> Tensor:
    """Compute the logits of the selected positions, and only what they need.

    input_ids int64 [B, T], select bool [B, T] with N True. Returns [N, V], the same numbers as
    ``model(input_ids).logits[select]``. ``select`` may also list positions, int64 [B, K]: then it returns [B, K, V].
    """
    positions = select.flatten().nonzero()[:, 0] if select.dtype == torch.bool else select
    return logits(model, {"input_ids": input_ids, "attention_mask": attention_mask}, positions)[0]


@contextmanager
def _only(body, positions: Tensor, together: bool = False):
    """Let a BERT body go on with some positions alone after its last attention.

    Its last hidden states are then [N, D] or [B, K, D], as :func:`_picked` makes them; with ``together`` [1, N, D], one
    sequence, which a body with a pooler can go on with.
    """

    def pick(_, inputs):
        return tuple(_picked(x, positions)[None] if together else _picked(x, positions) for x in inputs)

    hook = body.encoder.layer[-1].attention.output.register_forward_pre_hook(pick)
    try:
        yield
    finally:
        hook.remove()


def _picked(hidden: Tensor, positions: Tensor) -> Tensor:
    """Take positions of [B, T, D]: [N, D] for those counted through all rows, [B, K, D] for those within each row."""
    if positions.ndim == 1:
        return hidden.flatten(0, 1).index_select(0, positions)
    return hidden.gather(1, positions[:, :, None].expand(-1, -1, hidden.shape[2]))
