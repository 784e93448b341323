"""Long texts in RoBERTa's input formats, and what a perfect reader makes of what is cut out of Tiny Town's stories."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.experiments.materials import HELD_OUT_FROM, town_words
from course_lib.text import corpora, packing, tokenization
from course_lib.text.packing import Pairs
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle
from course_lib.train import evaluation
from course_lib.train.evaluation import HeldOut, Score
from course_lib.train.masking import Masking
from course_lib.train.objectives import Batch

__all__ = ["CONTEXTS", "ExcerptReader", "Stories", "context_ceiling", "stories"]

CONTEXTS = (0, 1, 2, 3)  # sentences to be seen before the one that is asked about, the fourth of a story
ROW, PAIR_ROW = 40, 32  # tokens per row; two sentences of the town have 25 at most


@dataclass(frozen=True)
class Stories:
    """Documents of several sentences, Tiny Town's stories or real text, and held-out ones to ask about."""

    town: TinyTown | None
    tokenizer: PreTrainedTokenizerBase
    train: list[list[list[int]]]  # document -> sentence -> ids
    held_out: list[list[list[int]]]
    length: int = ROW  # tokens per row
    pair_length: int = PAIR_ROW  # of SENTENCE-PAIR

    def __post_init__(self):
        """Keep of the held-out stories those whose first four sentences fit into a row."""
        fit = [story for story in self.held_out if len(story) > 3 and sum(map(len, story[:4])) <= self.length - 3]
        object.__setattr__(self, "held_out", fit)

    def rows(self, form: str, rng: Random) -> Tensor | Pairs:
        """Pack the training stories into rows in a format: segment-pair, sentence-pair, full- or doc-sentences."""
        if form == "segment-pair":
            return packing.segment_pairs(self.tokenizer, self.train, self.length, rng)
        if form == "sentence-pair":
            return packing.balanced_pairs(self.tokenizer, self.train, self.pair_length, rng, sentences=1)
        pack = {"full-sentences": packing.full_sentences, "doc-sentences": packing.doc_sentences}[form]
        return pack(self.tokenizer, self.train, self.length)

    def fourth_sentence(self, context: int, pairs: bool) -> HeldOut:
        """Ask for half of the words of each story's fourth sentence, with ``context`` sentences before it in view.

        The words that are asked for, all of them [MASK], are always the same. With ``pairs`` the context is segment A
        and the sentence is segment B, otherwise all is one text.
        """
        tokenizer, generator = self.tokenizer, torch.Generator().manual_seed(1234)
        cls, sep = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
        masking = Masking.of(tokenizer, rate=0.5, mask=1.0, random=0.0)
        ids = torch.full((len(self.held_out), self.length), tokenizer.pad_token_id)
        types, select = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
        for row, story in enumerate(self.held_out):
            before = [word for sentence in story[3 - context : 3] for word in sentence]
            before = cls + before + (sep if pairs and context else [])
            text = before + story[3] + sep
            ids[row, : len(text)] = torch.tensor(text)
            types[row, len(before) : len(text)] = int(pairs and context > 0)
            select[row, len(before) : len(text) - 1] = masking(torch.tensor([story[3]]), generator).selected[0]
        hidden = ids.masked_fill(select, tokenizer.mask_token_id)
        batch = Batch(hidden, select, ids[select], ids != tokenizer.pad_token_id, types if pairs else None)
        return HeldOut(ids, lambda rows, generator: batch)


@functools.lru_cache(maxsize=2)
def stories(documents: int = 10_000, held_out: int = 400, seed: int = 0) -> Stories:
    """Generate and encode Tiny Town's stories of twelve sentences; ``seed`` draws them, held-out ones too."""
    town, tokenizer = town_words()
    parts = ((documents, seed), (held_out, HELD_OUT_FROM + seed))
    train, asked = (
        tokenization.encode_documents(tokenizer, corpora.tiny_town(n, seed=drawn, sentences=12)) for n, drawn in parts
    )
    return Stories(town, tokenizer, train, asked)


class ExcerptReader(Oracle):
    """The exact reader of text that begins with sentence number ``sentence`` of a story, counted from 0."""

    def __init__(self, town: TinyTown, sentence: int):
        super().__init__(town)
        self._first_kind = self._first_kind @ np.linalg.matrix_power(self._chain, sentence)


def context_ceiling(stories: Stories, context: int) -> Score:
    """Score the exact reader on the words of ``Stories.fourth_sentence``, with ``context`` sentences in view.

    No model can do better on average, however its text was cut.
    """
    reader = ExcerptReader(stories.town, max(CONTEXTS) - context)
    return evaluation.ceiling(reader, stories.tokenizer, stories.fourth_sentence(context, pairs=False))
