"""The exercises of lesson 07: references, other right answers and known mistakes."""

import itertools
import math

import torch

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


def masks_met(epochs, copies):
    return [epoch if copies is None else epoch % copies for epoch in range(epochs)]


def masks_met_cases():
    yield 3, None
    yield 4, 1
    yield 6, 3
    yield 7, 3
    yield 40, 10
    yield 12, None


def masks_met_by_cycle(epochs, copies):
    numbers = itertools.count() if copies is None else itertools.cycle(range(copies))
    return list(itertools.islice(numbers, epochs))


def in_blocks(epochs, copies):
    return list(range(epochs)) if copies is None else [epoch * copies // epochs for epoch in range(epochs)]


def dynamic_is_ten(epochs, copies):
    return [epoch % (copies or 10) for epoch in range(epochs)]


def counted_from_one(epochs, copies):
    return [number + 1 for number in masks_met(epochs, copies)]


def static_always(epochs, copies):
    return [0] * epochs


def border_rows(documents, room, sep):
    stream = []
    for document in documents:
        stream += ([sep] if stream else []) + [token for sentence in document for token in sentence]
    return [stream[start : start + room] for start in range(0, len(stream) - room + 1, room)]


def border_rows_cases():
    yield [[[5, 6], [7, 8]]], 4, 3
    yield [[[5, 6], [7]], [[8, 9]]], 3, 3
    yield [[[5, 6, 7], [8, 9]], [[10, 11], [12]], [[13, 14, 15, 16]]], 4, 3
    yield [[[20 + i, 30 + i] for i in range(5)], [[11], [12]], [[13, 14]]], 5, 3
    yield [[[5, 6]], [[7, 8]]], 3, 3


def border_rows_by_filling(documents, room, sep):
    rows = [[]]
    for number, document in enumerate(documents):
        for token in [sep] * (number > 0) + sum(document, []):
            rows[-1].append(token)
            if len(rows[-1]) == room:
                rows.append([])
    return rows[:-1]


def without_separator(documents, room, sep):
    stream = [token for document in documents for sentence in document for token in sentence]
    return [stream[start : start + room] for start in range(0, len(stream) - room + 1, room)]


def separator_after_sentences(documents, room, sep):
    sentences = [sentence for document in documents for sentence in document]
    return border_rows([[sentence] for sentence in sentences], room, sep)


def never_across(documents, room, sep):
    return [row for document in documents for row in border_rows([document], room, sep)]


def separator_at_the_end(documents, room, sep):
    stream = [token for document in documents for token in [*sum(document, []), sep]]
    return [stream[start : start + room] for start in range(0, len(stream) - room + 1, room)]


def with_the_rest(documents, room, sep):
    stream = []
    for document in documents:
        stream += ([sep] if stream else []) + sum(document, [])
    return [stream[start : start + room] for start in range(0, len(stream), room)]


def accumulated_gradient(parts):
    words = sum(n for _, n in parts)
    return sum(gradient * n for gradient, n in parts) / words


def accumulated_gradient_cases():
    generator = torch.Generator().manual_seed(7)
    for counts in ([4], [3, 5], [1, 9, 2], [6, 6, 1, 11]):
        yield ([(torch.randn(3, generator=generator), n) for n in counts],)


def accumulated_by_average(parts):
    gradients, counts = zip(*parts, strict=True)
    weights = torch.tensor(counts, dtype=torch.float32)
    return (torch.stack(gradients) * (weights / weights.sum())[:, None]).sum(dim=0)


def each_part_alike(parts):
    return sum(gradient for gradient, _ in parts) / len(parts)


def only_added(parts):
    return sum(gradient for gradient, _ in parts)


def never_divided(parts):
    return sum(gradient * n for gradient, n in parts)


def last_part_only(parts):
    return parts[-1][0]


def same_budget(steps, batch_size, new_batch_size):
    return steps * batch_size // new_batch_size


def same_budget_cases():
    yield 1000, 32, 32
    yield 1000, 32, 128
    yield 1000, 32, 8
    yield 1_000_000, 256, 2048  # RoBERTa, Table 3
    yield 1_000_000, 256, 8192


def same_budget_by_rows(steps, batch_size, new_batch_size):
    return int(steps * batch_size / new_batch_size)


def the_same_steps(steps, batch_size, new_batch_size):
    return steps


def more_steps(steps, batch_size, new_batch_size):
    return steps * new_batch_size // batch_size


def by_the_root(steps, batch_size, new_batch_size):
    return int(steps * math.sqrt(batch_size / new_batch_size))


def most_byte_tokens(text):
    return len(text.encode("utf-8"))


def most_byte_tokens_cases():
    yield ("cat",)
    yield ("a cat",)
    yield ("naïve",)
    yield ("模型",)
    yield ("I ❤ BERT 🤗",)


def most_byte_tokens_by_characters(text):
    return sum(len(bytes(character, "utf-8")) for character in text)


def characters_counted(text):
    return len(text)


def words_counted(text):
    return len(text.split())


def two_bytes_each(text):
    return len(text.encode("utf-16-le"))


EXERCISES = (
    Exercise(
        name="masks_met", lesson=7, minutes=4, difficulty=1,
        reference=masks_met, cases=masks_met_cases,
        mistakes=(
            Mistake("in blocks", in_blocks,
                    "you read each copy for a block of epochs before the next one (the notes' 'N/10 epochs each'): "
                    "here the copies take turns. The masks met are the same ones either way."),
            Mistake("dynamic is ten", dynamic_is_ten,
                    "with copies=None a mask came back after ten epochs: dynamic masking draws a new one each time. "
                    "Ten copies are BERT's preprocessing, not RoBERTa's."),
            Mistake("from one", counted_from_one, "the numbers start at 1: the first mask has the number 0."),
            Mistake("static", static_always, "every epoch has mask 0: that is copies=1 only."),
        ),
        hints=("Write down the answer for 6 epochs and 3 copies: 0, 1, 2, then?",
               "The remainder of a division by `copies`; without copies the epoch itself."),
        alternatives=(masks_met_by_cycle,),
    ),
    Exercise(
        name="border_rows", lesson=7, minutes=8, difficulty=2,
        reference=border_rows, cases=border_rows_cases,
        mistakes=(
            Mistake("no separator", without_separator,
                    "the documents run into each other: RoBERTa puts a separator at each border."),
            Mistake("after every sentence", separator_after_sentences,
                    "there is a separator after every sentence: only a border between two documents is marked."),
            Mistake("never across", never_across,
                    "no row goes on with the next document: that is DOC-SENTENCES. FULL-SENTENCES fills the row."),
            Mistake("at the end", separator_at_the_end,
                    "there is a separator after the last document too: a border has a document on either side."),
            Mistake("with the rest", with_the_rest,
                    "the last row is not full: what does not fill a row is dropped here."),
        ),
        hints=("Make one long stream of tokens first, with the borders marked. Cut it afterwards.",
               "`range(0, len(stream) - room + 1, room)` are the beginnings of the full rows."),
        alternatives=(border_rows_by_filling,),
    ),
    Exercise(
        name="accumulated_gradient", lesson=7, minutes=6, difficulty=2,
        reference=accumulated_gradient, cases=accumulated_gradient_cases,
        mistakes=(
            Mistake("each part alike", each_part_alike,
                    "every part counts the same, whatever its number of predicted words. The large batch's loss is a "
                    "mean over words (a published bug: for years, common training loops averaged like this)."),
            Mistake("only added", only_added,
                    "you added means: the result grows with the number of parts, as if the learning rate had."),
            Mistake("never divided", never_divided,
                    "this is the gradient of the summed loss: divide by the number of words in all."),
            Mistake("last part", last_part_only,
                    "only the last part is left: the gradients of the others were thrown away."),
        ),
        hints=("The large batch's loss is a mean over all predicted words. How does a mean follow from means of parts?",
               "Undo each part's mean (times n), add, divide by all words."),
        alternatives=(accumulated_by_average,),
    ),
    Exercise(
        name="same_budget", lesson=7, minutes=3, difficulty=1,
        reference=same_budget, cases=same_budget_cases,
        mistakes=(
            Mistake("same steps", the_same_steps,
                    "with as many steps the larger batch would read more text: keep steps times batch size."),
            Mistake("wrong way", more_steps, "you multiplied where a larger batch needs fewer steps."),
            Mistake("square root", by_the_root,
                    "the square root is a rule of thumb for the learning rate; the number of rows read is steps times "
                    "batch size."),
        ),
        hints=("How many rows are read in all?", "steps times batch_size, divided by the new batch size."),
        alternatives=(same_budget_by_rows,),
    ),
    Exercise(
        name="most_byte_tokens", lesson=7, minutes=3, difficulty=1,
        reference=most_byte_tokens, cases=most_byte_tokens_cases,
        mistakes=(
            Mistake("characters", characters_counted,
                    "you counted characters: a Chinese character takes three bytes, an emoji often four."),
            Mistake("words", words_counted, "you counted words: without a single merge every byte is a token."),
            Mistake("two bytes", two_bytes_each,
                    "that is UTF-16. Byte-level BPE works on UTF-8, where plain English letters take one byte."),
        ),
        hints=("The worst case: no merge applies, each byte is a token of its own.", "`text.encode()` gives bytes."),
        alternatives=(most_byte_tokens_by_characters,),
    ),
)  # fmt: skip
