"""Draw masks, attention weights and leak tests: matrices with tokens on both axes."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from course_lib.plots.colours import INK, PALE
from course_lib.plots.figure import figure, inches, named, style

__all__ = ["heatmap", "heatmaps"]

MASKED = "#D9D9D9"
MOST_CELLS = 40_000  # of all panels: more can neither be read nor drawn in a reasonable time
WIDEST = 9.6  # inches: a wider figure is shrunk by the page, and its text with it
SCALE = LinearSegmentedColormap.from_list("sky", ["#FFFFFF", "#56B4E9", "#0072B2", "#00304D"])
BINARY = LinearSegmentedColormap.from_list("binary", ["#FFFFFF", "#56B4E9"])
MAY_LOOK = LinearSegmentedColormap.from_list("flat", ["#CFE8F8", "#CFE8F8"])
SIGNED = LinearSegmentedColormap.from_list("signed", ["#7A3500", "#E69F00", "#FFFFFF", "#56B4E9", "#00304D"])


def heatmap(matrix, rows, columns=None, *, alt, title=None, **options):
    """Draw a matrix with tokens on both axes: the row is who looks, the column at whom.

    matrix [T, S]; rows T tokens, columns S tokens (left out: the rows again). Options: those of `heatmaps`.
    """
    return heatmaps([{"matrix": matrix, "title": title}], rows, columns, alt=alt, **options)


def heatmaps(panels, rows=None, columns=None, *, alt, axes=("who looks", "at whom"), limits=None, text=None):
    """Draw matrices side by side on one colour scale.

    panels: [{'matrix': [T, S], 'title': ..., 'rows': ..., 'columns': ...}]; rows and columns fall back to the
    common ones. -inf, and the lowest float that masks use for it, are hatched as 'masked' and leave the scale
    alone; nan is left blank. axes: what rows and columns mean. limits: (low, high) of the scale. text: write the
    values into the cells (default: up to 10 x 10).
    """
    panels = [prepared(panel, rows, columns) for panel in panels]
    if (cells := sum(panel[0].size for panel in panels)) > MOST_CELLS:
        raise ValueError(
            f"{len(panels)} matrices with {cells:,} cells are too much for a figure, which holds {MOST_CELLS:,}; draw "
            "a part, as in matrix[:32, :32] with its 32 tokens"
        )
    seen = [values[~hidden & np.isfinite(values)] for values, hidden, *_ in panels]
    # A panel of zeros only (an additive mask, a full view) is painted 'may look' and left out of the scale.
    scaled = [values for values in seen if values.any()]
    visible = np.concatenate(scaled) if scaled else np.zeros(0)
    binary = set(np.unique(visible)) <= {0.0, 1.0}
    low, high, colours = (0.0, 1.0, BINARY) if binary and not limits else colour_scale(visible, limits)
    write = all(max(panel[0].shape) <= 10 for panel in panels) if text is None else text
    cell, across = layout(panels, write, [short(value) for values in seen for value in np.unique(values)])
    down = math.ceil(len(panels) / across)
    height, width = (max(panel[0].shape[axis] for panel in panels) for axis in (0, 1))
    size = across * (width * cell + margin(panels, 2)) + 0.9, down * (height * cell + margin(panels, 3) + 0.4)
    with style():
        fig = Figure(figsize=(max(size[0], 3.6), size[1]), layout="constrained")
        grid = fig.subplots(down, across, squeeze=False)
        for ax in grid.flat[len(panels) :]:
            ax.axis("off")
        for index, (ax, panel) in enumerate(zip(grid.flat, panels, strict=False)):
            draw_panel(ax, panel, low, high, colours, write, cell)
            ax.set_xlabel(f"column = {axes[1]}", color=PALE, fontsize=11)
            ax.set_ylabel(f"row = {axes[0]}" if index % across == 0 else "", color=PALE, fontsize=11)
        if visible.size and not binary:
            scale = ScalarMappable(Normalize(low, high), colours)
            fig.colorbar(scale, ax=grid, shrink=0.8 / down, pad=0.02).outline.set_visible(False)
        keys = [(colours(1.0), "1", None), (colours(0.0), "0", None)] if visible.size and binary and not write else []
        if any(hidden.any() for _, hidden, *_ in panels):
            keys.append((MASKED, "masked: may not look", "///"))
        if keys:
            patches = [Patch(facecolor=face, edgecolor=PALE, hatch=hatch, label=name) for face, name, hatch in keys]
            fig.legend(handles=patches, loc="outside lower left", frameon=False, fontsize=11, ncols=len(patches))
        return figure(fig, alt)


def layout(panels, write, texts):
    """Return (size of a cell in inches, panels side by side) for a figure that fits a notebook's width."""
    width = max(panel[0].shape[1] for panel in panels)
    least = max(0.09 * max(map(len, texts), default=1) + 0.05, 0.3) if write else 0.19
    best = max(least, 0.5 if write else 0.45 if width <= 12 else 0.3)
    for across in range(min(len(panels), 4), 0, -1):
        fits = ((WIDEST - 0.9) / across - margin(panels, 2)) / width
        if fits >= least:
            return min(best, fits), across
    return least, 1


def margin(panels, names):
    """Return the inches beside a panel that its row names (names=2) or column names (names=3) take."""
    return 0.5 + 0.095 * max(len(str(name)) for panel in panels for name in panel[names])


def prepared(panel, rows, columns):
    """Return (values, which are masked, row names, column names, title) of a panel."""
    panel = panel if isinstance(panel, Mapping) else {"matrix": panel}
    values = panel["matrix"]
    if hasattr(values, "detach"):  # a torch tensor, of any precision and device
        values = values.detach().cpu().double().numpy()
    values = np.array(values, dtype=float)
    rows = [named(name) for name in panel.get("rows") or rows or ()]
    columns = [named(name) for name in panel.get("columns") or columns or rows]
    if values.shape != (len(rows), len(columns)) or not values.size:
        names = f"{len(rows)} row names and {len(columns)} column names"
        raise ValueError(f"the matrix has shape {values.shape}, but there are {names}")
    return values, values < -1e4, rows, columns, panel.get("title")  # float16's lowest number is -65504


def colour_scale(visible, limits):
    """Return (low, high, colour map): from 0 if no sign differs, else symmetric about 0."""
    low, high = limits or (min(visible.min(), 0.0), max(visible.max(), 0.0))
    if low < 0 < high:
        return -max(-low, high), max(-low, high), SIGNED
    return low, high, SCALE if high > 0 else SCALE.reversed()


def draw_panel(ax, panel, low, high, colours, write, cell):
    """Draw one matrix into its axes."""
    values, hidden, rows, columns, title = panel
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
    ax.set_xticks(range(len(columns)), [str(name) for name in columns], rotation=90 if wide else 0)
    ax.set_yticks(range(len(rows)), [str(name) for name in rows])
    ax.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#E3E3E3", linewidth=1)
    ax.tick_params(which="both", length=0)
    ax.tick_params(axis="x", top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.set_title(title or "", pad=8)


def short(value):
    """Return a number as text that fits into a cell: 0, 0.25, 12."""
    if not math.isfinite(value):
        return f"{value}"
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"
    return f"{value:.0f}" if value == round(value) and abs(value) < 1000 else text.replace("-0.00", "0.00")
