"""Draw lines between a floor and a ceiling: a metric over the tokens seen, or numbers over any other quantity."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator

from course_lib.plots.colours import PALE, styles
from course_lib.plots.figure import WIDTH, figure, named, style
from course_lib.plots.words import described, number, path

__all__ = ["against", "curve"]


@dataclass
class Line:
    """A line to draw: its points, the band (x, low, high) around it, and a mean that goes on beyond it."""

    name: str
    x: np.ndarray
    y: np.ndarray
    band: tuple | None = None
    beyond: tuple | None = None  # (x, y)
    mark: float | None = None  # where a vertical line stands, in its colour
    cut: bool = False  # whether its training was stopped before its end

    def said(self):
        """Say in words where it goes, and how wide the band is at its end."""
        known = self.y[~np.isnan(self.y)]
        if not known.size:
            return "nothing measured"
        low, high = (side[-1] for side in self.band[1:]) if self.band else (0, 0)
        wide = f" ({'recorded ' if self.beyond else ''}{number(low)} to {number(high)})" if low < high else ""
        return path(known) + wide + (", stopped early" if self.cut else "")

    def end(self):
        """Return (value, place, name) of what is written at its right end, or None for a line of nothing."""
        if self.beyond and not self.cut:
            return self.beyond[1][-1], self.beyond[0][-1], f"{self.name}, recorded"
        there = np.flatnonzero(~np.isnan(self.y))
        name = f"{self.name}, stopped early" if self.cut else self.name
        return (self.y[there[-1]], self.x[there[-1]], name) if there.size else None


def curve(histories, metric="loss", floor=None, ceiling=None, spread=None, *, alt=None, title=None, limits=None):
    """Draw a metric of one or more histories over the tokens seen, between its floor and its ceiling.

    histories: a History or a list of them; metric: 'loss', 'accuracy' or a name in History.evals.
    floor, ceiling: a number, or {label: number} for several. limits: (low, high) of the vertical axis.
    spread: {history's name: {'tokens': [...], 'low': [...], 'high': [...], 'mean': [...]}} recorded over seeds, a
    band; where it goes on beyond the history, its mean is drawn and labelled as well.
    """
    histories = [histories] if hasattr(histories, "tokens") else list(histories)
    lines = []
    for history in histories:
        line, band = Line(history.name, *series(history, metric)), (spread or {}).get(history.name)
        line.cut = getattr(history, "interrupted", False)
        if band:
            line.band = band["tokens"], band["low"], band["high"]
            if band["tokens"][-1] > line.x[-1] and "mean" in band:
                line.beyond = band["tokens"], band["mean"]
        lines.append(line)
    up = {"loss": "loss (nats per token)"}.get(metric, metric)
    return _draw(lines, floor, ceiling, alt, title, limits, "tokens seen", up, over_tokens=True)


def against(
    x, lines, floor=None, ceiling=None, *, across, up, alt=None, marks=None, log="", limits=None, title=None,
):  # fmt: skip
    """Draw {name: [one y per x]} as lines with markers over x; nan leaves a gap.

    Instead of y there may be (mean, low, high), a mean with a band. across, up: what the axes measure. floor, ceiling:
    a number, or {label: number}. marks: {name: x}, a vertical line in that line's colour. log: "x", "y" or "xy".
    limits: (low, high) of the vertical axis. The lines are labelled at their right end.
    """
    x, marks = np.asarray(x, dtype=float), marks or {}
    drawn = []
    for name, y in lines.items():
        y = np.asarray(y, dtype=float)  # [N], or [N, 3] with the ends of a band
        y, *band = y.T if y.ndim == 2 else (y,)
        drawn.append(Line(name, x, y, (x, *band) if band else None, mark=marks.get(name)))
    return _draw(drawn, floor, ceiling, alt, title, limits, across, up, log)


def _draw(lines, floor, ceiling, alt, title, limits, across, up, log="", over_tokens=False):
    looks, around = styles(line.name for line in lines), []
    with style():
        fig = Figure(figsize=(WIDTH, 4.2), layout="constrained")
        ax = fig.add_subplot(xscale="log" if "x" in log else "linear", yscale="log" if "y" in log else "linear")
        outside = any(y < 0 or y > 1 for line in lines for y in line.y)
        share = not outside and not any(unit in up for unit in ("nats", "bits"))
        labels = [label for line in lines if (label := _draw_line(ax, line, *looks[line.name], share))]
        for kind, limit, dashes in (("floor", floor, (0, (1, 2))), ("ceiling", ceiling, (0, (6, 2)))):
            limit = limit if isinstance(limit, Mapping) else {} if limit is None else {kind: limit}
            for name, value in limit.items():
                around.append(f"{name} {number(value)}")
                ax.axhline(value, color=PALE, linewidth=1.3, linestyle=dashes, zorder=1)
                labels.append((value, None, name, PALE))
        if limits:
            ax.set_ylim(*limits)
            low, high = ax.get_ylim()
            for drawn in ax.lines:  # a marker on the edge is drawn whole; what lies beyond would run through the title
                drawn.set_clip_on(bool(np.any((drawn.get_ydata() < low) | (drawn.get_ydata() > high))))
        ax.set(xlabel=across, ylabel=up, title=title or "")
        last = None
        if over_tokens:
            drawn = (x for line in lines for x in (line.x, *(more[0] for more in (line.band, line.beyond) if more)))
            last = max(x[-1] for x in drawn)
            ax.set_xlim(0, last or 1)
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.xaxis.set_major_locator(MaxNLocator(6))
        elif "x" in log:  # whole numbers at the places themselves, not powers of ten
            ax.set_xticks(lines[0].x, _apart(lines[0].x))
            ax.xaxis.set_minor_locator(NullLocator())
        if "y" in log:
            ax.yaxis.set_major_formatter("{x:g}")  # not 10^-2: in the course's figures '$' is a token, not mathematics
            ax.legend(ax.lines[: len(lines)], [named(line.name) for line in lines], frameon=False, fontsize=11)
        else:
            label_right(ax, labels, last)
        told = [(line.name, line.said()) for line in lines]
        words = described(alt, f"Lines of {up} over {across}", title, told, around)
        return figure(fig, *words, {line.name: looks[line.name][0] for line in lines})


def _draw_line(ax, line, colour, dashes, marker, share):
    """Draw a line with all that belongs to it; return its label: (value, place or None, name, colour).

    share: it measures a share; a band then ends at 0 and 1, which no mean of shares can pass.
    """
    if line.band:
        x, *sides = line.band
        sides = [np.clip(side, 0, 1) for side in sides] if share else sides
        ax.fill_between(x, *sides, color=colour, alpha=0.2, linewidth=0)
    points = {"marker": marker, "markersize": 5, "markevery": max(len(line.x) // 9, 1)}
    ax.plot(line.x, line.y, color=colour, linestyle=dashes, clip_on=False, **points)
    if line.beyond:
        ax.plot(*line.beyond, color=colour, linewidth=1)
    if line.mark is not None:
        ax.axvline(line.mark, color=colour, linewidth=1, linestyle=dashes, zorder=1)
    return (*line.end(), colour) if line.end() else None


def series(history, metric):
    """Return (tokens, values) of a metric without the values that were not measured (nan)."""
    if metric in history.evals:
        values, tokens = history.evals[metric], history.eval_tokens
    elif metric in ("loss", "accuracy"):
        values, tokens = getattr(history, metric), history.tokens
    else:
        known = ", ".join(["loss", "accuracy", *history.evals])
        if getattr(history, "interrupted", False):
            known += " (it was stopped early)"
        raise ValueError(f"history {history.name!r} has no metric {metric!r}; it has: {known}")
    if not len(values):
        raise ValueError(f"history {history.name!r} ended before its first {metric!r}: run the training again.")
    tokens, values = np.asarray(tokens, dtype=float), np.asarray(values, dtype=float)
    return tokens[~np.isnan(values)], values[~np.isnan(values)]


def label_right(ax, labels, last):
    """Write each label beside the right edge at its height, moved apart just as far as they would overlap.

    labels: [(value, place of its line's end or None, name, colour)]; last: where the axis ends, None for the edge.
    """
    low, high = ax.get_ylim()
    ax.set_ylim(low, high)
    step = 0.062 * (high - low)  # the height of a line of text
    labels = sorted(labels, key=lambda label: label[0])
    heights = [min(max(value, low), high) for value, *_ in labels]
    places = spaced(heights, step, low, high)
    for place, height, (value, end, name, colour) in zip(places, heights, labels, strict=True):
        from_its_end = 1 if end is None or not last else end / last
        leader = {"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 0}
        leader["relpos"] = 0, 0.5  # to the label's left edge, not through its words
        ax.annotate(
            f"{named(name)} {number(value)}", (from_its_end, height), (1.035, place), *[("axes fraction", "data")] * 2,
            leader, annotation_clip=False, va="center", fontsize=11, color=[0.7 * part for part in to_rgb(colour)],
        )  # fmt: skip


def spaced(places, step, low, high):
    """Return ascending places, moved up, and down from the top, until they stand `step` apart between low and high."""
    places = list(places)
    step = min(step, (high - low) / max(len(places) - 1, 1))
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + step)
    return [min(place, high - step * above) for above, place in zip(range(len(places))[::-1], places, strict=True)]


def _apart(places):
    """Name ascending places of a logarithmic axis; one whose name would run into the last one's stays blank."""
    names, last = [], None
    for place in places:
        name, long = f"{place:g}", np.log(places[-1] / places[0])
        apart = last is None or np.log(place / last) > 0.018 * len(f"{last:g}{name}") * long  # 0.018: a character
        names.append(name if apart else "")
        last = place if apart else last
    return names
