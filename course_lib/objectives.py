"""Training objectives: what is hidden from the model, and which tokens it has to predict.

An objective turns rows of token ids into a batch. The loss is the same for all of them: cross-entropy,
in nats, averaged over the selected positions; and over the pairs, where pairs are judged as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from course_lib.attention import causal_mask, prefix_mask
from course_lib.masking import Masking
from course_lib.packing import Pairs

__all__ = ["Batch", "Objective", "MaskedLM", "CausalLM", "BothMasks", "AnyMask", "PreTraining"]


@dataclass(frozen=True)
class Batch:
    """What one step needs: inputs, the positions to predict from, the right tokens there, and the pairs' labels."""

    input_ids: Tensor  # int64 [B, T]
    select: Tensor  # bool [B, T], N of them True
    targets: Tensor  # int64 [N]
    attention_mask: Tensor | None = None  # additive float [1, 1, T, T], or bool [B, T], False at padding, or none
    token_type_ids: Tensor | None = None  # int64 [B, T], 1 in segment B; None: a single segment
    pair_labels: Tensor | None = None  # int64 [B], 0 = B follows A; None: nothing is asked about pairs
    judge_at: Tensor | None = None  # int64 [B], the position that the pair is judged from; None: [CLS]

    @property
    def tokens(self) -> int:
        """Count the tokens, without the padding that the mask hides."""
        padded = self.attention_mask is not None and self.attention_mask.ndim == 2
        return int(self.attention_mask.sum()) if padded else self.input_ids.numel()

    @property
    def asked(self) -> tuple[int, int]:
        """Count the words and the pairs that are asked for."""
        return len(self.targets), 0 if self.pair_labels is None else len(self.pair_labels)

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        return Batch(**{name: None if part is None else part.to(device) for name, part in vars(self).items()})

    def split(self, size: int) -> Iterator[Batch]:
        """Cut into batches of at most ``size`` rows."""
        for start in range(0, len(self.select), size):
            before, asked = (int(self.select[a:b].sum()) for a, b in ((0, start), (start, start + size)))
            cut = {
                name: part[start : start + size] for name, part in vars(self).items()
                if name != "targets" and part is not None and part.ndim < 4  # a mask [1, 1, T, T] serves all rows
            }  # fmt: skip
            yield replace(self, **cut, targets=self.targets[before : before + asked])

    def loss(self, words: Tensor, pairs: Tensor | None, asked: tuple[int, int] | None = None) -> Tensor:
        """Add the mean loss of the words, logits [N, V], and that of the pairs [B, 2] (BERT, appendix A.2).

        ``asked`` counts the whole batch where this is one process's share of it.
        """
        n_words, n_pairs = asked or self.asked
        loss = F.cross_entropy(words.float(), self.targets, reduction="sum") / max(n_words, 1)
        if n_pairs:
            loss = loss + F.cross_entropy(pairs.float(), self.pair_labels, reduction="sum") / n_pairs
        return loss

    def hits(self, words: Tensor, pairs: Tensor | None) -> tuple[Tensor, Tensor]:
        """Count the right best guesses among the words and among the pairs."""
        right = (words.detach().argmax(1) == self.targets).sum()
        return right, right.new_zeros(()) if pairs is None else (pairs.detach().argmax(1) == self.pair_labels).sum()


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
class AnyMask:
    """Train one encoder body for every mask it may later be read with: bidirectional, causal or a prefix of any length.

    Each batch has one mask, drawn by ``shares``. Words are hidden in all of them, so that [MASK] is learned under the
    causal mask too, which :class:`BothMasks` leaves out:

    - bidirectional: MaskedLM, with ``masking`` as it is (80/10/10);
    - causal: a [MASK] predicts the word it hides, any other place the next word;
    - prefix: the first k positions see one another, k from 1 to T - 1 at random; a [MASK] predicts the word it hides,
      any other place the next word unless it sees it: from the last position of the prefix on.

    In the latter two all selected words become [MASK]: what is visible is never wrong. ``rates``, if given, are the
    lowest and highest share of hidden words, drawn anew for each batch; otherwise it is the masking's own rate.
    """

    masking: Masking
    shares: tuple[float, float, float] = (0.4, 0.4, 0.2)  # of the batches: bidirectional, causal, prefix
    rates: tuple[float, float] | None = None

    def __post_init__(self):
        if len(self.shares) != 3 or not all(share >= 0 for share in self.shares) or abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"shares={self.shares}: shares of bidirectional, causal and prefix batches, of sum 1.")
        if self.rates is not None and not 0 < self.rates[0] <= self.rates[1] < 1:
            raise ValueError(f"rates={self.rates}: the lowest and the highest share of hidden words, e.g. (0.08, 0.5).")

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Draw a mask and hide words of rows [B, T]. Padding, if any, stands at the end of a row."""
        _require_rows(rows)
        kind, rate, place = torch.rand(3, generator=generator, device=generator.device, dtype=torch.float64).tolist()
        masking = self.masking
        if self.rates is not None:
            masking = replace(masking, rate=self.rates[0] + (self.rates[1] - self.rates[0]) * rate)
        if kind < self.shares[0]:
            return MaskedLM(masking)(rows, generator)
        prefix = 0
        if kind >= self.shares[0] + self.shares[1]:
            prefix = self._prefix(rows, place)
        return self._from_the_left(rows, masking, prefix, generator)

    def _prefix(self, rows: Tensor, place: float) -> int:
        """Turn a number in [0, 1) into a prefix of 1 to T - 1 positions, short enough to hold no padding."""
        longest = rows.shape[1] - 1
        if self.masking.pad_id is not None:
            longest = min(longest, int((rows != self.masking.pad_id).sum(dim=1).min()))
        return 1 + int(place * max(longest, 1))

    def _from_the_left(self, rows: Tensor, masking: Masking, prefix: int, generator: torch.Generator) -> Batch:
        """Ask each [MASK] of rows [B, T] for its word, and each visible place that does not see it for the next one."""
        masked = replace(masking, mask=1.0, random=0.0)(rows, generator)
        asks_next = torch.zeros_like(masked.selected)  # [B, T]
        asks_next[:, max(prefix - 1, 0) : -1] = masking.ordinary(rows)[:, max(prefix, 1) :]
        asks_next &= ~masked.selected & (rows != masking.mask_id)
        if masking.pad_id is not None:
            asks_next &= rows != masking.pad_id
        targets = torch.where(masked.selected, rows, rows.roll(-1, dims=1))  # [B, T]
        select = masked.selected | asks_next
        mask = prefix_mask(prefix, rows.shape[1]).to(rows.device)
        return Batch(masked.input_ids, select, targets[select], mask)


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
