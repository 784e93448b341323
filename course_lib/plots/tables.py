"""Show tables and sentences that hold computed numbers."""

import html
import unicodedata
from collections.abc import Iterable, Mapping

import numpy as np
from IPython.display import HTML, Markdown

from course_lib.plots.figure import whole

__all__ = ["Table", "markdown", "table"]


class Table(HTML):
    """A table as HTML, with aligned plain text for terminals and screen readers of them; `rows` are its values."""

    def __init__(self, markup, text, rows=()):
        super().__init__(whole(markup))
        self.text, self.rows = whole(text), rows

    def __repr__(self):
        return self.text


class Text(Markdown):
    """Markdown whose plain text is its own source."""

    def __repr__(self):
        return self.data


def table(rows, header, caption=None, digits=3):
    """Return a table: numbers to the right, floats with `digits` decimals, the first column heads its row.

    rows: [[cell, ...]], or {first cell: the others}, which are a list, a tensor, a dict or one value. header: [name,
    ...], or the first column's name where the rows are dicts, whose keys name the others.
    """
    if isinstance(header, str):
        header = [header, *next(iter(rows.values()))]
    header, rows = [str(name) for name in header], [*_spread(rows)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"the row {row!r} has {len(row)} cells, but the header has {len(header)}")
    cells = [[written(value, digits) for value in row] for row in rows]
    numeric = [bool(rows) and all(is_number(row[i]) or row[i] is None for row in rows) for i in range(len(header))]
    sides = ["right" if number else "left" for number in numeric]

    def line(texts, tags):
        cells = zip(tags, sides, map(html.escape, texts), strict=True)
        return "".join(f'<{tag} style="text-align:{side}">{text}</{tag[:2]}>' for tag, side, text in cells)

    over = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    head = line(header, ['th scope="col"'] * len(header))
    tags = ['th scope="row"', *["td"] * (len(header) - 1)]
    body = "".join(f"<tr>{line(row, tags)}</tr>" for row in cells)
    markup = f"<table>{over}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    widths = [max(map(width, column)) for column in zip(header, *cells, strict=True)]
    lines = [padded(row, widths, sides) for row in (header, ["-" * size for size in widths], *cells)]
    return Table(markup, "\n".join(([caption] if caption else []) + lines), rows)


def _spread(rows):
    """Yield rows as lists, those of a dict with the key in front."""
    if not isinstance(rows, Mapping):
        yield from map(list, rows)
        return
    for first, others in rows.items():
        others = others.tolist() if hasattr(others, "tolist") else others
        others = others.values() if isinstance(others, Mapping) else others
        yield [first, others] if isinstance(others, str) or not isinstance(others, Iterable) else [first, *others]


def is_number(value):
    """Return whether a cell holds a number (True and False are words)."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def written(value, digits):
    """Return a table cell's text: 1,234 for counts, fixed decimals for floats, a dash for nothing."""
    if value is None or value != value:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:,.{digits}f}"
    return f"{value:,}" if is_number(value) else str(value)


def width(text):
    """Return how many columns a text takes in a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def padded(texts, widths, sides):
    """Return a row of plain text, each cell padded to its column."""
    cells = [(text, " " * (size - width(text))) for text, size in zip(texts, widths, strict=True)]
    whole = (fill + text if side == "right" else text + fill for (text, fill), side in zip(cells, sides, strict=True))
    return "  ".join(whole).rstrip()


def markdown(text):
    """Return text as displayed Markdown, for sentences that hold computed numbers."""
    return Text(whole(text))
