"""One causal body on real text in two tokenizations: bits per character of new text (RoBERTa, section 4.4)."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from torch import Tensor

from course_lib.experiments.plan import Plan
from course_lib.experiments.texts import HELD_OUT_SHARE, LENGTH
from course_lib.model import bodies
from course_lib.text import corpora, packing, tokenization
from course_lib.train import evaluation
from course_lib.train.objectives import CausalLM

__all__ = ["TOKENIZERS", "Tokenized", "read_pieces", "tokenized"]

TOKENIZERS = ("word pieces", "byte-level BPE")


def read_pieces(
    seeds: list[int], tokenizer: str = "word pieces", vocab_size: int = 2000, words: int = 300_000, epochs: int = 4,
    steps: int = 1000, learning_rate: float = 2e-3,
) -> list[dict]:  # fmt: skip
    """Train a tiny causal BERT per seed on a split of its own of Python's documentation, in one of TOKENIZERS.

    Every arm reads the same text ``epochs`` times in ``steps`` steps, so that a tokenizer that makes more tokens
    of it has larger batches. A left-to-right reader, because only there do the losses of a text's tokens add up to
    the length of the text, whatever they are. Returns for each seed lists over training: tokens, 'nats per token'
    and 'bits per character' of held-out documents.
    """

    def run(seed: int) -> dict:
        data = tokenized(tokenizer, vocab_size, words, seed)
        goal = CausalLM.of(data.tokenizer)
        asked = evaluation.HeldOut(data.held_out, goal)

        def measure(model) -> dict[str, float]:
            nats = asked.score(model).loss
            return {"nats per token": nats, "bits per character": nats / math.log(2) * data.tokens_per_character}

        build = functools.partial(bodies.causal_bert, data.tokenizer)
        batch_size = round(len(data.rows) * epochs / steps)
        return Plan(build, data.rows, goal, measure, steps, batch_size, learning_rate).run([seed])[0]

    return [run(seed) for seed in seeds]


@dataclass(frozen=True)
class Tokenized:
    """Real text cut by one tokenizer: rows to train on, held-out rows, and what a character costs in tokens."""

    tokenizer: object
    rows: Tensor  # int64 [N, 32]
    held_out: Tensor  # int64 [n, 32]
    tokens_per_character: float  # of the held-out text
    unknown: float  # share of the held-out tokens that are [UNK]


@functools.lru_cache(maxsize=4)
def tokenized(name: str = "word pieces", vocab_size: int = 2000, words: int = 300_000, seed: int = 0) -> Tokenized:
    """Train a tokenizer on Python's documentation and cut the text with it; ``seed`` holds out other documents.

    Word pieces keep their case here, as bytes do; the spaces between words are lost to them.
    """
    if name not in TOKENIZERS:
        raise ValueError(f"tokenizer={name!r} is unknown; choose one of {TOKENIZERS}.")
    known, new = corpora.python_docs(limit_words=words).split(HELD_OUT_SHARE, seed=seed)
    train = functools.partial(tokenization.train_wordpiece, lowercase=False)
    tokenizer = (train if name == "word pieces" else tokenization.train_byte_bpe)([known.text()], vocab_size=vocab_size)
    cut = [tokenization.encode_documents(tokenizer, part) for part in (known, new)]
    rows, held_out = (packing.full_sentences(tokenizer, part, LENGTH) for part in cut)
    ids = [token for document in cut[1] for sentence in document for token in sentence]
    characters = sum(len(sentence) for document in new.documents for sentence in document)
    return Tokenized(
        tokenizer, rows, held_out, len(ids) / characters, sum(t == tokenizer.unk_token_id for t in ids) / len(ids)
    )
