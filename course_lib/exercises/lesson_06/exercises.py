"""The exercises of lesson 06: those about making pairs, and these about judging them."""

import torch
from torch.nn import functional as F

from course_lib.exercises.lesson_06.making import MAKING
from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


# --- the loss of the pairs


def pair_loss(logits, labels):
    log_p = logits.log_softmax(dim=-1)
    return -log_p[torch.arange(len(labels)), labels].mean()


def pair_loss_cases():
    for seed, B in ((1, 3), (2, 6), (3, 16)):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.arange(B) % 2
        yield torch.randn(B, 2, generator=generator) * 2, labels[torch.randperm(B, generator=generator)]


def pair_loss_by_torch(logits, labels):
    return F.cross_entropy(logits, labels)


def pair_loss_by_sigmoid(logits, labels):
    return F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], labels.to(logits.dtype))


def ignoring_zero(logits, labels):
    return F.cross_entropy(logits, labels, ignore_index=0)


def notes_labels(logits, labels):
    return F.cross_entropy(logits, 1 - labels)


def softmax_twice(logits, labels):
    return F.cross_entropy(logits.softmax(dim=-1), labels)


def summed_pairs(logits, labels):
    return F.cross_entropy(logits, labels, reduction="sum")


# --- from which token


def judged_from(input_ids, pad_id, causal):
    if not causal:
        return torch.zeros(len(input_ids), dtype=torch.long)
    return (input_ids != pad_id).sum(dim=1) - 1


def judged_from_cases():
    full = torch.tensor([[2, 9, 3, 8, 3]])
    padded = torch.tensor([[2, 9, 3, 8, 3, 0, 0], [2, 9, 9, 3, 8, 8, 3], [2, 5, 3, 6, 6, 3, 0]])
    yield full, 0, True
    yield full, 0, False
    yield padded, 0, True
    yield padded, 0, False
    yield torch.where(padded == 0, 1, padded), 1, True


def judged_from_by_places(input_ids, pad_id, causal):
    places = torch.arange(input_ids.shape[1]) * (input_ids != pad_id)
    return places.amax(dim=1) * int(causal)


def judged_from_by_loop(input_ids, pad_id, causal):
    rows = [[t for t, token in enumerate(row) if token != pad_id] for row in input_ids.tolist()]
    return torch.tensor([row[-1] if causal else row[0] for row in rows])


def last_column(input_ids, pad_id, causal):
    return torch.full((len(input_ids),), input_ids.shape[1] - 1 if causal else 0)


def always_cls(input_ids, pad_id, causal):
    return torch.zeros(len(input_ids), dtype=torch.long)


def always_last(input_ids, pad_id, causal):
    return (input_ids != pad_id).sum(dim=1) - 1


def one_too_far(input_ids, pad_id, causal):
    return (input_ids != pad_id).sum(dim=1) * int(causal)


# --- how often a positive scores higher


def area_under_curve(positives, negatives):
    wins = 0.0
    for high in positives:
        for low in negatives:
            wins += 1.0 if high > low else 0.5 if high == low else 0.0
    return wins / (len(positives) * len(negatives))


def area_under_curve_cases():
    yield [3.0], [1.0]
    yield [1.0, 2.0], [2.0, 2.0, 0.0]
    yield [0.5, 0.5], [0.5]
    yield [0.1, 0.9, 0.4], [0.2, 0.4, 0.0, 0.7]
    yield [0.0, 0.0, 0.3], [0.0, 0.0, 0.0, 0.1, 0.0]


def area_by_tensor(positives, negatives):
    gap = torch.tensor(positives)[:, None] - torch.tensor(negatives)[None]
    return ((gap > 0).float() + 0.5 * (gap == 0).float()).mean()


def area_by_ranks(positives, negatives):
    everything = sorted([*positives, *negatives])
    ranks = {s: everything.index(s) + (everything.count(s) + 1) / 2 for s in set(everything)}
    n = len(positives)
    return (sum(ranks[s] for s in positives) - n * (n + 1) / 2) / (n * len(negatives))


def ties_lose(positives, negatives):
    return sum(p > n for p in positives for n in negatives) / (len(positives) * len(negatives))


def ties_win(positives, negatives):
    return sum(p >= n for p in positives for n in negatives) / (len(positives) * len(negatives))


def upside_down(positives, negatives):
    return 1 - area_under_curve(positives, negatives)


def side_by_side(positives, negatives):
    pairs = list(zip(positives, negatives, strict=False))
    return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)


EXERCISES = (
    *MAKING,
    Exercise(
        name="pair_loss", lesson=6, minutes=5, difficulty=1,
        reference=pair_loss, cases=pair_loss_cases,
        mistakes=(
            Mistake("ignore_index=0", ignoring_zero,
                    "every pair with the label 0 is left out of the loss (a published bug): half of the data teach "
                    "nothing, and a model that always says 1 looks perfect. 0 is a class here, not 'not asked'."),
            Mistake("the notes' labels", notes_labels,
                    "you count 1 as 'next', as the notes do; in BERT's code and in transformers 0 is 'next'."),
            Mistake("softmax twice", softmax_twice,
                    "`cross_entropy` takes logits: it applies the softmax itself, and twice is too flat."),
            Mistake("summed", summed_pairs, "this is a sum over the pairs: the loss is their mean."),
        ),
        hints=("Two logits per pair, one label per pair: an ordinary two-way softmax.",
               "Pick from `logits.log_softmax(dim=-1)` the number of the right class, or use `F.cross_entropy`."),
        alternatives=(pair_loss_by_torch, pair_loss_by_sigmoid),
    ),
    Exercise(
        name="judged_from", lesson=6, minutes=5, difficulty=2,
        reference=judged_from, cases=judged_from_cases,
        mistakes=(
            Mistake("last column", last_column,
                    "in a shorter row the last column is padding (a published bug): read the last token that is real."),
            Mistake("always [CLS]", always_cls,
                    "under the causal mask [CLS] has seen nothing but itself: it gives every pair the same answer."),
            Mistake("always last", always_last,
                    "a two-sided BERT is judged from [CLS], the first token: that is where its pooler reads."),
            Mistake("one too far", one_too_far,
                    "a row of n real tokens ends at place n - 1: you are one place behind it."),
        ),
        hints=("Which single token has seen all of A and all of B, under each of the two masks?",
               "Count the real tokens of each row: the last one stands at that count, less one."),
        alternatives=(judged_from_by_places, judged_from_by_loop),
    ),
    Exercise(
        name="area_under_curve", lesson=6, minutes=6, difficulty=2,
        reference=area_under_curve, cases=area_under_curve_cases,
        mistakes=(
            Mistake("ties lose", ties_lose,
                    "a tie counts nothing: then a score that is the same for all pairs gets 0 instead of chance."),
            Mistake("ties win", ties_win,
                    "a tie counts in full: then a score that is the same for all pairs looks perfect."),
            Mistake("upside down", upside_down,
                    "you count how often the negative is higher: that is one minus what is asked for."),
            Mistake("side by side", side_by_side,
                    "you compare the first with the first and the second with the second: compare every positive with "
                    "every negative."),
        ),
        hints=("Two loops: every positive against every negative.", "Higher counts 1, equal counts one half, lower 0."),
        alternatives=(area_by_tensor, area_by_ranks),
    ),
)  # fmt: skip
