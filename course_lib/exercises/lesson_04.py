"""The exercises of lesson 04: what each goal asks, what a broken run says, and a gap filled from both sides."""

import torch
from torch.nn import functional as F

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

LOGITS = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 0.5, 0.0], [1.0, -1.0, 3.0], [0.0, 2.0, 0.0]]])
TOKENS = ["[CLS]", "it", "was", "hot", "[SEP]"]
ROWS = torch.tensor([[2, 5, 6, 7, 8, 3], [2, 9, 4, 9, 6, 3]])
LIMITS = 0.13, 0.67


def draw_questions(tokens, goal, hidden=()):
    T = len(tokens)
    if goal == "causal":
        return [(t, tokens[t + 1], list(range(t + 1))) for t in range(T - 1)]
    return [(t, tokens[t], list(range(T))) for t in hidden]


def in_causal(draw):
    """Return a mistake in the causal drawing alone: draw(tokens)."""
    return lambda tokens, goal, hidden=(): draw(tokens) if goal == "causal" else draw_questions(tokens, goal, hidden)


def in_masked(draw):
    """Return a mistake in the masked drawing alone: draw(tokens, hidden)."""
    return lambda tokens, goal, hidden=(): draw(tokens, hidden) if goal == "masked" else draw_questions(tokens, goal)


def row_inputs(d):
    tokens, goal = ["[CLS]", *d.choices(("it", "was", "hot"), 1, 4), "[SEP]"], d.choice(("causal", "masked"))
    places = range(1, len(tokens) - 1) if goal == "masked" else ()
    return tokens, goal, [t for t in places if d.integer(0, 1)]


def which_fault(ids, said, floor, ceiling):
    T = ids.shape[1]
    shares = [(said[:, : T - k] == ids[:, k:]).float().mean().item() for k in (0, 1, 2)]
    best = shares.index(max(shares))
    if shares[best] <= floor:
        return "untrained"
    asked_well = "sees the answer" if shares[1] > ceiling else "fine"
    return ["labels not shifted", asked_well, "labels shifted twice"][best]


def run_inputs(d):
    ids, k = d.ids("B", d.integer(3, 6), V=6), d.choice((0, 1, 2))
    noise = d.ids(*ids.shape, V=6)
    right = d.ids(*ids.shape, V=d.choice((1, 2, 4))) == 0  # all, a half or a quarter of them
    return ids, torch.where(right, ids.roll(-k, dims=1), noise), *LIMITS


class Causal:
    """A causal model of V words: what comes next depends on the last two tokens."""

    def __init__(self, V, seed):
        table = torch.rand(V, V, V, generator=torch.Generator().manual_seed(seed))
        self.table = (6 * table).log_softmax(dim=-1)

    def __call__(self, rows):
        before = rows.roll(1, dims=1)
        before[:, 0] = 0
        return self.table[before, rows]  # [N, T, V]

    def __eq__(self, other):
        return torch.equal(self.table, other.table)

    def __repr__(self):
        return f"a causal model of {len(self.table)} words"


def fill_with_few(log_p, row, at, budget):
    left = log_p(row[None])[0, at - 1]  # [V]: what may follow, from the left alone
    shortlist = left.topk(budget - 1).indices
    rows = row.repeat(budget - 1, 1)
    rows[:, at] = shortlist
    joint = log_p(rows)[:, :-1].gather(2, rows[:, 1:, None]).sum(dim=(1, 2))
    return shortlist[joint.argmax()].item()


def gap_inputs(d):
    V, T = d.integer(2, 6), d.integer(2, 5)
    return Causal(V, d.integer(0, 99)), d.ids(T, V=V), d.integer(1, T - 1), d.integer(2, V + 1)


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


EXERCISES = (
    Exercise(which_fault, inputs=run_inputs,
             edges=[(ROWS, ROWS.roll(-k, dims=1), *LIMITS) for k in (1, 0, 2)]
             + [(ROWS, torch.where(ROWS > 5, ROWS.roll(-1, dims=1), 1), *LIMITS), (ROWS, 0 * ROWS, *LIMITS),
                (ROWS[:1, :5], torch.tensor([[5, 6, 9, 9, 0]]), 0.5, 0.7),  # at the floor, and so not above
                (ROWS[:1, :5], torch.tensor([[5, 6, 7, 9, 0]]), 0.13, 0.75)],  # at the ceiling
             mistakes={
        "no ceiling": lambda ids, said, floor, ceiling: which_fault(ids, said, floor, 2.0),
        "no floor": lambda ids, said, floor, ceiling: which_fault(ids, said, -1.0, ceiling),
        "other way": lambda ids, said, floor, ceiling: which_fault(said, ids, floor, ceiling),
        "next word only": lambda *run: which_fault(*run).replace("labels not shifted", "untrained").replace(
            "labels shifted twice", "untrained"),
    }),
    Exercise(fill_with_few, inputs=gap_inputs,
             edges=[(Causal(9, 1184), torch.tensor([3, 2, 8, 5]), 1, 5), (Causal(5, 2), torch.tensor([2, 0, 1]), 2, 3),
                    (Causal(4, 3), torch.tensor([1, 1, 0, 2, 3]), 2, 5), (Causal(3, 0), torch.tensor([1, 2]), 1, 2)],
             mistakes={
        "left alone": lambda log_p, row, at, budget: log_p(row[None])[0, at - 1].argmax().item(),
        "one too many": lambda log_p, row, at, budget: fill_with_few(
            log_p, row, at, min(budget, log_p(row[None]).shape[-1]) + 1),
        "whole vocabulary": lambda log_p, row, at, budget: fill_with_few(
            log_p, row, at, log_p(row[None]).shape[-1] + 1),
    }),
    Exercise(draw_questions, inputs=row_inputs,
             edges=[(TOKENS, "causal"), (TOKENS, "masked", [2]), (TOKENS, "masked", [1, 3]), (TOKENS, "masked", [])],
             mistakes={
        "no shift": in_causal(lambda s: [(t, s[t], [*range(t + 1)]) for t in range(len(s))]),
        "no end": in_causal(lambda s: draw_questions(s, "causal")[:-1]),
        "sees the answer": in_causal(lambda s: [(t, s[t + 1], [*range(t + 2)]) for t in range(len(s) - 1)]),
        "asked everywhere": in_masked(lambda s, hidden: draw_questions(s, "masked", range(1, len(s) - 1))),
        "left only": in_masked(lambda s, hidden: [(t, s[t], [*range(t + 1)]) for t in hidden]),
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
)  # fmt: skip
