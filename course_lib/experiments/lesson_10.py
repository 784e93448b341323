"""Lesson 10's experiments: who reads the source, how much of it the decoder may see, and a BERT as encoder."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from course_lib import runtime
from course_lib.apply.translation import (
    HeldOutPairs,
    Translation,
    bilingual_tokenizer,
    head_alignment,
    pair_rows,
    tiny_encoder_decoder,
)
from course_lib.experiments.materials import ASKED, HELD_OUT_FROM, Plan
from course_lib.model import bodies
from course_lib.text import corpora, packing, tokenization
from course_lib.town.sister_language import SisterLanguage, sentences
from course_lib.train import loop
from course_lib.train.masking import Masking
from course_lib.train.objectives import MaskedLM

__all__ = ["SentencePairs", "sentence_pairs", "translate"]

HELD_OUT = 400  # pairs; recorded runs ask about ASKED
SHORT, LONG = 7, 10  # words, stops included: about a fifth have no more than the one, a fifth no fewer than the other


@dataclass(frozen=True)
class SentencePairs:
    """The sister language, a tokenizer for both languages, and pairs to train on and to ask about."""

    language: SisterLanguage
    tokenizer: PreTrainedTokenizerBase
    sentences: list[tuple[str, ...]]  # of the training rows
    held_out_sentences: list[tuple[str, ...]]  # none of them in training
    rows: Tensor  # int64 [N, T]
    held_out: Tensor  # int64 [n, T']

    def ask(self, **settings) -> HeldOutPairs:
        """Ask for the held-out translations; settings as in ``Translation``."""
        return HeldOutPairs(self.held_out, Translation.of(self.tokenizer, **settings))


@functools.lru_cache(maxsize=4)
def sentence_pairs(
    pairs: int = 16_000, agreement: str = "next word", held_out: int = HELD_OUT, seed: int = 0
) -> SentencePairs:
    """Translate sentences to train on, as the town tells them, and some that it never tells in training."""
    language = SisterLanguage(agreement=agreement)
    tokenizer = bilingual_tokenizer(language)
    train, asked = sentences(pairs, seed=seed), sentences(held_out, seed=HELD_OUT_FROM + seed, held_out=True)
    rows, new = (pair_rows(tokenizer, language, texts) for texts in (train, asked))
    return SentencePairs(language, tokenizer, train, asked, rows, new)


def translate(
    seed: int, reader: str, pairs: int, steps: int, batch_size: int, learning_rate: float, view: str = "every position",
    agreement: str = "next word", bert_steps: int = 0, shuffled: bool = False, layers: int = 2,
) -> dict[str, list]:  # fmt: skip
    """Train a translator and measure it on the way, training and held-out pairs being the seed's own.

    ``reader`` and ``view`` as in ``translation.Translation``, ``agreement`` as in ``SisterLanguage``. With
    ``bert_steps`` the encoder starts from a BERT of the same seed that has read Tiny Town for so many steps;
    ``shuffled`` then mixes the numbers within each of its tensors. ``layers`` counts those of a single stack.

    Returns lists over training: tokens, 'sentence accuracy' (also of short and of long sentences), 'word accuracy',
    'nats' and, with a full view, the 'alignment accuracy' of the head that looks most often at the word to be
    translated, and of the head that looks most often at the word after it.
    """
    data = sentence_pairs(pairs, agreement, ASKED, seed)
    asked = data.ask(reader=reader, view=view)
    lengths = torch.tensor([len(sentence) for sentence in data.held_out_sentences])
    gold = [data.language.alignment(sentence) for sentence in data.held_out_sentences]
    after = [[place + 1 for place in places] for places in gold]

    def build() -> PreTrainedModel:
        if reader != "encoder-decoder":
            return bodies.tiny_bert(data.tokenizer, num_hidden_layers=layers)
        model = tiny_encoder_decoder(data.tokenizer)
        if bert_steps:
            weights = town_bert(seed, bert_steps).bert.state_dict()
            model.encoder.load_state_dict(mixed(weights, seed) if shuffled else weights)
        return model

    def measure(model: PreTrainedModel) -> dict[str, float]:
        score = asked.score(model)
        right, found = score.sentences.float(), score.numbers()
        found["sentence accuracy, short"] = right[lengths <= SHORT].mean().item()
        found["sentence accuracy, long"] = right[lengths >= LONG].mean().item()
        if view == "every position":
            found["alignment accuracy"] = head_alignment(model, asked, gold).max().item()
            found["alignment accuracy, next word"] = head_alignment(model, asked, after).max().item()
        return found

    return Plan(build, data.rows, asked.objective, measure, steps, batch_size, learning_rate).train(seed)


def mixed(weights: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Mix the numbers within each tensor: their sizes stay, what they have learned does not."""
    generator = torch.Generator().manual_seed(seed)

    def mix(tensor: Tensor) -> Tensor:
        order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
        return tensor.flatten()[order].view_as(tensor)

    return {name: mix(tensor) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}


@functools.lru_cache(maxsize=4)
def town_bert(seed: int, steps: int) -> PreTrainedModel:
    """Pre-train a BERT on its seed's stories of Tiny Town, with the vocabulary of both languages."""
    tokenizer = bilingual_tokenizer(SisterLanguage())
    told = corpora.tiny_town(max(20_000, 32 * steps), seed=seed)
    rows = packing.blocks(tokenizer, tokenization.encode_documents(tokenizer, told), 32)
    runtime.seed_all(seed)
    bert = bodies.tiny_bert(tokenizer)
    loop.train(bert, rows, MaskedLM(Masking.of(tokenizer)), steps, batch_size=32, learning_rate=2e-3, seed=seed)
    return bert
