"""Lesson 07's experiments: RoBERTa's changes to BERT's recipe, one at a time."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from course_lib.experiments import materials
from course_lib.experiments.excerpts import CONTEXTS, Stories, stories
from course_lib.experiments.materials import ASKED, HELD_OUT_SHARE, LENGTH, Plan, named
from course_lib.model import bodies
from course_lib.text import corpora, packing, tokenization
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking, StaticMasking
from course_lib.train.objectives import CausalLM, MaskedLM, PreTraining

__all__ = ["TOKENIZERS", "Tokenized", "in_format", "read_format", "read_pieces", "recipe", "tokenized"]

OWN_ROWS = 200  # of the training text, on which the training loss is measured
TOKENIZERS = {  # word pieces keep their case here, as bytes do
    "word pieces": functools.partial(tokenization.train_wordpiece, lowercase=False),
    "byte-level BPE": tokenization.train_byte_bpe,
}


def recipe(seed: int, masks: int | None, rows: int, steps: int, batch_size: int, learning_rate: float) -> Plan:
    """Train a tiny BERT on the seed's text and measure it on the way, on its own held-out rows.

    ``masks`` counts the masks that each row has in all: 1 is static, 10 is BERT's preprocessing, None is dynamic.
    ``rows`` is the size of the corpus. Numbers: nats and accuracy of 'fill', of held-out rows, and 'training nats', of
    the first training rows, masked as in training.
    """
    data = materials.material(rows=rows, held_out=ASKED, seed=seed)
    dynamic, fill = Masking.of(data.tokenizer), data.fill()
    goal = MaskedLM(dynamic if masks is None else StaticMasking(dynamic, masks))
    own = HeldOut(data.rows[:OWN_ROWS], goal)

    def measure(model: PreTrainedModel) -> dict[str, float]:
        return named("fill", fill.score(model)) | {"training nats": own.score(model).loss}

    build = functools.partial(bodies.tiny_bert, data.tokenizer)
    return Plan(build, data.rows, goal, measure, steps, batch_size, learning_rate)


def read_format(
    seed: int, form: str, nsp: bool, documents: int, tokens_per_step: int, steps: int, learning_rate: float
) -> dict[str, list]:
    """Train a tiny BERT on the seed's stories in one of RoBERTa's input formats (section 4.2), see ``Stories.rows``.

    ``nsp`` adds the loss of next sentence prediction. Where rows are short, a batch holds more of them: as many tokens
    per step in every format. Returns lists over training: tokens, nats and accuracy of 'context N', words of a
    held-out story's fourth sentence with N sentences in view, asked in the form that the model was trained on.
    """
    data = stories(documents, ASKED, seed)
    return in_format(data, bodies.tiny_bert, bodies.pair_bert, form, nsp, tokens_per_step, steps, learning_rate, seed)


def in_format(
    data: Stories, one: Callable, two: Callable, form: str, nsp: bool, tokens_per_step: int, steps: int,
    learning_rate: float, seed: int,
) -> dict[str, list]:  # fmt: skip
    """Train a model on documents in one format, see :func:`read_format`; ``one`` and ``two`` build it of a tokenizer.

    ``two`` has a head for pairs beside that for words.
    """
    words = MaskedLM(Masking.of(data.tokenizer))
    questions = {f"context {n}": data.fourth_sentence(n, form.endswith("pair")) for n in CONTEXTS}
    rows = data.rows(form, random.Random(seed))
    pairs = isinstance(rows, packing.Pairs)
    real = (rows.input_ids if pairs else rows) != data.tokenizer.pad_token_id
    batch_size = round(tokens_per_step / (real.sum().item() / len(rows)))
    judge = PreTraining(data.tokenizer.pad_token_id, words, "first" if nsp else None)
    build = functools.partial(two if pairs else one, data.tokenizer)
    measure = functools.partial(materials.measure, questions)
    return Plan(build, rows, judge if pairs else words, measure, steps, batch_size, learning_rate).train(seed)


def read_pieces(
    seed: int, tokenizer: str, vocab_size: int, words: int, epochs: int, steps: int, learning_rate: float
) -> dict[str, list]:
    """Train a tiny causal BERT on the seed's split of Python's documentation, in one of TOKENIZERS.

    Every arm reads the same text ``epochs`` times in ``steps`` steps, so that a tokenizer that makes more tokens of it
    has larger batches. A left-to-right reader, because only there do the losses of tokens add up to that of the text.
    Returns lists over training: tokens, 'nats per token' and 'bits per character' of held-out documents (RoBERTa, 4.4).
    """
    data = tokenized(tokenizer, vocab_size, words, seed)
    goal = CausalLM.of(data.tokenizer)
    asked = HeldOut(data.held_out, goal)

    def measure(model: PreTrainedModel) -> dict[str, float]:
        nats = asked.score(model).loss
        return {"nats per token": nats, "bits per character": nats / math.log(2) * data.tokens_per_character}

    build = functools.partial(bodies.causal_bert, data.tokenizer)
    batch_size = round(len(data.rows) * epochs / steps)
    return Plan(build, data.rows, goal, measure, steps, batch_size, learning_rate).train(seed)


@dataclass(frozen=True)
class Tokenized:
    """Real text cut by one tokenizer."""

    tokenizer: PreTrainedTokenizerBase
    rows: Tensor  # int64 [N, 32]
    held_out: Tensor  # int64 [n, 32]
    tokens_per_character: float  # of the held-out text
    unknown: float  # share of the held-out tokens that are [UNK]


@functools.lru_cache(maxsize=4)
def tokenized(name: str = "word pieces", vocab_size: int = 2000, words: int = 300_000, seed: int = 0) -> Tokenized:
    """Train a tokenizer on Python's documentation and cut the text with it; ``seed`` holds out other documents."""
    known, new = corpora.python_docs(limit_words=words).split(HELD_OUT_SHARE, seed=seed)
    tokenizer = TOKENIZERS[name]([known.text()], vocab_size=vocab_size)
    cut = [tokenization.encode_documents(tokenizer, part) for part in (known, new)]
    rows, held_out = (packing.full_sentences(tokenizer, part, LENGTH) for part in cut)
    ids = [token for document in cut[1] for sentence in document for token in sentence]
    characters = sum(len(sentence) for document in new.documents for sentence in document)
    return Tokenized(tokenizer, rows, held_out, len(ids) / characters, ids.count(tokenizer.unk_token_id) / len(ids))
