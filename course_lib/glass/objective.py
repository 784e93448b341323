"""What the glass model is trained on: one set of weights, every mask, sentences of every length.

A model that has only read whole rows under one mask is off its ground in the view, where sentences are short and the
mask is a switch. Here each batch is cut at a random word, draws one of four masks, and hides words at one of several
rates; under every mask a hidden word is asked for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.attention import causal_mask, prefix_mask, sliding_window_mask
from course_lib.objectives import Batch

__all__ = ["EveryMask"]

SHARES = {"bidirectional": 0.35, "causal": 0.35, "prefix": 0.15, "window": 0.15}  # of the batches
RATES = (0.08, 0.15, 0.15, 0.3, 0.5)  # of the words are hidden, one of these in each batch
SHORTEST = 4  # words of a cut sentence, at least
WIDEST = 8  # positions of a sliding window, at most


@dataclass(frozen=True)
class EveryMask:
    """Ask for hidden words under a mask drawn for each batch; where the mask is causal, for the next word as well."""

    mask_id: int
    sep_id: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> EveryMask:
        """Take the special tokens from a tokenizer."""
        return cls(tokenizer.mask_token_id, tokenizer.sep_token_id)

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Make a batch of rows int64 [B, T], each [CLS] words [SEP]; they may be cut to [B, t], t <= T."""
        rows = self._cut(rows, generator)
        length = rows.shape[1]
        words = torch.zeros_like(rows, dtype=torch.bool)
        words[:, 1:-1] = True
        rate = RATES[_draw(len(RATES), generator)]
        hidden = words & (torch.rand(rows.shape, generator=generator) < rate)
        hidden[0, 1] |= ~hidden.any()  # at least one word is asked for
        inputs, select, targets = rows.masked_fill(hidden, self.mask_id), hidden.clone(), rows.clone()
        kind = list(SHARES)[int(torch.multinomial(torch.tensor(list(SHARES.values())), 1, generator=generator))]
        if kind in ("causal", "window"):  # a visible place is asked for the next word, a hidden one for itself
            following = ~hidden
            following[:, -2:] = False
            targets[:, :-1] = torch.where(following[:, :-1], rows[:, 1:], targets[:, :-1])
            select |= following
        if kind == "causal":
            mask = causal_mask(length)
        elif kind == "prefix":
            mask = prefix_mask(1 + _draw(length, generator), length)
        else:
            mask = sliding_window_mask(1 + _draw(WIDEST, generator), length) if kind == "window" else None
        return Batch(inputs, select, targets[select], mask)

    def _cut(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Keep half of the batches whole and cut the others after a random word."""
        words = rows.shape[1] - 2
        if words <= SHORTEST or _draw(2, generator):
            return rows
        kept = SHORTEST + _draw(words - SHORTEST, generator)
        return torch.cat([rows[:, : kept + 1], torch.full_like(rows[:, :1], self.sep_id)], dim=1)


def _draw(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (1,), generator=generator))
