"""One BERT backbone and RoBERTa's changes to its training, one at a time: masks, corpus, duration, batch size."""

from __future__ import annotations

import functools

from course_lib.experiments import plan
from course_lib.experiments.texts import ASKED, material
from course_lib.model import bodies
from course_lib.train import evaluation
from course_lib.train.masking import Masking, StaticMasking
from course_lib.train.objectives import MaskedLM

__all__ = ["recipe"]

OWN_ROWS = 200  # of the training text, on which the training loss is measured


def recipe(
    seeds: list[int], masks: int | None = None, rows: int = 32_000, steps: int = 1000, batch_size: int = 32,
    learning_rate: float = 2e-3, held_out: int = ASKED, text: int | None = None,
) -> list[dict]:  # fmt: skip
    """Train a tiny BERT per seed on a text of its own and measure it on the way, on its own held-out rows.

    ``masks`` counts the masks that each row has in all: 1 is static, 10 is BERT's preprocessing, None is dynamic.
    ``rows`` is the size of the corpus; ``text``, the seed of one text that all of them read instead of their own.
    Returns for each seed lists over training: tokens, 'fill nats' and 'fill accuracy' of ``held_out`` rows under one
    set of masks, and 'training nats', of the first 200 training rows, masked as in training.
    """

    def planned(seed: int) -> plan.Plan:
        data = material(rows=rows, held_out=held_out, seed=seed if text is None else text)
        dynamic, fill = Masking.of(data.tokenizer), data.fill()
        goal = MaskedLM(dynamic if masks is None else StaticMasking(dynamic, masks))
        own = evaluation.HeldOut(data.rows[:OWN_ROWS], goal)

        def measure(model) -> dict[str, float]:
            score = fill.score(model)
            return {"fill nats": score.loss, "fill accuracy": score.accuracy, "training nats": own.score(model).loss}

        build = functools.partial(bodies.tiny_bert, data.tokenizer)
        return plan.Plan(build, data.rows, goal, measure, steps, batch_size, learning_rate)

    return plan.run({seed: planned(seed) for seed in seeds})
