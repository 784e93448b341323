"""The exercises of lesson 04: references, other right answers and known mistakes."""

import math

import torch
from torch.nn import functional as F

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


def next_word_targets(ids):
    targets = torch.full_like(ids, -100)
    targets[:, :-1] = ids[:, 1:]
    return targets


def next_word_targets_cases():
    yield (torch.tensor([[2, 17, 9]]),)
    yield (torch.tensor([[2, 8, 30, 11, 3], [2, 5, 5, 21, 3]]),)


def next_word_targets_by_loop(ids):
    rows = [[*row[1:], -100] for row in ids.tolist()]
    return torch.tensor(rows)


def next_word_targets_by_padding(ids):
    return F.pad(ids[:, 1:], (0, 1), value=-100)


def shifted_the_other_way(ids):
    targets = torch.full_like(ids, -100)
    targets[:, 1:] = ids[:, :-1]
    return targets


def shifted_twice(ids):
    return F.pad(ids[:, 2:], (0, 2), value=-100)


def selected_loss(logits, labels):
    wanted = labels != -100
    log_p = logits.log_softmax(dim=-1)
    picked = log_p.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return -(picked * wanted).sum() / wanted.sum()


def selected_loss_cases():
    for seed, (B, T, V) in enumerate([(1, 4, 3), (2, 6, 5), (3, 8, 11)]):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(V, (B, T), generator=generator)
        labels[torch.rand(B, T, generator=generator) < 0.6] = -100
        labels[0, 0], labels[0, 1] = 0, -100  # token 0 is a word like any other here
        yield torch.randn(B, T, V, generator=generator), labels


def selected_loss_by_torch(logits, labels):
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def selected_loss_by_loop(logits, labels):
    terms = [
        logits[b, t].logsumexp(0) - logits[b, t, labels[b, t]]
        for b in range(labels.shape[0])
        for t in range(labels.shape[1])
        if labels[b, t] != -100
    ]
    return torch.stack(terms).mean()


def mean_before_mask(logits, labels):
    loss = F.cross_entropy(logits.flatten(0, 1), labels.clamp(min=0).flatten())  # already one number
    wanted = (labels != -100).float()
    return (loss * wanted).sum() / wanted.sum()


def ignore_zero(logits, labels):
    return F.cross_entropy(logits.flatten(0, 1), labels.clamp(min=0).flatten(), ignore_index=0)


def divided_by_all(logits, labels):
    return selected_loss(logits, labels) * (labels != -100).float().mean()


def summed(logits, labels):
    return selected_loss(logits, labels) * (labels != -100).sum()


def corpus_perplexity(batches):
    nats = sum(loss * words for loss, words in batches)
    return math.exp(nats / sum(words for _, words in batches))


def corpus_perplexity_cases():
    yield ([(1.0, 10)],)
    yield ([(0.5, 30), (2.0, 10)],)
    yield ([(2.3, 4), (0.1, 400), (1.7, 60)],)


def corpus_perplexity_by_product(batches):
    total = sum(words for _, words in batches)
    return math.prod(math.exp(loss) ** (words / total) for loss, words in batches)


def mean_of_batches(batches):
    return math.exp(sum(loss for loss, _ in batches) / len(batches))


def mean_of_perplexities(batches):
    total = sum(words for _, words in batches)
    return sum(math.exp(loss) * words for loss, words in batches) / total


def without_exp(batches):
    return math.log(corpus_perplexity(batches))


def base_two(batches):
    return 2 ** math.log(corpus_perplexity(batches))


def terms_in_loss(length, objective, rate=0.15):
    return length - 2 if objective == "causal" else max(1, round(length * rate))


def terms_in_loss_cases():
    yield 8, "causal"
    yield 8, "masked"
    yield 32, "masked"
    yield 32, "causal"
    yield 128, "masked", 0.4
    yield 4, "masked"


def terms_in_loss_by_list(length, objective, rate=0.15):
    places = list(range(length))
    return len(places[: max(1, round(len(places) * rate))] if objective == "masked" else places[1:-1])


def only_masked(length, objective, rate=0.15):
    return length - 2 if objective == "causal" else max(1, round(length * rate * 0.8))


def counts_specials(length, objective, rate=0.15):
    return length if objective == "causal" else max(1, round(length * rate))


def all_places(length, objective, rate=0.15):
    return length - 2


def may_be_none(length, objective, rate=0.15):
    return length - 2 if objective == "causal" else int(length * rate)


def share_of_the_way(loss, floor, ceiling):
    return (floor - loss) / (floor - ceiling)


def share_of_the_way_cases():
    yield 5.0, 5.0, 1.0
    yield 1.0, 5.0, 1.0
    yield 2.0, 5.0, 1.0
    yield 0.9, 4.3, 0.75


def share_by_distance(loss, floor, ceiling):
    return 1 - (loss - ceiling) / (floor - ceiling)


def share_left(loss, floor, ceiling):
    return (loss - ceiling) / (floor - ceiling)


def ceiling_over_loss(loss, floor, ceiling):
    return ceiling / loss


def without_ceiling(loss, floor, ceiling):
    return (floor - loss) / floor


def divided_by_ceiling(loss, floor, ceiling):
    return (floor - loss) / ceiling


EXERCISES = (
    Exercise(
        name="next_word_targets", lesson=4, minutes=4, difficulty=1,
        reference=next_word_targets, cases=next_word_targets_cases,
        mistakes=(
            Mistake("no shift", lambda ids: ids.clone(),
                    "each position is asked for the token that it holds itself: nothing is left to predict."),
            Mistake("wrong way", shifted_the_other_way,
                    "each position is asked for the token before it, which a causal model has already seen."),
            Mistake("twice", shifted_twice,
                    "the targets are two steps ahead: that is what happens when labels are shifted by hand for a "
                    "transformers model that shifts them again inside."),
            Mistake("round the corner", lambda ids: ids.roll(-1, dims=1),
                    "the last position is asked for the first token: `roll` goes round the corner, use -100 there."),
        ),
        hints=("Position t is asked for token t + 1. What is position T - 1 asked for?",
               "Start with a tensor full of -100 and overwrite all but its last column."),
        alternatives=(next_word_targets_by_loop, next_word_targets_by_padding),
    ),
    Exercise(
        name="selected_loss", lesson=4, minutes=8, difficulty=2,
        reference=selected_loss, cases=selected_loss_cases,
        mistakes=(
            Mistake("mean before the mask", mean_before_mask,
                    "the loss was averaged over all positions first; masking one number changes nothing any more "
                    "(a published bug). Ask for one loss per position, then mask, then average."),
            Mistake("ignore_index=0", ignore_zero,
                    "token 0 is left out of the loss and the unselected positions count as token 0 (a published "
                    "bug): only the label -100 means 'not asked'."),
            Mistake("divided by all", divided_by_all,
                    "the sum is divided by all positions instead of the selected ones, so the loss shrinks with the "
                    "masking rate."),
            Mistake("summed", summed,
                    "this is a sum over the selected positions: the loss is their mean."),
        ),
        hints=("How many numbers does cross-entropy give before it is averaged? One per position.",
               "`F.cross_entropy(..., reduction='none')`, or let ignore_index do the work."),
        alternatives=(selected_loss_by_torch, selected_loss_by_loop),
    ),
    Exercise(
        name="corpus_perplexity", lesson=4, minutes=5, difficulty=1,
        reference=corpus_perplexity, cases=corpus_perplexity_cases,
        mistakes=(
            Mistake("mean of batches", mean_of_batches,
                    "every batch counts the same, whatever its number of words: weight the losses by their words."),
            Mistake("mean of perplexities", mean_of_perplexities,
                    "you averaged perplexities: average the nats first, then take the exponential once."),
            Mistake("no exp", without_exp, "that is the mean loss in nats: perplexity is its exponential."),
            Mistake("base two", base_two, "2 to the power of nats: a loss from natural logarithms needs exp."),
        ),
        hints=("How many nats did the whole text cost, and how many words has it?",
               "exp(total nats / total words)."),
        alternatives=(corpus_perplexity_by_product,),
    ),
    Exercise(
        name="terms_in_loss", lesson=4, minutes=4, difficulty=1,
        reference=terms_in_loss, cases=terms_in_loss_cases,
        mistakes=(
            Mistake("only [MASK]", only_masked,
                    "you counted the positions that become [MASK] (80% of the selected): the loss is taken at all "
                    "selected positions."),
            Mistake("special tokens", counts_specials,
                    "in next-word prediction nobody is asked for [CLS] or [SEP]: count only the words."),
            Mistake("all places", all_places,
                    "masked language modelling is asked only at the selected share of the words."),
            Mistake("none at all", may_be_none,
                    "a short row may end up with no prediction at all: BERT's rule rounds, and takes at least one."),
        ),
        hints=("A row of `length` tokens holds [CLS], words and [SEP].",
               "BERT's rule: max(1, round(tokens * rate)). [CLS] and [SEP] count as tokens, but are never selected."),
        alternatives=(terms_in_loss_by_list,),
    ),
    Exercise(
        name="share_of_the_way", lesson=4, minutes=3, difficulty=1,
        reference=share_of_the_way, cases=share_of_the_way_cases,
        mistakes=(
            Mistake("what is left", share_left,
                    "that is the share still to go: it is 1 at the floor and 0 at the ceiling."),
            Mistake("quotient", ceiling_over_loss,
                    "ceiling / loss is not 0 at the floor: measure distances from the floor."),
            Mistake("no ceiling", without_ceiling,
                    "the best possible loss is not 0 but the ceiling: divide by the whole way, floor to ceiling."),
            Mistake("wrong length", divided_by_ceiling,
                    "the whole way is floor minus ceiling, not the ceiling."),
        ),
        hints=("The answer must be 0 when loss = floor and 1 when loss = ceiling.",
               "Way gone divided by whole way."),
        alternatives=(share_by_distance,),
    ),
)  # fmt: skip
