"""Exercises of lesson 09 that add up probabilities: references, other right answers and known mistakes."""

import torch

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["COUNTING"]


def pseudo_mass(joint):
    first = joint / joint.sum(dim=0, keepdim=True)  # P(x1 | x2): for each x2, over x1
    second = joint / joint.sum(dim=1, keepdim=True)  # P(x2 | x1): for each x1, over x2
    return (first * second).sum()


def pseudo_mass_cases():
    yield (torch.tensor([[0.5, 0.0], [0.0, 0.5]]),)
    yield (torch.tensor([[0.25, 0.25], [0.25, 0.25]]),)
    yield (torch.tensor([[0.6, 0.1], [0.05, 0.25]]),)
    yield (torch.tensor([[0.1, 0.2, 0.05], [0.3, 0.05, 0.05], [0.05, 0.05, 0.15]]),)


def pseudo_mass_in_one_line(joint):
    return (joint**2 / (joint.sum(0)[None] * joint.sum(1)[:, None])).sum()


def pseudo_mass_by_loop(joint):
    V, total = len(joint), 0.0
    for a in range(V):
        for b in range(V):
            total += (joint[a, b] / joint[:, b].sum() * joint[a, b] / joint[a].sum()).item()
    return total


def chain_mass(joint):
    first = joint.sum(dim=1, keepdim=True)
    return (first * (joint / first)).sum()


def same_side_twice(joint):
    return ((joint / joint.sum(dim=0, keepdim=True)) ** 2).sum()


def marginals_multiplied(joint):
    return (joint.sum(dim=0)[None] * joint.sum(dim=1)[:, None] * joint).sum()


def added(joint):
    return (joint / joint.sum(dim=0, keepdim=True) + joint / joint.sum(dim=1, keepdim=True)).sum()


def best_in_context(shown, keys, values):
    unseen = (1 - 1 / keys) ** shown
    return (1 - unseen) + unseen / values


def best_in_context_cases():
    yield 0, 8, 8
    yield 1, 8, 8
    yield 1, 2, 4
    yield 8, 8, 8
    yield 15, 8, 10
    yield 40, 26, 2


def best_by_steps(shown, keys, values):
    known = 0.0
    for _ in range(shown):
        known += (1 - known) / keys
    return known + (1 - known) / values


def no_lucky_guess(shown, keys, values):
    return 1 - (1 - 1 / keys) ** shown


def never_shown_twice(shown, keys, values):
    known = min(1, shown / keys)
    return known + (1 - known) / values


def always_a_guess(shown, keys, values):
    return 1 / values


def known_or_guess_added(shown, keys, values):
    return 1 - (1 - 1 / keys) ** shown + 1 / values


COUNTING = (
    Exercise(
        name="pseudo_mass", lesson=9, minutes=8, difficulty=2,
        reference=pseudo_mass, cases=pseudo_mass_cases,
        mistakes=(
            Mistake("chain rule", chain_mass,
                    "that is the chain rule, P(x1) P(x2 | x1), as in GPT: it always sums to 1. Condition each word on "
                    "the other."),
            Mistake("same side twice", same_side_twice,
                    "you used P(x1 | x2) twice: the second factor is P(x2 | x1), normalised along the other axis."),
            Mistake("marginals", marginals_multiplied,
                    "you multiplied marginals: a conditional is the joint probability *divided* by a marginal."),
            Mistake("added", added, "you added the two conditionals: the pseudo-likelihood is their product."),
        ),
        hints=("joint[a, b] is P(x1 = a, x2 = b). Along which axis does P(x1 | x2) sum to 1?",
               "`joint / joint.sum(dim=0, keepdim=True)` is P(x1 | x2)."),
        alternatives=(pseudo_mass_in_one_line, pseudo_mass_by_loop),
    ),
    Exercise(
        name="best_in_context", lesson=9, minutes=6, difficulty=2,
        reference=best_in_context, cases=best_in_context_cases,
        mistakes=(
            Mistake("no luck", no_lucky_guess,
                    "a letter that was not shown can still be guessed, right once in `values` times."),
            Mistake("no repeats", never_shown_twice,
                    "you let every pair show a new letter: they are drawn with repetition, so that some come twice."),
            Mistake("a guess", always_a_guess, "the pairs that were shown do not help in your formula."),
            Mistake("counted twice", known_or_guess_added,
                    "guessing counts only where the letter was not shown: multiply it by that probability."),
        ),
        hints=("How probable is it that none of the pairs had the letter that is asked for?",
               "Shown: right for certain. Not shown: right with probability 1 / values."),
        alternatives=(best_by_steps,),
    ),
)  # fmt: skip
