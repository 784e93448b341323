"""One backbone under every mask that it may later be read with: what the glass model and the twins are trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.model.attention import causal_mask, prefix_mask, sliding_window_mask
from course_lib.train.batch import Batch
from course_lib.train.masking import Masking

__all__ = ["EveryMask"]

RATES = (0.08, 0.15, 0.15, 0.3, 0.5)  # shares of the words that become [MASK], one drawn for each batch


@dataclass(frozen=True)
class EveryMask:
    """Train one encoder backbone under every mask that it may later be read with, on texts of every length.

    Each batch has one mask, drawn by ``shares``: bidirectional, causal, a prefix of 1 to T positions, or a causal
    window of 1 to 8. Some words become [MASK], and each [MASK] is asked for the word it hides, under every mask (which
    ``BothMasks`` leaves out); under the causal mask and the window a visible place is asked for the next word as well.
    With ``cut`` half of the batches end after a random word: a model that has read whole rows only is off its ground on
    a short sentence. The mix is our own; GPT-BERT (2410.24159) mixes the first two.
    """

    masking: Masking  # says which tokens are words
    shares: tuple[float, ...] = (0.35, 0.35, 0.15, 0.15)  # of the batches: bidirectional, causal, prefix, window
    cut: bool = False

    SHORTEST, WIDEST = 4, 8  # words of a cut text, at least; positions of a window, at most

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, **settings) -> EveryMask:
        """Take the special tokens from a tokenizer."""
        return cls(Masking.of(tokenizer), **settings)

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Make a batch of rows int64 [B, T], cut to [B, t] with ``cut``; padding, if any, ends a row."""
        rows = self._cut(rows, generator) if self.cut else rows
        words = self.masking.ordinary(rows)  # [B, T]
        rate = RATES[_draw(len(RATES), generator)]
        hidden = words & (torch.rand(rows.shape, generator=generator, device=generator.device).to(rows.device) < rate)
        if not hidden.any():
            hidden[tuple(words.nonzero()[:1].T)] = True  # at least one word is asked for
        inputs, select, targets = rows.masked_fill(hidden, self.masking.mask_id), hidden.clone(), rows.clone()
        kind = int(torch.multinomial(torch.tensor(self.shares), 1, generator=generator))
        if kind in (1, 3):
            asks_next = ~hidden[:, :-1] & words[:, 1:]
            targets[:, :-1] = torch.where(asks_next, rows[:, 1:], targets[:, :-1])
            select[:, :-1] |= asks_next
        return Batch(inputs, select, targets[select], self._mask(kind, rows, generator))

    def _mask(self, kind: int, rows: Tensor, generator: torch.Generator) -> Tensor | None:
        """Draw the batch's mask: additive [1, 1, T, T]; without one, bool [B, T] where there is padding, or none."""
        length, real = rows.shape[1], rows != self.masking.pad_id
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
