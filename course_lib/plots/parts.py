"""Draw what models are made of, part by part: where they are the same, and where they differ."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from course_lib.plots.colours import PALE
from course_lib.plots.figure import WIDTH, figure, style
from course_lib.plots.words import described

__all__ = ["parts"]

SAME, APART, SEEN = "#ECEFF1", "#FFF3E0", "#0072B2"


def parts(models, rows, *, alt=None):
    """Draw a table of models (columns) and their parts: one grey box where all have the same, else a box for each.

    models: their names; rows: {part: [one text per model]}, from the top down. Instead of a text there may be a bool
    matrix [T, T], drawn as the square of who may look at whom. A part has as many texts as there are models.
    """
    lines = [max(_lines(cell) for cell in cells) for cells in rows.values()]
    said = []
    with style():
        fig = Figure(figsize=(WIDTH, 0.4 + 0.24 * sum(lines) + 0.16 * len(lines)), layout="constrained")
        ax = fig.add_subplot(xlim=(-0.75, len(models)), ylim=(-sum(lines) - 0.6 * len(lines), 1))
        ax.axis("off")
        for n, model in enumerate(models):
            ax.text(n + 0.5, 0.4, model, ha="center", va="center", weight="bold")
        top = -0.1
        for (part, cells), high in zip(rows.items(), lines, strict=True):
            middle = top - high / 2 - 0.2
            ax.text(-0.05, middle, part, ha="right", va="center", fontsize=10, color=PALE)
            same = all(np.array_equal(cells[0], cell) for cell in cells[1:])
            for n, cell in enumerate(cells[:1] if same else cells):
                _box(ax, n, middle, len(models) if same else 1, high, cell, SAME if same else APART)
            told = [cell if isinstance(cell, str) else "a square" for cell in cells]
            said.append((part, "the same in all" if same else "; ".join(" ".join(text.split()) for text in told)))
            top -= high + 0.6
        return figure(fig, *described(alt, f"Parts of {', '.join(models)}", None, said))


def _lines(cell):
    """Return how many lines of text a cell is high."""
    return cell.count("\n") + 1 if isinstance(cell, str) else 3


def _box(ax, left, middle, wide, high, cell, colour):
    """Draw one box with a text or the square of a mask in it."""
    ax.add_patch(FancyBboxPatch((left + 0.04, middle - high / 2 - 0.1), wide - 0.08, high + 0.2, fc=colour, ec=PALE,
                                lw=0.6, boxstyle="round,pad=0,rounding_size=0.04", mutation_aspect=5))  # fmt: skip
    if isinstance(cell, str):
        ax.text(left + wide / 2, middle, cell, ha="center", va="center", fontsize=10)
        return
    x0, x1, y0, y1 = *ax.get_xlim(), *ax.get_ylim()
    size = high / len(cell)
    across = size * (x1 - x0) / (y1 - y0) * ax.figure.get_figheight() / ax.figure.get_figwidth()
    for (i, j), seen in np.ndenumerate(np.asarray(cell)):
        corner = left + wide / 2 + (j - len(cell) / 2) * across, middle + high / 2 - (i + 1) * size
        ax.add_patch(Rectangle(corner, across, size, fc=SEEN if seen else "white", ec=PALE, lw=0.5))
