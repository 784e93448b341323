"""The exercises of lesson 05: what 80/10/10 does to tokens, and what a perfect reader makes of it."""

import torch

from course_lib.exercises import compare
from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

SPECIAL = ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]")
DRAWS, WORDS = torch.Generator().manual_seed(3), torch.tensor([7, 0, 3])
CORRUPT_EDGES = [
    (torch.tensor([[0, 7, 9, 3, 2, 0]]), torch.tensor([[1, 1, 0, 1, 0, 1]]).bool(), 2, WORDS, DRAWS),
    (torch.tensor([[5], [6]]), torch.tensor([[False], [True]]), 4, torch.tensor([6, 5]), DRAWS),
    (torch.arange(40).view(4, 10) % 5, torch.ones(4, 10).bool(), 9, torch.arange(5), DRAWS),
    (torch.tensor([[4, 1, 4, 0]]), torch.zeros(1, 4).bool(), 4, torch.arange(3), DRAWS),
]
FATES = ("are [MASK]", "are another word", "stay as they are"), (0.8, 0.1, 0.1)
PATTERNS = {  # shares that a known mistake gives
    (0.81, 0.09, 0.1): "two draws", (0.81, 0.1, 0.09): "two draws", (0.8, 0.02, 0.18): "a tenth of the rest",
    (0.8, 0.2, 0.0): "none kept", (0.8, 0.08, 0.12): "the word itself",
}  # fmt: skip
P = torch.tensor([0.7, 0.2, 0.05, 0.05])


def become(tokens, rate=0.15):
    selected = rate * tokens
    return 0.8 * selected, 0.1 * selected, 0.1 * selected, selected


def count_fates(input_ids, labels, mask_id):
    asked = labels != -100  # [B, T]
    hidden, kept = input_ids == mask_id, input_ids == labels
    return (asked & hidden).sum().item(), (asked & ~hidden & ~kept).sum().item(), kept.sum().item()


def fates_inputs(d):
    original, mask_id = d.ids("B", "T", V=5), d.choice((4, 0, 2))
    seen = torch.where(d.ids("B", "T", V=2) == 1, d.ids("B", "T", V=5), original)
    asked = (d.ids("B", "T", V=2) == 1) & (original != mask_id)
    return seen, torch.where(asked, original, -100), mask_id


def corrupt_words(ids, selected, mask_id, ordinary, generator):
    fate = torch.rand(ids.shape, generator=generator)  # [B, T], one draw decides among three fates
    place = (ids[:, :, None] == ordinary).long().argmax(dim=2)  # [B, T], where in `ordinary` a token stands
    steps = torch.randint(1, len(ordinary), ids.shape, generator=generator)  # from 1 on: never back to itself
    other = ordinary[(place + steps) % len(ordinary)]
    out = torch.where(selected & (fate < 0.8), mask_id, ids)
    return torch.where(selected & (fate >= 0.8) & (fate < 0.9), other, out)


def corrupt_inputs(d):
    words = torch.tensor(d.shuffled(range(6))[: d.integer(2, 5)])
    ids, places = d.ids("B", "T", V=8), d.ids("B", "T", V=2) == 1
    return ids, places & torch.isin(ids, words), 6, words, torch.Generator().manual_seed(d.integer(0, 9))


def corrupt_trial(seed):  # one text for all seeds: only the draws differ
    fixed, words = torch.Generator().manual_seed(77), torch.tensor([8, 0, 11, 3, 6])
    ids = words[torch.randint(5, (80, 300), generator=fixed)]
    selected = torch.rand(ids.shape, generator=fixed) < 0.75
    return ids, selected, 4, words, torch.Generator().manual_seed(seed)


def corrupt_compare(got, expected, ids, selected, mask_id, ordinary, generator):
    if problem := compare.same(torch.zeros_like(got), torch.zeros_like(ids)):
        return problem
    if moved := int((got != ids)[~selected].sum()):
        return f"{moved} of {int((~selected).sum())} tokens that were not selected have changed."
    strange = got[selected & (got != mask_id) & ~torch.isin(got, ordinary)]
    return f"it puts in id {int(strange[0])}, neither `mask_id` nor in `ordinary`." if len(strange) else None


def corrupt_judge(outcomes):
    ids, selected, mask_id, words, _ = outcomes[0][0]
    was, now = ids[selected].repeat(3), torch.cat([got[selected] for _, got in outcomes])
    fates = torch.where(now == mask_id, 0, torch.where(now != was, 1, 2))  # as in FATES
    counts = torch.bincount(fates, minlength=3).tolist()
    if found := uneven(ids, selected, fates, [n / len(fates) for n in counts]):
        return found

    def fits(shares):
        return all(compare.within_binomial(n, len(was), p) for n, p in zip(counts, shares, strict=True))

    if not fits(FATES[1]):
        seen = dict(zip(("masked", "other", "kept"), (f"{100 * n / len(was):.1f}" for n in counts), strict=True))
        known = [(name, seen) for shares, name in PATTERNS.items() if fits(shares)]
        asked = [f"{share} {fate} (not {100 * p:.0f})" for share, fate, p in zip(seen.values(), *FATES, strict=True)]
        return known[0] if known else f"of 100 selected tokens {', '.join(asked)}."
    columns = selected.nonzero()[:, 1].repeat(3)[fates == 1]
    return unvaried(words, was[fates == 1], now[fates == 1], columns)


def uneven(ids, selected, fates, shares):
    """Say for which places the fates, whatever their shares, are drawn in another way; None if for none."""
    rows, columns = selected.nonzero().T
    rank = (selected.cumsum(1)[selected] - 1) * 20 // selected.sum(1)[rows]
    for where, place in {"in row {}": rows, "in column {}": columns, "in part {} of 20 of their rows": rank,
                         "with id {}": ids[selected]}.items():  # fmt: skip
        for at, counts in enumerate(torch.bincount(3 * place.repeat(3) + fates, minlength=1200).view(-1, 3).tolist()):
            for n, fate, p in zip(counts, FATES[0], shares, strict=True):
                if not compare.within_binomial(n, sum(counts), p, sigmas=6):
                    return (f"of {sum(counts)} selected tokens {where.format(at)}, {n} {fate}; of all tokens, {p:.0%}. "
                            "Every token should have the same chances.")  # fmt: skip
    hidden = (fates.view(3, -1)[:2] == 0).all(dim=0)  # under two generators
    if shares[0] < 1 and not compare.within_binomial(int(hidden.sum()), len(hidden), shares[0] ** 2):
        return "two generators hide nearly the same places: draw the fate of every token from `generator`."
    return None


def unvaried(words, was, now, columns):
    """Say which words are not replaced by all others alike and each on its own; None if all are."""
    K = len(words)
    for word in words.tolist():
        for other in set(words.tolist()) - {word}:
            n, of = int((now[was == word] == other).sum()), int((was == word).sum())
            if not compare.within_binomial(n, of, 1 / (K - 1), sigmas=6):
                return f"{n} of {of} times id {other} stands in for id {word}, which has {K - 1} others, all alike."
    place, before = ((ids[:, None] == words).long().argmax(dim=1) for ids in (now, was))
    steps = (place - before) % K
    for neighbours in (steps, steps[columns.argsort(stable=True)]):  # in rows, in columns
        equal = neighbours[:-1:2] == neighbours[1::2]
        if not compare.within_binomial(int(equal.sum()), len(equal), 1 / (K - 1)):
            return "neighbours are replaced alike: draw a word for every token anew."
    return None


def fated(decide, first=1):
    """Return corrupt_words with fates of its own: decide(u, v) -> (become [MASK], become another word)."""

    def corrupted(ids, selected, mask_id, ordinary, generator):
        masked, other = decide(*torch.rand(2, *ids.shape, generator=generator))
        steps = torch.randint(first, len(ordinary), ids.shape, generator=generator)
        words = ordinary[((ids[:, :, None] == ordinary).long().argmax(dim=2) + steps) % len(ordinary)]
        return ids.masked_fill(selected & masked, mask_id).where(~(selected & other), words)

    return corrupted


def whole_words(pieces):
    words = []
    for t, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(t)
        elif piece not in ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"):
            words.append([t])
    return words


def whole_words_inputs(d):
    pieces = d.choices((*SPECIAL, "play", "##ing", "##ing", "a", "#", "a"), 1, 9)
    return ([p if t and pieces[t - 1] not in SPECIAL else p.lstrip("#") or "#" for t, p in enumerate(pieces)],)


def answer_at_visible(p, shown, random, keep):
    likelihood = torch.full_like(p, random / len(p))  # any true word may have been replaced by the shown one
    likelihood[shown] += keep  # only the shown word can have been kept
    joint = p * likelihood
    return joint / joint.sum()


def answer_inputs(d):
    V = d.integer(1, 5)
    p, shown, keep = d.probabilities(V), d.integer(0, V - 1), d.choice((0.1, 0.0, 0.2, 0.5))
    possible = keep > 0 and p[shown] > 0  # what nobody replaced must have been kept
    return p, shown, d.choice((0.1, 0.2, 0.5, 0.0) if possible else (0.1, 0.2, 0.5)), keep


EXERCISES = (
    Exercise(become, inputs=lambda d: (d.integer(0, 5000), d.choice((0.15, 0.4, 0.05, 1.0, 0.0))),
             edges=[(1000,), (30_522,), (1000, 0.4), (1, 0.15), (7, 1.0), (7, 0.0), (0, 0.15)], mistakes={
        "all [MASK]": lambda tokens, rate=0.15: (tokens * rate, 0.0, 0.0, tokens * rate),
        "shares of all": lambda tokens, rate=0.15: (0.8 * tokens, 0.1 * tokens, 0.1 * tokens, rate * tokens),
        "loss at [MASK]": lambda tokens, rate=0.15: (*become(tokens, rate)[:3], 0.8 * rate * tokens),
        "loss everywhere": lambda tokens, rate=0.15: (*become(tokens, rate)[:3], float(tokens)),
        "rounded": lambda tokens, rate=0.15: tuple(map(round, become(tokens, rate))),
    }),
    Exercise(count_fates, inputs=fates_inputs,
             edges=[(torch.tensor([[2, 9, 4, 8, 5, 4, 3]]), torch.tensor([[-100, -100, 7, 8, 6, -100, -100]]), 4),
                    (torch.tensor([[4, 0, 1, 1], [0, 0, 4, 2]]), torch.tensor([[0, 0, 0, -100], [1, -100, 2, 0]]), 4),
                    (torch.tensor([[0, 2]]), torch.tensor([[-100, -100]]), 0)],  # nothing is asked
             mistakes={
        "every [MASK]": lambda x, y, m: (int((x == m).sum()), *count_fates(x, y, m)[1:]),
        "hidden too": lambda x, y, m: (
            count_fates(x, y, m)[0], int(((x != y) & (y != -100)).sum()), count_fates(x, y, m)[2]),
        "not asked": lambda x, y, m: (*count_fates(x, y, m)[:2], int(((x == y) | (y == -100)).sum())),
        "labels above 0": lambda x, y, m: count_fates(x, torch.where(y > 0, y, -100), m),
    }),
    Exercise(corrupt_words, inputs=corrupt_inputs, compare=corrupt_compare, trial=corrupt_trial, judge=corrupt_judge,
             edges=CORRUPT_EDGES, mistakes={
        "two draws": fated(lambda u, v: ((u >= 0.1) & (v >= 0.1), (u < 0.1) & (v >= 0.1))),
        "a tenth of the rest": fated(lambda u, v: (u < 0.8, (u >= 0.8) & (v < 0.1))),
        "none kept": fated(lambda u, v: (u < 0.8, u >= 0.8)),
        "the word itself": fated(lambda u, v: (u < 0.8, (u >= 0.8) & (u < 0.9)), first=0),
    }),
    Exercise(whole_words, inputs=whole_words_inputs,
             edges=[(text.split(),) for text in (
                    "[CLS] play ##ing chess [SEP]", "[CLS] token ##i ##za ##tion is un ##fair . [SEP] [PAD] [PAD]",
                    "[CLS] a a [SEP] doc ##string ##s [SEP]", "[CLS] [SEP]", "go ##es [MASK] on [UNK] # ##1")],
             mistakes={
        "each alone": lambda pieces: [[t] for t, piece in enumerate(pieces) if piece not in SPECIAL],
        "special tokens": lambda pieces: whole_words(["a" if piece in SPECIAL else piece for piece in pieces]),
        "beginnings": lambda pieces: [word[:1] for word in whole_words(pieces)],
        "shifted": lambda pieces: whole_words([piece for piece in pieces if piece not in SPECIAL]),
        "three of five": lambda pieces: whole_words(["a" if p in SPECIAL[3:] else p for p in pieces]),
    }),
    Exercise(answer_at_visible, inputs=answer_inputs,
             edges=[(P, 1, 0.1, 0.1), (P, 0, 0.1, 0.2), (P, 3, 0.0, 0.2), (P, 2, 0.2, 0.0),
                    (torch.tensor([0.0, 0.5, 0.25, 0.25]), 0, 0.1, 0.1),  # the context rules out what is shown
                    (torch.tensor([1.0]), 0, 0.1, 0.1)], mistakes={
        "context alone": lambda p, shown, random, keep: p.clone(),
        "copy": lambda p, shown, random, keep: torch.eye(len(p))[shown],
        "no context": lambda p, shown, random, keep: answer_at_visible(torch.ones_like(p), shown, random, keep),
        "not divided": lambda p, shown, random, keep: p * (random / len(p) + keep * torch.eye(len(p))[shown]),
        "random for each": lambda p, shown, random, keep: answer_at_visible(p, shown, random * len(p), keep),
        "mixed alike": lambda p, shown, random, keep: (random * p + keep * torch.eye(len(p))[shown]) / (random + keep),
    }),
)  # fmt: skip
