"""A small GPT trained on episodes: does it learn new mappings from its context alone?"""

from __future__ import annotations

import functools

import torch

from course_lib.experiments import plan
from course_lib.experiments.texts import ASKED, HELD_OUT_FROM
from course_lib.model import bodies
from course_lib.text import in_context_data
from course_lib.train.objectives import CausalLM

__all__ = ["SHOWN", "gpt", "learn"]

SHOWN = (0, 1, 2, 4, 6, 9)  # pairs to be seen before the one that is asked about


def gpt(layers: int = 2):
    """Build the GPT of the episodes. Its weights start as wide as BERT's do here: with 0.02 nothing is looked up."""
    return bodies.tiny_gpt(in_context_data.tokenizer(), n_layer=layers, initializer_range=bodies.WIDE_START)


def learn(
    seeds: list[int], mappings: str = "anew", layers: int = 2, steps: int = 1250, pairs: int = 10,
    batch_size: int = 32, learning_rate: float = 2e-3,
) -> list[dict]:  # fmt: skip
    """Train a tiny GPT per seed to predict the next token of its own episodes; no weight changes where it is measured.

    ``mappings``: 'anew', each episode has its own, or 'one', all episodes the same; every episode is read once. Returns
    for each seed lists over training: tokens; 'N shown accuracy' after N pairs, 'letter shown accuracy' and 'letter not
    shown accuracy', all on mappings that no training episode had; 'old mapping accuracy', on the one mapping.
    """
    if mappings not in ("anew", "one"):
        raise ValueError(f"mappings={mappings!r} is unknown; choose 'anew' or 'one'.")
    old = torch.arange(len(in_context_data.LETTERS)).flip(0)  # a is 8, b is 7, ...
    fixed = old if mappings == "one" else None
    goal, build = CausalLM.of(in_context_data.tokenizer()), functools.partial(gpt, layers)

    def plan_for(seed: int) -> plan.Plan:
        training = in_context_data.draw(steps * batch_size, pairs, torch.Generator().manual_seed(seed), fixed)
        new, same = (
            in_context_data.draw(ASKED, pairs, torch.Generator().manual_seed(HELD_OUT_FROM + seed), m)
            for m in (None, old)
        )
        new = new.without(training)

        def measure(model) -> dict[str, float]:
            right, shown = in_context_data.answers(model, new).double(), new.shown
            found = {f"{n} shown accuracy": right[:, n].mean().item() for n in SHOWN}
            found |= {"letter shown accuracy": right[shown].mean().item()}
            found |= {"letter not shown accuracy": right[~shown].mean().item()}
            return found | {"old mapping accuracy": in_context_data.answers(model, same).double().mean().item()}

        return plan.Plan(build, training.rows, goal, measure, steps, batch_size, learning_rate)

    return plan.run({seed: plan_for(seed) for seed in seeds})
