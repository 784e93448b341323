"""Draw masks, attention weights and leak tests: matrices with tokens on both axes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from course_lib.plots.colours import INK, PALE
from course_lib.plots.figure import figure, inches, named, style
from course_lib.plots.words import described, listed

__all__ = ["heatmap", "heatmaps"]

MASKED = "#D9D9D9"
WIDEST = 9.6  # inches: a wider figure is shrunk by the page, and its text with it
SCALE = LinearSegmentedColormap.from_list("sky", ["#FFFFFF", "#56B4E9", "#0072B2", "#00304D"])
BINARY = LinearSegmentedColormap.from_list("binary", ["#FFFFFF", "#56B4E9"])
MAY_LOOK = LinearSegmentedColormap.from_list("flat", ["#CFE8F8", "#CFE8F8"])


@dataclass
class Panel:
    """A matrix to draw: values [T, S], which of them are masked, the names of its rows and columns, and its title."""

    values: np.ndarray
    hidden: np.ndarray
    rows: list[str]
    columns: list[str]
    title: str | None

    @classmethod
    def of(cls, panel, rows, columns):
        """Read a panel as it is given; names fall back to the common ones. ValueError where they do not fit."""
        panel = panel if isinstance(panel, Mapping) else {"matrix": panel}
        values = panel["matrix"]
        if hasattr(values, "detach"):  # a torch tensor, of any precision and device
            values = values.detach().cpu().double().numpy()
        values = np.array(values, dtype=float)
        rows = [named(name) for name in panel.get("rows") or rows or ()]
        columns = [named(name) for name in columns or rows]
        if values.shape != (len(rows), len(columns)) or not values.size:
            names = f"{len(rows)} row names and {len(columns)} column names"
            raise ValueError(f"the matrix has shape {values.shape}, but there are {names}")
        return cls(values, values < -1e4, rows, columns, panel.get("title"))  # float16's lowest number is -65504

    @property
    def seen(self):
        """The values that set the scale."""
        return self.values[~self.hidden & np.isfinite(self.values)]

    def said(self):
        """Say in words what it holds."""
        seen, cells = self.seen, self.values.size
        closed = f"{self.hidden.sum()} of {cells} cells masked" if self.hidden.any() else ""
        if not seen.any():
            return closed or "all cells 0"
        if set(np.unique(seen)) <= {0.0, 1.0}:
            return f"{int(seen.sum())} of {cells} cells are 1{closed and ', ' + closed}"
        i, j = np.argwhere(self.values == seen.max())[0]
        most = f"values {short(seen.min())} to {short(seen.max())}, the largest at {self.rows[i]}, {self.columns[j]}"
        zeros = f"{(seen == 0).sum()} of {cells} cells 0" if (seen == 0).any() else ""
        return ", ".join(filter(None, (most, zeros, closed)))


def heatmap(matrix, rows, columns=None, *, title=None, **options):
    """Draw a matrix with tokens on both axes: the row is who looks, the column at whom.

    matrix [T, S]; rows T tokens, columns S tokens (left out: the rows again). Options: those of `heatmaps`.
    """
    return heatmaps([{"matrix": matrix, "title": title}], rows, columns, **options)


def heatmaps(panels, rows=None, columns=None, *, alt=None, axes=("who looks", "at whom"), limits=None, text=None):
    """Draw matrices side by side on one colour scale; on a narrow page they stand under each other.

    panels: {title: [T, S]}, or [{'matrix': [T, S], 'title': ..., 'rows': ...}] where the names differ.
    -inf, and the lowest float that masks use for it, are hatched as 'masked' and leave the scale alone; nan is left
    blank. axes: what rows and columns mean. limits: (low, high) of the scale. text: write the values into the cells
    (default: up to 10 x 10).
    """
    if isinstance(panels, Mapping):
        panels = [{"matrix": matrix, "title": title} for title, matrix in panels.items()]
    panels = [Panel.of(panel, rows, columns) for panel in panels]
    with style():
        fig, parts, keys = _drawn(panels, axes, limits, text)
        alt, plain = described(alt, *_told(panels, axes))
        names = [f"Panel {n} of {len(panels)}: {panel.title or 'no title'}" for n, panel in enumerate(panels, 1)]
        parts = [*zip([alt, *names[1:]], parts, strict=True), *keys] if len(panels) > 1 else ()
        return figure(fig, alt, plain, parts=parts, pairs=4 * (len(panels) == 4))


def _told(panels, axes):
    """Return what `described` needs: kind, title, what is said of each panel, and the names of rows and columns."""
    first, alone = panels[0], len(panels) == 1
    size = f"{len(first.rows)} rows ({axes[0]}) by {len(first.columns)} columns ({axes[1]})"
    if alone and first.values.size <= 24:  # few enough to read them out
        said = [(f"{name}:", ", ".join("masked" if value < -1e4 else short(value) for value in row))
                for name, row in zip(first.rows, first.values, strict=True)]  # fmt: skip
        return f"Heat map of {size}", first.title, said, [f"columns {listed(first.columns)}"]
    names = [f"rows {listed(first.rows)}", f"columns {listed(first.columns)}"]
    if first.rows == first.columns:
        names = [f"rows and columns {listed(first.rows)}"]
    kind = f"Heat map of {size}" if alone else f"{len(panels)} heat maps of {size}"
    said = [("" if alone else f"{panel.title or f'panel {n}'}:", panel.said()) for n, panel in enumerate(panels, 1)]
    return kind, first.title if alone else None, said, names


def _drawn(panels, axes, limits, text):
    """Draw all panels; return the figure, its axes, and [(alt text, artist)] of the colour bar and the key."""
    # A panel of zeros only (an additive mask, a full view) is painted 'may look' and left out of the scale.
    scaled = [panel.seen for panel in panels if panel.seen.any()]
    visible = np.concatenate(scaled) if scaled else np.zeros(0)
    binary = set(np.unique(visible)) <= {0.0, 1.0}
    low, high = limits or ((0.0, 1.0) if binary else (min(visible.min(), 0.0), max(visible.max(), 0.0)))
    colours = BINARY if binary and not limits else SCALE
    write = all(max(panel.values.shape) <= 10 for panel in panels) if text is None else text
    texts = [short(value) for panel in panels for value in np.unique(panel.seen)] if write else []
    cell, across = layout(panels, texts)
    down = math.ceil(len(panels) / across)
    height, width = (max(panel.values.shape[axis] for panel in panels) for axis in (0, 1))
    beside, above = margin(panel.rows for panel in panels), margin(panel.columns for panel in panels)
    size = across * (width * cell + beside) + 0.9, down * (height * cell + above + 0.4)
    fig = Figure(figsize=(max(size[0], 3.6), size[1]), layout="constrained")
    grid = fig.subplots(down, across, squeeze=False)
    for ax in grid.flat[len(panels) :]:
        ax.axis("off")
    for index, (ax, panel) in enumerate(zip(grid.flat, panels, strict=False)):
        draw_panel(ax, panel, low, high, colours, write, cell)
        ax.set_xlabel(f"column = {axes[1]}", color=PALE, fontsize=11)
        ax.set_ylabel(f"row = {axes[0]}" if index % across == 0 else "", color=PALE, fontsize=11)
    more = []
    if visible.size and not binary:
        bar = fig.colorbar(ScalarMappable(Normalize(low, high), colours), ax=grid, shrink=0.8 / down, pad=0.02)
        bar.outline.set_visible(False)
        more.append((f"The scale of colours, from {short(low)} to {short(high)}", bar.ax))
    keys = [(colours(1.0), "1", None), (colours(0.0), "0", None)] if visible.size and binary and not write else []
    if any(panel.hidden.any() for panel in panels):
        keys.append((MASKED, "masked: may not look", "///"))
    if keys:
        patches = [Patch(facecolor=face, edgecolor=PALE, hatch=hatch, label=name) for face, name, hatch in keys]
        legend = fig.legend(handles=patches, loc="outside lower left", frameon=False, fontsize=11, ncols=len(patches))
        more.append(("Key of colours: " + ", ".join(name for _, name, _ in keys), legend))
    return fig, [*grid.flat[: len(panels)]], more


def layout(panels, texts):
    """Return (size of a cell in inches, panels side by side) for a figure that fits a notebook's width.

    texts: what is written into the cells, if anything is.
    """
    width = max(len(panel.columns) for panel in panels)
    least = max(0.09 * max(map(len, texts)) + 0.05, 0.3) if texts else 0.19
    best = max(least, 0.5 if texts else 0.45 if width <= 12 else 0.3)
    for across in [n for n in (4, 3, 2, 1) if n <= len(panels) and (n, len(panels)) != (3, 4)]:  # no fourth alone
        if across < len(panels) and not texts:
            best = max(least, 0.3)  # panels below each other are small, so that they are seen together
        fits = ((WIDEST - 0.9) / across - margin(panel.rows for panel in panels)) / width
        if fits >= least:
            return min(best, fits), across
    return least, 1


def margin(names):
    """Return the inches beside a panel that its names take: the longest of several lists."""
    return 0.5 + 0.095 * max(len(name) for some in names for name in some)


def draw_panel(ax, panel, low, high, colours, write, cell):
    """Draw one matrix into its axes."""
    values, hidden, rows, columns = panel.values, panel.hidden, panel.rows, panel.columns
    shown = np.ma.masked_where(hidden | np.isnan(values), values)
    if not shown.any():
        colours, low, high = MAY_LOOK, 0.0, 1.0
    image = ax.imshow(shown, cmap=colours, vmin=low, vmax=high, aspect="equal", interpolation="nearest")
    for i, j in np.argwhere(hidden):
        place = (j - 0.5, i - 0.5)
        ax.add_patch(Rectangle(place, 1, 1, facecolor=MASKED, edgecolor=PALE, hatch="///", linewidth=0))
    for i, j in np.argwhere(~np.ma.getmaskarray(shown) & write):
        ink = "white" if sum(image.cmap(image.norm(values[i, j]))[:3]) < 1.5 else INK
        ax.text(j, i, short(values[i, j]), ha="center", va="center", fontsize=11, color=ink)
    wide = max(inches(name, 11) for name in columns) + 0.06 > cell
    ax.set_xticks(range(len(columns)), columns, rotation=90 if wide else 0)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#E3E3E3", linewidth=1)
    ax.tick_params(which="both", length=0)
    ax.tick_params(axis="x", top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.set_title(panel.title or "", pad=8)


def short(value):
    """Return a number as text that fits into a cell: 0, 0.25, 12."""
    if not math.isfinite(value):
        return f"{value}"
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"
    return f"{value:.0f}" if value == round(value) and abs(value) < 1000 else text.replace("-0.00", "0.00")
