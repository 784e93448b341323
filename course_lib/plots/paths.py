"""Draw tokens by layers: who looks at whom in each layer, and from where a position can be reached."""

import math

import numpy as np
from matplotlib.figure import Figure

from course_lib.plots.colours import INK, PALE, STYLES
from course_lib.plots.figure import figure, named, style
from course_lib.plots.words import described

__all__ = ["paths"]

FAINT = "#DADADA"
GAPS = {"shrinkA": 3, "shrinkB": 5}  # points between an arrow's ends and the dots


def paths(masks, words, at, layers=2, *, alt=None):
    """Draw tokens, a row of dots for the output of each layer below them, and an arrow from each dot to what it sees.

    masks: {title: bool [T, T]}, one panel each: True where the row may look at the column (``attention.visible`` makes
    that of an additive mask); words: T tokens; at: the position, from 0, whose output is asked for: the arrows that
    lead from it are in colour. ValueError where these do not fit together.
    """
    allowed = {title: np.asarray(mask) for title, mask in masks.items()}
    if strange := [title for title, may in allowed.items() if may.shape != (len(words),) * 2 or may.dtype != bool]:
        raise ValueError(f"{strange[0]!r}: {len(words)} words need a mask of booleans of that size, True = may look.")
    if at not in range(len(words)):
        raise ValueError(f"at={at}: {len(words)} words have positions 0 to {len(words) - 1}.")
    across, said, total = min(len(masks), 2), [], f"of {len(words)} positions reach '{words[at]}'"
    with style():
        down = math.ceil(len(masks) / across)
        fig = Figure(figsize=(4.7 * across, (0.75 + 0.62 * layers) * down), layout="constrained")
        grid = [*fig.subplots(down, across, squeeze=False).flat]
        for ax, (title, may) in zip(grid, allowed.items(), strict=False):
            reached = _draw(ax, may, words, at, layers)
            ax.set_title(f"{title}: {reached} {total}", fontsize=11)
            said.append((f"{title}:", f"{reached} {total}"))
        for ax in grid[len(masks) :]:
            ax.axis("off")
        lead = f"Tokens by layers, arrows from who looks to at whom, {layers} layers"
        return figure(fig, *described(alt, lead, None, said, [f"tokens {', '.join(map(named, words))}"]))


def _draw(ax, may, words, at, layers):
    """Draw one panel; return how many positions reach the one that is asked."""
    alive = np.arange(len(words)) == at
    for layer in range(layers, 0, -1):
        for i, j in np.argwhere(may | np.eye(len(words), dtype=bool)):
            colour, width, head = (STYLES["blue"][0], 1.3, "-|>") if alive[i] else (FAINT, 0.8, "-")
            arrow = {"arrowstyle": head, "mutation_scale": 8, "color": colour, "linewidth": width} | GAPS
            ax.annotate("", (j, 1 - layer), (i, -layer), arrowprops=arrow, zorder=2 if alive[i] else 1)
        ax.plot(range(len(words)), [-layer] * len(words), "o", ms=6, color=PALE, zorder=3)
        alive = alive | may[alive].any(axis=0)
    ax.plot(at, -layers, "o", ms=10, color=STYLES["blue"][0], zorder=4)
    for j, word in enumerate(words):
        frame = {"boxstyle": "round,pad=0.25", "fc": "#CFE8F8" if alive[j] else "white", "ec": PALE, "lw": 0.7}
        ax.text(j, 0.12, named(word), ha="center", va="bottom", fontsize=10, color=INK, bbox=frame)
    ax.set(xlim=(-0.6, len(words) - 0.4), ylim=(-layers - 0.3, 0.75))
    ax.set_yticks([-layer for layer in range(layers + 1)], ["embedding", *(f"layer {n}" for n in range(1, layers + 1))])
    ax.set_xticks([])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelsize=9)
    return int(alive.sum())
