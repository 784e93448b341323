"""Lesson 09's experiments: writing at a temperature, writing by filling masks, learning from the context alone."""

from __future__ import annotations

import functools

import torch
from transformers import GPT2LMHeadModel, PreTrainedModel

from course_lib.apply import generation, in_context_data
from course_lib.experiments import materials
from course_lib.experiments.materials import ASKED, HELD_OUT_FROM, LENGTH, Material, Plan
from course_lib.model import bodies
from course_lib.train import loop
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM

__all__ = ["SHOWN", "by_filling", "by_temperature", "episode_gpt", "learn", "writer"]

SHOWN = (0, 1, 2, 4, 6, 9)  # pairs to be seen before the one that is asked about


# --- small models write stories, which are held against the grammar
def writer(objective: str, data: Material, seed: int, steps: int) -> PreTrainedModel:
    """Train a tiny GPT ('causal') or BERT ('masked': 15%; 'any rate': 0 to 100%) on its seed's stories."""
    goal = {
        "causal": CausalLM.of(data.tokenizer), "masked": MaskedLM(Masking.of(data.tokenizer)),
        "any rate": generation.AnyRate.of(data.tokenizer),
    }[objective]  # fmt: skip
    build = functools.partial(bodies.tiny_gpt if objective == "causal" else bodies.tiny_bert, data.tokenizer)
    settings = {"batch_size": 32, "learning_rate": 2e-3, "name": objective}
    return loop.fit(build, data.rows, goal, steps, tokenizer=data.tokenizer, seed=seed, **settings)[0]


def by_temperature(seed: int, temperature: float, steps: int, stories: int) -> dict[str, float]:
    """Train a tiny GPT and let it write at a temperature.

    Returns tokens trained on; 'valid sentences', 'valid stories', 'distinct sentences' (shares); 'surprise nats', per
    word, to the exact reader; 'divergence nats' per word from the language.
    """
    data = materials.material(held_out=ASKED, seed=seed)
    model, generator = writer("causal", data, seed, steps), torch.Generator().manual_seed(seed)
    start = torch.full((stories, 1), data.tokenizer.cls_token_id, device=model.device)
    ids = generation.write(model, start, LENGTH - 2, temperature, generator)
    away = generation.divergence(model, data.oracle, data.tokenizer, data.held_out[:300], temperature)
    return _judged(data, ids, steps) | {"divergence nats": away}


def by_filling(seed: int, objective: str, order: str, sweeps: int, steps: int, stories: int) -> dict[str, float]:
    """Let a writer write at temperature 1: a GPT word by word, a BERT from a row of masks.

    Returns what :func:`by_temperature` does, without the divergence, which only a chain of next words has.
    """
    data = materials.material(seed=seed)
    model, generator = writer(objective, data, seed, steps), torch.Generator().manual_seed(seed)
    cls, mask, sep = (data.tokenizer.convert_tokens_to_ids(name) for name in ("[CLS]", "[MASK]", "[SEP]"))
    if objective == "causal":
        start = torch.tensor([[cls]] * stories, device=model.device)
        return _judged(data, generation.write(model, start, LENGTH - 2, 1.0, generator), steps)
    start = torch.tensor([[cls, *[mask] * (LENGTH - 2), sep]] * stories, device=model.device)
    return _judged(data, generation.fill(model, start, mask, order, 1.0, generator, sweeps=sweeps), steps)


def _judged(data: Material, ids: torch.Tensor, steps: int) -> dict[str, float]:
    found = generation.judge(data.oracle, generation.words_of(data.tokenizer, ids))
    return {
        "tokens": steps * 32 * LENGTH, "valid sentences": found.sentences, "valid stories": found.stories,
        "distinct sentences": found.distinct, "surprise nats": found.surprise,
    }  # fmt: skip


# --- a small GPT trained on episodes: does it learn new mappings from its context alone?
def episode_gpt(layers: int = 2) -> GPT2LMHeadModel:
    """Build the GPT of the episodes. Its weights start as wide as BERT's: with 0.02 nothing is looked up."""
    return bodies.tiny_gpt(in_context_data.tokenizer(), n_layer=layers, initializer_range=bodies.WIDE_START)


def learn(seed: int, mappings: str, layers: int, steps: int, pairs: int) -> Plan:
    """Train a tiny GPT to predict the next token of its own episodes; no weight changes where it is measured.

    ``mappings``: 'anew', each episode has its own, or 'one', all episodes the same; every episode is read once.
    Numbers: 'N shown accuracy' after N pairs, 'letter shown accuracy' and 'letter not shown accuracy', all on mappings
    that no training episode had; 'old mapping accuracy', on the one mapping.
    """
    old, batch_size = torch.arange(len(in_context_data.LETTERS)).flip(0), 32  # a is 8, b is 7, ...
    trained_on = {"anew": None, "one": old}[mappings]
    training = in_context_data.draw(steps * batch_size, pairs, torch.Generator().manual_seed(seed), trained_on)
    new, same = (
        in_context_data.draw(ASKED, pairs, torch.Generator().manual_seed(HELD_OUT_FROM + seed), mapping)
        for mapping in (None, old)
    )
    new = new.without(training)

    def measure(model: PreTrainedModel) -> dict[str, float]:
        right, shown = in_context_data.answers(model, new).double(), new.shown
        answered = {
            **{f"{n} shown": right[:, n] for n in SHOWN}, "letter shown": right[shown],
            "letter not shown": right[~shown], "old mapping": in_context_data.answers(model, same).double(),
        }  # fmt: skip
        return {f"{name} accuracy": each.mean().item() for name, each in answered.items()}

    goal = CausalLM.of(in_context_data.tokenizer())
    return Plan(functools.partial(episode_gpt, layers), training.rows, goal, measure, steps, batch_size)
