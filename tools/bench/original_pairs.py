"""A straightforward version of the original NSP algorithm, to be measured and compared with course_lib.text.packing.

It follows what create_pretraining_data.py of google-research/bert describes: walk through each document, gather
sentences until the target length is reached, cut the gathered ones at a random place into A and B, and half of the
time replace B by text from another document. One instance at a time, in lists, as one would write it first.
"""

import torch

from course_lib.text.packing import Pairs

__all__ = ["pairs"]


def pairs(tokenizer, documents, length, rng):
    """Make pairs from documents of sentences of ids; returns packing.Pairs, origins left at zero."""
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    rows, types, labels = [], [], []
    for number, document in enumerate(documents):
        target = _target(length, rng)
        chunk, size, i = [], 0, 0
        while i < len(document):
            chunk.append(document[i])
            size += len(document[i])
            if i == len(document) - 1 or size >= target:
                end = rng.randint(1, len(chunk) - 1) if len(chunk) >= 2 else 1
                a = [token for sentence in chunk[:end] for token in sentence]
                b, random_next = [], len(chunk) == 1 or rng.random() < 0.5
                if random_next:
                    other = number
                    while other == number:
                        other = rng.randrange(len(documents))
                    start = rng.randrange(len(documents[other]))
                    for sentence in documents[other][start:]:
                        b.extend(sentence)
                        if len(b) >= target - len(a):
                            break
                    i -= len(chunk) - end  # what was not used is gathered again
                else:
                    b = [token for sentence in chunk[end:] for token in sentence]
                _truncate(a, b, length - 3, rng)
                row = [cls, *a, sep, *b, sep]
                kinds = [0] * (len(a) + 2) + [1] * (len(b) + 1)
                rows.append(row + [pad] * (length - len(row)))
                types.append(kinds + [0] * (length - len(row)))
                labels.append(int(random_next))
                chunk, size = [], 0
            i += 1
    origins = torch.zeros(len(rows), 2, 3, dtype=torch.long)
    return Pairs(torch.tensor(rows), torch.tensor(types), torch.tensor(labels), origins, "other document")


def _target(length, rng):
    """One document in ten is cut into short rows, so that a model meets short texts as well."""
    return rng.randint(2, length - 3) if rng.random() < 0.1 else length - 3


def _truncate(a, b, room, rng):
    """Drop tokens from the front or the back of the longer side until both fit."""
    while len(a) + len(b) > room:
        longer = a if len(a) > len(b) else b
        del longer[0 if rng.random() < 0.5 else -1]
