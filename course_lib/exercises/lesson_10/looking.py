"""Lesson 10's exercises on cross-attention: references, other right answers and known mistakes."""

import torch

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


# --- one look at the source
def look_at_source(queries, keys, source_mask):
    scores = queries @ keys.transpose(1, 2) / keys.shape[2] ** 0.5
    scores = scores.masked_fill(source_mask[:, None, :] == 0, float("-inf"))
    return scores.softmax(dim=2)


def look_at_source_cases():
    for seed, (B, T, S, D) in enumerate([(1, 2, 3, 4), (2, 5, 4, 8), (2, 3, 6, 16), (2, 4, 4, 8)]):
        generator = torch.Generator().manual_seed(seed)
        lengths = torch.randint(2, S + 1, (B,), generator=generator)
        lengths[0] = S - 1 if B > 1 else S
        mask = (torch.arange(S) < lengths[:, None]).long()
        yield torch.randn(B, T, D, generator=generator), torch.randn(B, S, D, generator=generator) * 2, mask


def look_by_addition(queries, keys, source_mask):
    hidden = (1.0 - source_mask[:, None, :].float()) * torch.finfo(torch.float32).min
    return (torch.einsum("btd,bsd->bts", queries, keys) * keys.shape[-1] ** -0.5 + hidden).softmax(-1)


def look_by_exp(queries, keys, source_mask):
    weights = (queries @ keys.mT / keys.shape[-1] ** 0.5).exp() * source_mask[:, None]
    return weights / weights.sum(-1, keepdim=True)


def look_at_padding(queries, keys, source_mask):
    return (queries @ keys.mT / keys.shape[-1] ** 0.5).softmax(-1)


def look_then_mask(queries, keys, source_mask):
    return look_at_padding(queries, keys, source_mask) * source_mask[:, None]


def look_from_keys(queries, keys, source_mask):
    scores = queries @ keys.mT / keys.shape[-1] ** 0.5
    return scores.masked_fill(source_mask[:, None] == 0, -1e9).softmax(1)


def look_without_scale(queries, keys, source_mask):
    return (queries @ keys.mT).masked_fill(source_mask[:, None] == 0, -1e9).softmax(-1)


def look_causally(queries, keys, source_mask):
    T, S = queries.shape[1], keys.shape[1]
    keep = torch.ones(T, S).tril().bool() & (source_mask[:, None] == 1)
    return (queries @ keys.mT / keys.shape[-1] ** 0.5).masked_fill(~keep, -1e9).softmax(-1)


# --- who has cross-attention
def count_cross_tensors(names):
    return sum(any(mark in name for mark in ("cross", "encoder_attn", "EncDecAttention")) for name in names)


def count_cross_tensors_cases():
    bert = "bert.encoder.layer.0."
    yield ([f"{bert}attention.self.query.weight", f"{bert}crossattention.self.query.weight"],)
    yield (["transformer.h.1.attn.c_attn.weight", "transformer.h.1.crossattention.q_attn.weight",
            "transformer.h.1.ln_cross_attn.bias", "transformer.h.1.mlp.c_fc.weight", "lm_head.weight"],)  # fmt: skip
    yield (["model.encoder.layers.0.self_attn.k_proj.weight", "model.decoder.layers.0.self_attn.k_proj.weight",
            "model.decoder.layers.0.encoder_attn.k_proj.weight", "model.decoder.layers.0.encoder_attn_layer_norm.bias",
            "model.decoder.layers.0.fc1.bias"],)  # fmt: skip
    yield (["encoder.block.0.layer.0.SelfAttention.q.weight", "decoder.block.0.layer.0.SelfAttention.q.weight",
            "decoder.block.0.layer.1.EncDecAttention.q.weight", "decoder.block.0.layer.1.EncDecAttention.o.weight",
            "decoder.block.0.layer.2.DenseReluDense.wi.weight"],)  # fmt: skip
    yield ([f"{bert}attention.self.key.bias", f"{bert}output.dense.weight", "bert.embeddings.word_embeddings.weight"],)


def count_cross_by_filter(names):
    found = {name for name in names if "cross" in name.lower()}
    found |= {name for name in names if "encoder_attn" in name}
    return len(found | {name for name in names if ".EncDecAttention." in name})


def only_cross(names):
    return sum("cross" in name for name in names)


def all_attention(names):
    return sum("attention" in name.lower() or "attn" in name for name in names)


def all_of_the_decoder(names):
    return sum("decoder" in name for name in names)


# --- the alignment that cross-attention shows
def aligned_share(weights, gold):
    looked_at = weights[: len(gold)].argmax(dim=1) - 1
    return (looked_at == torch.tensor(gold)).float().mean().item()


def aligned_share_cases():
    golds = [[1, 0], [2, 3, 1, 0], [0, 1, 3, 4, 2, 5], [1, 2, 3, 4, 5, 6, 7, 0], [7, 5, 6, 0, 1, 2, 3, 4]]
    for seed, gold in enumerate(golds):
        generator = torch.Generator().manual_seed(20 + seed)
        T = len(gold)
        weights = torch.rand(T + 1, T + 2, generator=generator)  # one more row writes [SEP]; [CLS] and [SEP] as columns
        weights[torch.arange(T), torch.tensor(gold) + 1] += 0.4  # many a word is right, not all
        weights[torch.arange(T), torch.tensor(gold)] += 0.2
        yield weights / weights.sum(dim=1, keepdim=True), gold


def aligned_share_by_loop(weights, gold):
    rows = weights[: len(gold)].tolist()
    return sum(row.index(max(row)) == place + 1 for row, place in zip(rows, gold, strict=True)) / len(gold)


def aligned_share_by_value(weights, gold):
    rows, columns = torch.arange(len(gold)), torch.tensor(gold) + 1
    return (weights[rows, columns] >= weights[rows].amax(dim=1)).double().mean().item()


def aligned_to_cls(weights, gold):
    return (weights[: len(gold)].argmax(dim=1) == torch.tensor(gold)).float().mean().item()


def aligned_when_read(weights, gold):
    return (weights[1 : len(gold) + 1].argmax(dim=1) - 1 == torch.tensor(gold)).float().mean().item()


def aligned_mass(weights, gold):
    return weights[torch.arange(len(gold)), torch.tensor(gold) + 1].mean().item()


def aligned_by_column(weights, gold):
    looking = weights.argmax(dim=0)  # [S]: which row looks most at each source token
    return sum(int(looking[place + 1] == t) for t, place in enumerate(gold)) / len(gold)


EXERCISES = (
    Exercise(
        name="look_at_source", lesson=10, minutes=6, difficulty=2,
        reference=look_at_source, cases=look_at_source_cases,
        mistakes=(
            Mistake("looks at padding", look_at_padding,
                    "padding of the source gets weight: close its columns with `source_mask` before the softmax."),
            Mistake("mask after the softmax", look_then_mask,
                    "the rows no longer sum to 1: the mask was applied after the softmax, and the padding still stands "
                    "in the denominator."),
            Mistake("wrong axis", look_from_keys,
                    "your columns sum to 1, not your rows: each *target* position shares out a weight of 1 over the "
                    "source."),
            Mistake("no scale", look_without_scale, "the scores are not divided by the square root of the width."),
            Mistake("causal", look_causally,
                    "you hide later source words, but the source is finished before the target begins: nothing of it "
                    "is the future."),
        ),
        hints=("Rows are target positions, columns source positions: [B, T, S], as a rule no square.",
               "`source_mask[:, None, :]` closes the same columns for every target position."),
        alternatives=(look_by_addition, look_by_exp),
    ),
    Exercise(
        name="count_cross_tensors", lesson=10, minutes=4, difficulty=1,
        reference=count_cross_tensors, cases=count_cross_tensors_cases,
        mistakes=(
            Mistake("only 'cross'", only_cross,
                    "BART calls its cross-attention `encoder_attn` and T5 calls it `EncDecAttention`: a search for one "
                    "word would acquit both."),
            Mistake("all attention", all_attention,
                    "self-attention is counted too: every layer of every model has it."),
            Mistake("all of the decoder", all_of_the_decoder,
                    "you count all that belongs to a decoder: its self-attention and feed-forward layers too, and not "
                    "the cross-attention of a GPT-2 that was asked for one."),
        ),
        hints=("Three spellings: BERT's and GPT-2's hold `cross`; look at the names of BART and T5 in section 1.",
               "`any(mark in name for mark in (...))` for each name."),
        alternatives=(count_cross_by_filter,),
    ),
    Exercise(
        name="aligned_share", lesson=10, minutes=6, difficulty=2,
        reference=aligned_share, cases=aligned_share_cases,
        mistakes=(
            Mistake("[CLS] forgotten", aligned_to_cls,
                    "column 0 is [CLS], so source word s stands in column s + 1."),
            Mistake("reading, not writing", aligned_when_read,
                    "you took the row in which target word t is read; the row before wrote it, without having seen "
                    "it yet."),
            Mistake("mass", aligned_mass,
                    "that is the mean weight on the right word; asked is how often it is the largest of its row."),
            Mistake("by column", aligned_by_column,
                    "you took who looks most at each source word; asked is what each target word looks at: argmax "
                    "along the row."),
        ),
        hints=("Row t writes target word t. The last row writes [SEP], which translates nothing.",
               "`weights.argmax(dim=1)` gives columns; which column is source word 0?"),
        alternatives=(aligned_share_by_loop, aligned_share_by_value),
    ),
)  # fmt: skip
