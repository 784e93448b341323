"""The lessons' questions once more in real English: one ModernBERT backbone, read from its first weights on.

Its rotary positions and its LayerNorm before each part let so small a model leave the level of word frequencies
within 500 steps; BERT's own backbone of this size is still there after 8,000 (tried on another split).
"""

from __future__ import annotations

import functools
import random

import torch
from transformers import ModernBertConfig, ModernBertForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from course_lib import runtime
from course_lib.experiments import materials
from course_lib.experiments.copy_probe import Places
from course_lib.experiments.excerpts import Stories
from course_lib.experiments.lesson_06 import counted
from course_lib.experiments.lesson_07 import in_format
from course_lib.experiments.materials import LENGTH, Material, Plan, named
from course_lib.model import bodies
from course_lib.model.attention import causal_mask
from course_lib.text import packing, tokenization
from course_lib.train import evaluation, loop
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking, StaticMasking
from course_lib.train.objectives import BothMasks, CausalLM, MaskedLM, Objective, UnderMask

__all__ = ["ModernBertForPairs", "format_english", "judge_english", "read_english", "under_causal_mask", "vary_recipe"]

VOCABULARY = 2000  # byte-level BPE, trained on each seed's training text
HELD_OUT_SHARE, ASKED = 0.1, 500  # of the documents, in whole subpackages; rows that are asked about
ROW, PAIR_ROW = 96, 64  # tokens in rows of several sentences, and in SENTENCE-PAIR's
PAIRS, SENTENCES = (20_000, 2000), 2  # pairs to count on, and held out; sentences on each side


def under_causal_mask(objective: Objective, length: int = LENGTH) -> UnderMask:
    """Ask as another objective does, under the causal mask: of a bidirectional backbone this makes a causal one.

    For rows of ``length`` tokens; padding, at the end, is not seen.
    """
    return UnderMask(objective, causal_mask(length))


class ModernBertForPairs(ModernBertForMaskedLM):
    """ModernBERT with a second head, one linear layer that judges pairs. It has no segments, as RoBERTa has none."""

    def __init__(self, config: ModernBertConfig):
        super().__init__(config)
        self.judge = torch.nn.Linear(config.hidden_size, 2)  # after the words' weights, which so are those of no pairs


@functools.lru_cache(maxsize=2)
def encoded(corpus: str, seed: int) -> tuple[PreTrainedTokenizerBase, list[list], list[list]]:
    """Split a corpus by ``seed`` and train a tokenizer on the larger part.

    Returns it, and both parts, to train on and held out: documents of sentences of ids.
    """
    parts = materials.text(corpus).split(HELD_OUT_SHARE, seed=seed)
    tokenizer = tokenization.train_byte_bpe(parts[0], vocab_size=VOCABULARY)
    return tokenizer, *(tokenization.encode_documents(tokenizer, part) for part in parts)


@functools.lru_cache(maxsize=2)
def english(corpus: str, seed: int) -> Material:
    """Cut both parts of a corpus (``materials.text``) into rows of 32 tokens, int64 [N, 32] and [ASKED, 32]."""
    tokenizer, *parts = encoded(corpus, seed)
    rows, held_out = (packing.full_sentences(tokenizer, part, LENGTH) for part in parts)
    chosen = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(seed))[:ASKED]
    return Material(tokenizer, rows, held_out[chosen], None)


def read_english(
    seed: int, corpus: str, task: str, steps: int, batch_size: int, learning_rate: float, share: float = 1.0
) -> Plan:
    """Train the backbone at one task and measure it on the way, each question under its own mask.

    ``task``: 'two-sided' and 'left-only' fill in masked words, 'causal' predicts the next word (at a ``share`` of the
    places), 'both' takes two-sided and causal in turn. Numbers: nats and accuracy of 'fill two-sided', 'fill left-only'
    and 'next word'. Constants: each question's score 'untrained', before the first step, and its 'floor', that of word
    frequencies. Raises KeyError for another task.
    """
    data = english(corpus, seed)
    masked, next_word = MaskedLM(Masking.of(data.tokenizer)), CausalLM.of(data.tokenizer, share)
    goal = {"two-sided": masked, "left-only": under_causal_mask(masked), "causal": under_causal_mask(next_word),
            "both": BothMasks(masked, next_word)}[task]  # fmt: skip
    fill, following = data.fill(), data.next_word()
    questions = {
        "fill two-sided": fill, "fill left-only": HeldOut(data.held_out, under_causal_mask(fill.objective)),
        "next word": HeldOut(data.held_out, under_causal_mask(following.objective)),
    }  # fmt: skip
    measure = functools.partial(materials.measure, questions)
    build = functools.partial(bodies.modern_bert, data.tokenizer)
    runtime.seed_all(seed)  # the very weights that training starts from
    constants = {f"untrained {name}": value for name, value in measure(build()).items()}
    for name, asked in (("fill", fill), ("next word", following)):
        constants |= named(f"floor {name}", evaluation.floor(data.rows, asked, data.tokenizer.all_special_ids))
    return Plan(build, data.rows, goal, measure, steps, batch_size, learning_rate, constants)


def vary_recipe(seed: int, corpus: str, recipe: dict, steps: int, batch_size: int, learning_rate: float) -> Plan:
    """Train masked words by a recipe that differs in one thing, and measure filling at 15% and ``Places.shares``.

    ``recipe`` may hold settings of ``Masking`` (rate, mask, random); ``rows``, to read that many again and again;
    ``masks``, how many each of them has in all (dynamic without); ``steps``, ``batch_size``, ``learning_rate`` of its
    own; and ``causal_first``, the share of the steps in which the next word is predicted, under the causal mask.
    """
    settings = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate} | recipe
    data = english(corpus, seed)
    changed = {name: recipe[name] for name in ("rate", "mask", "random") if name in recipe}
    masking = Masking.of(data.tokenizer, **changed)
    goal = MaskedLM(StaticMasking(masking, recipe["masks"]) if "masks" in recipe else masking)
    rows, fill, places = data.rows[: recipe.get("rows")], data.fill(), Places(data.tokenizer, data.held_out)
    before = round(settings["steps"] * recipe.get("causal_first", 0))

    def build() -> PreTrainedModel:
        model = bodies.modern_bert(data.tokenizer)
        if before:
            first = under_causal_mask(CausalLM.of(data.tokenizer))
            loop.train(model, rows, first, before, batch_size=settings["batch_size"],
                       learning_rate=settings["learning_rate"], seed=seed)  # fmt: skip
        return model

    def measure(model: PreTrainedModel) -> dict[str, float]:
        return named("fill", fill.score(model)) | places.shares(places.answers(model))

    left = settings["steps"] - before
    return Plan(build, rows, goal, measure, left, settings["batch_size"], settings["learning_rate"])


def judge_english(seed: int, corpus: str, negative: str) -> dict[str, float]:
    """Judge held-out pairs by counting words, see ``lesson_06.counted``: accuracies by name.

    ``negative``: 'other document', as in next sentence prediction, or 'swapped', as in sentence order prediction.
    """
    (tokenizer, *parts), made = encoded(corpus, seed), []
    for text, pairs in zip(parts, PAIRS, strict=True):
        rng, matched = random.Random(f"{negative} {seed}"), negative == "other document"
        made.append(packing.balanced_pairs(tokenizer, text, 128, rng, negative, SENTENCES, pairs, matched))
    return counted(parts[0], *made)


def format_english(
    seed: int, corpus: str, form: str, nsp: bool, tokens_per_step: int, steps: int, learning_rate: float
) -> dict[str, list]:
    """Train the backbone on a corpus in one of RoBERTa's input formats (section 4.2), as ``lesson_07.read_format``.

    Returns lists over training: tokens, nats and accuracy of 'context N', words of a held-out document's fourth
    sentence with N sentences in view.
    """
    tokenizer, *parts = encoded(corpus, seed)
    data = Stories(None, tokenizer, *parts, ROW, PAIR_ROW)
    two = functools.partial(bodies.modern_bert, kind=ModernBertForPairs)
    return in_format(data, bodies.modern_bert, two, form, nsp, tokens_per_step, steps, learning_rate, seed)
