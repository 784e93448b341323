"""Episodes for in-context learning: pairs of a letter and a digit, under a mapping that only the episode shows.

'c 3 f 7 c 3 a 1 ...': each episode picks four letters and gives each a digit of its own. Whoever reads one can answer
for a letter that was shown before and has to guess for one that was not, so that the best possible score is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.text import tokenization

__all__ = ["LETTERS", "DIGITS", "IN_USE", "Episodes", "answers", "best_accuracy", "draw", "tokenizer"]

LETTERS, DIGITS = tuple("abcdefgh"), tuple("12345678")
IN_USE = 4  # letters in one episode


def tokenizer() -> PreTrainedTokenizerBase:
    """Make the tokenizer of the episodes: a token for each letter and each digit."""
    return tokenization.word_tokenizer([*LETTERS, *DIGITS])


@dataclass(frozen=True)
class Episodes:
    """N episodes of P pairs."""

    rows: Tensor  # int64 [N, 2P + 2]: [CLS] letter digit letter digit ... [SEP]
    mappings: Tensor  # int64 [N]: a number for each episode's mapping, its letters and their digits
    shown: Tensor  # bool [N, P]: did this pair's letter stand in the episode before?

    def without(self, other: Episodes) -> Episodes:
        """Leave out the episodes whose mapping is one of the other's."""
        new = ~torch.isin(self.mappings, other.mappings)
        return Episodes(self.rows[new], self.mappings[new], self.shown[new])


def draw(n: int, pairs: int, generator: torch.Generator, mapping: Tensor | None = None) -> Episodes:
    """Draw n episodes of so many pairs: one of the episode's four letters at random, with repetition, and its digit.

    Every episode draws its digits anew, or all take them from ``mapping``, int64 [8], 0 to 7.
    """
    words = tokenizer()
    letters = torch.rand(n, len(LETTERS), generator=generator).argsort(dim=1)[:, :IN_USE]  # [N, 4]
    digits = torch.randint(len(DIGITS), (n, IN_USE), generator=generator)
    if mapping is not None:
        digits = mapping[letters]
    which = torch.randint(IN_USE, (n, pairs), generator=generator)  # [N, P]
    ids = [torch.tensor(words.convert_tokens_to_ids(list(names))) for names in (LETTERS, DIGITS)]
    said = torch.stack([ids[0][letters.gather(1, which)], ids[1][digits.gather(1, which)]], dim=2).flatten(1)
    ends = [torch.full((n, 1), end) for end in (words.cls_token_id, words.sep_token_id)]
    same = which[:, :, None] == which[:, None, :]  # [N, P, P]: do two pairs have the same letter?
    number = ((digits + 1) * (len(DIGITS) + 1) ** letters).sum(dim=1)
    return Episodes(torch.cat([ends[0], said, ends[1]], dim=1), number, same.tril(-1).any(dim=2))


def best_accuracy(shown: int) -> float:
    """Compute the best possible accuracy after so many pairs: right if the letter was among them, else a guess."""
    new = (1 - 1 / IN_USE) ** shown
    return 1 - new + new / len(DIGITS)


@torch.no_grad()
def answers(model, episodes: Episodes) -> Tensor:
    """Let a causal model answer every pair of the episodes from what stands before it: right or not, bool [N, P]."""
    digits = torch.tensor(tokenizer().convert_tokens_to_ids(list(DIGITS)))
    logits = model(episodes.rows.to(model.device)).logits[:, 1:-1:2].cpu()  # at the letters: the digit comes next
    return digits[logits[..., digits].argmax(-1)] == episodes.rows[:, 2:-1:2]
