"""One BERT body and RoBERTa's changes to its training, one at a time: masks, corpus, duration, batch size."""

from __future__ import annotations

import functools

from course_lib import evaluation, models
from course_lib.experiments.plan import Plan
from course_lib.experiments.texts import material
from course_lib.masking import Masking, StaticMasking
from course_lib.objectives import MaskedLM

__all__ = ["recipe"]


def recipe(
    seeds: list[int], masks: int | None = None, rows: int = 32_000, steps: int = 1000, batch_size: int = 32,
    learning_rate: float = 2e-3,
) -> list[dict]:  # fmt: skip
    """Train a tiny BERT per seed on Tiny Town and measure it on the way, on held-out rows under one set of masks.

    ``masks`` counts the masks that each row has in all: 1 is static, 10 is BERT's preprocessing, None is dynamic.
    ``rows`` is the size of the corpus. Returns for each seed lists over training: tokens, 'fill nats' and 'fill
    accuracy' of held-out rows, and 'training nats', of the first 400 training rows, masked as in training.
    """
    data = material(rows=rows)
    dynamic, fill = Masking.of(data.tokenizer), data.fill()

    def run(seed: int) -> dict:
        masking = dynamic if masks is None else StaticMasking(dynamic, masks, seed)
        own = evaluation.HeldOut(data.rows[:400], MaskedLM(masking))

        def measure(model) -> dict[str, float]:
            score = fill.score(model)
            return {"fill nats": score.loss, "fill accuracy": score.accuracy, "training nats": own.score(model).loss}

        build = functools.partial(models.tiny_bert, data.tokenizer)
        return Plan(build, data.rows, MaskedLM(masking), measure, steps, batch_size, learning_rate).run([seed])[0]

    return [run(seed) for seed in seeds]
