"""The exercises of lesson 04: what each objective asks, and how its loss is counted."""

import math

import torch
from torch.nn import functional as F

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

LOGITS = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 0.5, 0.0], [1.0, -1.0, 3.0], [0.0, 2.0, 0.0]]])
LOSSES = (1.0, 0.0, 0.5, 2.3, 6.9)
RATES = (0.15, 0.5, 0.25, 0.05, 0.3, 0.9, 1.0)


def next_word_targets(ids):
    targets = torch.full_like(ids, -100)  # [B, T]
    targets[:, :-1] = ids[:, 1:]
    return targets


def selected_loss(logits, labels):
    wanted = labels != -100  # [B, T]
    log_p = logits[wanted].log_softmax(dim=1)  # [N, V]: the selected positions only
    return -log_p[torch.arange(len(log_p)), labels[wanted]].mean()


def mean_before_mask(logits, labels):
    loss = F.cross_entropy(logits.flatten(0, 1), labels.clamp(min=0).flatten())  # already one number
    wanted = (labels != -100).float()
    return (loss * wanted).sum() / wanted.sum()


def with_labels(logits, labels, **options):
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), **options)


def selected_inputs(d):
    B, T, V = d.size("B"), d.size("T"), d.integer(2, 4)
    labels = torch.where(d.mask(B * T) == 1, d.ids(B * T, V=V), -100).view(B, T)
    return d.floats(B, T, V, more=(300.0, -300.0)), labels


def corpus_perplexity(batches):
    nats = sum(loss * words for loss, words in batches)
    return math.exp(nats / sum(words for _, words in batches))


def terms_in_loss(length, objective, rate=0.15):
    words = length - 2  # without [CLS] and [SEP]
    if objective == "causal":
        return words
    return min(words, max(1, round(length * rate)))


def masked_only(count):
    """Return a mistake: count(length, rate) questions under "masked", the right number under "causal"."""
    return lambda length, objective, rate=0.15: length - 2 if objective == "causal" else count(length, rate)


EXERCISES = (
    Exercise(next_word_targets, inputs=lambda d: (d.ids("B", "T", V=4),),
             edges=[(torch.tensor([[2, 17, 9]]),), (torch.tensor([[2, 8, 0, 0, 3], [2, 5, 5, 0, 2]]),)], mistakes={
        "no shift": lambda ids: ids.clone(),
        "wrong way": lambda ids: F.pad(ids[:, :-1], (1, 0), value=-100),
        "twice": lambda ids: F.pad(ids, (0, 2), value=-100)[:, 2:],
        "round the corner": lambda ids: ids.roll(-1, dims=1),
        "too short": lambda ids: ids[:, 1:],
    }),
    Exercise(selected_loss, inputs=selected_inputs, trains=True,
             edges=[(LOGITS, torch.tensor([[0, -100, 1, -100]])),  # token 0 is a token like any other
                    (LOGITS, torch.tensor([[2, 0, 1, 1]])), (LOGITS, torch.tensor([[-100, -100, -100, 2]])),
                    (torch.tensor([[[300.0, 0.0], [1.0, 2.0]]]), torch.tensor([[1, -100]]))], mistakes={
        "mean before the mask": mean_before_mask,
        "ignore_index=0": lambda logits, labels: with_labels(logits, labels.clamp(min=0), ignore_index=0),
        "divided by all": lambda logits, labels: with_labels(logits, labels, reduction="sum") / labels.numel(),
        "summed": lambda logits, labels: with_labels(logits, labels, reduction="sum"),
        "logarithm of the softmax": lambda logits, labels: F.nll_loss(logits.softmax(-1).log().mT, labels),
    }),
    Exercise(corpus_perplexity,
             inputs=lambda d: ([(d.choice(LOSSES), d.integer(1, 50)) for _ in range(d.size("batches"))],),
             edges=[([(0.5, 30), (2.0, 10)],), ([(1.0, 10)],), ([(2.3, 4), (0.1, 400), (1.7, 60)],), ([(0.0, 1)],)],
             mistakes={
        "mean of batches": lambda batches: math.exp(sum(loss for loss, _ in batches) / len(batches)),
        "mean of perplexities": lambda batches: (
            sum(math.exp(loss) * words for loss, words in batches) / sum(words for _, words in batches)),
        "no exp": lambda batches: math.log(corpus_perplexity(batches)),
        "base two": lambda batches: 2 ** math.log(corpus_perplexity(batches)),
    }),
    Exercise(terms_in_loss, inputs=lambda d: (d.integer(3, 40), d.choice(("masked", "causal")), d.choice(RATES)),
             edges=[(8, "causal"), (8, "masked"), (32, "masked"), (128, "masked", 0.4), (10, "causal", 0.5),
                    (3, "masked", 0.1), (4, "masked", 1.0), (10, "masked", 0.25), (10, "masked", 0.75)], mistakes={
        "only [MASK]": masked_only(lambda length, rate: min(length - 2, max(1, round(length * rate * 0.8)))),
        "share of the words": masked_only(lambda length, rate: max(1, round((length - 2) * rate))),
        "none at all": masked_only(lambda length, rate: min(length - 2, round(length * rate))),
        "all places": lambda length, objective, rate=0.15: length - 2,
        "special tokens": lambda length, *others: terms_in_loss(length, *others) + 2 * ("causal" in others),
    }),
)  # fmt: skip
