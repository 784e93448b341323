"""Lesson 04's experiments: one BERT body, trained and measured under one mask or both."""

from __future__ import annotations

import functools

from transformers import PreTrainedModel

from course_lib import runtime
from course_lib.experiments import materials
from course_lib.experiments.materials import Material, Plan, named
from course_lib.model import bodies
from course_lib.train import evaluation
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking
from course_lib.train.objectives import BothMasks, CausalLM, MaskedLM

__all__ = ["LEFT", "limits", "read_and_fill"]

LEFT = {"fill two-sided": False, "fill left-only": True, "next word": True}  # question -> is it read to the left only?


def read_and_fill(
    seed: int, corpus: str, objective: str, causal: bool, steps: int, batch_size: int, learning_rate: float,
    share: float = 1.0, own_text: bool = False,
) -> Plan:  # fmt: skip
    """Train one BERT body and measure it on the way: filling under each mask, and the next word.

    ``objective``: 'masked', 'causal' or 'both' (one body, the two in turn). ``causal`` chooses the mask, ``share`` the
    positions in the causal loss. With ``own_text`` every seed has a text of its own, and there are constants: what
    :func:`limits` finds on it, and each question's score 'untrained', before the first step.
    """
    data = materials.material(corpus, held_out=materials.ASKED, seed=seed) if own_text else materials.material(corpus)
    masked, next_word = MaskedLM(Masking.of(data.tokenizer)), CausalLM.of(data.tokenizer, share)
    goal = {"masked": masked, "causal": next_word, "both": BothMasks(masked, next_word)}[objective]
    build = functools.partial(bodies.causal_bert if causal else bodies.tiny_bert, data.tokenizer)
    measure, constants = functools.partial(_measure, _questions(data)), {}
    if own_text:
        runtime.seed_all(seed)  # the very weights that training starts from
        constants = {f"untrained {name}": value for name, value in measure(build()).items()} | limits(seed)
    return Plan(build, data.rows, goal, measure, steps, batch_size, learning_rate, constants)


@functools.lru_cache(maxsize=4)
def limits(seed: int) -> dict[str, float]:
    """Compute floor and ceiling of each question, accuracy and nats, on one seed's held-out text of Tiny Town."""
    data, found = materials.material("tiny town", held_out=materials.ASKED, seed=seed), {}
    for name, asked in _questions(data).items():
        if name == "next word":
            top = evaluation.next_word_ceiling(data.oracle, data.tokenizer, asked)
        else:
            top = evaluation.ceiling(data.oracle, data.tokenizer, asked, left_only=LEFT[name])
        bottom = evaluation.floor(data.rows, asked, data.tokenizer.all_special_ids)
        found |= named(f"floor {name}", bottom) | named(f"ceiling {name}", top)
    return found


def _questions(data: Material) -> dict[str, HeldOut]:
    fill = data.fill()
    return {"fill two-sided": fill, "fill left-only": fill, "next word": data.next_word()}


def _measure(questions: dict[str, HeldOut], model: PreTrainedModel) -> dict[str, float]:
    found = {}
    for name, asked in questions.items():
        found |= named(name, asked.score(bodies.with_mask(model, causal=LEFT[name])))
    return found
