"""The glass model as a still picture: the same tokens, arrows, wall and bars as in the page, drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from course_lib.glass.reading import Reading

__all__ = ["describe", "draw", "png"]

INK, SOFT, LINE, CARD = "#1b1f24", "#5b6570", "#cfd6dd", "#f4f6f8"
MODEL, BEST, WALL = "#0b62c4", "#a34a06", "#b3261e"
HEADS = "#0f766e", "#9b2fae", "#8a5a00", "#44546a"
SHOWN, FAINT = 5, 0.02  # bars; a thinner arrow is not drawn


def describe(found: Reading) -> str:
    """Say in two sentences what the picture shows; its alt text."""
    word, place = found.truth, f"position {found.asked}" if found.asked else "[CLS], which is asked"
    best = f"{_percent(found.best[word])} is the best possible" if found.best else "no story reads like this"
    if found.floor:
        if found.tokens[found.asked] != "[MASK]":
            place = f"position {found.asked}, which is asked for the next piece"
        best = f"word frequencies alone give {_percent(found.floor[word])}, and nobody knows the best possible answer"
    return (
        f"{found.about}: {int(found.reaches.sum())} of {len(found.tokens)} positions can reach {place}. "
        f"The model gives '{word}' {_percent(found.model[word])}; {best}."
    )


def draw(*found: Reading, titles: Sequence[str] = ()) -> Figure:
    """Draw tokens, layers and arrows above, the model's answer beside the best possible one below.

    Several readings stand one under the other, each under its title.
    """
    fig = Figure(figsize=(9.6, 5.2 * len(found)))
    parts = np.atleast_1d(fig.subfigures(len(found), 1))
    for part, one, title in zip_longest(parts, found, titles):
        high = 0.92 if title else 0.98
        if title:
            part.text(0.02, 0.955, title, fontsize=13, weight="bold", color=INK)
        _draw_model(part.add_axes((0.01, 0.42, 0.98, high - 0.42)), one)
        _draw_bars(part.add_axes((0.14, 0.08, 0.68, 0.3)), one)
    return fig


def png(fig: Figure) -> bytes:
    """Write a figure as a light PNG: 96 colours are enough, the heads' among them, and a notebook stores it twice."""
    drawn, light = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", dpi=100)
    few = Image.open(drawn).convert("RGB").quantize(96, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(light, "PNG", optimize=True)
    return light.getvalue()


def _draw_model(ax, found: Reading) -> None:
    """Draw the tokens, below them a row of dots for the embedding and for each layer, and arrows between the rows."""
    layers, heads, T, _ = found.attentions.shape
    widths = np.array([max(3.2, len(token) + 1.6) for token in found.tokens])
    right = np.cumsum(widths + 0.6)
    left = max(9, 0.09 * right[-1])  # room for the layers' names
    xs = right - widths / 2 + left
    share = [np.eye(T)[found.asked]]  # what each position passes on to the asked one: attention and residual, half each
    for weights in found.attentions.mean(axis=1)[::-1]:
        share.insert(0, share[0] @ (0.5 * weights + 0.5 * np.eye(T)))
    for layer in range(layers):
        for head in range(heads):
            aside = 0.25 * (head - (heads - 1) / 2)
            weights = share[layer + 1][:, None] * found.attentions[layer, head]
            for i, j in np.argwhere(weights > FAINT):
                _arrow(ax, (xs[i], -layer - 1), (xs[j], -layer), weights[i, j], HEADS[head % 4], aside)
    for row, parts in enumerate(share):
        ax.text(0, -row, f"layer {row}" if row else "embedding", va="center", fontsize=9, color=SOFT)
        for x, part, reaches in zip(xs, parts, found.reaches, strict=True):
            colour = "white" if not reaches else INK if part > 0.012 else LINE
            ax.plot(x, -row, "o", ms=5 + 8 * part**0.5, color=colour, mec=colour if reaches else LINE, zorder=3)
    for t in range(T):
        _token(ax, xs[t], widths[t], found, t, min(10, 1060 / (right[-1] + left + 2)))
        if t + 1 < T and found.reaches[t] != found.reaches[t + 1]:
            ax.vlines(right[t] + left + 0.3, -layers - 0.3, 1.5, color=WALL, ls=":", lw=2.5)  # above the legend
    if heads <= len(HEADS):
        named = [Line2D([], [], color=colour, lw=3, label=f"head {n}") for n, colour in enumerate(HEADS[:heads], 1)]
        ax.legend(handles=named, loc="lower left", ncols=heads, frameon=False, fontsize=9, handlelength=1, borderpad=0,
                  bbox_to_anchor=(0, -0.04))  # fmt: skip
    ax.set(xlim=(-1, right[-1] + left + 1), ylim=(-layers - 0.7, 1.5))
    ax.axis("off")


def _arrow(ax, start, end, weight, colour, aside) -> None:
    (a, b), (c, d) = start, end
    patch = FancyArrowPatch(
        (a + aside, b), (c + aside, d), arrowstyle="-|>" if weight > 0.12 and a != c else "-", mutation_scale=11,
        connectionstyle="arc3,rad=0.12", lw=0.8 + 6 * weight, color=colour, alpha=min(1, 0.15 + 1.3 * weight),
        shrinkB=6, zorder=2,
    )  # fmt: skip
    ax.add_patch(patch)


def _token(ax, x, width, found: Reading, t: int, font: float) -> None:
    token, hidden, asked, seen = found.tokens[t], found.tokens[t] == "[MASK]", t == found.asked, found.reaches[t]
    box = FancyBboxPatch(
        (x - width / 2, 0.62), width, 0.56, boxstyle="round,pad=0,rounding_size=0.3", mutation_aspect=0.12,
        fc=INK if hidden else CARD if seen else "white", ec=MODEL if asked else LINE, lw=3 if asked else 1,
        hatch=None if seen else "////",
    )  # fmt: skip
    ax.add_patch(box)
    ax.text(
        x, 0.9, token, ha="center", va="center", fontsize=font, weight="bold",
        color="white" if hidden and seen else INK if seen else SOFT,
        bbox=None if seen else {"fc": "white", "ec": "none", "pad": 0.5},
    )  # fmt: skip
    if not seen:
        ax.plot([x - width / 3, x + width / 3], [0.9, 0.9], color=WALL, lw=1.5, zorder=5)


def _draw_bars(ax, found: Reading) -> None:
    rank = {word: (word != found.truth, -_worth(found, word), -p) for word, p in found.model.items()}
    order = sorted(rank, key=rank.get)[:SHOWN]
    sides = [
        (-0.18, 0.34, 1.08, MODEL, "this model", found.model),
        (0.18, 0.26, 1.19, BEST, "best possible from what it sees", found.best),
        (0.18, 0.26, 1.19, SOFT, "word frequencies alone (English has no exact reader)", found.floor),
    ]
    names = [f"{word} \u2713" if word == found.truth else word for word in order]
    names += ["all others"] if len(found.model) > len(order) else []
    for shift, height, at, colour, label, values in sides:
        if values is None:
            continue
        shares = [values[word] for word in order]
        shares = [*shares, 1 - sum(shares)][: len(names)]
        ax.barh([n + shift for n in range(len(names))], shares, height, color=colour, label=label)
        for n, share in enumerate(shares):
            ax.text(at, n, _percent(share), color=colour, ha="right", va="center", fontsize=10, weight="bold")
    ax.set_yticks(range(len(names)), names, fontsize=10)
    ax.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xticks=[])
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.02), ncols=2, frameon=False, fontsize=9)


def _worth(found: Reading, word: str) -> float:
    """The larger of what the sentence and what its left part allow: one order under every mask."""
    return max((values or {}).get(word, 0) for values in (found.both, found.left))


def _percent(p: float) -> str:
    if 0.995 < p < 1 - 1e-9:
        return ">99%"
    return "<1%" if 0 < p < 0.005 else f"{p + 1e-9:.0%}"  # half a percent goes up, as in the page
