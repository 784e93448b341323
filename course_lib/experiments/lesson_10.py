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
from course_lib.experiments.definition import Experiment
from course_lib.experiments.materials import ASKED, HELD_OUT_FROM, Plan
from course_lib.model import bodies
from course_lib.text import corpora, packing, tokenization
from course_lib.town.sister_language import SisterLanguage, sentences
from course_lib.train import loop
from course_lib.train.masking import Masking
from course_lib.train.objectives import MaskedLM

__all__ = ["EXPERIMENTS", "SentencePairs", "sentence_pairs", "translate"]

HELD_OUT = 400  # pairs; recorded runs ask about ASKED
SHORT, LONG = 7, 10  # words, stops included: about a fifth have no more than the one, a fifth no fewer than the other


@dataclass(frozen=True)
class SentencePairs:
    """What all runs share: the language, a tokenizer for both, and pairs to train on and to ask about."""

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
    """Translate ``pairs`` sentences to train on, as the town tells them, and some that it never tells in training."""
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
    ``bert_steps`` the encoder starts from a BERT of the same seed that has read Tiny Town for so many steps of 32
    rows; ``shuffled`` then mixes the numbers within each of its tensors, so that their sizes stay and what they have
    learned does not. ``layers`` counts those of a single stack, a decoder under the prefix or the causal mask.

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
        numbers = {
            "sentence accuracy": score.sentences, "word accuracy": score.words, "nats": score.nats,
            "sentence accuracy, short": score.sentences[lengths <= SHORT],
            "sentence accuracy, long": score.sentences[lengths >= LONG],
        }  # fmt: skip
        found = {name: values.float().mean().item() for name, values in numbers.items()}
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


# --- what is asked and expected
_MANY = {"pairs": 16_000, "steps": 300, "batch_size": 64, "learning_rate": 2e-3}
_FEW = {"pairs": 800, "steps": 400, "batch_size": 32, "learning_rate": 2e-3}
_MADE_BY = {"run": translate, "written": "2026-11-26", "own_text": True}

# These were recorded before, on one text and without a margin; what is expected now is that they hold on other pairs.
EXPERIMENTS = (
    Experiment(
        "who-reads-the-source",
        "The same pairs and the same questions: does it help to read the source from both sides, and to have an "
        "encoder for it?",
        "The encoder-decoder has 0.03 to 0.10 more sentences right than one stack under a causal mask; a stack of "
        "twice the layers, which has as many weights, gets at least half of that lead. Prefix and causal mask are "
        "equivalent: less than 0.05 apart (T5 found the prefix ahead).",
        "reader", {
            "encoder-decoder": {"reader": "encoder-decoder"}, "prefix mask": {"reader": "prefix"},
            "causal mask": {"reader": "causal"},
            "prefix mask, twice the layers": {"reader": "prefix", "layers": 4},
        },
        "causal mask", _MANY | {"view": "every position"}, margins={"sentence accuracy": 0.05}, **_MADE_BY,
    ),
    Experiment(
        "far-agreement",
        "A dialect in which all endings of a clause depend on its last word: does the prefix mask help there?",
        "No, against what one may think: prefix and causal mask are less than 0.05 apart in sentences right. (The last "
        "source word stands before the first target word, so the causal mask hides nothing from the writer.)",
        "reader", {"prefix mask": {"reader": "prefix"}, "causal mask": {"reader": "causal"}}, "causal mask",
        _MANY | {"view": "every position", "agreement": "last word"}, margins={"sentence accuracy": 0.05}, **_MADE_BY,
    ),
    Experiment(
        "one-context-vector",
        "May the decoder look at all source positions, or at one vector alone?",
        "With one vector 0.5 or more of the sentences are lost. Long ones do not lose more than short ones: the two "
        "losses are less than 0.2 apart, unlike in the recurrent translators before attention.",
        "view", {"every position": {"view": "every position"}, "[CLS] alone": {"view": "[CLS] alone"}},
        "[CLS] alone", _MANY | {"reader": "encoder-decoder"}, **_MADE_BY,
    ),
    Experiment(
        "warm-encoder",
        "Few pairs: does it help if the encoder starts from a BERT that has read Tiny Town?",
        "No: after 1000 and after 3000 steps of reading, 0.02 or more of the words behind random numbers. If what it "
        "has learned is in the way, its numbers in mixed order do no harm (less than 0.02 from random); if their size "
        "is, they are as far behind as in order. We expect the size: mixed at least 0.02 behind.",
        "bert_steps", {
            "from BERT": {"bert_steps": 1000}, "from BERT, read longer": {"bert_steps": 3000},
            "from BERT, numbers mixed": {"bert_steps": 1000, "shuffled": True}, "from random": {"bert_steps": 0},
        },
        "from random", _FEW | {"reader": "encoder-decoder"}, margins={"word accuracy": 0.02}, **_MADE_BY,
    ),
)  # fmt: skip
