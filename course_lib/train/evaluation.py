"""Scores on held-out text, always between a floor and a ceiling.

The *floor* is what guessing by word frequency reaches. The *ceiling* is what the exact reader of Tiny
Town reaches on the very same positions (:mod:`course_lib.town.oracle`); for real text none is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from course_lib.intervals import t_interval
from course_lib.model.bodies import autocast, check_rows
from course_lib.text.packing import Pairs
from course_lib.town.oracle import Oracle
from course_lib.train.batch import Batch
from course_lib.train.objectives import Objective

__all__ = ["Score", "HeldOut", "floor", "ceiling", "next_word_ceiling", "pair_ceiling", "t_interval"]


@dataclass(frozen=True)
class Score:
    """Predictions on N positions (or of N pairs), kept one by one so that they can be grouped."""

    nats: np.ndarray  # float [N]: -log P(right token)
    right: np.ndarray  # bool [N]: was the most probable token the right one?

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(self.nats.mean())

    @property
    def accuracy(self) -> float:
        """Share of positions where the best guess was right, 0..1."""
        return float(self.right.mean())

    @property
    def perplexity(self) -> float:
        """exp(loss): the size of a fair die that would be as surprising."""
        return math.exp(self.loss)

    def at(self, which: np.ndarray) -> Score:
        """Keep the positions marked by a bool array [N]."""
        return Score(self.nats[which], self.right[which])


class HeldOut:
    """Held-out rows whose masks are drawn once, so that every model answers the same questions.

    Calling it with a model gives ``{'held-out loss': nats, 'held-out accuracy': 0..1}`` and, where pairs are
    judged, 'pair loss' and 'pair accuracy', as :func:`course_lib.train.loop.train` wants it for ``evaluate``.
    """

    def __init__(self, rows: Tensor | Pairs, objective: Objective, seed: int = 1234):
        self.rows, self.objective, self.seed = rows, objective, seed

    @cached_property
    def batch(self) -> Batch:
        """The corrupted rows, the positions asked for and the right tokens there; ValueError if there are none."""
        batch = self.objective(self.rows, torch.Generator().manual_seed(self.seed))
        if not any(batch.asked):
            raise ValueError(f"{type(self.objective).__name__} asks for nothing in these {len(self.rows)} rows: give "
                             "rows that hold words, or a higher rate or share.")  # fmt: skip
        return batch

    def __call__(self, model: PreTrainedModel) -> dict[str, float]:
        words, pairs = self.log_probabilities(model)
        scores = {"held-out": _score(words, self.batch.targets)} if len(self.batch.targets) else {}
        if pairs is not None:
            scores["pair"] = _score(pairs, self.batch.pair_labels)
        return {f"{name} {what}": getattr(s, what) for name, s in scores.items() for what in ("loss", "accuracy")}

    def score(self, model: PreTrainedModel) -> Score:
        """Score a model on all positions; raises ValueError if no word is asked for."""
        if not len(self.batch.targets):
            raise ValueError(f"{type(self.objective).__name__} asks about pairs only: use pair_score.")
        return _score(self.log_probabilities(model)[0], self.batch.targets)

    def pair_score(self, model: PreTrainedModel) -> Score:
        """Score a model's judgement of the pairs that an objectives.PreTraining asks about."""
        return _score(self.log_probabilities(model)[1], self.batch.pair_labels)

    @torch.no_grad()
    def log_probabilities(self, model: PreTrainedModel, rows_at_once: int = 256) -> tuple[Tensor, Tensor | None]:
        """Log-probabilities at each position asked for, float32 [N, V] on the CPU, and of the pairs [B, 2] or None."""
        check_rows(model, self.batch.input_ids)
        was_training, device, parts = model.training, model.device, []
        model.eval()
        for part in self.batch.split(rows_at_once):
            with autocast(device):
                found = part.to(device).logits(model)
            parts.append([None if logits is None else F.log_softmax(logits.float(), dim=-1).cpu() for logits in found])
        model.train(was_training)
        words, pairs = zip(*parts, strict=True)
        return torch.cat(words), None if pairs[0] is None else torch.cat(pairs)


def floor(train_rows: Tensor, held_out: HeldOut, special_ids: Sequence[int]) -> Score:
    """Score the reader that ignores all context: word frequencies counted on the training rows."""
    words = train_rows[~torch.isin(train_rows, torch.tensor(list(special_ids)))]
    size = int(max(words.max(), held_out.batch.targets.max())) + 1
    counts = torch.bincount(words, minlength=size).double() + 1e-3  # an unseen word is improbable, not impossible
    log_p = (counts / counts.sum()).log().float()
    return _score(log_p.expand(len(held_out.batch.targets), -1), held_out.batch.targets)


def ceiling(
    oracle: Oracle, tokenizer: PreTrainedTokenizerBase, held_out: HeldOut, left_only: bool = False, **corruption
) -> Score:
    """Score the exact reader on the masked positions of Tiny Town's held-out rows: no model can do better.

    ``left_only`` reads under a causal mask. ``corruption`` (rate, random, keep) when visible words
    may be wrong, as after 80/10/10; see ``Oracle.restore``. Rows must begin where a story begins; padding may end them.
    """
    words = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    batch, mask_id, nats, right = held_out.batch, tokenizer.mask_token_id, [], []
    for inputs, select, row in zip(batch.input_ids, batch.select, held_out.rows, strict=True):
        real = row != tokenizer.pad_token_id
        observed = [None if t == mask_id else words[t] for t in inputs[real][1:-1].tolist()]
        at = select[real][1:-1].nonzero().flatten().tolist()
        p = oracle.restore(observed, at, left_only, **corruption)
        targets = [oracle.word_id[words[row[1 + t]]] for t in at]
        nats.append(-np.log(p[np.arange(len(at)), targets]))
        right.append(p.argmax(axis=1) == targets)
    return Score(np.concatenate(nats), np.concatenate(right))


def next_word_ceiling(oracle: Oracle, tokenizer: PreTrainedTokenizerBase, held_out: HeldOut) -> Score:
    """Score the exact left-to-right reader on the next words that a :class:`CausalLM` batch asks for.

    Its loss is the entropy of the language, estimated on these rows.
    """
    words = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    nats, right = [], []
    for select, row in zip(held_out.batch.select, held_out.rows, strict=True):
        text = [words[t] for t in row[1:-1].tolist()]
        asked = select[:-2].numpy()  # position t asks for token t + 1, and token 0 is [CLS]
        p, targets = oracle.next_word(text), np.array([oracle.word_id[w] for w in text])
        nats.append(-np.log(p[np.arange(len(text)), targets])[asked])
        right.append((p.argmax(axis=1) == targets)[asked])
    return Score(np.concatenate(nats), np.concatenate(right))


def pair_ceiling(oracle: Oracle, documents: Sequence[Sequence[str]], pairs: Pairs) -> Score:
    """Score the exact reader on pairs that ``packing.balanced_pairs`` made of these Tiny Town documents.

    documents: lists of sentences as text, all of one length. Raises ValueError if a pair was cut to fit its row.
    """
    log_p = []
    for row, spans in enumerate(pairs.origins.tolist()):
        a, b = ([sentence.split() for sentence in documents[d][first:end]] for d, first, end in spans)
        if [sum(map(len, side)) for side in (a, b)] != [len(ids) for ids in pairs.segments(row)]:
            raise ValueError(f"Pair {row} is not the whole text of its sentences: make the pairs with longer rows.")
        follows = oracle.follows(a, b, pairs.negative, len(documents[spans[0][0]]), pairs.matched)
        log_p.append([follows, 1 - follows])
    return _score(torch.tensor(log_p, dtype=torch.float64).log(), pairs.labels)


def _score(log_p: Tensor, targets: Tensor) -> Score:
    nats = -log_p.gather(1, targets[:, None])[:, 0]
    return Score(nats.double().numpy(), (log_p.argmax(dim=1) == targets).numpy())
