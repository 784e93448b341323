"""One BERT body on RoBERTa's four input formats (RoBERTa, section 4.2): what longer context is worth to each."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.experiments.plan import Plan
from course_lib.experiments.texts import ASKED, HELD_OUT_FROM
from course_lib.model import bodies
from course_lib.text import corpora, packing, tokenization
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle
from course_lib.train import evaluation
from course_lib.train.masking import IGNORE, Masking
from course_lib.train.objectives import Batch, MaskedLM, PreTraining

__all__ = ["CONTEXTS", "FORMATS", "Stories", "read_format", "stories"]

FORMATS = ("segment-pair", "sentence-pair", "full-sentences", "doc-sentences")
CONTEXTS = (0, 1, 2, 3)  # sentences to be seen before the one that is asked about, the fourth of a story
ROW = 40  # tokens per row; two sentences have 25 at most, and SENTENCE-PAIR's rows are no longer than 32


def read_format(
    seeds: list[int], form: str = "full-sentences", nsp: bool = False, documents: int = 10_000,
    tokens_per_step: int = 512, steps: int = 2000, learning_rate: float = 2e-3,
) -> list[dict]:  # fmt: skip
    """Train a tiny BERT per seed, on stories of its own, in one of RoBERTa's input formats, as many tokens per step.

    ``form`` is one of FORMATS; ``nsp`` adds the loss of next sentence prediction to a format of pairs. Where rows
    are short, a batch holds more of them (RoBERTa, section 4.2). Returns for each seed lists over training: tokens;
    'context N nats' and 'context N accuracy', on words of a held-out story's fourth sentence with N sentences before
    it in view, asked in the form that the model was trained on.
    """
    if form not in FORMATS:
        raise ValueError(f"form={form!r} is unknown; choose one of {FORMATS}.")

    def run(seed: int) -> dict:
        data = stories(documents, ASKED, seed)
        words = MaskedLM(Masking.of(data.tokenizer))
        questions = {f"context {n}": data.fourth_sentence(n, form.endswith("pair")) for n in CONTEXTS}

        def measure(model) -> dict[str, float]:
            scores = {name: asked.score(model) for name, asked in questions.items()}
            nats = {f"{name} nats": score.loss for name, score in scores.items()}
            return nats | {f"{name} accuracy": score.accuracy for name, score in scores.items()}

        rows = data.rows(form, random.Random(seed))
        pairs = isinstance(rows, packing.Pairs)
        real = (rows.input_ids if pairs else rows) != data.tokenizer.pad_token_id
        batch_size = round(tokens_per_step / (real.sum().item() / len(rows)))
        judge = PreTraining(data.tokenizer.pad_token_id, words, "first" if nsp else None)
        build = functools.partial(bodies.pair_bert if pairs else bodies.tiny_bert, data.tokenizer)
        plan = Plan(build, rows, judge if pairs else words, measure, steps, batch_size, learning_rate)
        return plan.run([seed])[0]

    return [run(seed) for seed in seeds]


@dataclass(frozen=True)
class Stories:
    """Tiny Town's stories of twelve sentences, too long for one row, and held-out ones to ask about."""

    tokenizer: object
    train: list[list[list[int]]]  # document -> sentence -> ids
    held_out: list[list[list[int]]]
    oracle: Oracle

    def rows(self, form: str, rng: random.Random) -> Tensor | packing.Pairs:
        """Pack the training stories into rows of at most 40 tokens."""
        if form == "segment-pair":
            return packing.segment_pairs(self.tokenizer, self.train, ROW, rng)
        if form == "sentence-pair":
            return packing.balanced_pairs(self.tokenizer, self.train, 32, rng, sentences=1)
        pack = packing.full_sentences if form == "full-sentences" else packing.doc_sentences
        return pack(self.tokenizer, self.train, ROW)

    def fourth_sentence(self, context: int, pairs: bool) -> evaluation.HeldOut:
        """Ask for half of the words of each story's fourth sentence, with ``context`` sentences before it in view.

        The words that are asked for, all of them [MASK], are always the same. With ``pairs`` the context is segment A
        and the sentence is segment B, otherwise all is one text.
        """
        tokenizer, generator = self.tokenizer, torch.Generator().manual_seed(1234)
        cls, sep = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
        masking = Masking.of(tokenizer, rate=0.5, mask=1.0, random=0.0)
        shape = (len(self.held_out), ROW)
        ids, types = torch.full(shape, tokenizer.pad_token_id), torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, IGNORE)
        for row, story in enumerate(self.held_out):
            before = [word for sentence in story[3 - context : 3] for word in sentence]
            before = cls + before + (sep if pairs and context else [])
            text = before + story[3] + sep
            ids[row, : len(text)] = torch.tensor(text)
            types[row, len(before) : len(text)] = int(pairs and context > 0)
            labels[row, len(before) : len(text) - 1] = masking(torch.tensor([story[3]]), generator).labels[0]
        select = labels != IGNORE
        hidden = ids.masked_fill(select, tokenizer.mask_token_id)
        batch = Batch(hidden, select, labels[select], ids != tokenizer.pad_token_id, types if pairs else None)
        return evaluation.HeldOut(ids, lambda rows, generator: batch)

    def ceiling(self, held_out: evaluation.HeldOut) -> evaluation.Score:
        """Score the exact reader of rows that begin where a story begins; they may end in padding."""
        words, nats, right = self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer))), [], []
        for inputs, select, row in zip(held_out.batch.input_ids, held_out.batch.select, held_out.rows, strict=True):
            size = int((row != self.tokenizer.pad_token_id).sum()) - 2
            seen = [None if t == self.tokenizer.mask_token_id else words[t] for t in inputs[1 : 1 + size].tolist()]
            at = select[1 : 1 + size].nonzero().flatten().tolist()
            p = self.oracle.restore(seen, at)
            targets = [self.oracle.word_id[words[row[1 + t]]] for t in at]
            nats.append(-np.log(p[np.arange(len(at)), targets]))
            right.append(p.argmax(axis=1) == targets)
        return evaluation.Score(np.concatenate(nats), np.concatenate(right))


@functools.lru_cache(maxsize=2)
def stories(documents: int = 10_000, held_out: int = 400, seed: int = 0) -> Stories:
    """Generate and encode Tiny Town's stories of twelve sentences; ``seed`` draws them, held-out ones too."""
    town = TinyTown.load()
    tokenizer = tokenization.word_tokenizer(town.vocabulary)
    parts = ((documents, seed), (held_out, HELD_OUT_FROM + seed))
    train, asked = (
        tokenization.encode_documents(tokenizer, corpora.tiny_town(n, seed=drawn, sentences=12)) for n, drawn in parts
    )
    asked = [story for story in asked if sum(map(len, story[:4])) <= ROW - 3]  # four sentences fit into a row
    return Stories(tokenizer, train, asked, Oracle(town))
