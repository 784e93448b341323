"""What a head says about words that it can see: the kinds of places in a text under 80/10/10, and the copy probe."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from course_lib.model import bodies
from course_lib.town.oracle import Oracle
from course_lib.train.masking import Masking

__all__ = ["Places"]

PERFECT_ROWS = 150  # rows with a wrong word that the exact reader answers, for each seed


class Places:
    """Held-out rows under 80/10/10, and the three kinds of places that a reader can meet in them.

    ``kinds`` marks them, bool [B, T]: 'hidden' is [MASK]; at 'wrong' another word stands; at 'right' the true word,
    whether it was selected and kept or not selected at all (nobody who sees only the text can tell these two apart).
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, rows: Tensor):
        masking = Masking.of(tokenizer)
        self.tokenizer, self.rows = tokenizer, rows
        self.input_ids = masking(rows, torch.Generator().manual_seed(1234)).input_ids
        hidden, self.ordinary = self.input_ids == tokenizer.mask_token_id, masking.ordinary(rows)
        same = self.input_ids == rows
        self.kinds = {"hidden": hidden, "wrong": ~hidden & ~same, "right": self.ordinary & same}

    @torch.no_grad()
    def answers(self, model: PreTrainedModel) -> Tensor:
        """Take the head's best guess everywhere: int64 [B, T]; special tokens are left as they are."""
        was_training, device, said = model.training, model.device, self.rows.clone()
        model.eval()
        with bodies.autocast(device):
            logits = bodies.logits_at(model, self.input_ids.to(device), self.ordinary.to(device))
        model.train(was_training)
        said[self.ordinary] = logits.argmax(dim=-1).cpu()
        return said

    def shares(self, said: Tensor, kinds: dict[str, Tensor] | None = None) -> dict[str, float]:
        """Count what the answers [B, T] are, at all places or at those marked: four shares, each 0..1."""
        hidden, wrong, right = (kinds or self.kinds).values()
        true, shown = said == self.rows, said == self.input_ids
        found = {
            "names the hidden word": true[hidden], "repeats a right word": true[right],
            "repairs a wrong word": true[wrong], "repeats a wrong word": shown[wrong],
        }  # fmt: skip
        return {name: hit.float().mean().item() for name, hit in found.items()}

    def perfect(self, oracle: Oracle, rate: float, random: float, keep: float, most: int = PERFECT_ROWS) -> dict:
        """Count what the exact reader answers who believes in this corruption (Oracle.restore), as :meth:`shares` does.

        In the first ``most`` rows with a wrong word: at the hidden and the wrong words, and at one right word of each
        row, since such a reader is slow. A recipe that replaces nothing makes a text in which a word in view is always
        right: repeat it. Returns {} where nobody is ever asked about a word in view.
        """
        if not random + keep:
            return {}
        rows = self.kinds["wrong"].any(dim=1).nonzero()[:most, 0]
        kinds = {name: torch.zeros_like(mark).index_copy_(0, rows, mark[rows]) for name, mark in self.kinds.items()}
        if not random:
            copied = self.shares(self.input_ids, kinds)
            return {name: share for name, share in copied.items() if "hidden" not in name}
        draw = torch.rand((len(rows), self.rows.shape[1]), generator=torch.Generator().manual_seed(0))
        one = (draw * kinds["right"][rows]).argmax(dim=1)
        kinds["right"] = torch.zeros_like(self.ordinary).index_put_((rows, one), torch.tensor(True))
        return self.shares(self._best(oracle, sum(kinds.values()), rate, random, keep), kinds)

    def _best(self, oracle: Oracle, asked: Tensor, rate: float, random: float, keep: float) -> Tensor:
        """Take the exact reader's best guess at the places asked for; elsewhere the true word is left: int64 [B, T]."""
        words, said = self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer))), self.rows.clone()
        ids = torch.tensor(self.tokenizer.convert_tokens_to_ids(oracle.vocabulary))
        for row in asked.any(dim=1).nonzero().flatten().tolist():
            text = self.input_ids[row, 1:-1].tolist()
            seen = [None if t == self.tokenizer.mask_token_id else words[t] for t in text]
            places = asked[row, 1:-1].nonzero().flatten()
            p = oracle.restore(seen, places.tolist(), rate=rate, random=random, keep=keep)
            said[row, places + 1] = ids[torch.from_numpy(p.argmax(axis=1))]
        return said
