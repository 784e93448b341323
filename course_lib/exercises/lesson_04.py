"""The exercises of lesson 04: what each objective asks, and how its loss is counted."""

import math

import torch
from torch.nn import functional as F

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]


def next_word_targets(ids):
    targets = torch.full_like(ids, -100)  # [B, T]
    targets[:, :-1] = ids[:, 1:]
    return targets


def selected_loss(logits, labels):
    wanted = labels != -100  # [B, T]
    log_p = logits[wanted].log_softmax(dim=1)  # [N, V]: the selected positions only
    return -log_p[torch.arange(len(log_p)), labels[wanted]].mean()


def selected_loss_by_loop(logits, labels):
    terms = [
        row.logsumexp(0) - row[label]
        for rows, asked in zip(logits, labels, strict=True)
        for row, label in zip(rows, asked, strict=True)
        if label >= 0
    ]
    return sum(terms) / len(terms)


def mean_before_mask(logits, labels):
    loss = F.cross_entropy(logits.flatten(0, 1), labels.clamp(min=0).flatten())  # already one number
    wanted = (labels != -100).float()
    return (loss * wanted).sum() / wanted.sum()


def with_labels(logits, labels, **options):
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), **options)


def naive(logits, labels):
    wanted = labels != -100
    return -logits[wanted].softmax(1)[torch.arange(int(wanted.sum())), labels[wanted]].log().mean()


def selected_edges():
    logits = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 0.5, 0.0], [1.0, -1.0, 3.0], [0.0, 2.0, 0.0]]])
    yield logits, torch.tensor([[0, -100, 1, -100]])  # token 0 is a token like any other
    yield logits, torch.tensor([[2, 0, 1, 1]])
    yield logits, torch.tensor([[-100, -100, -100, 2]])
    yield torch.tensor([[[300.0, 0.0], [1.0, 2.0]]]), torch.tensor([[1, -100]])


def selected_inputs(d):
    B, T, V = d.integer(1, 3), d.integer(1, 4), d.integer(2, 4)
    labels = torch.where(d.mask(B * T) == 1, d.ids(B * T, V=V), -100).view(B, T)
    return d.floats(B, T, V, values=(0.0, 1.0, -1.0, 0.5, 2.0, -1.62, 300.0, -300.0)), labels


def corpus_perplexity(batches):
    nats = sum(loss * words for loss, words in batches)
    return math.exp(nats / sum(words for _, words in batches))


def corpus_perplexity_by_product(batches):
    total = sum(words for _, words in batches)
    return math.prod(math.exp(loss) ** (words / total) for loss, words in batches)


def terms_in_loss(length, objective, rate=0.15):
    words = length - 2  # without [CLS] and [SEP]
    if objective == "causal":
        return words
    return min(words, max(1, round(length * rate)))


def terms_in_loss_by_list(length, objective, rate=0.15):
    places = list(range(length))[1:-1]
    return len(places if objective == "causal" else places[: round(length * rate) or 1])


def terms_edges():
    yield from [(8, "causal"), (8, "masked"), (32, "masked"), (128, "masked", 0.4), (3, "causal"), (10, "causal", 0.5)]
    yield from [(3, "masked", 0.1), (4, "masked", 1.0), (10, "masked", 0.25), (10, "masked", 0.75)]


def masked_only(count):
    """Return a mistake: count(length, rate) questions under "masked", the right number under "causal"."""
    return lambda length, objective, rate=0.15: length - 2 if objective == "causal" else count(length, rate)


EXERCISES = (
    Exercise(
        next_word_targets,
        second=lambda ids: torch.tensor([[*row[1:], -100] for row in ids.tolist()]),
        edges=lambda: [(torch.tensor([[2, 17, 9]]),), (torch.tensor([[2, 8, 0, 0, 3], [2, 5, 5, 0, 2]]),)],
        inputs=lambda d: (d.ids(d.integer(1, 3), d.integer(1, 5), V=4),),
        mistakes={
            "no shift": lambda ids: ids.clone(),
            "wrong way": lambda ids: F.pad(ids[:, :-1], (1, 0), value=-100),
            "twice": lambda ids: F.pad(ids, (0, 2), value=-100)[:, 2:],
            "round the corner": lambda ids: ids.roll(-1, dims=1),
            "too short": lambda ids: ids[:, 1:],
        },
    ),
    Exercise(
        selected_loss,
        second=selected_loss_by_loop,
        edges=lambda: list(selected_edges()),
        inputs=selected_inputs,
        trains=True,
        mistakes={
            "mean before the mask": mean_before_mask,
            "ignore_index=0": lambda logits, labels: with_labels(logits, labels.clamp(min=0), ignore_index=0),
            "divided by all": lambda logits, labels: with_labels(logits, labels, reduction="sum") / labels.numel(),
            "summed": lambda logits, labels: with_labels(logits, labels, reduction="sum"),
            "logarithm of the softmax": naive,
            "cut off": lambda logits, labels: with_labels(logits, labels).detach(),
        },
    ),
    Exercise(
        corpus_perplexity,
        second=corpus_perplexity_by_product,
        edges=lambda: [([(0.5, 30), (2.0, 10)],), ([(1.0, 10)],), ([(2.3, 4), (0.1, 400), (1.7, 60)],), ([(0.0, 1)],)],
        inputs=lambda d: ([(d.choice((1.0, 0.0, 0.5, 2.3, 6.9)), d.integer(1, 50)) for _ in range(d.integer(1, 5))],),
        mistakes={
            "mean of batches": lambda batches: math.exp(sum(loss for loss, _ in batches) / len(batches)),
            "mean of perplexities": lambda batches: (
                sum(math.exp(loss) * words for loss, words in batches) / sum(words for _, words in batches)
            ),
            "no exp": lambda batches: math.log(corpus_perplexity(batches)),
            "base two": lambda batches: 2 ** math.log(corpus_perplexity(batches)),
        },
    ),
    Exercise(
        terms_in_loss,
        second=terms_in_loss_by_list,
        edges=lambda: list(terms_edges()),
        inputs=lambda d: (
            d.integer(3, 40), d.choice(("masked", "causal")), d.choice((0.15, 0.5, 0.25, 0.05, 0.3, 0.9, 1.0))
        ),
        mistakes={
            "only [MASK]": masked_only(lambda length, rate: min(length - 2, max(1, round(length * rate * 0.8)))),
            "share of the words": masked_only(lambda length, rate: max(1, round((length - 2) * rate))),
            "none at all": masked_only(lambda length, rate: min(length - 2, round(length * rate))),
            "all places": lambda length, objective, rate=0.15: length - 2,
            "special tokens": lambda length, objective, rate=0.15: (
                length if objective == "causal" else terms_in_loss(length, objective, rate)
            ),
        },
    ),
)  # fmt: skip
