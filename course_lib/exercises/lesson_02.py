"""The exercises of lesson 02: what attention computes, how far it reaches, what it costs."""

import math

import torch

from course_lib.exercises.engine import Exercise

__all__ = ["EXERCISES"]


def multi_query(x, W_q, W_k, W_v):
    q, k, v = x @ W_q, x @ W_k, x @ W_v  # [H, T, d], [T, d], [T, e]
    weights = (q @ k.T / q.shape[-1] ** 0.5).softmax(dim=-1)  # [H, T, T], each row sums to 1
    return torch.cat(list(weights @ v), dim=1)  # H times [T, e], side by side


def row_and_matrices(H, T, D, d, e):
    draws = torch.Generator().manual_seed(T)
    return tuple(torch.randn(shape, generator=draws) for shape in ((T, D), (H, D, d), (D, d), (D, e)))


def heads(x, W_q, W_k, W_v, scale=0.5, dim=-1, late=0.0):
    """Return the outputs of all heads, [H, T, e], or what a mistake makes of them."""
    scores = (x @ W_q) @ (x @ W_k).T / W_k.shape[1] ** scale
    return scores.softmax(dim=dim) / W_k.shape[1] ** late @ (x @ W_v)


def joined(outputs):
    return outputs.transpose(0, 1).flatten(1)


def conv_reach(kernel, dilations):
    return kernel // 2 * sum(dilations)


def needed_lead(T, share):
    return math.log(share / (1 - share) * (T - 1))


def grouped_products(T, D, H, G):
    shared = D // H * G  # the width of all key heads together
    projections = 2 * T * D * D + 2 * T * D * shared  # queries and output; keys and values
    return projections + 2 * T * T * D  # scores and weighted sums, of all H heads


EXERCISES = (
    Exercise(multi_query,
             inputs=lambda d: (d.floats("T", "D"), d.floats("H", "D", "d"), d.floats("D", "d"), d.floats("D", "e")),
             edges=[row_and_matrices(2, 3, 4, 4, 2), row_and_matrices(3, 4, 2, 2, 2), row_and_matrices(1, 1, 2, 2, 3)],
             mistakes={
        "as given": lambda *given: heads(*given, scale=0, dim=1, late=0.5).reshape(len(given[0]), -1),
        "columns": lambda *given: joined(heads(*given, dim=1)),
        "scaled too late": lambda *given: joined(heads(*given, scale=0, late=0.5)),
        "not scaled": lambda *given: joined(heads(*given, scale=0)),
        "joined by reshape": lambda *given: heads(*given).reshape(len(given[0]), -1),
    }),
    Exercise(conv_reach, inputs=lambda d: (2 * d.integer(0, 4) + 1, d.choices((1, 2, 3, 4, 9), 1, 4)),
             edges=[(5, [1, 1]), (3, [1, 2, 4]), (7, [1, 3]), (3, [1]), (1, [2])], mistakes={
        "both sides": lambda kernel, dilations: (kernel - 1) * sum(dilations),
        "whole field": lambda kernel, dilations: 1 + (kernel - 1) * sum(dilations),
        "kernels added": lambda kernel, dilations: kernel * sum(dilations),
        "no dilation": lambda kernel, dilations: kernel // 2 * len(dilations),
        "multiplied": lambda kernel, dilations: math.prod(kernel // 2 * dilation for dilation in dilations),
    }),
    Exercise(needed_lead, inputs=lambda d: (d.integer(2, 40), d.choice((0.5, 0.9, 0.25, 0.99, 0.75, 0.1, 0.001))),
             edges=[(64, 0.9), (6, 0.5), (2, 0.5), (512, 0.99), (2, 0.1)], mistakes={
        "two words": lambda T, share: math.log(share / (1 - share)),
        "T others": lambda T, share: math.log(share / (1 - share) * T),
        "inverted": lambda T, share: math.log((1 - share) / share * (T - 1)),
        "no rest": lambda T, share: math.log(share * (T - 1)),
        "base two": lambda T, share: math.log2(share / (1 - share) * (T - 1)),
    }),
    Exercise(grouped_products, inputs=lambda d: (
                 d.integer(1, 9), d.size("G") * d.size("h") * d.size("d"), d.size("G") * d.size("h"), d.size("G")),
             edges=[(6, 8, 4, 2), (6, 8, 2, 2), (3, 12, 6, 1), (1, 2, 1, 1), (512, 768, 12, 4)], mistakes={
        "keys not shared": lambda T, D, H, G: grouped_products(T, D, H, H),
        "scores shared": lambda T, D, H, G: 2 * T * D * D + 2 * T * D // H * G * (D + T),
        "no sums": lambda T, D, H, G: grouped_products(T, D, H, G) - T * T * D,
        "no output": lambda T, D, H, G: grouped_products(T, D, H, G) - T * D * D,
        "times heads": lambda T, D, H, G: grouped_products(T, D, H, G) + 2 * T * T * D * (H - 1),
    }),
)
