"""Draw numbers against a quantity: distance, length, width; one line per arm, with floor and ceiling."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from course_lib.plots.curves import label_right, limits_of
from course_lib.plots.page import ARMS, PALE, figure, named, style

__all__ = ["against"]


def against(
    x, lines, floor=None, ceiling=None, *, alt, across, up, spread=None, marks=None, log="", limits=None, title=None,
    caption=None,
):
    """Draw {name: [one y per x]} as lines with markers over x; nan leaves a gap.

    across, up: what the axes measure. spread: {name: (low, high)}, two lists each, a band. floor, ceiling: a number,
    or {label: number}. marks: {name: x}, a vertical line in that line's colour. log: "x", "y" or "xy". limits: (low,
    high) of the vertical axis. The lines are labelled at their right end.
    """
    x, lines = np.asarray(x, dtype=float), {name: np.asarray(y, dtype=float) for name, y in lines.items()}
    if not lines:
        raise ValueError("against() has no line to draw")
    for name, y in lines.items():
        if y.shape != x.shape:
            raise ValueError(f"{name!r} has {y.size} values for {x.size} places on the axis: give one for each")
    for name in {**(spread or {}), **(marks or {})}:
        if name not in lines:
            raise ValueError(f"there is no line {name!r} to add something to; there are: {', '.join(lines)}")
    with style():
        fig = Figure(figsize=(7.4, 4.2), layout="constrained")
        ax = fig.add_subplot()
        ax.set_xscale("log" if "x" in log else "linear"), ax.set_yscale("log" if "y" in log else "linear")
        labels = []
        for index, (name, y) in enumerate(lines.items()):
            colour, line, marker = ARMS[index % len(ARMS)]
            if name in (spread or {}):
                ax.fill_between(x, *spread[name], color=colour, alpha=0.2, linewidth=0)
            every = max(len(x) // 12, 1)
            ax.plot(x, y, color=colour, linestyle=line, marker=marker, markersize=5, markevery=every, clip_on=False)
            if name in (marks or {}):
                ax.axvline(marks[name], color=colour, linewidth=1, linestyle=line, zorder=1)
            if (known := y[~np.isnan(y)]).size:
                labels.append((known[-1], name, colour, None))
        for kind, limit, lined in (("floor", floor, (0, (1, 2))), ("ceiling", ceiling, (0, (6, 2)))):
            for name, value in limits_of(limit, kind):
                ax.axhline(value, color=PALE, linewidth=1.3, linestyle=lined, zorder=1)
                labels.append((value, name, PALE, None))
        if limits:
            ax.set_ylim(*limits)
        if "x" in log:  # whole numbers at the places themselves, not powers of ten
            ax.set_xticks(x, _names(x))
            ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel(across)
        ax.set_ylabel(up)
        if title:
            ax.set_title(title)
        if "y" in log:
            ax.yaxis.set_major_formatter(lambda value, _: _power(value))
        if "y" not in log:
            label_right(ax, labels, 1)
        else:
            ax.legend(ax.lines[: len(lines)], [named(name) for name in lines], frameon=False, fontsize=11, loc="best")
        return figure(fig, alt, caption)


def _names(places):
    """Name ascending places of a logarithmic axis; one that would run into its neighbour stays blank."""
    names, last = [], 0.0
    for place in places:
        apart = not last or abs(np.log(place / last)) > 0.04 * np.log(places[-1] / places[0])
        names.append(f"{place:g}" if apart else "")
        last = place if apart else last
    return names


def _power(value):
    """Write a power of ten as plain text: 0.01 -> 10⁻² (in the course's figures '$' is a token, not mathematics)."""
    return "10" + str(round(np.log10(value))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
