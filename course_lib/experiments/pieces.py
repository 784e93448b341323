"""One BERT body on word pieces, masked piece by piece or word by word, and asked with and without the siblings."""

from __future__ import annotations

import functools
import random

import torch
from torch import Tensor

from course_lib.experiments import plan
from course_lib.experiments.texts import ASKED, HELD_OUT_FROM, LENGTH, Material
from course_lib.model import bodies
from course_lib.text import corpora, packing, tokenization
from course_lib.train import evaluation
from course_lib.train.masking import Masking
from course_lib.train.objectives import Batch, MaskedLM
from course_lib.train.whole_words import WholeWordMasking

__all__ = ["VISIBLE", "HIDDEN", "guess_pieces", "one_piece_each", "town_in_pieces"]

VISIBLE, HIDDEN = "siblings in view", "siblings hidden"


@functools.lru_cache(maxsize=2)
def town_in_pieces(vocab_size: int = 150, rows: int = 32_000, held_out: int = ASKED, seed: int = 0) -> Material:
    """Prepare Tiny Town's stories in a WordPiece vocabulary so small that many of its words are split.

    ``seed`` draws the stories; the vocabulary is one for all. Rows have 32 pieces and begin where a story begins.
    There is no exact reader: the oracle reads whole words.
    """
    parts = corpora.tiny_town(rows, seed=seed), corpora.tiny_town(held_out, seed=HELD_OUT_FROM + seed)
    tokenizer = tokenization.train_wordpiece([corpora.tiny_town(2000, seed=0).text()], vocab_size)
    made = [packing.blocks(tokenizer, tokenization.encode_documents(tokenizer, part), LENGTH) for part in parts]
    return Material(tokenizer, made[0][:rows], made[1][:held_out], None)


def one_piece_each(tokenizer, rows: Tensor, seed: int = 1234) -> dict[str, evaluation.HeldOut]:
    """Ask for one piece of one split word in each row [B, T] that has any, once beside its siblings, once without.

    Returns held-out questions by VISIBLE (only that piece is [MASK]) and HIDDEN (the word's other pieces are [MASK]
    too, but not asked for). The pieces asked for are the same.
    """
    rng, found = random.Random(seed), []
    words = WholeWordMasking.of(tokenizer).words(rows)
    for row, numbers in enumerate(words.tolist()):
        split = sorted({n for n in numbers if n >= 0 and numbers.count(n) > 1})
        if split:
            word = rng.choice(split)
            found.append((row, word, rng.choice([t for t, n in enumerate(numbers) if n == word])))
    if not found:
        raise ValueError(f"none of the {len(rows)} rows holds a word of several pieces: take a smaller vocabulary.")
    at, word, place = (torch.tensor(column) for column in zip(*found, strict=True))
    asked, piece = rows[at], torch.zeros_like(rows[at], dtype=torch.bool)
    piece[torch.arange(len(asked)), place] = True
    whole = words[at] == word[:, None]

    def ask(hidden: Tensor) -> evaluation.HeldOut:
        shown = asked != tokenizer.pad_token_id
        batch = Batch(asked.masked_fill(hidden, tokenizer.mask_token_id), piece, asked[piece], shown)
        return evaluation.HeldOut(asked, lambda rows, generator: batch)

    return {VISIBLE: ask(piece), HIDDEN: ask(whole)}


def guess_pieces(
    seeds: list[int], whole: bool = False, vocab_size: int = 150, steps: int = 1000, batch_size: int = 32,
    learning_rate: float = 2e-3,
) -> list[dict]:  # fmt: skip
    """Train a tiny BERT per seed on its own stories in pieces, masking single pieces or ``whole`` words, 80/10/10 each.

    Returns for each seed lists over training: tokens, and accuracy and nats at one piece of a split word, with its
    siblings in view and hidden, and at 15% of all pieces ('fill'); and constants, the 'floor' of each: always the most
    frequent piece.
    """

    def one(seed: int) -> plan.Plan:
        data = town_in_pieces(vocab_size, seed=seed)
        masking = (WholeWordMasking if whole else Masking).of(data.tokenizer)
        questions = one_piece_each(data.tokenizer, data.held_out) | {"fill": data.fill()}
        floors = {
            f"floor {name} accuracy": evaluation.floor(data.rows, asked, data.tokenizer.all_special_ids).accuracy
            for name, asked in questions.items()
        }

        def measure(model) -> dict[str, float]:
            scores = {name: asked.score(model) for name, asked in questions.items()}
            nats = {f"{name} nats": score.loss for name, score in scores.items()}
            return nats | {f"{name} accuracy": score.accuracy for name, score in scores.items()} | floors

        def build():
            return bodies.tiny_bert(data.tokenizer)

        return plan.Plan(build, data.rows, MaskedLM(masking), measure, steps, batch_size, learning_rate)

    return plan.run({seed: one(seed) for seed in seeds})
