"""The exercises of lesson 08: what a head reads, which weights are its own, and answers in a text."""

import re
import string
from collections import Counter

import torch

from course_lib.exercises import compare
from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

HIDDEN = torch.arange(24.0).reshape(3, 4, 2)
POOLED, CLASSES = [["bert.pooler.dense.weight", "bert.pooler.dense.bias"], ["classifier.weight", "classifier.bias"]]
ANSWERS = ["qa_outputs.weight", "qa_outputs.bias"]
BODY = ["bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.output.dense.bias",
        "bert.encoder.layer.10.output.dense.bias", "bert.encoder.layer.1.output.dense"]  # fmt: skip
EXTRA = "cls.predictions.bias"
MODEL = [*BODY, *POOLED, *CLASSES]
FALLING = [45.0 - i + (i == 22) / 2 for i in range(45)]  # with a rising end, the best is far below both tops
TEXTS = ("dog", "Dog", "dog,", "cat", "the", "The", "a", "an", "U.S.", "us", "well-known", "wellknown", "(the)", "'a'",
         "a-dog", "adog", "them", "\t", "!")  # fmt: skip


def word_tags(word_ids, scores):
    pieces = {}
    for t, word in enumerate(word_ids):
        if word is not None:
            pieces.setdefault(word, []).append(scores[t])
    return [torch.stack(rows).mean(dim=0).argmax().item() for rows in pieces.values()]


def word_tags_inputs(d):
    word_ids, n, L = [None] * d.integer(0, 2), d.integer(0, 3), d.integer(1, 4)
    for word in range(n):
        word_ids += [word] * d.integer(1, 3) + [None] * d.integer(0, 1)
    word_ids = word_ids or [None]
    apart = torch.tensor(d.shuffled(range(L))) / 100  # no ties
    return word_ids, d.floats(len(word_ids), L, more=(-3.0,)) + apart


def tags_by(choose):
    """Return word_tags with another way to choose from a word's scores [pieces, L]."""

    def wrong(word_ids, scores):
        words = range(len({*word_ids} - {None}))
        return [int(choose(scores[[other == word for other in word_ids]])) for word in words]

    return wrong


def mean_of_tokens(hidden, attention_mask):
    real = attention_mask[:, :, None]  # [B, T, 1]
    return (hidden * real).sum(dim=1) / real.sum(dim=1)


def head_parameters(names, loaded):
    return [name for name in names if name not in loaded]


def best_answer(start, end, longest):
    spans = [(s, e) for s in range(len(start)) for e in range(s, min(s + longest, len(end)))]
    return max(spans, key=lambda span: start[span[0]] + end[span[1]])


def equally_good(got, expected, start, end, longest):
    """Accept any allowed pair with as large a sum as the expected one's."""
    s, e = got
    allowed = 0 <= s <= e < min(s + longest, len(end))
    right = allowed and abs(start[s] + end[e] - start[expected[0]] - end[expected[1]]) < 1e-6
    return None if right else compare.same(got, expected)


def above_zero(start, end, longest):
    s, e = best_answer(start, end, longest)
    return (s, e) if start[s] + end[e] > 0 else (0, 0)


def answer_f1(answer, gold):
    bags = []
    for text in (answer, gold):
        letters = [letter for letter in text.lower() if letter not in string.punctuation]
        words = "".join(letters).split()
        bags.append(Counter(word for word in words if word not in ("a", "an", "the")))
    shared = (bags[0] & bags[1]).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / bags[0].total(), shared / bags[1].total()
    return 2 * precision * recall / (precision + recall)


def normalised(text, keep=""):
    """Return the words of a text as SQuAD's script does, without the step that `keep` names."""
    text = text if keep == "capitals" else text.lower()
    text = text if keep == "punctuation" else re.sub(f"[{re.escape(string.punctuation)}]", "", text)
    return (text if keep == "articles" else re.sub(r"\b(a|an|the)\b", " ", text)).split()


def f1(answer, gold, score=lambda p, r: 2 * p * r / (p + r), keep=""):
    ours, theirs = normalised(answer, keep), normalised(gold, keep)
    shared = sum(min(ours.count(word), theirs.count(word)) for word in {*ours})
    return score(shared / len(ours), shared / len(theirs)) if shared else 0.0


def f1_of_sets(answer, gold):
    ours, theirs = {*normalised(answer)}, {*normalised(gold)}
    return 2 * len(ours & theirs) / max(1, len(ours) + len(theirs))


EXERCISES = (
    Exercise(word_tags, inputs=word_tags_inputs,
             edges=[([None, 0, 0, 1, None], torch.tensor([[9.0, 0, 0], [0, 6, 4], [6, 0, 4], [0, 0, 1], [0, 9, 0]])),
                    ([0, 0, 0], torch.tensor([[0.6, 0.4, 0], [0.6, 0.4, 0], [0, 1, 0]])),
                    ([0, 0], torch.tensor([[-1.0, -2, -1.5], [-2.0, -3, -1]])),
                    ([None, None], torch.zeros(2, 3))], mistakes={
        "first piece": tags_by(lambda rows: rows[0].argmax()),
        "majority": tags_by(lambda rows: rows.argmax(1).mode().values),
        "boldest piece": tags_by(lambda rows: rows.amax(0).argmax()),
        "last piece": tags_by(lambda rows: rows[-1].argmax()),
        "a tag a piece": lambda word_ids, scores: [
            row.argmax().item() for row, word in zip(scores, word_ids, strict=True) if word is not None
        ],
    }),
    Exercise(mean_of_tokens, inputs=lambda d: (d.floats("B", "T", "D"), d.mask("B", "T")),
             edges=[(HIDDEN, torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]])),
                    (HIDDEN, torch.tensor([[0, 0, 0, 1], [0, 1, 1, 0], [1, 0, 1, 1]])),
                    (torch.tensor([[[0.0, 2.0], [4.0, 0.0], [9.0, 9.0]]]), torch.tensor([[1, 1, 0]]))],
             mistakes={
        "padding": lambda hidden, mask: hidden.mean(1),
        "row length": lambda hidden, mask: (hidden * mask[:, :, None]).mean(1),
        "sum": lambda hidden, mask: (hidden * mask[:, :, None]).sum(1),
        "batch": lambda hidden, mask: (hidden * mask[:, :, None]).sum(1) * len(hidden) / mask.sum(),
        "cut": lambda hidden, mask: mean_of_tokens(hidden, mask.sort(descending=True).values),
    }),
    Exercise(head_parameters, inputs=lambda d: (
                 d.shuffled([*MODEL, *ANSWERS])[: d.integer(1, 10)], {*d.choices([*MODEL, *ANSWERS, EXTRA], 0, 12)}),
             edges=[(MODEL, {*BODY, EXTRA}), (MODEL, {*BODY, *POOLED, "cls.seq_relationship.bias"}),
                    ([*CLASSES, *BODY], {*BODY}), ([*BODY, *ANSWERS], {*BODY, *POOLED}),
                    (MODEL, {*MODEL}), (MODEL, set())], mistakes={
        "outside bert.": lambda names, loaded: [name for name in names if not name.startswith("bert.")],
        "called classifier": lambda names, loaded: [name for name in names if "classif" in name or "pool" in name],
        "pooler always": lambda names, loaded: [name for name in names if name[:5] != "bert." or "pool" in name],
        "everything": lambda names, loaded: list(names),
        "the frozen ones": lambda names, loaded: [name for name in names if name in loaded],
        "in order of the alphabet": lambda names, loaded: sorted({*names} - loaded),
    }),
    Exercise(best_answer, compare=equally_good,
             inputs=lambda d: (d.floats("T").tolist(), d.floats("T").tolist(), d.integer(1, 5)),
             edges=[([5.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 4.5], 2), ([0.0, 4.0, 0.0, 0.0], [1.0, 2.0, 0.0, 3.0], 2),
                    ([0.0, 3.0, 1.0], [2.0, 0.5, 1.0], 3), ([-1.0, -4.0, -2.0, -8.0], [-7.0, -3.0, -1.0, -5.0], 4),
                    ([-1.0, 2.0], [-3.0, -6.0], 1), ([0.0], [0.0], 5), (FALLING, FALLING[::-1], 1)], mistakes={
        "each for itself": lambda start, end, longest: (start.index(max(start)), end.index(max(end))),
        "any length": lambda start, end, longest: best_answer(start, end, len(end)),
        "start first": lambda start, end, longest: best_answer(
            [float(i == start.index(max(start))) * 99 for i in range(len(start))], end, longest),
        "one too many": lambda start, end, longest: best_answer(start, end, longest + 1),
        "above zero": above_zero,
    }),
    Exercise(answer_f1, inputs=lambda d: (" ".join(d.choices(TEXTS, 0, 5)), " ".join(d.choices(TEXTS, 0, 5))),
             edges=[("The kitchen.", "in the old kitchen"), ("dog and dog", "dog and cat"), ("Anna", "Ben"),
                    ("the", "a"), ("", "dog"), ("a dog", "dog"), ("(the) U.S.", "us"), ("A-team", "team")], mistakes={
        "articles": lambda answer, gold: f1(answer, gold, keep="articles"),
        "punctuation": lambda answer, gold: f1(answer, gold, keep="punctuation"),
        "capitals": lambda answer, gold: f1(answer, gold, keep="capitals"),
        "sets": f1_of_sets,
        "exact match": lambda answer, gold: float(normalised(answer) == normalised(gold)),
        "precision": lambda answer, gold: f1(answer, gold, lambda precision, recall: precision),
        "recall": lambda answer, gold: f1(answer, gold, lambda precision, recall: recall),
        "plain mean": lambda answer, gold: f1(answer, gold, lambda precision, recall: (precision + recall) / 2),
    }),
)  # fmt: skip
