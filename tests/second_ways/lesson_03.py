"""A second way to each answer of lesson 03, found without the first."""

import itertools

import torch

from course_lib.exercises.lesson_03 import band, moves


def draw_mask(kinds):
    drawn = []
    for row in range(len(kinds)):
        seen = kinds[: row + 1].replace("-", ".") + "." * (len(kinds) - row - 1)
        open_ = "".join("x" if kind == "P" else "." for kind in kinds)
        drawn.append("".join("x" if {one, two} - {"."} else "." for one, two in zip(seen, open_, strict=True)))
    return drawn


def one_layer(moves, layers):
    for back, ahead in itertools.product(range(len(moves)), repeat=2):
        mask, reach = band(len(moves), back, ahead).float(), torch.eye(len(moves))
        for _ in range(layers):
            reach = reach @ mask
        if torch.equal(reach > 0, moves):
            return [back, ahead]


def far_with_two(layers):
    masks, T = [], 2**layers
    for layer in reversed(range(layers)):
        mask = torch.zeros(T, T, dtype=torch.bool)
        for i in range(T):
            mask[i, [i, max(i - 2**layer, 0)]] = True
        masks.append(mask)
    return masks


def last_real(outputs, mask):
    return torch.stack([row[real][-1] for row, real in zip(outputs, mask > 0, strict=True)])


def leaking_positions(read, ids, V):
    return sorted({i for i, j in moves(read, ids, V) if j > i})
