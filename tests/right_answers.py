"""Other right answers to the exercises, found in other ways: {name: functions}. Every check accepts them all."""

import math
import re
import string
from collections import Counter

import numpy as np
import torch
from torch.nn import functional as F


def best_share_by_numpy(gaps):
    return np.mean([np.max(list(gap.values())) for gap in gaps])


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


def fill_with_few_by_surprise(log_p, row, at, budget):
    words = log_p(row[None])[0, at - 1].argsort(descending=True)[: budget - 1]
    rows = torch.stack([torch.cat([row[:at], word[None], row[at + 1 :]]) for word in words])
    surprise = F.nll_loss(log_p(rows)[:, :-1].transpose(1, 2), rows[:, 1:], reduction="none").sum(dim=1)
    return words[surprise.argmin()]


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
def word_tags_by_product(word_ids, scores):
    words = [word for word in dict.fromkeys(word_ids) if word is not None]
    member = torch.tensor([[float(word == other) for other in word_ids] for word in words]).reshape(-1, len(word_ids))
    return (member @ scores / member.sum(dim=1, keepdim=True)).argmax(dim=1).tolist()


def mean_of_tokens_by_product(hidden, attention_mask):
    shares = attention_mask / attention_mask.sum(dim=1, keepdim=True)
    return torch.einsum("bt,btd->bd", shares, hidden)


def best_answer_by_loops(start, end, longest):
    best, answer = float("-inf"), None
    for e in range(len(end)):
        for s in range(max(0, e - longest + 1), e + 1):
            if start[s] + end[e] >= best:  # the last of several best ones
                best, answer = start[s] + end[e], [s, e]
    return answer


def squad_f1(prediction, ground_truth):
    """The official script of SQuAD 1.1."""

    def normalize_answer(s):
        text = "".join(ch for ch in s.lower() if ch not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())

    prediction, ground_truth = normalize_answer(prediction).split(), normalize_answer(ground_truth).split()
    num_same = sum((Counter(prediction) & Counter(ground_truth)).values())
    if num_same == 0:
        return 0
    precision, recall = 1.0 * num_same / len(prediction), 1.0 * num_same / len(ground_truth)
    return (2 * precision * recall) / (precision + recall)


def grow_by_recursion(read, prompt, n, end):
    if n == 0:
        return prompt
    ids = torch.hstack([prompt, read(prompt)[-1].max(0).indices])
    return ids if ids[-1] == end else grow_by_recursion(read, ids, n - 1, end)


def nucleus_by_warper(p, top_p, least):
    from transformers import TopPLogitsWarper

    return TopPLogitsWarper(top_p, min_tokens_to_keep=least)(None, p.log()[None])[0].softmax(0)


def attend_by_torch(q, k, v, past_k, past_v):
    keys, values = torch.vstack([past_k, k]), torch.vstack([past_v, v])
    seen = torch.ones(len(q), len(keys)).tril(len(past_k)).bool()
    return F.scaled_dot_product_attention(q[None], keys[None], values[None], attn_mask=seen[None])[0], keys, values


def look_by_addition(queries, keys, source_mask):
    hidden = (1.0 - source_mask[:, None, :].float()) * torch.finfo(torch.float32).min
    return (torch.einsum("btd,bsd->bts", queries, keys) * keys.shape[-1] ** -0.5 + hidden).softmax(-1)


def target_labels_by_position(rows, sep, pad):
    T, is_sep = rows.shape[1], rows == sep
    first = is_sep.int().argmax(dim=1, keepdim=True)
    last = T - 1 - is_sep.flip(1).int().argmax(dim=1, keepdim=True)
    at = torch.arange(T)
    return torch.where((at >= first) & (at < last), F.pad(rows[:, 1:], (0, 1), value=-100), -100)


def aligned_share_by_value(weights, gold):
    rows, columns = torch.arange(len(gold)), torch.tensor(gold) + 1
    return (weights[rows, columns] >= weights[rows].amax(dim=1)).double().mean()
def corrupt_words_by_permutation(ids, selected, mask_id, ordinary, generator):
    places = selected.flatten().nonzero()[:, 0]
    places = places[torch.randperm(len(places), generator=generator)]
    hidden, other = places.tensor_split([round(0.8 * len(places)), round(0.9 * len(places))])[:2]
    out = ids.clone().flatten()
    for word in ordinary:
        at, others = other[ids.flatten()[other] == word], ordinary[ordinary != word]
        out[at] = others[torch.randint(len(others), at.shape, generator=generator)]
    out[hidden] = mask_id
    return out.view_as(ids)


def corrupt_words_by_redrawing(ids, selected, mask_id, ordinary, generator):
    fate = torch.multinomial(torch.tensor([0.8, 0.1, 0.1]), ids.numel(), replacement=True, generator=generator)
    other = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    while (again := other == ids).any():
        other[again] = ordinary[torch.randint(len(ordinary), (int(again.sum()),), generator=generator)]
    fate = fate.view_as(ids).masked_fill(~selected, 2)
    return ids.masked_fill(fate == 0, mask_id).where(fate != 1, other)


def draw_negatives_one_by_one(documents, d, i, n, rng):
    follow = {b for a, b in zip(documents[d], documents[d][1:], strict=False) if a == documents[d][i]}
    good = [s for j, other in enumerate(documents) if j != d for s in other if s not in follow]
    return tuple(good[int(rng.random() * len(good))] for _ in range(n))


def fitted_pair_by_slices(a, b, length, cls, sep):
    of_a, of_b = len(a), len(b)
    while of_a + of_b > length - 3:
        of_a, of_b = (of_a - 1, of_b) if of_a > of_b else (of_a, of_b - 1)
    return [cls, *a[:of_a], sep, *b[:of_b], sep], [0] * (of_a + 2) + [1] * (of_b + 1)


RIGHT = {
    "best_share": [best_share_by_numpy],
    "one_layer": [lambda moves, layers: [int(moves.int().tril(-1).sum(1).max()) // layers,
                                         int(moves.int().triu(1).sum(1).max()) // layers]],
    "last_real": [last_real_by_flip],
    "longest_match": [longest_match_by_prefix],
    "segment_ids": [lambda a, b: (0,) * (a + 2) + (1,) * (b + 1) * bool(b)],
    "first_pieces": [lambda ids: [i for i, word in enumerate(ids) if word not in (None, [None, *ids][i])]],
    "roberta_positions": [lambda ids, pad: torch.where(ids == pad, pad, (ids != pad).int().cumsum(1) + pad)],
    "multi_query": [multi_query_by_torch],
    "conv_reach": [lambda kernel, dilations: sum((kernel - 1) // 2 * dilation for dilation in dilations)],
    "needed_lead": [lambda T, share: math.log(share) - math.log1p(-share) + math.log(T - 1)],
    "grouped_products": [lambda T, D, H, G: 2 * T * D * (D + D * G / H + T)],
    "draw_questions": [lambda tokens, goal, hidden=(): [
        [t - (goal == "causal"), tokens[t], [*range(t if goal == "causal" else len(tokens))]]
        for t in (range(1, len(tokens)) if goal == "causal" else hidden)]],
    "selected_loss": [
        selected_loss_by_weights,
        lambda logits, labels: F.cross_entropy(logits.flatten(0, 1), labels.flatten()),
    ],
    "fill_with_few": [fill_with_few_by_surprise],
    "query_stream": [lambda order, n: torch.ones(2 * [len(order)]).tril(-1)[-n:, torch.tensor(order).argsort()] > 0],
    "kind_of_mask": [kind_of_mask_by_sums],
    "cross_tensors": [lambda names: [n for n in names if "cross" in n or ".EncDec" in n or ".encoder_attn" in n]],
    "electra_labels": [lambda original, sampled, selected: torch.logical_and(selected, sampled.ne(original)).int()],
    "span_corruption": [span_corruption_by_position],
    "word_tags": [word_tags_by_product],
    "mean_of_tokens": [mean_of_tokens_by_product],
    "best_answer": [best_answer_by_loops],
    "answer_f1": [squad_f1],
    "grow": [grow_by_recursion],
    "nucleus": [nucleus_by_warper],
    "attend_with_cache": [attend_by_torch],
    "tokens_that_fit": [
        lambda memory, layers, width, rows=1, bytes_each=2: int(memory / (2 * layers * width * rows * bytes_each))
    ],
    "pseudo_mass": [
        lambda joint: torch.stack([joint / joint.sum(a, True) for a in range(joint.dim())]).log().sum(0).exp().sum()
    ],
    "best_in_context": [lambda shown, keys, values: 1 - ((keys - 1) / keys) ** shown * (1 - 1 / values)],
    "look_at_source": [look_by_addition],
    "decoder_inputs": [
        lambda labels, start, pad: torch.where(labels < 0, pad, labels).roll(1, 1).index_fill(1, torch.tensor(0), start)
    ],
    "target_labels": [target_labels_by_position],
    "aligned_share": [aligned_share_by_value],
    "corrupt_words": [corrupt_words_by_permutation, corrupt_words_by_redrawing],
    "draw_negatives": [draw_negatives_one_by_one],
    "fitted_pair": [fitted_pair_by_slices],
    "pair_loss": [
        torch.nn.functional.cross_entropy,
        lambda logits, labels: torch.nn.functional.softplus((logits[:, 1] - logits[:, 0]) * (1 - 2 * labels)).mean(),
    ],
    "area_under_curve": [
        lambda positives, negatives: (
            (torch.tensor(positives)[:, None] - torch.tensor(negatives)).sign().add(1).div(2).mean()
        )
    ],
    "accumulated_gradient": [lambda parts: sum(g.double() * (n / sum(m for _, m in parts)) for g, n in parts)],
    "same_budget": [lambda steps, batch_size, new: int(steps * batch_size / new)],
}
