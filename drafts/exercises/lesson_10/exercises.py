"""The exercises of lesson 10: references, other right answers and known mistakes."""

import torch
from torch.nn import functional as F

from course_lib.exercises.engine import Exercise, Mistake

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


# --- what the decoder reads in training
def decoder_inputs(labels, start, pad):
    shifted = torch.full_like(labels, start)
    shifted[:, 1:] = labels[:, :-1]
    return shifted.masked_fill(shifted == -100, pad)


def decoder_inputs_cases():
    yield torch.tensor([[7, 8, 3]]), 3, 0
    yield torch.tensor([[7, 8, 9, 3], [5, 3, -100, -100]]), 3, 0
    yield torch.tensor([[11, 2, -100, -100, -100], [4, 6, 12, 2, -100]]), 1, 9


def decoder_inputs_by_padding(labels, start, pad):
    return torch.where(labels == -100, pad, labels).roll(1, 1).index_fill(1, torch.tensor([0]), start)


def decoder_inputs_by_loop(labels, start, pad):
    return torch.tensor([[start, *(pad if t == -100 else t for t in row[:-1])] for row in labels.tolist()])


def inputs_are_labels(labels, start, pad):
    return labels.masked_fill(labels == -100, pad)


def inputs_keep_ignored(labels, start, pad):
    return F.pad(labels[:, :-1], (1, 0), value=start)


def inputs_round_the_corner(labels, start, pad):
    return inputs_are_labels(labels, start, pad).roll(1, 1)


def inputs_shifted_left(labels, start, pad):
    return F.pad(inputs_are_labels(labels, start, pad)[:, 1:], (0, 1), value=pad)


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


# --- the loss on the target alone
def target_labels(rows, sep, pad):
    labels = rows.roll(-1, dims=1)
    labels[:, -1] = -100
    seps_so_far = (rows == sep).cumsum(dim=1)
    return labels.masked_fill(seps_so_far != 1, -100)


def target_labels_cases():
    yield torch.tensor([[2, 10, 11, 3, 20, 21, 3]]), 3, 0
    yield torch.tensor([[2, 10, 11, 3, 20, 21, 3, 0, 0], [2, 12, 3, 22, 23, 24, 25, 3, 0]]), 3, 0
    yield torch.tensor([[1, 30, 31, 32, 9, 40, 9, 5], [1, 33, 9, 41, 42, 43, 44, 9]]), 9, 5


def target_labels_by_loop(rows, sep, pad):
    labels = torch.full_like(rows, -100)
    for b, row in enumerate(rows.tolist()):
        first = row.index(sep)
        last = row.index(sep, first + 1)
        labels[b, first:last] = rows[b, first + 1 : last + 1]
    return labels


def target_labels_by_position(rows, sep, pad):
    T, is_sep = rows.shape[1], rows == sep
    first = is_sep.int().argmax(dim=1, keepdim=True)
    last = T - 1 - is_sep.flip(1).int().argmax(dim=1, keepdim=True)
    at = torch.arange(T)
    return torch.where((at >= first) & (at < last), F.pad(rows[:, 1:], (0, 1), value=-100), -100)


def labels_with_source(rows, sep, pad):
    labels = F.pad(rows[:, 1:], (0, 1), value=-100)
    return labels.masked_fill(labels == pad, -100)


def labels_without_first(rows, sep, pad):
    return target_labels(rows, sep, pad).masked_fill(rows == sep, -100)


def labels_with_padding(rows, sep, pad):
    labels = F.pad(rows[:, 1:], (0, 1), value=-100)
    return labels.masked_fill((rows == sep).cumsum(1) < 1, -100)


def labels_in_place(rows, sep, pad):
    after_first = ((rows == sep).cumsum(1) - (rows == sep).int()) == 1
    return rows.masked_fill(~after_first | (rows == pad), -100)


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
        name="decoder_inputs", lesson=10, minutes=5, difficulty=1,
        reference=decoder_inputs, cases=decoder_inputs_cases,
        mistakes=(
            Mistake("no shift", inputs_are_labels,
                    "each position reads the very token that it is asked for: the loss falls to nothing, and the model "
                    "cannot write. Shift to the right."),
            Mistake("-100 stays", inputs_keep_ignored,
                    "-100 is a label, not a token: the embedding has no row for it. Put the padding token there."),
            Mistake("round the corner", inputs_round_the_corner,
                    "the first position reads the last token of the row (`roll` goes round the corner), not the start "
                    "token."),
            Mistake("wrong way", inputs_shifted_left,
                    "you shifted to the left: position t then reads token t + 1, which is later than what it is asked "
                    "for."),
        ),
        hints=("Position 0 reads the start token and is asked for label 0. What does position 1 read?",
               "Shift to the right by one, put `start` in front, then replace -100."),
        alternatives=(decoder_inputs_by_padding, decoder_inputs_by_loop),
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
        name="target_labels", lesson=10, minutes=8, difficulty=2,
        reference=target_labels, cases=target_labels_cases,
        mistakes=(
            Mistake("source too", labels_with_source,
                    "the source words are asked for as well: effort goes into the language of the source, which "
                    "nobody will ask it to write."),
            Mistake("first word missing", labels_without_first,
                    "nobody asks for the first target word: it is the first [SEP] that has to predict it. In writing, "
                    "everything starts there."),
            Mistake("padding asked", labels_with_padding,
                    "after the last [SEP] the padding is asked for: nothing comes after the end."),
            Mistake("no shift", labels_in_place,
                    "each position is asked for the token that it holds itself: in one stack the labels are the *next* "
                    "tokens."),
        ),
        hints=("The first [SEP] is asked for the first target word, the last target word for the closing [SEP].",
               "Count the [SEP] up to each position: `(rows == sep).cumsum(1)`. Where it is 1, a question is asked."),
        alternatives=(target_labels_by_loop, target_labels_by_position),
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
