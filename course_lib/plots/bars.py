"""Draw arms side by side: every seed, the interval of the mean, floor and ceiling; and differences around zero."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from course_lib.intervals import t_interval
from course_lib.plots.colours import INK, PALE, STYLES, styles
from course_lib.plots.figure import WIDTH, figure, named, style
from course_lib.plots.words import described

__all__ = ["bars", "differences", "forest", "interval"]

SIDES = {"floor": "right", "ceiling": "left"}  # where a label goes when the two marks are close
HALF_BAR, HALF_MARK = 0.28, 0.32  # of the distance between two bars; a label needs the room above its mark


def interval(values, minus=None):
    """Return (mean, low, high): the 95% interval of the mean of a few seeds, by Student's t.

    minus: numbers of the same seeds, taken off seed by seed. One value has no interval: low and high are the value.
    """
    values = np.asarray(values, dtype=float)
    values = values if minus is None else values - np.asarray(minus, dtype=float)
    return t_interval(values) if values.size > 1 else (float(values[0]),) * 3


def bars(rows, floor=None, ceiling=None, *, alt=None, title=None, metric="accuracy", limits=None, labels=None):
    """Draw arms as horizontal bars with every seed as a dot, the 95% interval, and floor and ceiling marks.

    rows: {arm: [one number per seed]}; a single number is an arm with one seed. floor, ceiling: a number for all arms,
    or {arm: number} where they differ. limits: (low, high) in view. labels: {arm: what stands for it on the axis}.
    """
    rows = {name: np.atleast_1d(np.asarray(seeds, dtype=float)) for name, seeds in rows.items()}
    bounds = {word: limit for word, limit in (("floor", floor), ("ceiling", ceiling)) if limit is not None}
    at = {word: limit if isinstance(limit, Mapping) else dict.fromkeys(rows, limit) for word, limit in bounds.items()}
    marks = [(word, i, limit[arm]) for word, limit in at.items() for i, arm in enumerate(rows) if arm in limit]
    looks, shown = styles(rows), {name: (labels or {}).get(name, name) for name in rows}
    with style():
        fig = Figure(figsize=(WIDTH, 1.25 + 0.7 * len(rows)), layout="constrained")
        ax = fig.add_subplot()
        farthest = max([0.0, *(_draw_arm(ax, n, rows[name], looks[name][0]) for n, name in enumerate(rows))])
        farthest = max([farthest, *(value for *_, value in marks)])
        ax.set_xlim(*(limits or (0, farthest * 1.06 or 1)))
        _draw_marks(ax, marks)
        ax.set_yticks(range(len(rows)), [named(name) for name in shown.values()], fontsize=12)
        ax.set_ylim(len(rows) - 0.45, -0.8)
        ax.set(xlabel=metric, title=title or "")
        if any(seeds.size > 1 for seeds in rows.values()):
            below = {"textcoords": "offset points", "va": "top", "fontsize": 11, "color": PALE}
            ax.annotate("mean ± 95%", (1.02, 0), (0, -22), xycoords="axes fraction", **below)
        shared = [f"{word} {limit:.3f}" for word, limit in bounds.items() if not isinstance(limit, Mapping)]
        own = {arm: [f"{word} {limit[arm]:.3f}" for word, limit in bounds.items()
                     if isinstance(limit, Mapping) and arm in limit] for arm in rows}  # fmt: skip
        said = [(shown[arm], ", ".join([_mean(seeds), *own[arm]])) for arm, seeds in rows.items()]
        words = described(alt, f"Bars of {metric}", title, said, shared)
        return figure(fig, *words, {name: look[0] for name, look in looks.items()})


def _mean(seeds):
    """Write the mean of an arm, and half of its interval where it has several seeds."""
    mean, _, high = interval(seeds)
    return f"{mean:.3f} ± {high - mean:.3f}" if len(seeds) > 1 else f"{mean:.3f}"


def _draw_arm(ax, index, seeds, colour):
    """Draw an arm's bar, its seeds and their interval; return how far to the right that reaches."""
    mean, low, high = interval(seeds)
    ax.barh(index, mean, height=2 * HALF_BAR, color=colour, alpha=0.45, edgecolor=colour, linewidth=1.2)
    if len(seeds) > 1:
        ax.plot([low, high], [index, index], color=INK, linewidth=1.6)
        ax.plot([low, high], [index, index], "|", color=INK, markersize=9, markeredgewidth=1.6)
        offsets = np.linspace(-0.16, 0.16, len(seeds))
        ax.plot(seeds, index + offsets, "o", color="white", markeredgecolor=INK, markersize=5)
    beside = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 11}
    ax.annotate(_mean(seeds), (1.02, index), **beside)
    return max(high, *seeds)


def _draw_marks(ax, marks):
    """Draw floors and ceilings, (word, index of the arm, value) each, with one label for equal ones."""
    start, said = ax.get_xlim()[0], {}
    span = ax.get_xlim()[1] - start
    for word, index, value in marks:
        line = {"color": INK, "linewidth": 2, "linestyle": ":" if word == "floor" else "-", "zorder": 4}
        ax.plot([value, value], [index - HALF_MARK, index + HALF_MARK], **line)
        if said.get(word) != value:  # one label for a run of arms with the same limit
            rival = [at for other, row, at in marks if row == index and other != word]
            side = "center" if not rival or abs(rival[0] - value) > 0.3 * span else SIDES[word]
            if value - start < 0.1 * span:  # else the axis would cross its words
                side = "left"
            ax.annotate(
                f"{word} {value:.3f}", (value, index - HALF_MARK), (0, 2), textcoords="offset points", ha=side,
                va="bottom", fontsize=11, color=PALE,
            )  # fmt: skip
        said[word] = value


def differences(rows, *, alt=None, title=None, metric="difference", margin=None):
    """Draw differences between arms with their 95% intervals around a line at zero, the largest on top.

    rows: [(name, difference, low, high)], all in one unit. An interval with zero in it is drawn open: no difference
    was seen. margin: the difference too small to matter that was stated before the run, a band around zero.
    """
    said = [(name, f"{mean:+.3g} ({low:+.3g} to {high:+.3g})") for name, mean, low, high in rows]
    rows = sorted(rows, key=lambda row: row[1])
    with style():
        fig = Figure(figsize=(WIDTH, 1.1 + 0.42 * len(rows)), layout="constrained")
        ax = fig.add_subplot()
        ax.axvline(0, color=PALE, linewidth=1.3)
        if margin is not None:
            ax.axvspan(-margin, margin, color=PALE, alpha=0.15, linewidth=0)
        for index, (_, mean, low, high) in enumerate(rows):
            seen = low > 0 or high < 0
            colour = STYLES["blue"][0] if seen else PALE
            ax.plot([low, high], [index, index], color=colour, linewidth=2)
            ax.plot(mean, index, "o", color=colour if seen else "white", markeredgecolor=colour, markersize=7)
        ax.set_yticks(range(len(rows)), [named(row[0]) for row in rows], fontsize=11)
        ax.set_ylim(-0.7, len(rows) - 0.3)
        ax.set(xlabel=metric, title=title or "")
        band = [] if margin is None else [f"a band of {margin:g} around zero: too small to matter"]
        return figure(fig, *described(alt, f"Differences with 95% intervals, {metric}", title, said, band))


def forest(rows, *, alt=None, title=None):
    """Draw a forest plot: effects as found in several places, a row each, on the row's own scale, and a word on each.

    rows: [(effect, {place: (difference, low, high)}, word)]. A row is as wide as its farthest end of an interval. An
    interval with zero in it is drawn open: no difference was seen.
    """
    names = list(dict.fromkeys(place for _, spans, _ in rows for place in spans))
    looks, apart = styles(names), np.linspace(-0.2, 0.2, len(names)) if len(names) > 1 else [0.0]
    with style():
        fig = Figure(figsize=(WIDTH, 1.2 + 0.34 * len(rows)), layout="constrained")
        ax = fig.add_subplot()
        ax.axvline(0, color=PALE, linewidth=1.3)
        for index, (_, spans, word) in enumerate(rows):
            widest = max(abs(end) for span in spans.values() for end in span) or 1
            for name, above in zip(names, apart, strict=True):
                if name in spans:
                    _draw_span(ax, index + above, [x / widest for x in spans[name]], looks[name])
            beside = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 9.5, "color": PALE}
            ax.annotate(word, (1.02, index), **beside)
            if index and word != rows[index - 1][2]:
                ax.axhline(index - 0.5, color=PALE, linewidth=0.6, linestyle=":")
        for name in names:
            colour, _, marker = looks[name]
            ax.plot([], [], marker, color=colour, label=name, markersize=6)
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "frameon": False, "fontsize": 11}
        ax.legend(ncols=len(names), handletextpad=0.2, **above)
        ax.set_yticks(range(len(rows)), [named(effect) for effect, *_ in rows], fontsize=10)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.set(xlim=(-1.08, 1.08), xticks=[-0.8, 0, 0.8], xticklabels=["less", "none", "more"])
        ax.set_title(title or "", pad=26)
        said = [(effect, ", ".join([*(f"{place} {mean:+.3g} ({low:+.3g} to {high:+.3g})"
                                      for place, (mean, low, high) in spans.items()), word]))
                for effect, spans, word in rows]  # fmt: skip
        words = described(alt, "Effects with 95% intervals, each row on its own scale", title, said)
        return figure(fig, *words, {name: look[0] for name, look in looks.items()})


def _draw_span(ax, at, span, look):
    """Draw an interval with its mean; open where it holds zero."""
    (mean, low, high), (colour, _, marker) = span, look
    ax.plot([low, high], [at, at], color=colour, linewidth=1.8)
    seen = low > 0 or high < 0
    ax.plot(mean, at, marker, color=colour if seen else "white", markeredgecolor=colour, markersize=5.5)
