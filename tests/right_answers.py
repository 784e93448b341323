"""Other right answers to the exercises, found in other ways: {name: functions}. Every check accepts them all."""

import math

import numpy as np
import torch
from torch.nn import functional as F


def by_removal(words, position):
    rest = list(words)
    del rest[position:]
    return rest


def hide_by_copy(words, position):
    words = list(words)
    words[position] = "[MASK]"
    return tuple(words)


def last_real_by_flip(outputs, attention_mask):
    last = outputs.shape[1] - 1 - attention_mask.flip(1).argmax(dim=1)
    return outputs.gather(1, last[:, None, None].expand(-1, 1, outputs.shape[2]))[:, 0]


def longest_match_by_prefix(word, vocabulary, first=True):
    for end in range(len(word), 0, -1):
        piece = ("" if first else "##") + word[:end]
        if piece in vocabulary:
            rest = longest_match_by_prefix(word[end:], vocabulary, False)
            return rest if rest == ["[UNK]"] else [piece, *rest]
    return ["[UNK]"] if word else []


def multi_query_by_torch(x, W_q, W_k, W_v):
    return torch.cat([F.scaled_dot_product_attention(x @ W, x @ W_k, x @ W_v) for W in W_q], dim=-1)


def selected_loss_by_weights(logits, labels):
    wanted = labels >= 0
    picked = logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return -(picked * wanted).sum() / wanted.sum()


def kind_of_mask_by_sums(seen):
    T, rows = len(seen), seen.long()
    for kind, low, high in (
        [("bidirectional", T, T), ("causal", T, 0)]
        + [("prefix", T, -p) for p in range(2, T)]
        + [("window", w, side) for w in range(T) for side in (0, w)]
    ):
        mask = torch.ones(T, T).tril(max(high, 0)).triu(-low)
        if high < 0:
            mask[:, :-high] = 1
        if bool((mask.long() == rows).all()):
            return kind
    return "other"


def span_corruption_by_position(tokens, spans):
    span_of = {i: n for n, (start, end) in enumerate(spans) for i in range(start, end)}
    inputs, targets = [], []
    for i, token in enumerate(tokens):
        n = span_of.get(i)
        if n is not None and (i, n) == (spans[n][0], n):
            inputs.append(f"<extra_id_{n}>")
            targets.append(f"<extra_id_{n}>")
        (inputs if n is None else targets).append(token)
    return inputs, [*targets, f"<extra_id_{len(spans)}>"]


RIGHT = {
    "left_context": [by_removal],
    "hide": [hide_by_copy],
    "padding_keys": [lambda lengths, T: (torch.arange(T) >= lengths[:, None])[:, None, None].double() * -10000.0],
    "sliding_window": [lambda window, T: torch.ones(T, T).tril().triu(1 - window).bool()],
    "causal_weights": [
        lambda q, k: (q @ k.T / q.shape[1] ** 0.5 + torch.full((len(q), len(q)), -1e30).triu(1)).softmax(-1)
    ],
    "last_real": [last_real_by_flip],
    "longest_match": [longest_match_by_prefix],
    "segment_ids": [lambda a, b: (0,) * (a + 2) + (1,) * (b + 1) * bool(b)],
    "first_pieces": [lambda ids: [i for i, word in enumerate(ids) if word not in (None, [None, *ids][i])]],
    "roberta_positions": [lambda ids, pad: torch.where(ids == pad, pad, (ids != pad).int().cumsum(1) + pad)],
    "multi_query": [multi_query_by_torch],
    "conv_reach": [lambda kernel, dilations: sum((kernel - 1) // 2 * dilation for dilation in dilations)],
    "needed_lead": [lambda T, share: math.log(share) - math.log1p(-share) + math.log(T - 1)],
    "grouped_products": [lambda T, D, H, G: 2 * T * D * (D + D * G / H + T)],
    "next_word_targets": [lambda ids: F.pad(ids[:, 1:], (0, 1), value=-100)],
    "selected_loss": [
        selected_loss_by_weights,
        lambda logits, labels: F.cross_entropy(logits.flatten(0, 1), labels.flatten()),
    ],
    "corpus_perplexity": [lambda batches: np.exp(np.average([b[0] for b in batches], weights=[b[1] for b in batches]))],
    "query_stream": [lambda order, n: torch.ones(2 * [len(order)]).tril(-1)[-n:, torch.tensor(order).argsort()] > 0],
    "kind_of_mask": [kind_of_mask_by_sums],
    "cross_tensors": [lambda names: [n for n in names if "cross" in n or ".EncDec" in n or ".encoder_attn" in n]],
    "electra_labels": [lambda original, sampled, selected: torch.logical_and(selected, sampled.ne(original)).int()],
    "span_corruption": [span_corruption_by_position],
}
