"""The glass model as a still picture: the same tokens, arrows, wall and bars as in the page, drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from course_lib.glass.reading import Reading

__all__ = ["describe", "draw", "png"]

INK, SOFT, LINE, CARD = "#1b1f24", "#5b6570", "#cfd6dd", "#f4f6f8"
MODEL, BEST, WALL, HEADS = "#0b62c4", "#a34a06", "#b3261e", ("#0f766e", "#9b2fae")
SHOWN, FAINT = 5, 0.02  # bars; a thinner arrow is not drawn


def describe(found: Reading) -> str:
    """Say in two sentences what the picture shows; its alt text."""
    view, word = found.view, found.view.truth
    if not view.places:
        seen = f"{int(found.reaches.sum())} of {len(found.tokens)} positions can reach [CLS], which is asked"
        return (
            f"Two segments, '{view.example['a']}' and '{view.example['b']}', under the {view.mask} mask: {seen}. The "
            f"model gives '{word}' {_percent(found.model[word])}; {_percent(found.best[word])} is the best possible."
        )
    size = f" of {view.size}" if view.size is not None else ""
    hidden = " ".join("___" if place in view.places else w for place, w in enumerate(view.words))
    best = f"{_percent(found.best[word])} is the best possible" if found.best else "no story reads like this"
    return (
        f"The sentence '{hidden}' under the {view.mask} mask{size}: {int(found.reaches.sum())} of "
        f"{len(found.tokens)} positions can reach position {view.asked}. "
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
    """Write a figure as a light PNG: 64 colours are enough, and a notebook stores them twice."""
    drawn, light = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", dpi=100)
    Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(light, "PNG", optimize=True)
    return light.getvalue()


def _draw_model(ax, found: Reading) -> None:
    layers, _, T, _ = found.attentions.shape
    at, mean = found.view.asked, found.attentions.mean(axis=1)
    widths = np.array([max(3.2, len(token) + 1.6) for token in found.tokens])
    right = np.cumsum(widths + 0.6)
    xs = right - widths / 2 + 9
    share = [np.eye(T)[at]]  # what each position passes on to the asked one: attention and residual, half and half
    for layer in reversed(range(layers)):
        share.insert(0, share[0] @ (0.5 * mean[layer] + 0.5 * np.eye(T)))
    for row in range(layers + 1):
        ax.text(0, -row, f"layer {row}" if row else "embedding", va="center", fontsize=9, color=SOFT)
    for layer in range(layers):
        for head in range(found.attentions.shape[1]):
            weights = share[layer + 1][:, None] * found.attentions[layer, head]
            for i, j in zip(*np.nonzero(weights > FAINT), strict=True):
                _arrow(ax, (xs[i], -layer - 1), (xs[j], -layer), weights[i, j], HEADS[head % 2], 0.25 * (head - 0.5))
    for row in range(layers + 1):
        for t in range(T):
            part = share[row][t]
            colour = "white" if not found.reaches[t] else INK if part > 0.012 else LINE
            edge = LINE if not found.reaches[t] else colour
            ax.plot(xs[t], -row, "o", ms=5 + 8 * part**0.5, color=colour, mec=edge, zorder=3)
    for t, token in enumerate(found.tokens):
        _token(ax, xs[t], widths[t], token, found, t, at)
    for t in range(T - 1):
        if found.reaches[t] != found.reaches[t + 1]:
            ax.axvline(right[t] + 9.3, color=WALL, ls=":", lw=2.5)
    ax.set(xlim=(-1, right[-1] + 10), ylim=(-layers - 0.5, 1.5))
    ax.axis("off")


def _arrow(ax, start, end, weight, colour, aside) -> None:
    (a, b), (c, d) = start, end
    patch = FancyArrowPatch(
        (a + aside, b), (c + aside, d), arrowstyle="-|>" if weight > 0.12 and a != c else "-", mutation_scale=11,
        connectionstyle="arc3,rad=0.12", lw=0.8 + 6 * weight, color=colour, alpha=min(1, 0.15 + 1.3 * weight),
        shrinkB=6, zorder=2,
    )  # fmt: skip
    ax.add_patch(patch)


def _token(ax, x, width, token, found: Reading, t, at) -> None:
    hidden, seen = t - 1 in found.view.places, found.reaches[t]
    box = FancyBboxPatch(
        (x - width / 2, 0.62), width, 0.56, boxstyle="round,pad=0,rounding_size=0.3", mutation_aspect=0.12,
        fc=INK if hidden else CARD if seen else "white", ec=MODEL if t == at else LINE, lw=3 if t == at else 1,
        hatch=None if seen else "////",
    )  # fmt: skip
    ax.add_patch(box)
    colour = "white" if hidden else INK if seen else SOFT
    ax.text(
        x, 0.9, token, ha="center", va="center", fontsize=10, weight="bold", color=colour,
        bbox=None if seen else {"fc": "white", "ec": "none", "pad": 0.5},
    )  # fmt: skip
    if not seen:
        ax.plot([x - width / 3, x + width / 3], [0.9, 0.9], color=WALL, lw=1.5, zorder=5)


def _draw_bars(ax, found: Reading) -> None:
    rank = {word: (word != found.view.truth, -_worth(found, word), -p) for word, p in found.model.items()}
    order = sorted(rank, key=rank.get)[:SHOWN]
    rows = [(word, found.model[word], found.best and found.best[word]) for word in order]
    rest = [1 - sum(values[word] for word in order) if values else None for values in (found.model, found.best)]
    if len(found.model) > len(order):
        rows.append(("all others", *rest))
    for n, (_, ours, best) in enumerate(rows):
        ax.barh(n - 0.18, ours, 0.34, color=MODEL, label="this model" if not n else None)
        ax.text(1.08, n, _percent(ours), color=MODEL, ha="right", va="center", fontsize=10, weight="bold")
        if best is not None:
            ax.barh(n + 0.18, best, 0.26, color=BEST, label="best possible from what it sees" if not n else None)
            ax.text(1.19, n, _percent(best), color=BEST, ha="right", va="center", fontsize=10, weight="bold")
    names = [f"{word} \u2713" if word == found.view.truth else word for word, *_ in rows]
    ax.set_yticks(range(len(rows)), names, fontsize=10)
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xticks=[])
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.02), ncols=2, frameon=False, fontsize=9)


def _worth(found: Reading, word: str) -> float:
    """The larger of what the sentence and what its left part allow: one order under every mask."""
    return max((values or {}).get(word, 0) for values in (found.both, found.left))


def _percent(p: float) -> str:
    if 0.995 < p < 1 - 1e-9:
        return ">99%"
    return "<1%" if 0 < p < 0.005 else f"{p:.0%}"
