"""A trigram model, the best-known way to guess the next word without a network: a floor for real text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from course_lib.train.evaluation import HeldOut, Score

__all__ = ["trigram_floor"]

DISCOUNT = 0.75  # taken off every count and given to the shorter context, as is usual


def trigram_floor(train_rows: Tensor, held_out: HeldOut, special_ids: Sequence[int], size: int) -> Score:
    """Score an interpolated Kneser-Ney trigram (Chen and Goodman 1999, section 2.7) on next words.

    Counted on train_rows int64 [N, T] of a vocabulary of ``size`` tokens, within rows; asked for what ``held_out``
    asks for under a CausalLM. The word after a row's first token is guessed from that token alone.
    """
    first, second, third = _events(train_rows, _asked(train_rows, special_ids), size)
    triples, n_abc = np.unique((first * size + second) * size + third, return_counts=True)
    pairs, n_bc = np.unique(triples % size**2, return_counts=True)  # how many words stood before (b, c)
    words, n_c = np.unique(pairs % size, return_counts=True)  # how many words stood before c
    ordinary = np.ones(size)
    ordinary[list(special_ids)] = 0
    alone = 0.1 * ordinary  # a word never seen is improbable, not impossible
    alone[words] += n_c
    alone /= alone.sum()
    batch = held_out.batch
    a, b, c = _events(batch.input_ids, batch.select, size)
    order = np.lexsort((a, b))
    nats, right, last_b, last_a, p = np.empty(len(c)), np.empty(len(c), dtype=bool), -1, -1, alone
    for at in order:
        if b[at] != last_b:
            after_b, last_b, last_a = _interpolate(pairs, n_bc, b[at], size, alone), b[at], -1
        if a[at] != last_a:
            p, last_a = _interpolate(triples, n_abc, a[at] * size + b[at], size, after_b), a[at]
            best = p.argmax()
        nats[at], right[at] = -np.log(p[c[at]]), best == c[at]
    return Score(nats, right)


def _asked(rows: Tensor, special_ids: Sequence[int]) -> Tensor:
    """Mark the positions of rows [B, T] whose next token is a word: bool [B, T]."""
    asked = torch.zeros_like(rows, dtype=torch.bool)
    asked[:, :-1] = ~torch.isin(rows[:, 1:], torch.tensor(list(special_ids)))
    return asked


def _events(rows: Tensor, asked: Tensor, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List (a, b, c) for the places asked for, c the next word; a is ``size`` where nothing stood before b."""
    before = rows.roll(1, dims=1)
    before[:, 0] = size
    return tuple(part[asked].numpy() for part in (before, rows, rows.roll(-1, dims=1)))


def _interpolate(keys: np.ndarray, counts: np.ndarray, context: int, size: int, shorter: np.ndarray) -> np.ndarray:
    """Give the probabilities [V] after a context, of which keys (context * size + word) were counted."""
    low, high = np.searchsorted(keys, [context * size, (context + 1) * size])
    if low == high:
        return shorter
    total = counts[low:high].sum()
    p = shorter * (DISCOUNT * (high - low) / total)
    p[keys[low:high] % size] += (counts[low:high] - DISCOUNT) / total
    return p
