"""Tiny models: real ``transformers`` classes, built from small configurations.

The default body (2 layers, width 128, 4 heads) has about 450,000 parameters with Tiny Town's
vocabulary. First weights come from torch's global generator: call ``runtime.seed_all`` before.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import torch
from torch.nn import functional as F
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertLMHeadModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from course_lib import runtime

__all__ = ["ATTENTION", "answers", "autocast", "causal_bert", "check_rows", "logits_at", "pair_bert",
           "parameters", "tiny_bert", "tiny_gpt", "with_mask"]

# BERT starts its weights with a spread of 0.02, at width 768. At width 128 that is so small that a tiny BERT
# needs far more text before it learns to copy the hero's name; found by trying, see CONTRIBUTING.md.
WIDE_START = 0.08
ATTENTION = "course_attention"  # our name in transformers' attention registry


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


LOWEST = torch.finfo(torch.bfloat16).min  # the additive mask's "may not", as in course_lib.model.attention
ALL_ATTENTION_FUNCTIONS.register(ATTENTION, course_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


def _bert_config(tokenizer: PreTrainedTokenizerBase, **overrides) -> BertConfig:
    settings = dict(
        vocab_size=len(tokenizer), hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=512, max_position_embeddings=128, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, initializer_range=WIDE_START, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    config = BertConfig(**(settings | overrides))
    config._attn_implementation = overrides.get("attn_implementation", ATTENTION)
    return config


def tiny_bert(tokenizer: PreTrainedTokenizerBase, **overrides) -> BertForMaskedLM:
    """Build BERT with a masked-language-model head; ``overrides`` go to ``BertConfig``."""
    return BertForMaskedLM(_bert_config(tokenizer, **overrides))


def causal_bert(tokenizer: PreTrainedTokenizerBase, **overrides) -> BertLMHeadModel:
    """Build the same body under the causal mask: ``BertLMHeadModel`` with ``is_decoder=True``.

    Without ``is_decoder=True`` the class sees the future; ``transformers`` logs a line about it, which
    ``runtime.setup`` silences with all the others (lesson 03).
    """
    return BertLMHeadModel(_bert_config(tokenizer, is_decoder=True, use_cache=False, **overrides))


def pair_bert(tokenizer: PreTrainedTokenizerBase, causal: bool = False, **overrides) -> BertForPreTraining:
    """Build BERT with both of its heads, one for words and one for pairs; ``overrides`` go to ``BertConfig``.

    With ``causal`` the body has the causal mask. [CLS] then sees nothing but itself: judge from the last token.
    """
    return BertForPreTraining(_bert_config(tokenizer, is_decoder=causal, use_cache=False, **overrides))


def tiny_gpt(tokenizer: PreTrainedTokenizerBase, **overrides) -> GPT2LMHeadModel:
    """Build GPT-2 (causal mask, LayerNorm first); ``overrides`` go to ``GPT2Config``."""
    settings = dict(
        vocab_size=len(tokenizer), n_embd=128, n_layer=2, n_head=4, n_positions=128,
        embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0, use_cache=False,
        bos_token_id=tokenizer.cls_token_id, eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    config = GPT2Config(**(settings | overrides))
    config._attn_implementation = overrides.get("attn_implementation", ATTENTION)
    return GPT2LMHeadModel(config)


def with_mask(
    model: BertForMaskedLM | BertLMHeadModel | BertForPreTraining, causal: bool
) -> BertForMaskedLM | BertLMHeadModel | BertForPreTraining:
    """Copy a BERT model's weights into a body with the other mask: same tensors, one flag changed."""
    config = type(model.config).from_dict(model.config.to_dict() | {"is_decoder": causal, "use_cache": False})
    config._attn_implementation = model.config._attn_implementation
    both_heads = isinstance(model, BertForPreTraining)
    twin = (BertForPreTraining if both_heads else BertLMHeadModel if causal else BertForMaskedLM)(config)
    twin.load_state_dict(model.state_dict())
    return twin.to(model.device).train(model.training)


def parameters(model: torch.nn.Module) -> int:
    """Count the parameters, tied ones once."""
    return sum(p.numel() for p in model.parameters())


def check_rows(model: PreTrainedModel, rows: torch.Tensor) -> None:
    """Raise ValueError where rows do not fit a model: no ids [N, T], too long, or outside its vocabulary."""
    if not isinstance(rows, torch.Tensor) or rows.ndim != 2 or 0 in rows.shape or rows.dtype != torch.int64:
        found = f"{rows.dtype} {tuple(rows.shape)}" if isinstance(rows, torch.Tensor) else type(rows).__name__
        raise ValueError(f"rows must be token ids (int64) of shape [N, T], not {found}.")
    longest, size = model.config.max_position_embeddings, model.config.vocab_size
    if rows.shape[1] > longest:
        raise ValueError(
            f"Rows of {rows.shape[1]} tokens do not fit a model with {longest} positions: cut the rows, or "
            "build the model with more (max_position_embeddings for BERT, n_positions for GPT-2)."
        )
    wrong = int(rows.max()) if int(rows.min()) >= 0 else int(rows.min())
    if not 0 <= wrong < size:
        raise ValueError(
            f"Token id {wrong} is outside the model's vocabulary of {size}: "
            "build the model with the tokenizer that made the rows."
        )


def logits_at(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    select: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    token_type_ids: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compute the logits of the selected positions, and only what they need.

    input_ids int64 [B, T], select bool [B, T] with N True. Returns [N, V], the same numbers as
    ``model(input_ids).logits[select]``. The vocabulary head costs as much as the body when V is large. And
    after the last attention every position is on its own, so that a BERT body goes on with the N selected
    ones alone: of two layers a third of the work is saved, and a hook is all it takes.
    ``select`` may also list positions, int64 [B, K]: then it returns [B, K, V]. Raises TypeError for a model without
    a head for words, ValueError for an ``attention_mask`` that hides the first token, as segments would.
    """
    body, head = model.base_model, getattr(model, "cls", getattr(model, "lm_head", None))
    if head is None:
        raise TypeError(f"{type(model).__name__} has no head for words: use bodies.tiny_bert, tiny_gpt or the like.")
    _no_segments(attention_mask)
    head = getattr(head, "predictions", head)  # of BertForPreTraining's two heads, the one for words
    seen = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
    if getattr(body, "encoder", None) is None or body.pooler is not None:  # GPT-2; or [CLS] is needed as well
        return head(_picked(body(**seen).last_hidden_state, select))
    with _only(body, select):
        return head(body(**seen).last_hidden_state)


def answers(model: PreTrainedModel, batch) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Compute what a ``objectives.Batch`` asks for: the logits of its words [N, V] and of its pairs [B, 2] or None.

    The pooler and the pair head read [CLS], and then these are the numbers of ``model(input_ids, ...)``, or the
    positions ``batch.judge_at``. As in :func:`logits_at`, only what is needed goes on after the last attention.
    Raises TypeError if pairs are to be judged by a model without a head for them.
    """
    if hasattr(batch, "logits"):  # a batch that knows how it is read, such as translation.TranslationBatch
        return batch.logits(model), None
    seen = {"attention_mask": batch.attention_mask, "token_type_ids": batch.token_type_ids}
    if batch.pair_labels is None:
        return logits_at(model, batch.input_ids, batch.select, **seen), None
    if not isinstance(model, BertForPreTraining):
        raise TypeError(f"{type(model).__name__} has no head for pairs: build the model with bodies.pair_bert.")
    _no_segments(batch.attention_mask)
    body, at = model.bert, batch.judge_at
    at = torch.zeros_like(batch.pair_labels) if at is None else at
    judge = F.one_hot(at, batch.input_ids.shape[1]).bool()  # [B, T]: one position in each row
    needed = batch.select | judge
    with _only(body, needed, together=True):
        hidden = body(input_ids=batch.input_ids, **seen).last_hidden_state[0]  # [N + at most B, D]
    pooled = body.pooler(hidden[judge[needed]][:, None])  # it takes the first position, here the only one
    return model.cls.predictions(hidden[batch.select[needed]]), model.cls.seq_relationship(pooled)


def _no_segments(attention_mask: torch.Tensor | None) -> None:
    """Refuse segments in the place of the mask: the second argument of ``model(ids, ...)`` is the attention mask."""
    if attention_mask is not None and attention_mask.ndim == 2 and not attention_mask[:, 0].all():
        raise ValueError(
            "attention_mask is 0 at the first token of a row, as segments are: give them as token_type_ids=..., "
            "and in the mask 1 for every token that is not padding."
        )


@contextmanager
def _only(body, select: torch.Tensor, together: bool = False):
    """Let a BERT body go on with the selected positions alone after its last attention.

    Its last hidden states are then [N, D] (or what :func:`_picked` makes of ``select``); with ``together``
    [1, N, D], one sequence, which a body with a pooler can go on with.
    """

    def pick(_, inputs):
        return tuple(_picked(x, select)[None] if together else _picked(x, select) for x in inputs)

    hook = body.encoder.layer[-1].attention.output.register_forward_pre_hook(pick)
    try:
        yield
    finally:
        hook.remove()


def _picked(hidden: torch.Tensor, select: torch.Tensor) -> torch.Tensor:
    """Take the selected positions of [B, T, D]: [N, D] for a bool mask, [B, K, D] for listed positions."""
    if select.dtype == torch.bool:
        return hidden[select]
    return hidden.gather(1, select[:, :, None].expand(-1, -1, hidden.shape[2]))


def autocast(device: torch.device):
    """Enter bfloat16 autocast where the machine multiplies it natively (runtime.precision), else nothing."""
    dtype = runtime.precision(device)
    return torch.autocast(device.type, dtype) if dtype == torch.bfloat16 else nullcontext()
