"""The exercises of lesson 02: what attention computes, how far it reaches, what it costs."""

import math

import torch

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]


def multi_query(x, W_q, W_k, W_v):
    q, k, v = x @ W_q, x @ W_k, x @ W_v  # [H, T, d], [T, d], [T, e]
    weights = (q @ k.T / q.shape[-1] ** 0.5).softmax(dim=-1)  # [H, T, T], each row sums to 1
    return torch.cat(list(weights @ v), dim=1)  # H times [T, e], side by side


def multi_query_by_loop(x, W_q, W_k, W_v):
    rows = []
    for word in x:
        found = []
        for W in W_q:
            scores = torch.stack([(word @ W) @ (other @ W_k) for other in x]) / math.sqrt(W.shape[1])
            parts = (scores - scores.max()).exp()
            found.append(sum(part * (other @ W_v) for part, other in zip(parts / parts.sum(), x, strict=True)))
        rows.append(torch.cat(found))
    return torch.stack(rows)


def multi_query_inputs(d):
    H, T, D, width, e = (d.integer(1, 3) for _ in range(5))
    return d.floats(T, D), d.floats(H, D, width), d.floats(D, width), d.floats(D, e)


def multi_query_edges():
    for H, T, D, width, e in [(2, 3, 4, 4, 2), (3, 4, 2, 2, 2), (1, 1, 2, 2, 3), (1, 3, 4, 2, 4)]:
        draw = torch.Generator().manual_seed(T)
        shapes = [(T, D), (H, D, width), (D, width), (D, e)]
        yield tuple((4 * torch.randn(shape, generator=draw)).round() / 4 for shape in shapes)


def heads(x, W_q, W_k, W_v, scale=0.5, dim=-1, late=0.0):
    """Return the outputs of all heads, [H, T, e], or what a mistake makes of them."""
    scores = (x @ W_q) @ (x @ W_k).T / W_k.shape[1] ** scale
    return scores.softmax(dim=dim) / W_k.shape[1] ** late @ (x @ W_v)


def joined(outputs):
    return outputs.transpose(0, 1).flatten(1)


def conv_reach(kernel, dilations):
    return kernel // 2 * sum(dilations)


def conv_reach_by_sets(kernel, dilations):
    half, seen = (kernel - 1) // 2, {0}
    for dilation in dilations:
        seen = {place + dilation * step for place in seen for step in range(-half, half + 1)}
    return max(seen)


def needed_lead(T, share):
    return math.log(share / (1 - share) * (T - 1))


def needed_lead_by_search(T, share):
    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.exp(middle) / (math.exp(middle) + T - 1) < share else (low, middle)
    return low


def grouped_products(T, D, H, G):
    shared = D // H * G  # the width of all key heads together
    projections = 2 * T * D * D + 2 * T * D * shared  # queries and output; keys and values
    return projections + 2 * T * T * D  # scores and weighted sums, of all H heads


def grouped_products_one_by_one(T, D, H, G):
    d = D // H
    sizes = (H + G + G) * [(T, D, d)] + [(T, D, D)] + H * [(T, d, T), (T, T, d)]
    return sum(a * b * c for a, b, c in sizes)


def grouped_inputs(d):
    G = d.integer(1, 4)
    H = G * d.integer(1, 4)
    return d.integer(1, 9), H * d.integer(1, 4), H, G


EXERCISES = (
    Exercise(
        multi_query,
        second=multi_query_by_loop,
        edges=lambda: list(multi_query_edges()),
        inputs=multi_query_inputs,
        mistakes={
            "as given": lambda *given: heads(*given, scale=0, dim=1, late=0.5).reshape(len(given[0]), -1),
            "columns": lambda *given: joined(heads(*given, dim=1)),
            "scaled too late": lambda *given: joined(heads(*given, scale=0, late=0.5)),
            "not scaled": lambda *given: joined(heads(*given, scale=0)),
            "joined by reshape": lambda *given: heads(*given).reshape(len(given[0]), -1),
        },
    ),
    Exercise(
        conv_reach,
        second=conv_reach_by_sets,
        edges=lambda: [(5, [1, 1]), (3, [1, 2, 4]), (7, [1, 3]), (3, [1]), (1, [2])],
        inputs=lambda d: (2 * d.integer(0, 4) + 1, d.choices((1, 2, 3, 4, 9), 1, 4)),
        mistakes={
            "both sides": lambda kernel, dilations: (kernel - 1) * sum(dilations),
            "whole field": lambda kernel, dilations: 1 + (kernel - 1) * sum(dilations),
            "kernels added": lambda kernel, dilations: kernel * sum(dilations),
            "no dilation": lambda kernel, dilations: kernel // 2 * len(dilations),
            "multiplied": lambda kernel, dilations: math.prod(kernel // 2 * dilation for dilation in dilations),
        },
    ),
    Exercise(
        needed_lead,
        second=needed_lead_by_search,
        edges=lambda: [(64, 0.9), (6, 0.5), (2, 0.5), (512, 0.99), (2, 0.1)],
        inputs=lambda d: (d.integer(2, 40), d.choice((0.5, 0.9, 0.25, 0.99, 0.75, 0.1, 0.001))),
        mistakes={
            "two words": lambda T, share: math.log(share / (1 - share)),
            "T others": lambda T, share: math.log(share / (1 - share) * T),
            "inverted": lambda T, share: math.log((1 - share) / share * (T - 1)),
            "no rest": lambda T, share: math.log(share * (T - 1)),
            "base two": lambda T, share: math.log2(share / (1 - share) * (T - 1)),
        },
    ),
    Exercise(
        grouped_products,
        second=grouped_products_one_by_one,
        edges=lambda: [(6, 8, 4, 2), (6, 8, 2, 2), (3, 12, 6, 1), (1, 2, 1, 1), (512, 768, 12, 4)],
        inputs=grouped_inputs,
        mistakes={
            "keys not shared": lambda T, D, H, G: grouped_products(T, D, H, H),
            "scores shared": lambda T, D, H, G: 2 * T * D * D + 2 * T * D // H * G * (D + T),
            "no sums": lambda T, D, H, G: grouped_products(T, D, H, G) - T * T * D,
            "no output": lambda T, D, H, G: grouped_products(T, D, H, G) - T * D * D,
            "times heads": lambda T, D, H, G: grouped_products(T, D, H, G) + 2 * T * T * D * (H - 1),
        },
    ),
)
