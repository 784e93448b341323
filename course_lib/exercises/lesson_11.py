"""The exercises of lesson 11: orders and masks, what a checkpoint holds, and what XLNet, ELECTRA and T5 ask."""

import re

import torch

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]

KINDS = ("causal", "bidirectional", "prefix", "window", "causal window", "future", "nothing")
NAMES = [
    "bert.encoder.layer.0.attention.self.query.weight", "bert.encoder.layer.0.crossattention.self.query.weight",
    "bert.encoder.layer.1.crossattention.output.LayerNorm.bias", "cls.predictions.decoder.weight",
    "transformer.h.0.attn.c_attn.weight", "transformer.h.0.crossattention.q_attn.weight",
    "transformer.h.0.ln_cross_attn.weight", "transformer.h.1.ln_1.weight",
    "encoder.block.0.layer.0.SelfAttention.q.weight", "decoder.block.0.layer.0.SelfAttention.k.weight",
    "decoder.block.0.layer.1.EncDecAttention.q.weight", "decoder.block.0.layer.1.layer_norm.weight",
    "model.encoder.layers.0.self_attn.k_proj.weight", "model.decoder.layers.0.self_attn.k_proj.weight",
    "model.decoder.layers.0.encoder_attn.k_proj.weight", "model.decoder.layers.1.encoder_attn_layer_norm.weight",
    "model.encoder.layers.1.self_attn_layer_norm.weight", "model.decoder.layers.0.fc1.bias",
]  # fmt: skip
ORIGINAL = torch.tensor([[4, 5, 6, 7, 0], [9, 8, 7, 6, 5]])
SAMPLED = torch.tensor([[4, 9, 9, 7, 1], [2, 8, 0, 6, 5]])
PARTY = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week", "."]


def query_stream(order, n):
    turn = torch.tensor(order).argsort()  # [T]: when each position is predicted
    now = torch.arange(len(order) - n, len(order))  # [n]: when the last n are
    return turn[None, :] < now[:, None]  # [n, T]


def before(turn, n, first=0):
    """Return rows [n, T] for the last n turns; True where `turn` comes before (turn + first)."""
    turn = torch.as_tensor(turn)
    return turn[None, :] < torch.arange(len(turn) - n, len(turn))[:, None] + first


def kind_of_mask(seen):
    T = len(seen)
    query, key = torch.arange(T)[:, None], torch.arange(T)[None, :]
    known = [("bidirectional", torch.ones(T, T).bool()), ("causal", key <= query)]
    for reach in range(T):
        known.append(("prefix", (key <= query) | (key <= reach)))
        known.append(("window", (query - key).abs() <= reach))
        known.append(("window", (key <= query) & (query - key <= reach)))
    return next((kind for kind, mask in known if torch.equal(mask, seen)), "other")


def mask_of(kind, T, reach):
    query, key = torch.arange(T)[:, None], torch.arange(T)[None, :]
    past, near = key <= query, (query - key).abs() <= reach
    masks = (past, past | ~past, past | (key <= reach), near, near & past, ~past | near, past & ~past)
    return masks[KINDS.index(kind)]


def mask_inputs(d):
    T = d.integer(2, 5)
    seen = mask_of(d.choice(KINDS), T, d.integer(0, T - 1))
    if d.choice((False, True)):
        seen[d.integer(0, T - 1), d.integer(0, T - 1)] ^= True  # one entry turned
    return (seen,)


def cross_tensors(names):
    marks = ("cross", "encdecattention", "encoder_attn")
    return [name for name in names if any(mark in name.lower() for mark in marks)]


def electra_labels(original, sampled, selected):
    corrupted = torch.where(selected, sampled, original)  # [B, T]: what the second model reads
    return (corrupted != original).long()


def span_corruption(tokens, spans):
    inputs, targets, at = [], [], 0
    for number, (start, end) in enumerate(spans):
        sentinel = f"<extra_id_{number}>"
        inputs += [*tokens[at:start], sentinel]
        targets += [sentinel, *tokens[start:end]]
        at = end
    return inputs + tokens[at:], [*targets, f"<extra_id_{len(spans)}>"]


def span_inputs(d):
    hidden = [0, *d.mask(d.integer(1, 7)).tolist(), 0]
    at = range(len(hidden) - 1)
    starts, ends = ([i for i in at if hidden[i + 1] - hidden[i] == step] for step in (1, -1))
    return d.choices(("the", "hat", "red", "."), len(at) - 1), list(zip(starts, ends, strict=True))


EXERCISES = (
    Exercise(query_stream, inputs=lambda d: (d.shuffled(range(d.size("T"))), d.integer(1, d.size("T"))),
             edges=[([4, 1, 5, 0, 3, 2], 3), ([2, 0, 1], 3), ([2, 0, 1], 1), ([0, 1, 2, 3], 2), ([0], 1)], mistakes={
        "order for turns": before,
        "sees itself": lambda order, n: before(torch.tensor(order).argsort(), n, first=1),
        "context only": lambda order, n: query_stream(order, n)[:1].repeat(n, 1),
        "rows in reading order": lambda order, n: query_stream(order, n)[torch.tensor(order)[-n:].argsort()],
        "reading order": lambda order, n: before(range(len(order)), n),
    }),
    Exercise(kind_of_mask, inputs=mask_inputs,
             edges=[*((mask_of(kind, T, reach),) for T in (5, 2) for reach in range(T) for kind in KINDS),
                    (mask_of("causal", 4, 0) | torch.eye(4).roll(2, 1).bool(),),  # two holes into the future
                    (mask_of("causal", 4, 0) & ~torch.eye(4).roll(-2, 1).bool(),)],  # and two in the past
             mistakes={
        "turned": lambda seen: kind_of_mask(seen.T),
        "one corner": lambda seen: "bidirectional" if seen[0, -1] else "causal",
        "no future": lambda seen: kind_of_mask(seen) if seen.triu(1).any() else "causal",
        "no prefix": lambda seen: kind_of_mask(seen).replace("prefix", "other"),
    }),
    Exercise(cross_tensors, inputs=lambda d: (d.shuffled(NAMES)[: d.integer(0, 8)],),
             edges=[(NAMES[8:12],), (NAMES[12:18],), (NAMES[:4],), (NAMES[4:8],), (NAMES[:1],), ([],)], mistakes={
        "one library": lambda names: [name for name in names if "cross" in name],
        "every encoder": lambda names: [name for name in names if "cross" in name or "enc" in name.lower()],
        "small letters": lambda names: [name for name in names if re.search("cross|encdec|encoder_attn", name)],
        "all attention": lambda names: [name for name in names if "att" in name.lower()],
        "no layer norms": lambda names: [n for n in cross_tensors(names) if "norm" not in n and "ln_" not in n],
    }),
    Exercise(electra_labels, inputs=lambda d: (*(d.ids("B", "T", V=3) for _ in "12"), d.ids("B", "T", V=2).bool()),
             edges=[(ORIGINAL, SAMPLED, torch.tensor([[1, 1, 0, 1, 0], [0, 1, 1, 0, 1]]).bool()),
                    (ORIGINAL, SAMPLED, torch.zeros(2, 5).bool())], mistakes={
        "selected": lambda original, sampled, selected: selected.long(),
        "inverted": lambda *given: 1 - electra_labels(*given),
        "sampled everywhere": lambda original, sampled, selected: (sampled != original).long(),
        "only selected": lambda *given: electra_labels(*given).masked_fill(~given[2], -100),
    }),
    Exercise(span_corruption, inputs=span_inputs,
             edges=[(PARTY, [(2, 4), (8, 9)]), (PARTY, [(0, 1), (4, 7), (9, 11)]), (["a", "a", "b"], [(0, 3)]),
                    (["a"], [(0, 1)])], mistakes={
        "no end": lambda tokens, spans: (span_corruption(tokens, spans)[0], span_corruption(tokens, spans)[1][:-1]),
        "one per token": lambda tokens, spans: span_corruption(
            tokens, [(i, i + 1) for start, end in spans for i in range(start, end)]
        ),
        "one sentinel": lambda tokens, spans: tuple(
            [re.sub(r"_\d+>", "_0>", token) for token in part] for part in span_corruption(tokens, spans)),
        "whole text": lambda tokens, spans: (span_corruption(tokens, spans)[0], list(tokens)),
    }),
)
