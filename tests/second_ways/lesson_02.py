"""A second way to each answer of lesson 02, found without the first."""

import math

import torch


def multi_query(x, W_q, W_k, W_v):
    rows = []
    for word in x:
        found = []
        for W in W_q:
            scores = torch.stack([(word @ W) @ (other @ W_k) for other in x]) / math.sqrt(W.shape[1])
            parts = (scores - scores.max()).exp()
            found.append(sum(part * (other @ W_v) for part, other in zip(parts / parts.sum(), x, strict=True)))
        rows.append(torch.cat(found))
    return torch.stack(rows)


def conv_reach(kernel, dilations):
    half, seen = (kernel - 1) // 2, {0}
    for dilation in dilations:
        seen = {place + dilation * step for place in seen for step in range(-half, half + 1)}
    return max(seen)


def needed_lead(T, share):
    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.exp(middle) / (math.exp(middle) + T - 1) < share else (low, middle)
    return low


def grouped_products(T, D, H, G):
    d = D // H
    sizes = (H + G + G) * [(T, D, d)] + [(T, D, D)] + H * [(T, d, T), (T, T, d)]
    return sum(a * b * c for a, b, c in sizes)
