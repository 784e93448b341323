"""What a head says about words that it can see: the kinds of places in a text under 80/10/10, and the copy probe."""

from __future__ import annotations

import copy

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

    def __init__(self, tokenizer: PreTrainedTokenizerBase, rows: Tensor, seed: int = 1234):
        masking = Masking.of(tokenizer)
        self.tokenizer, self.rows = tokenizer, rows
        self.input_ids = masking(rows, torch.Generator().manual_seed(seed)).input_ids
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

    def best_answers(self, oracle: Oracle, rate: float, random: float, keep: float, at: Tensor | None = None) -> Tensor:
        """Take the exact reader's best guess, if it knows that the place was selected: int64 [B, T].

        ``rate``, ``random`` and ``keep`` are the corruption that the reader believes in (Oracle.restore). Where it
        never selects a visible word, random = keep = 0, there is no answer: only [MASK] is filled. ``at``, bool
        [B, T], are the places to answer, everywhere if left out; elsewhere the true word is left.
        """
        words = self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))
        ids = torch.tensor(self.tokenizer.convert_tokens_to_ids(oracle.vocabulary))
        asked, said = self.ordinary if at is None else at & self.ordinary, self.rows.clone()
        if not random + keep:
            asked = asked & self.kinds["hidden"]
        for row, inputs in enumerate(self.input_ids[:, 1:-1].tolist()):
            seen = [None if t == self.tokenizer.mask_token_id else words[t] for t in inputs]
            places = asked[row, 1:-1].nonzero().flatten()
            p = oracle.restore(seen, places.tolist(), rate=rate, random=random, keep=keep)
            said[row, places + 1] = ids[torch.from_numpy(p.argmax(axis=1))]
        return said

    def perfect(self, oracle: Oracle, rate: float, random: float, keep: float, rows: int = PERFECT_ROWS) -> dict:
        """Count the exact reader's answers, arguments as in :meth:`best_answers`: the four numbers of :meth:`shares`.

        In the first ``rows`` rows with a wrong word: at the hidden and the wrong words, and at one right word of each
        row (a reader who takes in the whole row is slow). A recipe that replaces nothing makes a text in which a word
        in view is always right: repeat it. Returns {} where nobody is ever asked about a word in view.
        """
        if not random + keep:
            return {}
        few = self._some(self.kinds["wrong"].any(dim=1).nonzero()[:rows, 0])
        if not random:
            return {name: share for name, share in few.shares(few.input_ids).items() if "hidden" not in name}
        draw = torch.rand(few.rows.shape, generator=torch.Generator().manual_seed(0))
        one = torch.zeros_like(few.ordinary).scatter_(1, (draw * few.kinds["right"]).argmax(dim=1, keepdim=True), True)
        few.kinds["right"] &= one
        at = few.kinds["hidden"] | few.kinds["wrong"] | one
        return few.shares(few.best_answers(oracle, rate, random, keep, at))

    def _some(self, rows: Tensor) -> Places:
        """Take some of the rows, with the corruption that they have."""
        some = copy.copy(self)
        some.rows, some.input_ids, some.ordinary = self.rows[rows], self.input_ids[rows], self.ordinary[rows]
        some.kinds = {kind: mark[rows] for kind, mark in self.kinds.items()}
        return some

    def shares(self, said: Tensor) -> dict[str, float]:
        """Count what the answers [B, T] are: the four numbers of the copy probe, each 0..1."""
        hidden, wrong, right = (self.kinds[kind] for kind in ("hidden", "wrong", "right"))
        true, shown = said == self.rows, said == self.input_ids
        found = {
            "names the hidden word": true[hidden], "repeats a right word": true[right],
            "repairs a wrong word": true[wrong], "repeats a wrong word": shown[wrong],
        }  # fmt: skip
        return {name: hit.float().mean().item() for name, hit in found.items()}
