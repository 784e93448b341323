"""The text of the experiments: a tokenizer, rows to train on, held-out rows, the exact reader."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from course_lib.text import corpora, packing, tokenization
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle
from course_lib.train import evaluation
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM

__all__ = ["ASKED", "HELD_OUT_FROM", "LENGTH", "Material", "material"]

LENGTH = 32  # tokens per row, [CLS] and [SEP] included
HELD_OUT_SHARE = 0.1  # of the documents of real text
ASKED = 1000  # held-out rows of a recorded run, each seed's own
HELD_OUT_FROM = 1_000_003  # held-out stories are told by seeds from here on, training stories by smaller ones


@dataclass(frozen=True)
class Material:
    """What all runs on one corpus share: a tokenizer, rows to train on, held-out rows, the exact reader."""

    tokenizer: object
    rows: torch.Tensor  # int64 [N, 32]
    held_out: torch.Tensor  # int64 [n, 32]
    oracle: Oracle | None  # None for real text

    def fill(self) -> evaluation.HeldOut:
        """Ask for 15% of the held-out words, all of them replaced by [MASK]."""
        return evaluation.HeldOut(self.held_out, MaskedLM(Masking.of(self.tokenizer, mask=1.0, random=0.0)))

    def next_word(self) -> evaluation.HeldOut:
        """Ask for every next word of the held-out rows."""
        return evaluation.HeldOut(self.held_out, CausalLM.of(self.tokenizer))


@functools.lru_cache(maxsize=4)
def material(corpus: str = "tiny town", rows: int = 40_000, held_out: int = 400, seed: int = 0) -> Material:
    """Prepare a corpus: 'tiny town', or 'python docs' (real English, cut to ``rows`` rows).

    ``seed`` draws the text, training and held out: other stories of the town, or another split of the documents. A
    recorded level then holds for the language and not for one text of it.
    """
    if corpus == "tiny town":
        town = TinyTown.load()
        tokenizer = tokenization.word_tokenizer(town.vocabulary)
        parts = corpora.tiny_town(rows, seed=seed), corpora.tiny_town(held_out, seed=HELD_OUT_FROM + seed)
        cut, oracle = packing.blocks, Oracle(town)
    elif corpus == "python docs":
        parts = corpora.python_docs().split(HELD_OUT_SHARE, seed=seed)
        tokenizer = tokenization.train_wordpiece([parts[0].text()], vocab_size=4000)
        cut, oracle = packing.full_sentences, None
    else:
        raise ValueError(f"corpus={corpus!r} is unknown; choose 'tiny town' or 'python docs'.")
    made = [cut(tokenizer, tokenization.encode_documents(tokenizer, part), LENGTH) for part in parts]
    return Material(tokenizer, made[0][:rows], made[1][:held_out], oracle)
