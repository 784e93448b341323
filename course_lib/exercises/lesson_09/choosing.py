"""Exercises of lesson 09 that choose a word and append it: references, other right answers and known mistakes."""

import torch
from torch.nn import functional as F

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["CHOOSING"]


def nucleus(p, top_p):
    largest, order = p.sort(descending=True)
    before = largest.cumsum(0) - largest  # mass of the words that are more probable
    kept = torch.where(before < top_p, largest, 0.0)
    out = torch.zeros_like(p)
    out[order] = kept / kept.sum()
    return out


def nucleus_cases():
    yield torch.tensor([0.5, 0.3, 0.15, 0.05]), 0.6
    yield torch.tensor([0.05, 0.15, 0.5, 0.3]), 0.85
    yield torch.tensor([0.1, 0.7, 0.2]), 0.3
    for seed, top_p in ((0, 0.9), (1, 0.5), (2, 0.99)):
        logits = 2 * torch.randn(30, generator=torch.Generator().manual_seed(seed))
        yield logits.softmax(0), top_p


def nucleus_by_loop(p, top_p):
    kept, mass = torch.zeros_like(p), 0.0
    while mass < top_p:
        word = torch.where(kept > 0, -1.0, p).argmax()
        kept[word] = p[word]
        mass += p[word].item()
    return kept / kept.sum()


def nucleus_by_warper(p, top_p):
    from transformers import TopPLogitsWarper

    return TopPLogitsWarper(top_p)(None, p.log()[None])[0].softmax(0)


def without_the_crossing_word(p, top_p):
    largest, order = p.sort(descending=True)
    keep = largest.cumsum(0) <= top_p
    keep[0] = True
    out = torch.zeros_like(p)
    out[order] = torch.where(keep, largest, 0.0) / largest[keep].sum()
    return out


def not_renormalised(p, top_p):
    largest, order = p.sort(descending=True)
    out = torch.zeros_like(p)
    out[order] = torch.where(largest.cumsum(0) - largest < top_p, largest, 0.0)
    return out


def not_sorted(p, top_p):
    kept = torch.where(p.cumsum(0) - p < top_p, p, 0.0)
    return kept / kept.sum()


def left_in_order_of_size(p, top_p):
    largest = p.sort(descending=True).values
    kept = torch.where(largest.cumsum(0) - largest < top_p, largest, 0.0)
    return kept / kept.sum()


def least_probable_first(p, top_p):
    smallest, order = p.sort()
    kept = torch.where(smallest.cumsum(0) - smallest < top_p, smallest, 0.0)
    out = torch.zeros_like(p)
    out[order] = kept / kept.sum()
    return out


def grow(read, prompt, n):
    ids = prompt
    for _ in range(n):
        logits = read(ids)  # [T, V]
        ids = torch.cat([ids, logits[-1].argmax()[None]])
    return ids


def counting_model(ids):
    """Read like a causal model whose answer depends on the newest token, on how many there are and on the oldest."""
    V, seen = 11, torch.arange(1, len(ids) + 1)
    wanted = (ids * 3 + seen * 2 + ids.cumsum(0)) % V
    return F.one_hot(wanted, V).float()


def grow_cases():
    yield counting_model, torch.tensor([4]), 1
    yield counting_model, torch.tensor([4]), 3
    yield counting_model, torch.tensor([2, 9, 4]), 6
    yield counting_model, torch.tensor([7, 7]), 0


def grow_in_a_list(read, prompt, n):
    ids = prompt.tolist()
    while len(ids) < len(prompt) + n:
        ids.append(int(torch.tensor(read(torch.tensor(ids)).tolist()[-1]).argmax()))
    return torch.tensor(ids)


def grow_by_recursion(read, prompt, n):
    if n == 0:
        return prompt
    return grow_by_recursion(read, torch.hstack([prompt, read(prompt)[-1].max(0).indices]), n - 1)


def all_at_once(read, prompt, n):
    ids = prompt
    for _ in range(n):
        ids = torch.cat([prompt[:1], read(ids).argmax(1)])
    return ids


def from_the_first_position(read, prompt, n):
    ids = prompt
    for _ in range(n):
        ids = torch.cat([ids, read(ids)[0].argmax()[None]])
    return ids


def reads_only_the_last(read, prompt, n):
    ids = prompt
    for _ in range(n):
        ids = torch.cat([ids, read(ids[-1:])[-1].argmax()[None]])
    return ids


def without_the_prompt(read, prompt, n):
    return grow(read, prompt, n)[len(prompt) :]


def never_fed_back(read, prompt, n):
    new = [read(prompt)[-1].argmax() for _ in range(n)]
    return torch.cat([prompt, torch.stack(new)]) if new else prompt


CHOOSING = (
    Exercise(
        name="grow", lesson=9, minutes=6, difficulty=1,
        reference=grow, cases=grow_cases,
        mistakes=(
            Mistake("first position", from_the_first_position,
                    "you take the first position's answer: what comes next is what the last position says."),
            Mistake("only the last token", reads_only_the_last,
                    "only the newest token is read, so that the text before it is forgotten. That is allowed with a "
                    "cache of the past, which this `read` does not have."),
            Mistake("prompt lost", without_the_prompt,
                    "you return the new tokens without the prompt."),
            Mistake("not fed back", never_fed_back,
                    "the new token never becomes input, so that the same word comes again and again."),
            Mistake("all at once", all_at_once,
                    "you keep the answers of all positions: the prompt itself is replaced by what the model would have "
                    "said. Only the last answer is new."),
        ),
        hints=("One pass gives a row of scores for every position. Which row is about a token that is not there yet?",
               "`torch.cat([ids, logits[-1].argmax()[None]])` makes the text one token longer."),
        alternatives=(grow_in_a_list, grow_by_recursion),
    ),
    Exercise(
        name="nucleus", lesson=9, minutes=8, difficulty=2,
        reference=nucleus, cases=nucleus_cases,
        mistakes=(
            Mistake("the crossing word", without_the_crossing_word,
                    "the word that crosses top_p is missing, so that less than top_p is left: a bug published several "
                    "times (rasbt/reasoning-from-scratch #164). Compare the mass *before* each word with top_p."),
            Mistake("not renormalised", not_renormalised,
                    "what is left does not sum to 1: divide by its sum."),
            Mistake("not sorted", not_sorted,
                    "you went through the words in the order of the vocabulary: go from the most probable down."),
            Mistake("order of size", left_in_order_of_size,
                    "the right probabilities at the wrong words: after sorting, put each back in its place."),
            Mistake("upside down", least_probable_first,
                    "you kept the least probable words: sort in descending order."),
        ),
        hints=("Sort from large to small. How much mass stands before each word?",
               "Keep a word while the mass before it is below top_p; `out[order] = kept` undoes the sorting."),
        alternatives=(nucleus_by_loop, nucleus_by_warper),
    ),
)  # fmt: skip
