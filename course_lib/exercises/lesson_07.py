"""The exercises of lesson 07: masks over epochs, rows, gradients of parts, budgets and bytes."""

import itertools
import math

import torch

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]


def masks_met(epochs, copies):
    return [epoch if copies is None else epoch % copies for epoch in range(epochs)]


def masks_met_by_cycle(epochs, copies):
    numbers = itertools.count() if copies is None else itertools.cycle(range(copies))
    return list(itertools.islice(numbers, epochs))


def sentence_rows(documents, room, sep):
    rows, row = [], []
    for document in documents:
        border = [sep]  # before the first sentence of a document, if it does not begin a row
        for sentence in document:
            if row and len(row) + len(border) + len(sentence) > room:
                rows.append(row)
                row = []
            row = row + border + sentence if row else sentence
            border = []
    return [*rows, row]


def sentence_rows_one_by_one(documents, room, sep):
    every, rows = [(d, sentence) for d, document in enumerate(documents) for sentence in document], []
    for (before, _), (d, sentence) in itertools.pairwise([(0, []), *every]):
        longer = [*rows[-1], *[sep] * (d - before), *sentence] if rows else []
        rows = [*rows[:-1], longer] if rows and len(longer) <= room else [*rows, sentence]
    return rows


def row_edges():
    yield [[[5, 6], [7]], [[8, 9]]], 6, 3
    yield [[[5, 6], [7]], [[8, 9]]], 5, 3  # all but the separator would fit
    yield [[[5, 6, 7], [8, 9]], [[10, 11], [12]], [[13, 14, 15, 16]]], 4, 3
    yield [[[5], [6], [5]], [[6]], [[7], [8, 8]]], 4, 3
    yield [[[5, 6]], [[7, 8]]], 2, 3
    yield [[[5, 3], [3]], [[3], [0, 0]]], 20, 3  # a sentence may hold the separator's id


def row_inputs(d):
    room = d.integer(1, 8)
    sizes = [d.choices(range(1, room + 1), 1, 3) for _ in range(d.integer(1, 3))]
    return [[d.choices(range(4, 9), size) for size in document] for document in sizes], room, d.integer(0, 3)


def stream(documents, sep):
    return sum([[*([sep] if d else []), *sum(document, [])] for d, document in enumerate(documents)], [])


def started_by_border(documents, room, sep):
    marked = [[[sep, *sentence] if d and not n else sentence for n, sentence in enumerate(document)]
              for d, document in enumerate(documents)]  # fmt: skip
    return sentence_rows([sum(marked, [])], room, sep)


def accumulated_gradient(parts):
    words = sum(n for _, n in parts)
    return sum(gradient * n for gradient, n in parts) / words


def accumulated_word_by_word(parts):
    words = [gradient for gradient, n in parts for _ in range(n)]
    return torch.stack(words).mean(dim=0)


def part_inputs(d):
    D = d.integer(1, 4)
    return ([(d.floats(D), d.integer(1, 9)) for _ in range(d.integer(1, 4))],)


def part_edges():
    one, other, third = torch.tensor([[2.0, -1.0, 0.0], [5.0, 0.5, 8.0], [-4.0, 1.0, 1.0]])
    for parts in ([(one, 3), (other, 5)], [(one, 4)], [(one, 1), (other, 9), (third, 2)], [(one, 2), (other, 2)]):
        yield (parts,)


def same_budget(steps, batch_size, new_batch_size):
    return steps * batch_size // new_batch_size


def same_budget_by_reading(steps, batch_size, new_batch_size):
    rows = steps * batch_size
    return (rows - rows % new_batch_size) / new_batch_size


def budget_edges():
    yield 1000, 32, 128
    yield 1_000_000, 256, 8192  # RoBERTa, Table 3
    yield 1000, 32, 8
    yield 7, 3, 4
    yield 5, 3, 4
    yield 3, 2, 7
    yield 1, 1, 1


def most_byte_tokens(text):
    return len(text.encode("utf-8"))


def most_byte_tokens_by_code_points(text):
    return sum(1 + (ord(c) > 0x7F) + (ord(c) > 0x7FF) + (ord(c) > 0xFFFF) for c in text)


EXERCISES = (
    Exercise(
        masks_met,
        second=masks_met_by_cycle,
        edges=lambda: [(6, 3), (7, 3), (4, 1), (3, None), (12, None), (2, 5), (40, 10), (1, 1)],
        inputs=lambda d: (d.integer(1, 25), d.choice([None, *range(1, 13)])),
        mistakes={
            "in blocks": lambda epochs, copies: [e if copies is None else e * copies // epochs for e in range(epochs)],
            "dynamic is ten": lambda epochs, copies: [epoch % (copies or 10) for epoch in range(epochs)],
            "from one": lambda epochs, copies: [number + 1 for number in masks_met(epochs, copies)],
            "static": lambda epochs, copies: [0] * epochs,
            "how many": lambda epochs, copies: len(set(masks_met(epochs, copies))),
        },
    ),
    Exercise(
        sentence_rows,
        second=sentence_rows_one_by_one,
        edges=lambda: list(row_edges()),
        inputs=row_inputs,
        mistakes={
            "cuts sentences": lambda documents, room, sep: [
                stream(documents, sep)[a : a + room] for a in range(0, len(stream(documents, sep)), room)],
            "no separator": lambda documents, room, sep: sentence_rows([sum(documents, [])], room, sep),
            "after every sentence": lambda documents, room, sep: sentence_rows(
                [[sentence] for document in documents for sentence in document], room, sep),
            "never across": lambda documents, room, sep: [
                row for document in documents for row in sentence_rows([document], room, sep)],
            "begins a row": started_by_border,
            "last row lost": lambda documents, room, sep: sentence_rows(documents, room, sep)[:-1],
        },
    ),
    Exercise(
        accumulated_gradient,
        second=accumulated_word_by_word,
        edges=lambda: list(part_edges()),
        inputs=part_inputs,
        mistakes={
            "each part alike": lambda parts: sum(gradient for gradient, _ in parts) / len(parts),
            "only added": lambda parts: sum(gradient for gradient, _ in parts),
            "never divided": lambda parts: sum(gradient * n for gradient, n in parts),
            "last part": lambda parts: parts[-1][0],
        },
    ),
    Exercise(
        same_budget,
        second=same_budget_by_reading,
        edges=lambda: list(budget_edges()),
        inputs=lambda d: (d.integer(1, 2000), d.integer(1, 300), d.integer(1, 300)),
        mistakes={
            "same steps": lambda steps, batch_size, new: steps,
            "wrong way": lambda steps, batch_size, new: steps * new // batch_size,
            "square root": lambda steps, batch_size, new: int(steps * math.sqrt(batch_size / new)),
            "rounded": lambda steps, batch_size, new: round(steps * batch_size / new),
            "rounded too early": lambda steps, batch_size, new: steps // (new // batch_size or 1),
        },
    ),
    Exercise(
        most_byte_tokens,
        second=most_byte_tokens_by_code_points,
        edges=lambda: [("cat",), ("naïve",), ("模型",), ("I ❤ BERT 🤗",), ("",), (" \n",), ("aa İe\u0301",)],
        inputs=lambda d: ("".join(d.choices("a é\n模ßİ🤗\u0301", 0, 7)),),
        mistakes={
            "characters": len,
            "words": lambda text: len(text.split()),
            "two bytes": lambda text: len(text.encode("utf-16-le")),
            "each once": lambda text: len(set(text.encode())),
        },
    ),
)  # fmt: skip
