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

from course_lib.model.attention import causal_mask, prefix_mask, sliding_window_mask
from course_lib.text.packing import Pairs
from course_lib.train.batch import Batch
from course_lib.train.masking import Masking

__all__ = ["Batch", "Objective", "MaskedLM", "CausalLM", "BothMasks", "EveryMask", "PreTraining"]


@dataclass(frozen=True)
class MaskedLM:
    """Predict the original token at each selected position (BERT, section 3.1)."""

    masking: Masking

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Draw new masks for rows [B, T]: dynamic masking. Padding is neither asked for nor looked at."""
        _require_rows(rows)
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
        if not 0 < share <= 1:
            raise ValueError(f"share={share}: the share of positions in the loss must be above 0 and at most 1.")
        return cls(tuple(sorted(set(tokenizer.all_special_ids))), share)

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Mark the positions whose next token counts, for rows [B, T]."""
        _require_rows(rows)
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


@dataclass(frozen=True)
class EveryMask:
    """Train one encoder backbone under every mask that it may later be read with, on texts of every length.

    Each batch has one mask, drawn by ``shares``: bidirectional, causal, a prefix of 1 to T positions, or a causal
    window of 1 to 8. A share of the words, one of ``rates``, becomes [MASK], and each [MASK] is asked for the word it
    hides, under every mask (which :class:`BothMasks` leaves out); under the causal mask and the window a visible place
    is asked for the next word as well. With ``cut`` half of the batches end after a random word: a model that has read
    whole rows only is off its ground on a short sentence. Special tokens are never asked for. The mix is our own;
    GPT-BERT (2410.24159) mixes the first two.
    """

    mask_id: int
    special_ids: tuple[int, ...]
    pad_id: int | None = None
    shares: tuple[float, ...] = (0.35, 0.35, 0.15, 0.15)  # of the batches: bidirectional, causal, prefix, window
    rates: tuple[float, ...] = (0.08, 0.15, 0.15, 0.3, 0.5)
    cut: bool = False

    SHORTEST, WIDEST = 4, 8  # words of a cut text, at least; positions of a window, at most

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, **settings) -> EveryMask:
        """Take the special tokens from a tokenizer."""
        special_ids = tuple(sorted(set(tokenizer.all_special_ids)))
        return cls(tokenizer.mask_token_id, special_ids, tokenizer.pad_token_id, **settings)

    def __post_init__(self):
        if len(self.shares) != 4 or min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"shares={self.shares}: four shares (bidirectional, causal, prefix, window) of sum 1.")
        if not self.rates or not all(0 < rate < 1 for rate in self.rates):
            raise ValueError(f"rates={self.rates}: shares of hidden words between 0 and 1, e.g. (0.15,).")

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Make a batch of rows int64 [B, T], cut to [B, t] with ``cut``; padding, if any, ends a row."""
        _require_rows(rows)
        rows = self._cut(rows, generator) if self.cut else rows
        words = ~torch.isin(rows, torch.tensor(self.special_ids, device=rows.device))  # [B, T]
        rate = self.rates[_draw(len(self.rates), generator)]
        hidden = words & (torch.rand(rows.shape, generator=generator, device=generator.device).to(rows.device) < rate)
        if not hidden.any():
            hidden[tuple(words.nonzero()[:1].T)] = True  # at least one word is asked for
        inputs, select, targets = rows.masked_fill(hidden, self.mask_id), hidden.clone(), rows.clone()
        kind = int(torch.multinomial(torch.tensor(self.shares), 1, generator=generator))
        if kind in (1, 3):
            asks_next = ~hidden[:, :-1] & words[:, 1:]
            targets[:, :-1] = torch.where(asks_next, rows[:, 1:], targets[:, :-1])
            select[:, :-1] |= asks_next
        return Batch(inputs, select, targets[select], self._mask(kind, rows, generator))

    def _mask(self, kind: int, rows: Tensor, generator: torch.Generator) -> Tensor | None:
        """Draw the batch's mask: additive [1, 1, T, T]; without one, bool [B, T] where there is padding, or none."""
        length = rows.shape[1]
        real = rows != self.pad_id if self.pad_id is not None else torch.ones_like(rows, dtype=torch.bool)
        if kind == 1:
            return causal_mask(length).to(rows.device)
        if kind == 2:  # a prefix holds no padding
            return prefix_mask(1 + _draw(int(real.sum(dim=1).min()), generator), length).to(rows.device)
        if kind == 3:
            return sliding_window_mask(1 + _draw(self.WIDEST, generator), length).to(rows.device)
        return None if real.all() else real

    def _cut(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """End half of the batches after a random word, with the rows' last token, [SEP], behind it."""
        words = rows.shape[1] - 2
        if words <= self.SHORTEST or _draw(2, generator):
            return rows
        kept = self.SHORTEST + _draw(words - self.SHORTEST, generator)
        return torch.cat([rows[:, : kept + 1], rows[:, -1:]], dim=1)


def _draw(below: int, generator: torch.Generator) -> int:
    """Draw a whole number from 0 to below - 1."""
    return int(torch.randint(below, (1,), generator=generator, device=generator.device))


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
        if self.judge_at is None and self.words is None:
            raise ValueError("words=None, judge_at=None: nothing is asked. Give one of the two.")

    def __call__(self, pairs: Pairs, generator: torch.Generator) -> Batch:
        """Ask for the pairs' labels [B], and for words of their rows [B, T]."""
        if not isinstance(pairs, Pairs):
            raise TypeError(f"PreTraining judges pairs, not {type(pairs).__name__}: see packing.balanced_pairs.")
        ids, real = pairs.input_ids, pairs.input_ids != self.pad_id
        words = self.words or (lambda rows, _: Batch(rows, torch.zeros_like(real), rows[:0, 0]))
        return replace(
            words(ids, generator), attention_mask=real, token_type_ids=pairs.token_type_ids,
            pair_labels=pairs.labels if self.judge_at else None,
            judge_at=real.sum(dim=1) - 1 if self.judge_at == "last" else None,
        )  # fmt: skip


def _require_rows(rows) -> None:
    if not isinstance(rows, Tensor):
        raise TypeError(f"rows is a {type(rows).__name__}: give its input_ids, or use objectives.PreTraining.")


Objective = Callable[[Tensor | Pairs, torch.Generator], Batch]  # rows int64 [B, T], or pairs of them -> Batch
