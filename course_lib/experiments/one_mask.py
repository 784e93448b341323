"""One BERT body, trained and measured under one mask or both: the runs behind lesson 04's experiments."""

from __future__ import annotations

import functools

from course_lib import runtime
from course_lib.experiments import plan, texts
from course_lib.model import bodies
from course_lib.train import evaluation
from course_lib.train.masking import Masking
from course_lib.train.objectives import BothMasks, CausalLM, MaskedLM

__all__ = ["limits", "read_and_fill"]

LEFT = {"fill two-sided": False, "fill left-only": True, "next word": True}  # question -> is it read to the left only?


def read_and_fill(
    seeds: list[int], corpus: str = "tiny town", objective: str = "masked", causal: bool = False, share: float = 1.0,
    steps: int = 2048, batch_size: int = 32, learning_rate: float = 2e-3, own_text: bool = False,
) -> list[dict]:  # fmt: skip
    """Train one BERT body per seed and measure it on the way: filling under each mask, and the next word.

    ``objective``: 'masked', 'causal' or 'both' (one body, the two in turn). ``causal`` chooses the mask, ``share``
    the positions in the causal loss. Returns for each seed lists over training: tokens, and for each question its
    accuracy and nats. With ``own_text`` every seed reads and is asked a text of its own, and the lists hold as
    constants what :func:`limits` finds on it, and each question's score 'untrained', before the first step.
    """
    build = bodies.causal_bert if causal else bodies.tiny_bert
    plans, constants = {}, {}
    for seed in seeds:
        data = texts.material(corpus, held_out=texts.ASKED, seed=seed) if own_text else texts.material(corpus)
        tokenizer = data.tokenizer
        masked, next_word = MaskedLM(Masking.of(tokenizer)), CausalLM.of(tokenizer, share)
        goal = {"masked": masked, "causal": next_word, "both": BothMasks(masked, next_word)}[objective]
        measure = functools.partial(_measure, _questions(data))
        start = functools.partial(build, tokenizer)
        plans[seed] = plan.Plan(start, data.rows, goal, measure, steps, batch_size, learning_rate)
        constants[seed] = {}
        if own_text:
            runtime.seed_all(seed)  # the very weights that training starts from
            before = {f"untrained {name}": value for name, value in measure(start()).items()}
            constants[seed] = before | limits(corpus, seed)
    found = zip(constants.values(), plan.run(plans), strict=True)
    return [run | {name: [value] * len(run["tokens"]) for name, value in fixed.items()} for fixed, run in found]


@functools.lru_cache(maxsize=4)
def limits(corpus: str, seed: int) -> dict[str, float]:
    """Compute floor and ceiling of each question, accuracy and nats, on the held-out text of one seed.

    The floor is the word-frequency guess, the ceiling the exact reader's score on the very same places.
    """
    data, found = texts.material(corpus, held_out=texts.ASKED, seed=seed), {}
    for name, asked in _questions(data).items():
        if name == "next word":
            top = evaluation.next_word_ceiling(data.oracle, data.tokenizer, asked)
        else:
            top = evaluation.ceiling(data.oracle, data.tokenizer, asked, left_only=LEFT[name])
        bottom = evaluation.floor(data.rows, asked, data.tokenizer.all_special_ids)
        for limit, score in (("floor", bottom), ("ceiling", top)):
            found |= {f"{limit} {name} accuracy": score.accuracy, f"{limit} {name} nats": score.loss}
    return found


def _questions(data: texts.Material) -> dict[str, evaluation.HeldOut]:
    fill = data.fill()
    return {"fill two-sided": fill, "fill left-only": fill, "next word": data.next_word()}


def _measure(questions: dict[str, evaluation.HeldOut], model) -> dict[str, float]:
    found = {}
    for name, asked in questions.items():
        score = asked.score(bodies.with_mask(model, causal=LEFT[name]))
        found |= {f"{name} accuracy": score.accuracy, f"{name} nats": score.loss}
    return found
