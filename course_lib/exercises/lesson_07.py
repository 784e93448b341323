"""The exercises of lesson 07: masks over epochs, rows, gradients of parts, budgets and bytes."""

import math

import torch

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

ONE, OTHER = torch.tensor([[2.0, -1.0, 0.0], [5.0, 0.5, 8.0]])


def masks_met(epochs, copies):
    return [epoch if copies is None else epoch % copies for epoch in range(epochs)]


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


def same_budget(steps, batch_size, new_batch_size):
    return steps * batch_size // new_batch_size


def most_byte_tokens(text):
    return len(text.encode("utf-8"))


EXERCISES = (
    Exercise(masks_met, inputs=lambda d: (d.integer(1, 25), d.choice([None, *range(1, 13)])),
             edges=[(6, 3), (7, 3), (4, 1), (3, None), (12, None), (2, 5), (40, 10), (1, 1)], mistakes={
        "in blocks": lambda epochs, copies: [e if copies is None else e * copies // epochs for e in range(epochs)],
        "dynamic is ten": lambda epochs, copies: [epoch % (copies or 10) for epoch in range(epochs)],
        "from one": lambda epochs, copies: [number + 1 for number in masks_met(epochs, copies)],
        "static": lambda epochs, copies: [0] * epochs,
        "how many": lambda epochs, copies: len(set(masks_met(epochs, copies))),
    }),
    Exercise(sentence_rows, inputs=row_inputs,
             edges=[([[[5, 6], [7]], [[8, 9]]], 6, 3),
                    ([[[5, 6], [7]], [[8, 9]]], 5, 3),  # all but the separator would fit
                    ([[[5, 6, 7], [8, 9]], [[10, 11], [12]], [[13, 14, 15, 16]]], 4, 3),
                    ([[[5], [6], [5]], [[6]], [[7], [8, 8]]], 4, 3), ([[[5, 6]], [[7, 8]]], 2, 3),
                    ([[[5, 3], [3]], [[3], [0, 0]]], 20, 3)],  # a sentence may hold the separator's id
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
    }),
    Exercise(accumulated_gradient,
             inputs=lambda d: ([(d.floats("D"), d.integer(1, 9)) for _ in range(d.integer(1, 4))],),
             edges=[([(ONE, 3), (OTHER, 5)],), ([(ONE, 4)],), ([(ONE, 1), (OTHER, 9), (-ONE, 2)],)], mistakes={
        "each part alike": lambda parts: sum(gradient for gradient, _ in parts) / len(parts),
        "only added": lambda parts: sum(gradient for gradient, _ in parts),
        "never divided": lambda parts: sum(gradient * n for gradient, n in parts),
        "last part": lambda parts: parts[-1][0],
    }),
    Exercise(same_budget, inputs=lambda d: (d.integer(1, 2000), d.integer(1, 300), d.integer(1, 300)),
             edges=[(1000, 32, 128), (1_000_000, 256, 8192), (1000, 32, 8), (7, 3, 4), (5, 3, 4), (3, 2, 7), (1, 1, 1)],
             mistakes={
        "same steps": lambda steps, batch_size, new: steps,
        "wrong way": lambda steps, batch_size, new: steps * new // batch_size,
        "square root": lambda steps, batch_size, new: int(steps * math.sqrt(batch_size / new)),
        "rounded": lambda steps, batch_size, new: round(steps * batch_size / new),
        "rounded too early": lambda steps, batch_size, new: steps // (new // batch_size or 1),
    }),
    Exercise(most_byte_tokens, inputs=lambda d: ("".join(d.choices("a é\n模ßİ🤗\u0301", 0, 7)),),
             edges=[("cat",), ("naïve",), ("模型",), ("I ❤ BERT 🤗",), ("",), (" \n",), ("aa İe\u0301",)], mistakes={
        "characters": len,
        "words": lambda text: len(text.split()),
        "two bytes": lambda text: len(text.encode("utf-16-le")),
        "each once": lambda text: len(set(text.encode())),
    }),
)  # fmt: skip
