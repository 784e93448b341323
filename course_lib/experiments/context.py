"""What context is worth to a perfect reader: ceilings for text that begins in the middle of a story."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from course_lib.experiments.formats import CONTEXTS, Stories
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle
from course_lib.train.evaluation import Score

__all__ = ["ExcerptReader", "context_ceiling"]

ASKED = max(CONTEXTS)  # the number of the sentence that is asked about, counted from 0


class ExcerptReader(Oracle):
    """The exact reader of text that begins with a later sentence of a story, number ``sentence`` counted from 0.

    It knows how far into the story the text begins, and nothing of what was written before.
    """

    def __init__(self, town: TinyTown, sentence: int):
        if sentence < 0:
            raise ValueError(f"sentence={sentence}: a story's sentences are counted from 0.")
        super().__init__(town)
        kind = np.eye(len(self._kinds))[self._kinds.index(town.start)]
        self._kind_at_first = kind @ np.linalg.matrix_power(self._chain, sentence)  # [K]

    def _first(self) -> np.ndarray:
        """Distribution over (state, hidden variables) before the excerpt's first word: [S, Z], sums to 1."""
        first = np.zeros((self._S, self._Z))
        chances = self._kind_at_first[self._kind_of[self._starts]] * self._path_probability[self._starts]
        first[self._starts] = chances[:, None] / self._Z
        return first


def context_ceiling(stories: Stories, context: int, held_out: int | None = None) -> Score:
    """Score the exact reader on the words of ``Stories.fourth_sentence``, with ``context`` sentences in view.

    No model can do better on average, however its text was cut. ``held_out`` takes only so many stories.
    """
    if context not in CONTEXTS:
        raise ValueError(f"context={context} is none of {CONTEXTS}: the fourth sentence has three before it.")
    reader = ExcerptReader(stories.oracle.town, ASKED - context)
    some = replace(stories, held_out=stories.held_out[:held_out], oracle=reader)
    return some.ceiling(some.fourth_sentence(context, pairs=False))
