"""Lesson 04's experiments: one BERT body, trained and measured under one mask or both."""

from __future__ import annotations

import functools

from transformers import PreTrainedModel

from course_lib import runtime
from course_lib.experiments import materials
from course_lib.experiments.definition import Experiment
from course_lib.experiments.materials import Material, Plan, named
from course_lib.model import bodies
from course_lib.train import evaluation
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking
from course_lib.train.objectives import BothMasks, CausalLM, MaskedLM

__all__ = ["EXPERIMENTS", "LEFT", "limits", "read_and_fill"]

LEFT = {"fill two-sided": False, "fill left-only": True, "next word": True}  # question -> is it read to the left only?


def read_and_fill(
    seed: int, corpus: str, objective: str, causal: bool, steps: int, batch_size: int, learning_rate: float,
    share: float = 1.0, own_text: bool = False,
) -> Plan:  # fmt: skip
    """Train one BERT body and measure it on the way: filling under each mask, and the next word.

    ``objective``: 'masked', 'causal' or 'both' (one body, the two in turn). ``causal`` chooses the mask, ``share`` the
    positions in the causal loss. Numbers: each question's accuracy and nats. With ``own_text`` every seed reads and is
    asked a text of its own, and there are constants: what :func:`limits` finds on it, and each question's score
    'untrained', before the first step.
    """
    data = materials.material(corpus, held_out=materials.ASKED, seed=seed) if own_text else materials.material(corpus)
    masked, next_word = MaskedLM(Masking.of(data.tokenizer)), CausalLM.of(data.tokenizer, share)
    goal = {"masked": masked, "causal": next_word, "both": BothMasks(masked, next_word)}[objective]
    build = functools.partial(bodies.causal_bert if causal else bodies.tiny_bert, data.tokenizer)
    measure, constants = functools.partial(_measure, _questions(data)), {}
    if own_text:
        runtime.seed_all(seed)  # the very weights that training starts from
        constants = {f"untrained {name}": value for name, value in measure(build()).items()} | limits(corpus, seed)
    return Plan(build, data.rows, goal, measure, steps, batch_size, learning_rate, constants)


@functools.lru_cache(maxsize=4)
def limits(corpus: str, seed: int) -> dict[str, float]:
    """Compute floor and ceiling of each question, accuracy and nats, on the held-out text of one seed.

    The floor is the word-frequency guess, the ceiling the exact reader's score on the very same places.
    """
    data, found = materials.material(corpus, held_out=materials.ASKED, seed=seed), {}
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


_TOWN = {"corpus": "tiny town", "steps": 2048, "batch_size": 32, "learning_rate": 2e-3, "own_text": True}
_CAUSAL = {"objective": "causal", "causal": True}
_STATED = {"run": read_and_fill, "written": "2026-11-26", "own_text": True}

EXPERIMENTS = (
    Experiment(
        "one-mask-apart",
        "Same body, same masked words: what does the causal mask cost?",
        "Of 100 hidden words the two-sided reader fills 16 to 22 more than the left-only one. It ends at least 10 "
        "above the left-only ceiling and at most 4 below its own; the left-only reader ends 2 to 6 below its own, "
        "and never above it. Before training both are below the word-frequency floor of 14.",
        "causal", {"two-sided": {"causal": False}, "left-only": {"causal": True}}, "left-only",
        _TOWN | {"objective": "masked"},
        seeds=20, margins={"fill two-sided accuracy": 0.02, "fill left-only accuracy": 0.02}, **_STATED,
    ),
    Experiment(
        "two-masks-one-model",
        "Can one set of weights work under both masks? And what does a causal model owe to a loss at every word?",
        "Trained under both: at least 0.9 of the way from floor to ceiling under each mask, and behind each "
        "specialist by no more than 0.1 nats. Specialists fall apart under the other mask: worse than the floor. "
        "After a tenth of the text the causal model asked everywhere has gone 0.9 of the way, asked at 15% 0.7 "
        "(one-mask-apart's masked models then stand at 0.45 left-only and 0.35 two-sided); at the end the two "
        "causal models are within 0.05 nats of each other.",
        "objective", {  # the masked specialist is one-mask-apart's two-sided arm, seed by seed on the same text
            "causal": _CAUSAL | {"share": 1.0}, "causal, 15%": _CAUSAL | {"share": 0.15},
            "both": {"objective": "both", "causal": False},
        },
        "both", _TOWN, margins={"fill two-sided nats": 0.1, "next word nats": 0.05}, **_STATED,
    ),
    Experiment(
        "one-mask-apart-english",
        "The same on real English, where no ceiling is known?",
        "Two-sided above left-only, by less of the way than in Tiny Town after so few tokens.",
        "causal", {"two-sided": {"causal": False}, "left-only": {"causal": True}}, "left-only",
        {"corpus": "python docs", "objective": "masked", "steps": 6000, "batch_size": 32, "learning_rate": 2e-3},
        run=read_and_fill,
    ),
)  # fmt: skip
