"""A second way to each answer of lesson 07, found without the first."""

import itertools

import torch


def masks_met(epochs, copies):
    numbers = itertools.count() if copies is None else itertools.cycle(range(copies))
    return list(itertools.islice(numbers, epochs))


def sentence_rows(documents, room, sep):
    every, rows = [(d, sentence) for d, document in enumerate(documents) for sentence in document], []
    for (before, _), (d, sentence) in itertools.pairwise([(0, []), *every]):
        longer = [*rows[-1], *[sep] * (d - before), *sentence] if rows else []
        rows = [*rows[:-1], longer] if rows and len(longer) <= room else [*rows, sentence]
    return rows


def accumulated_gradient(parts):
    words = [gradient for gradient, n in parts for _ in range(n)]
    return torch.stack(words).mean(dim=0)


def same_budget(steps, batch_size, new_batch_size):
    rows = steps * batch_size
    return (rows - rows % new_batch_size) / new_batch_size


def most_byte_tokens(text):
    return sum(1 + (ord(c) > 0x7F) + (ord(c) > 0x7FF) + (ord(c) > 0xFFFF) for c in text)
