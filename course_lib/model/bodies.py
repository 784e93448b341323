"""Tiny models: real ``transformers`` classes, built from small configurations.

The default body (2 layers, width 128, 4 heads) has about 450,000 parameters with Tiny Town's
vocabulary. First weights come from torch's global generator: call ``runtime.seed_all`` before.
"""

from __future__ import annotations

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertLMHeadModel,
    GPT2Config,
    GPT2LMHeadModel,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)  # fmt: skip

from course_lib.model.fast import ATTENTION, autocast, logits_at

__all__ = ["ATTENTION", "autocast", "causal_bert", "check_rows", "logits_at", "modern_bert", "pair_bert",
           "parameters", "tiny_bert", "tiny_gpt", "with_mask"]

# BERT starts its weights with a spread of 0.02, at width 768. At width 128 that is so small that a tiny BERT
# needs far more text before it learns to copy the hero's name; found by trying, see CONTRIBUTING.md.
WIDE_START = 0.08


def _bert_config(tokenizer: PreTrainedTokenizerBase, **overrides) -> BertConfig:
    settings = dict(
        vocab_size=len(tokenizer), hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=512, max_position_embeddings=128, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, initializer_range=WIDE_START, pad_token_id=tokenizer.pad_token_id,
        attn_implementation=ATTENTION,
    )  # fmt: skip
    return BertConfig(**(settings | overrides))


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
        pad_token_id=tokenizer.pad_token_id, attn_implementation=ATTENTION,
    )  # fmt: skip
    return GPT2LMHeadModel(GPT2Config(**(settings | overrides)))


def modern_bert(tokenizer: PreTrainedTokenizerBase, kind: type = ModernBertForMaskedLM, **overrides) -> PreTrainedModel:
    """Build ModernBERT (2412.13663: rotary positions, LayerNorm first), or a ``kind`` of it with more heads.

    Each layer attends to all positions; a batch's attention mask makes it causal, as in Ettin's pairs (2507.11412).
    ``overrides`` go to ``ModernBertConfig``.
    """
    settings = dict(
        vocab_size=len(tokenizer), hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=256, max_position_embeddings=128, global_attn_every_n_layers=1, initializer_range=0.04,
        cls_token_id=tokenizer.cls_token_id, sep_token_id=tokenizer.sep_token_id,
        bos_token_id=tokenizer.cls_token_id, eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id, attn_implementation=ATTENTION,
    )  # fmt: skip
    return kind(ModernBertConfig(**(settings | overrides)))


def with_mask(model: PreTrainedModel, causal: bool) -> PreTrainedModel:
    """Copy a BERT model's weights, one head for words, into a body with the other mask: one flag changed."""
    config = type(model.config).from_dict(model.config.to_dict() | {"is_decoder": causal, "use_cache": False})
    config._attn_implementation = model.config._attn_implementation
    twin = (BertLMHeadModel if causal else BertForMaskedLM)(config)
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
        raise ValueError(f"Rows of {rows.shape[1]} tokens do not fit a model with {longest} positions: cut the rows, "
                         "or build the model with more (max_position_embeddings for BERT, n_positions for GPT-2).")
    wrong = int(rows.max()) if int(rows.min()) >= 0 else int(rows.min())
    if not 0 <= wrong < size:
        raise ValueError(f"Token id {wrong} is outside the model's vocabulary of {size}: build the model with the "
                         "tokenizer that made the rows.")  # fmt: skip
