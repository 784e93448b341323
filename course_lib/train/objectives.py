"""Training objectives: what is hidden from the model, and which tokens it has to predict.

An objective turns rows of token ids into a :class:`course_lib.train.batch.Batch`. The loss is the same for all of
them: cross-entropy, in nats, averaged over the selected positions; and over the pairs, where pairs are judged as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.model.attention import causal_mask
from course_lib.text.packing import Pairs
from course_lib.train.batch import Batch
from course_lib.train.masking import Masking

__all__ = ["Batch", "Objective", "MaskedLM", "CausalLM", "UnderMask", "BothMasks", "PreTraining"]


@dataclass(frozen=True)
class MaskedLM:
    """Predict the original token at each selected position (BERT, section 3.1)."""

    masking: Masking

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Draw new masks for rows [B, T]: dynamic masking. Padding is neither asked for nor looked at."""
        masked, pad = self.masking(rows, generator), self.masking.pad_id
        padded = pad is not None and bool((rows == pad).any())
        targets = masked.labels[masked.selected]
        return Batch(masked.input_ids, masked.selected, targets, rows != pad if padded else None)


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
class UnderMask:
    """Ask what another objective asks, of a model that reads under a mask of your own: additive [1, 1, T, T]."""

    objective: MaskedLM | CausalLM
    mask: Tensor

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Ask about rows [B, T]."""
        return replace(self.objective(rows, generator), attention_mask=self.mask.to(rows.device))


@dataclass(frozen=True)
class BothMasks:
    """Train one encoder body under both masks: MLM without a mask and next-word prediction under the causal one.

    Each batch is one or the other, half of them causal (as GPT-BERT mixes them, 2410.24159).
    """

    masked: MaskedLM
    causal: CausalLM

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Toss a coin for the batch of rows [B, T]."""
        if torch.rand(1, generator=generator, device=generator.device).item() >= 0.5:
            return self.masked(rows, generator)
        return UnderMask(self.causal, causal_mask(rows.shape[1]))(rows, generator)


@dataclass(frozen=True)
class PreTraining:
    """Judge whether B follows A, and predict words as ``words`` asks (BERT, section 3.1 and appendix A.2).

    ``words`` is BERT's MaskedLM, or CausalLM for a body under the causal mask, or None: next sentence prediction
    alone. ``judge_at`` is 'first', [CLS], as in BERT; or 'last': the last token before the padding, which under
    a causal mask is the only one that has seen all of A and B; or None: the same rows, and no question about pairs
    (BERT's "No NSP", section 5.1).
    """

    pad_id: int
    words: MaskedLM | CausalLM | None = None
    judge_at: str | None = "first"

    def __post_init__(self):
        if self.judge_at not in ("first", "last", None):
            raise ValueError(f"judge_at={self.judge_at!r}: a pair is judged from its 'first' or its 'last' token.")

    def __call__(self, pairs: Pairs, generator: torch.Generator) -> Batch:
        """Ask for the pairs' labels [B], and for words of their rows [B, T]."""
        ids, real = pairs.input_ids, pairs.input_ids != self.pad_id
        words = self.words or (lambda rows, _: Batch(rows, torch.zeros_like(real), rows[:0, 0]))
        return replace(
            words(ids, generator), attention_mask=real, token_type_ids=pairs.token_type_ids,
            pair_labels=pairs.labels if self.judge_at else None,
            judge_at=real.sum(dim=1) - 1 if self.judge_at == "last" else None,
        )  # fmt: skip


Objective = Callable[[Tensor | Pairs, torch.Generator], Batch]  # rows int64 [B, T], or pairs of them -> Batch
