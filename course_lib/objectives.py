"""Training objectives: what is hidden from the model, and which tokens it has to predict.

An objective turns rows of token ids into a batch. The loss is the same for all of them: cross-entropy,
in nats, averaged over the selected positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.attention import causal_mask
from course_lib.masking import Masking

__all__ = ["Batch", "Objective", "MaskedLM", "CausalLM", "BothMasks"]


@dataclass(frozen=True)
class Batch:
    """What one step needs: inputs, the positions to predict from, and the right tokens there."""

    input_ids: Tensor  # int64 [B, T]
    select: Tensor  # bool [B, T], N of them True
    targets: Tensor  # int64 [N]
    attention_mask: Tensor | None = None  # additive float [1, 1, T, T], or None for the model's own


@dataclass(frozen=True)
class MaskedLM:
    """Predict the original token at each selected position (BERT, section 3.1)."""

    masking: Masking

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Draw new masks for rows [B, T]: dynamic masking."""
        masked = self.masking(rows, generator)
        return Batch(masked.input_ids, masked.selected, masked.labels[masked.selected])


@dataclass(frozen=True)
class CausalLM:
    """Predict the next token at every position, or at a random ``share`` of them (GPT, section 3.1).

    The label shift happens here, once: position t is asked for token t + 1. Special tokens are never asked for.
    """

    special_ids: tuple[int, ...]
    share: float = 1.0

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, share: float = 1.0) -> CausalLM:
        """Take the special tokens from a tokenizer."""
        if not 0 < share <= 1:
            raise ValueError(f"share={share}: the share of positions in the loss must be above 0 and at most 1.")
        return cls(tuple(sorted(set(tokenizer.all_special_ids))), share)

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Mark the positions whose next token counts, for rows [B, T]."""
        special = torch.isin(rows, torch.tensor(self.special_ids, device=rows.device))
        select = torch.zeros_like(special)
        select[:, :-1] = ~special[:, 1:]
        if self.share < 1:
            draw = torch.rand(rows.shape, generator=generator, device=generator.device).to(rows.device)
            select &= draw < self.share
        following = rows.roll(-1, dims=1)
        return Batch(rows, select, following[select])


@dataclass(frozen=True)
class BothMasks:
    """Train one encoder body under both masks: MLM without a mask and next-word prediction under the causal one.

    Each batch is one or the other, ``causal_share`` of them causal (as GPT-BERT mixes them, 2410.24159).
    """

    masked: MaskedLM
    causal: CausalLM
    causal_share: float = 0.5

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Toss a coin for the batch of rows [B, T]."""
        if torch.rand(1, generator=generator, device=generator.device).item() >= self.causal_share:
            return self.masked(rows, generator)
        mask = causal_mask(rows.shape[1]).to(rows.device)
        return replace(self.causal(rows, generator), attention_mask=mask)


Objective = Callable[[Tensor, torch.Generator], Batch]  # rows int64 [B, T] -> Batch
