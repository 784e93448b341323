"""Let small models write stories and hold them against the grammar: the runs behind lesson 09's experiments."""

from __future__ import annotations

import functools

import torch

from course_lib.apply import generation
from course_lib.experiments.texts import ASKED, LENGTH, Material, material
from course_lib.model import bodies
from course_lib.train import loop
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM

__all__ = ["OBJECTIVES", "blank", "by_filling", "by_temperature", "writer"]

OBJECTIVES = ("causal", "masked", "any rate")


@functools.cache
def writer(objective: str, seed: int, steps: int):
    """Train a tiny GPT ('causal') or BERT ('masked': 15%; 'any rate': 0 to 100%) on its seed's stories."""
    if objective not in OBJECTIVES:
        raise ValueError(f"objective={objective!r} is unknown; choose one of {OBJECTIVES}.")
    data = material(seed=seed)
    goal = {
        "causal": CausalLM.of(data.tokenizer), "masked": MaskedLM(Masking.of(data.tokenizer)),
        "any rate": generation.AnyRate.of(data.tokenizer),
    }[objective]  # fmt: skip
    build = functools.partial(bodies.tiny_gpt if objective == "causal" else bodies.tiny_bert, data.tokenizer)
    settings = {"batch_size": 32, "learning_rate": 2e-3, "name": objective}
    return loop.fit(build, data.rows, goal, steps, tokenizer=data.tokenizer, seed=seed, **settings)[0]


def blank(data: Material, n: int, masked: bool) -> torch.Tensor:
    """Make what n stories begin with: [CLS], and for a filler also a row of [MASK] and [SEP]; int64 [n, 1 or 32]."""
    ids = data.tokenizer
    row = [ids.cls_token_id] + ([ids.mask_token_id] * (LENGTH - 2) + [ids.sep_token_id]) * masked
    return torch.tensor([row] * n)


def by_temperature(seeds: list[int], temperature: float = 1.0, steps: int = 1250, stories: int = 200) -> list[dict]:
    """Train a tiny GPT per seed and let it write at a temperature.

    Returns for each seed, as lists of one number: tokens trained on; 'valid sentences', 'valid stories', 'distinct
    sentences' (shares); 'surprise nats', per word, to the exact reader; 'divergence nats' per word from the language.
    """

    def run(seed: int) -> dict:
        data = material(held_out=ASKED, seed=seed)
        model, generator = writer("causal", seed, steps), torch.Generator().manual_seed(seed)
        prompt = blank(data, stories, masked=False).to(model.device)
        ids = generation.write(model, prompt, LENGTH - 2, temperature, generator)
        away = generation.divergence(model, data.oracle, data.tokenizer, data.held_out[:300], temperature)
        return _numbers(data, ids, steps) | {"divergence nats": [away]}

    return [run(seed) for seed in seeds]


def by_filling(
    seeds: list[int], objective: str = "masked", order: str = "random", sweeps: int = 0, steps: int = 1250,
    stories: int = 200,
) -> list[dict]:  # fmt: skip
    """Train a writer per seed and let it write at temperature 1: a GPT word by word, a BERT from a row of masks.

    Returns for each seed what :func:`by_temperature` does, without the divergence, which only a chain of next words
    has.
    """

    def run(seed: int) -> dict:
        data = material(seed=seed)
        model, generator = writer(objective, seed, steps), torch.Generator().manual_seed(seed)
        start = blank(data, stories, masked=objective != "causal").to(model.device)
        if objective == "causal":
            return _numbers(data, generation.write(model, start, LENGTH - 2, 1.0, generator), steps)
        mask = data.tokenizer.mask_token_id
        return _numbers(data, generation.fill(model, start, mask, order, 1.0, generator, sweeps=sweeps), steps)

    return [run(seed) for seed in seeds]


def _numbers(data: Material, ids: torch.Tensor, steps: int) -> dict[str, list]:
    found = generation.judge(data.oracle, generation.words_of(data.tokenizer, ids))
    return {
        "tokens": [steps * 32 * LENGTH], "valid sentences": [found.sentences], "valid stories": [found.stories],
        "distinct sentences": [found.distinct], "surprise nats": [found.surprise],
    }  # fmt: skip
