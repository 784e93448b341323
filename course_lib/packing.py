"""From documents to rows of equal length that a model can be trained on.

A document is a list of sentences, a sentence a list of token ids without special tokens (see
``tokenization.encode_documents``). Rows start with the tokenizer's first special token ([CLS] or <s>).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import torch
from transformers import PreTrainedTokenizerBase

__all__ = ["blocks", "full_sentences"]

Document = list[list[int]]  # sentences of token ids, e.g. [[12, 7, 9], [4, 9]]


def blocks(tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], length: int) -> torch.Tensor:
    """Cut one row from the beginning of each document: [CLS] tokens ... [SEP].

    Returns int64 [N, length]. Documents with fewer than ``length - 2`` tokens are left out, so
    that no row needs padding. Raises ValueError if nothing is left.
    """
    cls, sep, room = *_ends(tokenizer), _room(length)
    rows = []
    for document in documents:
        ids = list(chain.from_iterable(document))[:room]
        if len(ids) == room:
            rows.append([cls, *ids, sep])
    return _stack(rows, length, "no document has that many tokens")


def full_sentences(
    tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], length: int
) -> torch.Tensor:
    """Fill rows with text in reading order, across document borders: [CLS] tokens ... [SEP].

    Each border inside a row is marked with an extra [SEP] (RoBERTa, section 4.2, FULL-SENTENCES; here a
    row may end within a sentence, so that every row is full). Returns int64 [N, length]; the last, unfilled
    row is dropped. Raises ValueError if the text does not fill one row.
    """
    cls, sep, room = *_ends(tokenizer), _room(length)
    stream = []
    for document in documents:
        ids = list(chain.from_iterable(document))
        stream += [*ids, sep] if ids else []  # an empty document has no border
    rows = [[cls, *stream[i : i + room], sep] for i in range(0, len(stream) - room, room)]
    return _stack(rows, length, f"the text has only {len(stream)} tokens")


def _ends(tokenizer) -> tuple[int, int]:
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise ValueError("The tokenizer has no [CLS] or [SEP] token: use one from course_lib.tokenization.")
    return tokenizer.cls_token_id, tokenizer.sep_token_id


def _room(length: int) -> int:
    if length < 3:
        raise ValueError(f"length={length} leaves no room between [CLS] and [SEP]; use at least 3.")
    return length - 2


def _stack(rows: list[list[int]], length: int, why: str) -> torch.Tensor:
    if not rows:
        raise ValueError(f"No row of length {length} could be filled: {why}. Use a shorter length or more text.")
    return torch.tensor(rows, dtype=torch.long)
