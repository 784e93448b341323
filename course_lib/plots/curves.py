"""Draw a metric over the tokens seen, between its floor and its ceiling."""

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from course_lib.plots.page import ARMS, PALE, figure, named, style

__all__ = ["curve"]


def curve(
    histories,
    metric="loss",
    floor=None,
    ceiling=None,
    spread=None,
    *,
    alt,
    title=None,
    caption=None,
    limits=None,
):
    """Draw a metric of one or more histories over the tokens seen, between its floor and its ceiling.

    histories: a History or a list of them; metric: 'loss', 'accuracy' or a name in History.evals.
    floor, ceiling: a number, or {label: number} for several. limits: (low, high) of the vertical axis.
    spread: {history's name: {'tokens': [...], 'low': [...], 'high': [...], 'mean': [...]}} recorded over seeds, a
    band; where it goes on beyond the history, its mean is drawn and labelled as well.
    """
    histories = [histories] if hasattr(histories, "tokens") else list(histories)
    if not histories:
        raise ValueError("curve() has no history to draw")
    with style():
        fig = Figure(figsize=(7.4, 4.2), layout="constrained")
        ax = fig.add_subplot()
        labels, last = [], 0.0
        for index, history in enumerate(histories):
            colour, line, marker = ARMS[index % len(ARMS)]
            x, y = series(history, metric)
            band = (spread or {}).get(history.name)
            if band:
                ax.fill_between(
                    band["tokens"], band["low"], band["high"], color=colour, alpha=0.2, linewidth=0
                )
            further = bool(band) and band["tokens"][-1] > x[-1]  # then its end is what the reader should read
            if further and "mean" in band:
                ax.plot(band["tokens"], band["mean"], color=colour, linewidth=1)
            every = max(len(x) // 6, 1)
            ax.plot(
                x,
                y,
                color=colour,
                linestyle=line,
                marker=marker,
                markersize=5,
                markevery=every,
                clip_on=False,
            )
            if further and "mean" in band:
                labels.append((band["mean"][-1], f"{history.name}, recorded", colour, band["tokens"][-1]))
            else:
                labels.append((y[-1], history.name, colour, x[-1]))
            last = max(last, x[-1], band["tokens"][-1] if band else 0.0)
        for kind, limit, lined in (("floor", floor, (0, (1, 2))), ("ceiling", ceiling, (0, (6, 2)))):
            for name, value in limits_of(limit, kind):
                ax.axhline(value, color=PALE, linewidth=1.3, linestyle=lined, zorder=1)
                labels.append((value, name, PALE, None))
        if limits:
            ax.set_ylim(*limits)
        ax.set_xlabel("tokens seen")
        ax.set_ylabel({"loss": "loss (nats per token)"}.get(metric, metric))
        ax.set_xlim(0, last or 1)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
        ax.xaxis.set_major_locator(MaxNLocator(6))
        if title:
            ax.set_title(title)
        label_right(ax, labels, last)
        return figure(fig, alt, caption)


def series(history, metric):
    """Return (tokens, values) of a metric without the values that were not measured (nan)."""
    evals = history.evals
    if metric in evals:
        values, tokens = evals[metric], history.eval_tokens
    elif metric in ("loss", "accuracy", "seconds"):
        values, tokens = getattr(history, metric), history.tokens
    else:
        known = ", ".join(["loss", "accuracy", *evals])
        raise ValueError(f"history {history.name!r} has no metric {metric!r}; it has: {known}")
    if not len(values) or len(tokens) != len(values):
        raise ValueError(
            f"{metric!r} of {history.name!r} has {len(values)} values for {len(tokens)} counts of tokens; "
            "each value needs its count, and one value is the least"
        )
    values = np.asarray(values, dtype=float)
    keep = ~np.isnan(values)
    if not keep.any():
        raise ValueError(f"{metric!r} of {history.name!r} holds no number (all nan)")
    return np.asarray(tokens, dtype=float)[keep], values[keep]


def limits_of(limit, name):
    """Return [(label, value)] of a floor or ceiling given as nothing, a number or {label: number}."""
    if limit is None:
        return []
    return list(limit.items()) if isinstance(limit, Mapping) else [(name, float(limit))]


def label_right(ax, labels, last):
    """Write each label beside the right edge at its height, moved apart just as far as they would overlap."""
    low, high = ax.get_ylim()
    ax.set_ylim(low, high)
    step = 0.062 * (high - low)  # the height of a line of text
    ordered = sorted(labels, key=lambda label: label[0])
    heights = [min(max(value, low), high) for value, *_ in ordered]
    for place, height, label in zip(spaced(heights, step, low, high), heights, ordered, strict=True):
        value, name, colour, end = label
        shown = f"{named(name)} {value:.3f}" if abs(value) < 10 else f"{named(name)} {value:.3g}"
        ax.annotate(
            shown,
            xy=(1 if end is None else end / (last or 1), height),  # from the end of its line
            xytext=(1.035, place),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=11,
            color=darker(colour),
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 0,
                        "relpos": (0, 0.5)},  # to the label's left edge, not through its words
        )


def darker(colour):
    """Return a colour dark enough to be read as text on white."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    factor = min(1.0, 0.38 / luminance) if luminance else 1.0
    return red * factor, green * factor, blue * factor


def spaced(places, step, low, high):
    """Return ascending places, moved as little as needed to stand `step` apart between low and high."""
    if len(places) > 1:
        step = min(step, (high - low) / (len(places) - 1))
    groups = []  # each: [sum of (place - index * step), members]; its members stand step apart
    for index, place in enumerate(places):
        groups.append([place - index * step, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, members = groups.pop()
            groups[-1] = [groups[-1][0] + total, groups[-1][1] + members]
    bases = [total / members for total, members in groups for _ in range(members)]
    top = high - (len(places) - 1) * step
    return [min(max(base, low), top) + index * step for index, base in enumerate(bases)]


def thousands(value):
    """Return a count of tokens as short text: 0, 800k, 2.5M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
