"""Whole-word masking: choose words, and hide all the pieces of a word together (google-research/bert, README, 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.train.masking import Masking

__all__ = ["WholeWordMasking"]


@dataclass(frozen=True)
class WholeWordMasking(Masking):
    """A Masking that chooses words instead of tokens; what becomes of the chosen tokens stays the same.

    A word is a token and the continuation pieces ('##ing') after it. With ``exact`` the words come in random order and
    are taken as long as they fit into the row's number of tokens (create_pretraining_data.py); otherwise each
    word is drawn for itself.
    """

    continuations: tuple[int, ...] = ()  # ids of the pieces that go on with a word

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, **recipe) -> WholeWordMasking:
        """Take the ids from a WordPiece tokenizer; raises ValueError if it marks no continuation by '##'."""
        pieces = tuple(sorted(id for token, id in tokenizer.get_vocab().items() if token.startswith("##")))
        if not pieces:
            raise ValueError(f"this {type(tokenizer).__name__} has no piece that begins with '##': use Masking, or a "
                             "tokenizer of train_wordpiece.")  # fmt: skip
        return super().of(tokenizer, continuations=pieces, **recipe)

    def words(self, ids: Tensor) -> Tensor:
        """Number the words of each row: int64 like ids [B, T], 0 for the first word, -1 at special tokens.

        A piece without a beginning, at the start of a row that was cut inside a word, counts as a word.
        """
        may = self.ordinary(ids)
        after = torch.zeros_like(may)
        after[:, 1:] = may[:, :-1]  # a special token ends a word
        goes_on = torch.isin(ids, torch.tensor(self.continuations, device=ids.device))
        begins = may & ~(goes_on & after)
        return (begins.long().cumsum(dim=1) - 1).masked_fill(~may, -1)

    def select(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        """Draw the words to predict: bool [B, T] for ids [B, T], True at all pieces of a word or at none."""
        word = self.words(ids)
        draw = torch.rand(ids.shape, generator=generator, device=generator.device).to(ids.device)
        if not self.exact:
            return (word >= 0) & (draw.gather(1, word.clamp(min=0)) < self.rate)
        rows = zip(word.tolist(), draw.tolist(), self.count(ids).tolist(), strict=True)
        chosen = [_fitting(*row) for row in rows]
        return torch.tensor(chosen, dtype=torch.bool, device=ids.device).reshape(ids.shape)


def _fitting(word: list[int], draw: list[float], count: float) -> list[bool]:
    """Take whole words in random order as long as they fit into ``count`` tokens."""
    places: dict[int, list[int]] = {}
    for t, number in enumerate(word):
        if number >= 0:
            places.setdefault(number, []).append(t)
    taken: list[int] = []
    for number in sorted(places, key=lambda number: draw[number]):
        if len(taken) + len(places[number]) <= count:
            taken += places[number]
    return [t in taken for t in range(len(word))]
