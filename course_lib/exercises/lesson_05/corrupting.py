"""The exercise `corrupt` of lesson 05: 80/10/10 by hand, and the published ways to get it wrong."""

import torch

from course_lib.exercises.compare import within_binomial
from course_lib.exercises.old import Exercise, Mistake

__all__ = ["CORRUPT"]


def corrupt(ids, selected, mask_id, ordinary, generator):
    fate = torch.rand(ids.shape, generator=generator)  # one draw decides among the three
    stand_in = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    out = torch.where(selected & (fate < 0.8), mask_id, ids)
    return torch.where(selected & (fate >= 0.8) & (fate < 0.9), stand_in, out)


def corrupt_cases():
    for seed, (B, T) in enumerate([(300, 400), (200, 600)]):
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(5, 105, (B, T), generator=generator)
        selected = torch.rand(B, T, generator=generator) < 0.5
        ids[:, 0], selected[:, 0] = 2, False
        yield ids, selected, 4, torch.arange(5, 105), torch.Generator().manual_seed(10 + seed)


def corrupt_by_permutation(ids, selected, mask_id, ordinary, generator):
    places = selected.flatten().nonzero()[:, 0]
    places = places[torch.randperm(len(places), generator=generator)]
    masked, other = round(0.8 * len(places)), round(0.1 * len(places))
    out = ids.clone().flatten()
    out[places[:masked]] = mask_id
    out[places[masked : masked + other]] = ordinary[torch.randint(len(ordinary), (other,), generator=generator)]
    return out.view_as(ids)


def corrupt_by_choice(ids, selected, mask_id, ordinary, generator):
    fate = torch.multinomial(torch.tensor([0.8, 0.1, 0.1]), ids.numel(), replacement=True, generator=generator)
    fate = fate.view_as(ids).masked_fill(~selected, 2)
    stand_in = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    return ids.masked_fill(fate == 0, mask_id).where(fate != 1, stand_in)


def two_draws(ids, selected, mask_id, ordinary, generator):
    kept = torch.rand(ids.shape, generator=generator) < 0.1
    other = torch.rand(ids.shape, generator=generator) < 0.1
    stand_in = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    out = ids.masked_fill(selected & ~kept & ~other, mask_id)
    return out.where(~(selected & other & ~kept), stand_in)


def a_tenth_of_the_rest(ids, selected, mask_id, ordinary, generator):
    masked = selected & (torch.rand(ids.shape, generator=generator) < 0.8)
    other = selected & ~masked & (torch.rand(ids.shape, generator=generator) < 0.1)
    stand_in = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    return ids.masked_fill(masked, mask_id).where(~other, stand_in)


def none_kept(ids, selected, mask_id, ordinary, generator):
    masked = selected & (torch.rand(ids.shape, generator=generator) < 0.8)
    stand_in = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    return ids.masked_fill(masked, mask_id).where(~selected | masked, stand_in)


def any_token(ids, selected, mask_id, ordinary, generator):
    return corrupt(ids, selected, mask_id, torch.arange(len(ordinary) + 5), generator)


def selection_ignored(ids, selected, mask_id, ordinary, generator):
    return corrupt(ids, torch.ones_like(selected), mask_id, ordinary, generator)


def in_place(ids, selected, mask_id, ordinary, generator):
    ids[:] = corrupt(ids, selected, mask_id, ordinary, generator)
    return ids


def fates(args, got):
    """Count among the selected: [MASK], another word, the same word."""
    ids, selected, mask_id = args[:3]
    masked, same = got[selected] == mask_id, got[selected] == ids[selected]
    return int(masked.sum()), int((~masked & ~same).sum()), int(same.sum())


def corrupt_compare(got, expected, ids, selected, mask_id, ordinary, generator):
    if not isinstance(got, torch.Tensor) or got.shape != ids.shape or got.dtype != ids.dtype:
        return "it should return whole numbers, a tensor of the shape of `ids`."
    if moved := int((got != ids)[~selected].sum()):
        return f"{moved} positions that were not selected have changed."
    allowed = torch.zeros(int(max(ids.max(), got.max(), mask_id)) + 1, dtype=torch.bool)
    allowed[ordinary], allowed[mask_id] = True, True
    if strange := int((~allowed[got[selected]]).sum()):
        return f"{strange} replacements are neither [MASK] nor one of `ordinary`."
    chance = 0.1 / len(ordinary)  # that another word, drawn at random, is the same one
    trials, counts = int(selected.sum()), fates((ids, selected, mask_id), got)
    for name, count, p in zip(("[MASK]", "another word", "the same word"), counts,
                              (0.8, 0.1 - chance, 0.1 + chance), strict=True):  # fmt: skip
        if not within_binomial(count, trials, p):
            return f"of {trials} selected tokens {count} are {name}: {100 * count / trials:.1f}%, not {100 * p:.0f}%."
    return None


def share_of(outcomes, kind):
    """Return the share of [MASK] (0), other (1) or same (2) words among all selected tokens of all runs."""
    counts = [fates(args, got) for args, got in outcomes]
    return sum(count[kind] for count in counts) / sum(sum(count) for count in counts)


def clean(outcomes):
    """Return whether only selected positions changed, and to allowed tokens."""
    return all(
        bool((got == args[0])[~args[1]].all()) and bool((got[args[1]] >= args[2]).all()) for args, got in outcomes
    )


def shows_two_draws(outcomes):
    return clean(outcomes) and 0.085 < share_of(outcomes, 1) < 0.095 and 0.805 < share_of(outcomes, 0) < 0.815


def shows_a_tenth_of_the_rest(outcomes):
    return clean(outcomes) and share_of(outcomes, 1) < 0.03 and share_of(outcomes, 2) > 0.15


def shows_none_kept(outcomes):
    return clean(outcomes) and share_of(outcomes, 2) < 0.02


def shows_any_token(outcomes):
    return any(bool(((got < args[2]) & args[1]).any()) for args, got in outcomes)


def shows_selection_ignored(outcomes):
    return all(bool((got != args[0])[~args[1]].any()) for args, got in outcomes)


CORRUPT = Exercise(
    name="corrupt", lesson=5, minutes=10, difficulty=2,
    reference=corrupt, cases=corrupt_cases, compare=corrupt_compare,
    mistakes=(
        Mistake("in place", in_place,
                "it changes the caller's `ids`: the original tokens, which the labels need, are lost (a published "
                "bug)."),
        Mistake("selection ignored", selection_ignored,
                "tokens that were not selected have changed.", shows_selection_ignored),
        Mistake("special tokens", any_token,
                "among the random words are special tokens such as [PAD] and [SEP]: draw from `ordinary` (a "
                "published bug).", shows_any_token),
        Mistake("two draws", two_draws,
                "you get 81/10/9: two draws of 10% each overlap, and where both hit only one of them counts (a "
                "published bug). Let one draw decide among the three.", shows_two_draws),
        Mistake("a tenth of the rest", a_tenth_of_the_rest,
                "you get 80/2/18: after 80% became [MASK], a tenth of the *rest* is only 2%. Take half of the rest, "
                "or let one draw decide.", shows_a_tenth_of_the_rest),
        Mistake("none kept", none_kept,
                "no selected token stays as it is: the other 20% are all replaced.", shows_none_kept),
    ),
    hints=("One uniform number for each token can decide among three fates.",
           "fate < 0.8: [MASK]; from 0.8 to 0.9: another word; else nothing. `torch.where` returns new tensors.",
           "`ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]` draws the other words."),
    alternatives=(corrupt_by_permutation, corrupt_by_choice),
)  # fmt: skip
