"""Masked language modelling's corruption: choose 15% of the tokens, then 80/10/10 (BERT, section 3.1)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.text.tokenization import require_special_tokens

__all__ = ["IGNORE", "Masked", "Masking", "StaticMasking"]

IGNORE = -100  # the label that cross-entropy leaves out, as everywhere in transformers


@dataclass(frozen=True)
class Masked:
    """A corrupted batch."""

    input_ids: Tensor  # int64 [B, T]
    labels: Tensor  # int64 [B, T]: the original token where it was selected, -100 elsewhere
    selected: Tensor  # bool [B, T]


@dataclass(frozen=True)
class Masking:
    """A recipe for masking tokens.

    ``rate`` of the ordinary tokens are selected; of those ``mask`` become [MASK], ``random`` become a
    random ordinary token and the rest stay as they are. ``exact`` selects the same number in each
    row, as the original BERT does: ``min(limit, max(1, round(tokens * rate)))``, where [CLS] and [SEP] count
    as tokens and padding does not (google-research/bert, create_pretraining_data.py); otherwise each token
    is drawn for itself, as in ``transformers``.
    """

    mask_id: int
    special_ids: tuple[int, ...]
    vocab_size: int
    rate: float = 0.15
    mask: float = 0.8
    random: float = 0.1
    exact: bool = True
    limit: int | None = None  # at most so many per row (BERT: max_predictions_per_seq)
    pad_id: int | None = None  # None: no padding in the rows

    def __post_init__(self):
        if not 0 < self.rate < 1:
            raise ValueError(f"rate={self.rate}: the share of masked tokens must lie between 0 and 1, e.g. 0.15.")
        if not (self.mask >= 0 and self.random >= 0 and self.mask + self.random <= 1 + 1e-9):
            raise ValueError(f"mask={self.mask}, random={self.random}: two shares of the selected tokens, sum <= 1.")

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, **recipe) -> Masking:
        """Take the ids from a tokenizer; ``recipe`` as the fields above, e.g. ``rate=0.3``."""
        require_special_tokens(tokenizer)
        special = tuple(sorted(set(tokenizer.all_special_ids)))
        return cls(tokenizer.mask_token_id, special, len(tokenizer), **{"pad_id": tokenizer.pad_token_id} | recipe)

    def ordinary(self, ids: Tensor) -> Tensor:
        """Mark the tokens that may be selected: bool like ``ids``, False at special tokens."""
        return ~torch.isin(ids, torch.tensor(self.special_ids, device=ids.device))

    def count(self, ids: Tensor) -> Tensor:
        """Say how many tokens of each row ``exact`` selects: float64 [B], whole numbers."""
        tokens = (ids == ids if self.pad_id is None else ids != self.pad_id).sum(dim=1)
        return (tokens.double() * self.rate).round().clamp(min=1, max=self.limit)  # double, as 0.15 * n in Python

    def select(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        """Draw the positions to predict: bool [B, T] for ids [B, T]."""
        may = self.ordinary(ids)
        draw = torch.rand(ids.shape, generator=generator, device=generator.device).to(ids.device)
        if not self.exact:
            return may & (draw < self.rate)
        count = self.count(ids)
        lowest = draw.masked_fill_(~may, 2.0).topk(int(count.max()), dim=1, largest=False).indices  # special: last
        taken = torch.arange(lowest.shape[1], device=ids.device) < count[:, None]
        return torch.zeros_like(may).scatter_(1, lowest, taken) & may

    def __call__(self, ids: Tensor, generator: torch.Generator) -> Masked:
        """Corrupt ids [B, T]; the input is left as it is. The same generator state gives the same masks."""
        if ids.ndim != 2 or ids.is_floating_point():
            raise ValueError(f"ids must be whole numbers of shape [B, T], not {ids.dtype} {tuple(ids.shape)}.")
        selected = self.select(ids, generator)
        # One draw decides between [MASK], random and unchanged. Two independent draws of 0.8 and 0.1 would
        # leave 80/2/18 or 81/10/9: a published bug.
        fate = torch.rand(ids.shape, generator=generator, device=generator.device).to(ids.device)
        to_mask = selected & (fate < self.mask)
        to_random = selected & (fate >= self.mask) & (fate < self.mask + self.random)
        out = ids.masked_fill(to_mask, self.mask_id)
        if self.random:
            every = torch.arange(self.vocab_size, device=ids.device)
            pool = every[self.ordinary(every)]
            pick = torch.randint(len(pool), ids.shape, generator=generator, device=generator.device)
            out = torch.where(to_random, pool[pick.to(ids.device)], out)
        return Masked(out, ids.masked_fill(~selected, IGNORE), selected)


@dataclass(frozen=True)
class StaticMasking:
    """Draw ``copies`` masks for each row once and for all, as preprocessing does; use it in place of a Masking.

    ``copies=1`` is one static mask. ``copies=10`` is BERT's own preprocessing: ten copies of the data, masked
    differently and shuffled (dupe_factor in create_pretraining_data.py; RoBERTa, section 4.1). A Masking by itself is
    dynamic: a new mask whenever a row is fed. Nothing is stored: a mask follows from the row's tokens, the number of
    its copy and ``seed``, so that rows with the same text have the same masks.
    """

    masking: Masking
    copies: int = 1
    seed: int = 0

    @property
    def pad_id(self) -> int | None:
        """The padding token of the masking."""
        return self.masking.pad_id

    def __call__(self, ids: Tensor, generator: torch.Generator) -> Masked:
        """Corrupt ids [B, T]; ``generator`` only draws which of its copies each row is fed as."""
        which = torch.randint(self.copies, ids.shape[:1], generator=generator, device=generator.device).tolist()
        made = [self.copy(row[None], copy) for row, copy in zip(ids, which, strict=True)]
        return Masked(*(torch.cat([getattr(m, part) for m in made]) for part in ("input_ids", "labels", "selected")))

    def copy(self, row: Tensor, number: int) -> Masked:
        """Corrupt one row [1, T] as its copy of that number, 0 to copies - 1."""
        text = zlib.crc32(row.cpu().numpy().astype("<i8").tobytes())
        seed = zlib.crc32(f"{self.seed} {number} {text}".encode())
        return self.masking(row, torch.Generator().manual_seed(seed))
