"""A batch: what one step of training shows a model, what it asks, and the loss of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import BertForPreTraining, PreTrainedModel

from course_lib.model import fast

__all__ = ["Batch"]


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

    def logits(self, model: PreTrainedModel) -> tuple[Tensor, Tensor | None]:
        """Ask a model: its logits at the selected positions [N, V], and those of the pairs [B, 2] or None.

        ``fast`` computes the same numbers with less work where it can. Raises TypeError for a model without a head
        for what is asked.
        """
        if model.get_output_embeddings() is None:
            raise TypeError(f"{type(model).__name__} has no head for words: use bodies.tiny_bert or the like.")
        seen = {"input_ids": self.input_ids, "attention_mask": self.attention_mask}
        if hasattr(model.config, "type_vocab_size"):  # else a model without segments
            seen["token_type_ids"] = self.token_type_ids
        judged = None if self.pair_labels is None else self._judged(model)
        if fast.knows(model):
            return fast.logits(model, seen, self.positions, judged)
        if judged is None:
            return model(**seen)[0][self.select], None  # of all that it returns the words' logits [B, T, V] come first
        hidden = model.bert(**seen).last_hidden_state  # [B, T, D]
        pooled = model.bert.pooler(hidden.flatten(0, 1)[judged][:, None])  # it takes the first position, the only one
        return model.cls.predictions(hidden[self.select]), model.cls.seq_relationship(pooled)

    def _judged(self, model: PreTrainedModel) -> Tensor:
        """The positions that pairs are judged from, counted through all rows: int64 [B]."""
        if not isinstance(model, BertForPreTraining) and not hasattr(model, "judge"):
            raise TypeError(f"{type(model).__name__} has no head for pairs: build the model with bodies.pair_bert.")
        rows, length = self.input_ids.shape
        first = torch.arange(0, rows * length, length, device=self.input_ids.device)
        return first if self.judge_at is None else first + self.judge_at

    def loss(self, words: Tensor, pairs: Tensor | None) -> Tensor:
        """Add the mean loss of the words, logits [N, V], and that of the pairs [B, 2] (BERT, appendix A.2).

        Raises ValueError if nothing is asked: a mean over nothing would be NaN.
        """
        n_words, n_pairs = self.asked
        if not n_words and not n_pairs:
            raise ValueError("No token of the batch is to be predicted. Use larger batches, a higher rate or share, or "
                             "rows that hold more than special tokens.")  # fmt: skip
        loss = F.cross_entropy(words.float(), self.targets, reduction="sum") / max(n_words, 1)
        if n_pairs:
            loss = loss + F.cross_entropy(pairs.float(), self.pair_labels, reduction="sum") / n_pairs
        return loss

    def hits(self, words: Tensor, pairs: Tensor | None) -> tuple[Tensor, Tensor]:
        """Count the right best guesses among the words and among the pairs."""
        right = (words.detach().argmax(1) == self.targets).sum()
        return right, right.new_zeros(()) if pairs is None else (pairs.detach().argmax(1) == self.pair_labels).sum()

    @property
    def asked(self) -> tuple[int, int]:
        """Count the words and the pairs that are asked for."""
        return len(self.targets), 0 if self.pair_labels is None else len(self.pair_labels)

    @cached_property
    def tokens(self) -> int:
        """Count the tokens, without the padding that the mask hides."""
        padded = self.attention_mask is not None and self.attention_mask.ndim == 2
        return int(self.attention_mask.sum()) if padded else self.input_ids.numel()

    @cached_property
    def positions(self) -> Tensor:
        """List the selected positions, counted through all rows: int64 [N], each below B * T."""
        return self.select.flatten().nonzero()[:, 0]

    def to(self, device: torch.device) -> Batch:
        """Copy to a device. What must be counted is counted before: a GPU would have to be waited for."""
        ahead = {"non_blocking": True} if device.type == "cuda" else {}
        moved = replace(self, **{name: part.to(device, **ahead) for name, part in self._parts().items()})
        vars(moved).update(tokens=self.tokens, positions=self.positions.to(device, **ahead))
        return moved

    def split(self, size: int) -> Iterator[Batch]:
        """Cut into batches of at most ``size`` rows, each with what its rows are asked."""
        asked = self.select.sum(dim=1).split(size)
        targets = self.targets.split([int(part.sum()) for part in asked])
        for n, start in enumerate(range(0, len(self.select), size)):
            cut = {name: part[start : start + size] for name, part in self._parts().items()
                   if len(part) == len(self.select)}  # fmt: skip
            yield replace(self, **cut | {"targets": targets[n]})  # a mask for all rows stays

    def _parts(self) -> dict[str, Tensor]:
        return {f.name: part for f in fields(self) if (part := getattr(self, f.name)) is not None}
