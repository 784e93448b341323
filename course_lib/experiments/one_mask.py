"""One BERT body, trained and measured under one mask or both: the runs behind lesson 04's experiments."""

from __future__ import annotations

from course_lib import models
from course_lib.experiments.plan import Plan
from course_lib.experiments.texts import material
from course_lib.masking import Masking
from course_lib.objectives import BothMasks, CausalLM, MaskedLM

__all__ = ["read_and_fill"]


def read_and_fill(
    seeds: list[int], corpus: str = "tiny town", objective: str = "masked", causal: bool = False, share: float = 1.0,
    steps: int = 2048, batch_size: int = 32, learning_rate: float = 2e-3,
) -> list[dict]:  # fmt: skip
    """Train one BERT body per seed and measure it on the way: filling under each mask, and the next word.

    ``objective``: 'masked', 'causal' or 'both' (one body, the two in turn). ``causal`` chooses the mask, ``share``
    the positions in the causal loss. Returns for each seed lists over training: tokens, and for each measurement
    its accuracy and nats.
    """
    data = material(corpus)
    masked, next_word = MaskedLM(Masking.of(data.tokenizer)), CausalLM.of(data.tokenizer, share)
    goal = {"masked": masked, "causal": next_word, "both": BothMasks(masked, next_word)}[objective]
    build = models.causal_bert if causal else models.tiny_bert
    fill, following = data.fill(), data.next_word()

    def measure(model) -> dict[str, float]:
        found = {}
        for name, questions, left in (
            ("fill two-sided", fill, False),
            ("fill left-only", fill, True),
            ("next word", following, True),
        ):
            score = questions.score(models.with_mask(model, causal=left))
            found |= {f"{name} accuracy": score.accuracy, f"{name} nats": score.loss}
        return found

    plan = Plan(lambda: build(data.tokenizer), data.rows, goal, measure, steps, batch_size, learning_rate)
    return plan.run(seeds)
