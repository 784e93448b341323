"""Lesson 05's experiments: what 80/10/10 is for, how much to mask, and whole words."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from course_lib.apply import fine_tuning
from course_lib.experiments import materials
from course_lib.experiments.copy_probe import Places
from course_lib.experiments.materials import ASKED, HELD_OUT, LABELLED, Material, Plan
from course_lib.model import bodies
from course_lib.town import tasks
from course_lib.train import evaluation, loop
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking
from course_lib.train.objectives import Batch, MaskedLM, Objective
from course_lib.train.whole_words import WholeWordMasking

__all__ = ["HIDDEN", "VISIBLE", "LossEverywhere", "Probes", "corrupted", "guess_pieces", "one_piece_each",
           "pretrained", "tagged"]  # fmt: skip

# Every model is asked at both, all hidden words [MASK]. Named by what is counted: round(0.15 * 32 tokens) is 5 of the
# 30 words of such a row; of 0.4 it is 13.
TEST_RATES = {"17%": 0.15, "43%": 0.4}
EVALUATIONS = 4  # on the way; each costs a twentieth of the training


# --- one body under different corruptions
@dataclass(frozen=True)
class LossEverywhere:
    """Corrupt as MaskedLM does, but ask for every word of the rows: what a mean taken before the mask amounts to."""

    masking: Masking

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Ask at all ordinary tokens of rows [B, T]."""
        everywhere = self.masking.ordinary(rows)
        return replace(MaskedLM(self.masking)(rows, generator), select=everywhere, targets=rows[everywhere])


class Probes:
    """What is measured of every model: 'fill' at each of TEST_RATES, 'own', what its training asks, and ``Places``."""

    def __init__(self, data: Material, own: Objective):
        goals = {f"fill {name}": MaskedLM(Masking.of(data.tokenizer, rate=rate, mask=1.0, random=0.0))
                 for name, rate in TEST_RATES.items()}  # fmt: skip
        self.asked = {name: HeldOut(data.held_out, goal) for name, goal in (goals | {"own": own}).items()}
        self.places = Places(data.tokenizer, data.held_out)

    def __call__(self, model: PreTrainedModel) -> dict[str, float]:
        return materials.measure(self.asked, model) | self.places.shares(self.places.answers(model))


def pretrained(
    seed: int, rate: float = 0.15, mask: float = 0.8, random: float = 0.1, tied: bool = True, everywhere: bool = False,
    steps: int = 1000, batch_size: int = 32, learning_rate: float = 2e-3, rows: int = 32_000,
) -> tuple[PreTrainedModel, loop.History, Material, Objective]:  # fmt: skip
    """Train a tiny BERT on the seed's own stories under one corruption, or load it from the cache.

    ``rate``, ``mask`` and ``random`` as in Masking. ``tied``: the head's output weights are the input embeddings, as in
    BERT. ``everywhere``: all words are asked for. Returns (model, history, the text, what was asked in training).
    """
    data = materials.material(rows=rows, held_out=ASKED, seed=seed)
    masking = Masking.of(data.tokenizer, rate=rate, mask=mask, random=random)
    goal = LossEverywhere(masking) if everywhere else MaskedLM(masking)
    build = functools.partial(bodies.tiny_bert, data.tokenizer, tie_word_embeddings=tied)
    model, history = loop.fit(
        build, data.rows, goal, steps, tokenizer=data.tokenizer, seed=seed, batch_size=batch_size,
        learning_rate=learning_rate, evaluate=Probes(data, goal), evaluations=EVALUATIONS,
    )  # fmt: skip
    return model, history, data, goal


def corrupted(seed: int, perfect: bool = False, **corruption) -> dict[str, list]:
    """Train under one corruption, see :func:`pretrained`, and measure on the way.

    Returns lists over training: tokens, the numbers of :class:`Probes`, and constants of the seed's text: 'selected
    share', as counted, floor and ceiling. ``perfect`` adds what a perfect reader says who knows the recipe.
    """
    _, history, data, goal = pretrained(seed, **corruption)
    fill, places = data.fill(), Places(data.tokenizer, data.held_out)
    best = evaluation.ceiling(data.oracle, data.tokenizer, fill)
    floor = evaluation.floor(data.rows, fill, data.tokenizer.all_special_ids)
    share = HeldOut(data.held_out, goal).batch.select.sum().item() / places.ordinary.sum().item()
    constants = {
        "floor fill 17% accuracy": floor.accuracy, "ceiling fill 17% accuracy": best.accuracy,
        "ceiling fill 17% nats": best.loss, "selected share": share,
    }  # fmt: skip
    if perfect:
        recipe = goal.masking
        keep = max(0.0, round(1 - recipe.mask - recipe.random, 6))
        shares = places.perfect(data.oracle, share, recipe.random, keep)
        constants |= {f"perfect: {name}": value for name, value in shares.items()}
    lists = {name: [value] * len(history.eval_tokens) for name, value in constants.items()}
    return {"tokens": history.eval_tokens, **history.evals, **lists}


def tagged(seed: int, labelled: int, **corruption) -> dict[str, float]:
    """Train a body under one corruption, then tag words with it: frozen, under a new head, and fine-tuned as a whole.

    BERT's Table 8 in small. ``labelled`` rows are all that either learns the tags from. Returns tokens, and accuracy
    and nats of the tags of held-out stories; 'new words' are the persons, places and objects that the labelled rows do
    not hold. Whether a corruption matters more to a frozen body is a question about 'frozen minus fine-tuned'.
    """
    train = materials.labelled("tags", labelled, LABELLED + seed)
    asked = materials.labelled("tags", ASKED, HELD_OUT + seed)
    new = tasks.new_words(train, asked).numpy()
    body, history, *_ = pretrained(seed, **corruption)
    found = {"tokens": history.eval_tokens[-1]}
    for name, frozen in (("frozen", True), ("fine-tuned", False)):
        score = fine_tuning.score(fine_tuning.fine_tune(body, train, seed=seed, frozen=frozen), asked)
        found |= materials.named(name, score) | {f"{name}, new words accuracy": score.at(new).accuracy}
    for words in ("", ", new words"):
        gain = found[f"frozen{words} accuracy"] - found[f"fine-tuned{words} accuracy"]
        found[f"frozen minus fine-tuned{words} accuracy"] = gain
    return found


# --- word pieces
VISIBLE, HIDDEN = "siblings in view", "siblings hidden"


def one_piece_each(tokenizer: PreTrainedTokenizerBase, rows: Tensor) -> dict[str, HeldOut]:
    """Ask for one piece of one split word in each row [B, T] that has any.

    Returns held-out questions by VISIBLE (only that piece is [MASK]) and HIDDEN (the word's other pieces are [MASK]
    too, but not asked for).
    """
    rng, found = random.Random(1234), []
    words = WholeWordMasking.of(tokenizer).words(rows)
    for row, numbers in enumerate(words.tolist()):
        split = sorted({n for n in numbers if n >= 0 and numbers.count(n) > 1})
        if split:
            word = rng.choice(split)
            found.append((row, word, rng.choice([t for t, n in enumerate(numbers) if n == word])))
    at, word, place = (torch.tensor(column) for column in zip(*found, strict=True))
    asked, piece = rows[at], torch.zeros_like(rows[at], dtype=torch.bool)
    piece[torch.arange(len(asked)), place] = True
    whole = words[at] == word[:, None]

    def ask(hidden: Tensor) -> HeldOut:
        shown = asked != tokenizer.pad_token_id
        batch = Batch(asked.masked_fill(hidden, tokenizer.mask_token_id), piece, asked[piece], shown)
        return HeldOut(asked, lambda rows, generator: batch)

    return {VISIBLE: ask(piece), HIDDEN: ask(whole)}


def guess_pieces(seed: int, whole: bool, vocab_size: int, steps: int, batch_size: int, learning_rate: float) -> Plan:
    """Train a tiny BERT on the seed's stories in pieces, masking single pieces or ``whole`` words, 80/10/10 each.

    Numbers: accuracy and nats of :func:`one_piece_each` and of 'fill', 15% of all pieces. Constants: their floors.
    """
    data = materials.material(rows=32_000, held_out=ASKED, seed=seed, pieces=vocab_size)
    goal = MaskedLM((WholeWordMasking if whole else Masking).of(data.tokenizer))
    questions = one_piece_each(data.tokenizer, data.held_out) | {"fill": data.fill()}
    floors = {
        f"floor {name} accuracy": evaluation.floor(data.rows, asked, data.tokenizer.all_special_ids).accuracy
        for name, asked in questions.items()
    }
    build = functools.partial(bodies.tiny_bert, data.tokenizer)
    measure = functools.partial(materials.measure, questions)
    return Plan(build, data.rows, goal, measure, steps, batch_size, learning_rate, floors)
