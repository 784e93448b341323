"""What the exact reader of Tiny Town knows about a story's labels: its hidden variables, and the slot of each word.

The same forward and backward messages as in :mod:`course_lib.town.oracle`, summed another way: over the states for a
hidden variable, over the hidden variables for a word's label (Rabiner 1989, section III).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from course_lib.town.language import Sentence
from course_lib.town.oracle import Oracle

__all__ = ["labels_of_words", "variable"]


def variable(oracle: Oracle, words: Sentence, name: str) -> np.ndarray:
    """Compute P(value | words) of a hidden variable, 'topic', 'hero' or 'mood': float64 [values].

    ``words`` are read from the start of a story. Nothing is hidden, so a causal reader at the last word knows as much
    as a two-sided one.
    """
    names = list(oracle.town.variables)
    if name not in names:
        raise ValueError(f"{name!r} is none of a story's hidden variables: choose one of {', '.join(names)}.")
    if not words:
        return np.full(len(oracle.town.variables[name]), 1 / len(oracle.town.variables[name]))
    z, belief = oracle._forward(words)[0][-1]
    weight = np.zeros(oracle._Z)
    weight[z] = oracle._weigh(belief, words[-1], z=z).sum(axis=0)
    grid = weight.reshape(oracle._grid)
    found = grid.sum(axis=tuple(axis for axis in range(len(names)) if axis != names.index(name)))
    return found / found.sum()


def labels_of_words(
    oracle: Oracle, words: Sentence, label: Callable[[str, Sequence[str | None], Sequence[str]], list[str]],
    left_only: bool = False,
) -> list[dict[str, float]]:  # fmt: skip
    """Compute P(label | words) for each word: {label: probability}, one dict per word.

    ``label(kind, slots, parts)`` names the labels along one template, given its kind of sentence, the slot of each of
    its parts (None for a fixed word) and the parts.
    With ``left_only`` the reader at a word has seen it and the words to its left, as under a causal mask.
    """
    names = [name for path in oracle.town.paths for name in label(path.kind, _slots(path.parts), path.parts)]
    z = np.arange(oracle._Z) if left_only else oracle._possible(words)
    beliefs = oracle._forward(words, z=z)[0]
    after = None if left_only else oracle._backward(words, z=z)
    out = []
    for t, word in enumerate(words):
        still, belief = beliefs[t]
        here = oracle._weigh(belief, word, z=still)
        if after is not None:
            here = here * after[t][:, np.searchsorted(z, still)]
        found = dict.fromkeys(names, 0.0)
        for name, p in zip(names, here.sum(axis=1), strict=True):
            found[name] += p
        total = sum(found.values())
        out.append({name: p / total for name, p in found.items()})
    return out


def _slots(parts: Sequence[str]) -> list[str | None]:
    """Name the slot of each part of a template: '{hero}' is the slot 'hero', a fixed word has none."""
    return [part[1:-1] if part.startswith("{") else None for part in parts]
