"""From documents to the rows that a model is trained on: one text per row, or pairs for next-sentence prediction.

A document is a list of sentences, a sentence a list of token ids without special tokens (see
``tokenization.encode_documents``). Rows start with the tokenizer's first special token ([CLS] or <s>).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.text.tokenization import require_special_tokens
from course_lib.town.oracle import NEGATIVES

__all__ = ["Pairs", "balanced_pairs", "blocks", "doc_sentences", "full_sentences", "segment_pairs"]

Document = list[list[int]]  # sentences of token ids, e.g. [[12, 7, 9], [4, 9]]
Span = tuple[int, int, int]  # document, first sentence, end: (2, 0, 3) is the first three sentences of document 2
TRIES = 100  # draws of a negative before a place is given up: in 'x x x x' whatever is drawn does follow


def blocks(tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], length: int) -> Tensor:
    """Cut one row from the beginning of each document: [CLS] tokens ... [SEP].

    Returns int64 [N, length]. Documents with fewer than ``length - 2`` tokens are left out, so that no row needs
    padding. Raises ValueError if nothing is left.
    """
    cls, sep, room = *_ends(tokenizer), _room(length)
    starts = (list(chain.from_iterable(document))[:room] for document in documents)
    rows = [[cls, *ids, sep] for ids in starts if len(ids) == room]
    return _padded(tokenizer, rows, length, "no document has that many tokens")


def full_sentences(tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], length: int) -> Tensor:
    """Fill rows with text in reading order, across document borders: [CLS] tokens ... [SEP].

    Each border inside a row is marked with an extra [SEP] (RoBERTa, section 4.2, FULL-SENTENCES). A row may end within
    a sentence, so that every row is full (the paper's end with a sentence and are padded), and the last, unfilled row
    is dropped. Returns int64 [N, length]. Raises ValueError if the text does not fill one row.
    """
    cls, sep, room = *_ends(tokenizer), _room(length)
    stream = []
    for document in documents:
        ids = list(chain.from_iterable(document))
        stream += [*ids, sep] if ids else []  # an empty document has no border
    rows = [[cls, *stream[i : i + room], sep] for i in range(0, len(stream) - room, room)]
    return _padded(tokenizer, rows, length, f"the text has only {len(stream)} tokens")


def doc_sentences(tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], length: int) -> Tensor:
    """Fill rows as :func:`full_sentences` does, but never across a document border.

    The last row of a document is padded, nothing is dropped (RoBERTa, section 4.2, DOC-SENTENCES; the paper then takes
    more rows into a batch, so that it holds as many tokens). Returns int64 [N, length].
    """
    cls, sep, room = *_ends(tokenizer), _room(length)
    texts = (list(chain.from_iterable(document)) for document in documents)
    rows = [[cls, *ids[i : i + room], sep] for ids in texts for i in range(0, len(ids), room)]
    return _padded(tokenizer, rows, length)


@dataclass(frozen=True)
class Pairs:
    """Rows of two segments, [CLS] A [SEP] B [SEP] and padding, and whether B follows A (BERT, section 3.1)."""

    input_ids: Tensor  # int64 [N, T]
    token_type_ids: Tensor  # int64 [N, T]: 0 for [CLS] A [SEP] and padding, 1 for B [SEP]
    labels: Tensor  # int64 [N]: 0 = B follows A, 1 = it does not, as in BERT's code and in transformers
    origins: Tensor  # int64 [N, 2, 3]: of A and of B the document, first and end sentence; empty sentences don't count
    negative: str  # what label 1 means, one of oracle.NEGATIVES
    matched: bool = False  # see balanced_pairs

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice | Sequence[int] | Tensor) -> Pairs:
        """Take some of the rows: a slice, indices or a bool mask."""
        parts = (part[rows] for part in (self.input_ids, self.token_type_ids, self.labels, self.origins))
        return Pairs(*parts, self.negative, self.matched)

    def segments(self, row: int) -> tuple[list[int], list[int]]:
        """Return the ids of A and of B in one row, without special tokens."""
        ids, in_b = self.input_ids[row].tolist(), self.token_type_ids[row].tolist()
        start, size = in_b.index(1), sum(in_b)
        return ids[1 : start - 1], ids[start : start + size - 1]


def segment_pairs(
    tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], length: int, rng: random.Random,
    short_seq_prob: float = 0.1,
) -> Pairs:  # fmt: skip
    """Read each document once and cut it into pairs of segments, as the original BERT does.

    Sentences are gathered until they fill the row (for a share ``short_seq_prob`` of the documents a random shorter
    target) and split at a random border into A and B. Half the time B is taken instead from a random place of another
    document, and the sentences it replaces are read again. What does not fit is cut off token by token, from the longer
    segment, front or back at random. (BERT, appendix A.2; create_pretraining_data.py, with its order of draws.)

    Quirks, kept because they are what BERT learned from: a chunk of one sentence has no second half, so it becomes a
    negative, and more than half of all pairs are; B may come from the same document after all, when ten draws have hit
    no other; and its text may happen to be the true one. :func:`balanced_pairs` has none of these.
    """
    docs, room = _documents(documents), _room(length, special=3)
    filled = [d for d, document in enumerate(docs) if document]
    if len(filled) < 2:
        raise ValueError(f"A negative needs another document, and {len(filled)} of {len(docs)} have text: give more.")
    made = []
    for d in filled:
        document, start = docs[d], 0
        target = rng.randint(2, room) if rng.random() < short_seq_prob else room
        while start < len(document):
            end = _reach(document, start, target)
            split = start + (rng.randint(1, end - start - 1) if end - start > 1 else 1)
            b, label = (d, split, end), int(end - start == 1 or rng.random() < 0.5)
            if label:
                for _ in range(10):
                    other = filled[rng.randint(0, len(filled) - 1)]
                    if other != d:
                        break
                first = rng.randint(0, len(docs[other]) - 1)
                wanted = target - sum(map(len, document[start:split]))
                b, end = (other, first, _reach(docs[other], first, wanted)), split  # what B replaced is read again
            made.append(_pair(docs, (d, start, split), b, label, room, rng))
            start = end
    return _pairs(tokenizer, made, length, "other document")


def balanced_pairs(
    tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], length: int, rng: random.Random,
    negative: str = "other document", sentences: int = 1, pairs: int | None = None, matched: bool = False,
) -> Pairs:  # fmt: skip
    """Make exactly as many neighbours as non-neighbours, ``sentences`` whole sentences on each side.

    Every two neighbouring runs of sentences are one positive, and with each comes a negative in which

    - 'other document': A is from a random place of the same document, B from a random place of another one;
    - 'same document': A and B are from random places of the same document, apart from each other;
    - 'swapped': the same two runs change places (ALBERT, section 3.1, sentence-order prediction).

    A negative is drawn again while B's text follows A's text anywhere in A's document, so that no label is wrong.
    Documents occur equally often under both labels, but places do not: the beginning of a document follows nothing,
    so B alone may give a label away (in BERT's own pairs too). With ``matched`` ('other document' only) A stays and B
    is the B of a positive of another document: neither alone tells anything. Tiny Town's ceiling is ``oracle.follows``.
    ``sentences=1`` is RoBERTa's SENTENCE-PAIR (section 4.2). Rows come in random order, all or ``pairs`` (an even
    number) at most; what does not fit is cut as in :func:`segment_pairs`.
    """
    docs, room = _documents(documents), _room(length, special=3)
    if negative not in NEGATIVES:
        raise ValueError(f"negative={negative!r} is unknown; choose one of {NEGATIVES}.")
    k, numbers = sentences, {}
    texts = [[numbers.setdefault(tuple(s), len(numbers)) for s in document] for document in docs]  # equal text, equal
    places = [(d, i) for d, text in enumerate(texts) for i in range(len(text) - 2 * k + 1)]
    long, needed = len({d for d, _ in places}), 2 if negative == "other document" else 1
    if long < needed:
        raise ValueError(f"negative={negative!r} needs {needed} document(s) of at least {2 * k} sentences, and {long} "
                         f"of {len(docs)} have as many: give more or longer documents, or fewer sentences per side.")
    made, neighbours = [], {}
    for d, i in rng.sample(places, len(places)):
        text = texts[d]
        if d not in neighbours:
            neighbours[d] = {tuple(text[j : j + 2 * k]) for j in range(len(text) - 2 * k + 1)}
        for _ in range(TRIES):
            a, other, b = _draw(negative, matched, texts, places, d, i, k, rng)
            if (*text[a : a + k], *texts[other][b : b + k]) not in neighbours[d]:
                made.append(_pair(docs, (d, i, i + k), (d, i + k, i + 2 * k), 0, room, rng))
                made.append(_pair(docs, (d, a, a + k), (other, b, b + k), 1, room, rng))
                break
        if len(made) == pairs:
            break
    if not made:
        raise ValueError("Whatever was drawn as a negative does follow, word for word: give more varied documents.")
    rng.shuffle(made)
    return _pairs(tokenizer, made, length, negative, matched)


def _draw(negative: str, matched: bool, texts, places, d: int, i: int, k: int, rng) -> tuple[int, int, int]:
    """Draw a negative for the positive at sentence i of document d: (place of A in d, document of B, place of B)."""
    if negative == "swapped":
        return i + k, d, i
    if negative == "other document":
        other = d
        while other == d:
            other, j = rng.choice(places)  # a document is drawn as often as it has positives
        if matched:
            return i, other, j + k
        return rng.randrange(len(texts[d]) - k + 1), other, rng.randrange(len(texts[other]) - k + 1)
    free = len(texts[d]) - 2 * k  # sentences outside both runs
    while True:  # two of free + 2 places in a line, unequal: all ways to lay out the runs are equally likely
        a, b = rng.randrange(free + 2), rng.randrange(free + 2)
        if a != b and b != a + 1:  # b == a + 1: B directly after A, a positive
            return a + (k - 1) * (a > b), d, b + (k - 1) * (b > a)


def _reach(document: Document, start: int, target: int) -> int:
    """Find the end of the sentences from ``start`` on that together have ``target`` tokens, or of the document."""
    end, tokens = start + 1, len(document[start])
    while end < len(document) and tokens < target:
        tokens += len(document[end])
        end += 1
    return end


def _pair(docs: list[Document], a: Span, b: Span, label: int, room: int, rng: random.Random) -> tuple:
    """Read two spans, cut to ``room`` tokens: (ids of A, ids of B, label, (a, b))."""
    ids_a, ids_b = (list(chain.from_iterable(docs[d][first:end])) for d, first, end in (a, b))
    while len(ids_a) + len(ids_b) > room:
        longer = ids_a if len(ids_a) > len(ids_b) else ids_b
        del longer[0 if rng.random() < 0.5 else -1]
    return ids_a, ids_b, label, (a, b)


def _pairs(tokenizer, made: list[tuple], length: int, negative: str, matched: bool = False) -> Pairs:
    cls, sep = _ends(tokenizer)
    input_ids = _padded(tokenizer, [[cls, *a, sep, *b, sep] for a, b, *_ in made], length)
    types = _padded(tokenizer, [[0] * (len(a) + 2) + [1] * (len(b) + 1) for a, b, *_ in made], length, fill=0)
    labels, origins = (torch.tensor([pair[at] for pair in made]) for at in (2, 3))
    return Pairs(input_ids, types, labels, origins, negative, matched)


def _documents(documents: Iterable[Document]) -> list[Document]:
    return [[sentence for sentence in document if sentence] for document in documents]


def _ends(tokenizer) -> tuple[int, int]:
    require_special_tokens(tokenizer)
    return tokenizer.cls_token_id, tokenizer.sep_token_id


def _room(length: int, special: int = 2) -> int:
    if length < 2 * special - 1:
        where = "between [CLS] and [SEP]" if special == 2 else "for [CLS] A [SEP] B [SEP]"
        raise ValueError(f"length={length} leaves no room {where}; use at least {2 * special - 1}.")
    return length - special


def _padded(tokenizer, rows: list[list[int]], length: int, why: str = "there is no text", fill: int | None = None):
    """Fill rows up with the padding token, or with ``fill``: int64 [N, length]."""
    if not rows:
        raise ValueError(f"No row of length {length} could be filled: {why}. Use a shorter length or more text.")
    sizes = np.array([len(row) for row in rows])
    out = np.full((len(rows), length), tokenizer.pad_token_id if fill is None else fill, dtype=np.int64)
    out[np.arange(length) < sizes[:, None]] = np.fromiter(chain.from_iterable(rows), np.int64, sizes.sum())
    return torch.from_numpy(out)
