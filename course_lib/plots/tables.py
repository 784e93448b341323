"""Show tables and sentences that hold computed numbers."""

import html
import unicodedata
from collections.abc import Iterable, Mapping

import numpy as np
from IPython.display import HTML, Markdown

from course_lib.kernel import whole

__all__ = ["Table", "beside", "markdown", "scrolled", "table"]


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
    markup = scrolled(f"<table>{over}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", caption or header[0])
    widths = [max(map(width, column)) for column in zip(header, *cells, strict=True)]
    lines = [padded(row, widths, sides) for row in (header, ["-" * size for size in widths], *cells)]
    return Table(markup, "\n".join(([caption] if caption else []) + lines), rows)


def scrolled(markup, name):
    """Return a table's HTML in a box that scrolls where the page is too narrow, by keyboard too; name: read aloud."""
    label = html.escape(f"table: {name}".rstrip(": "))
    return f'<div role="region" tabindex="0" aria-label="{label}" style="overflow-x:auto">{markup}</div>'


def beside(values, atol=0.0, *, apart=False, numbers=True):
    """Show numbers that were reached in several ways, one below the other, and how many of them are the same.

    values: {way: tensor, array or nested list}, all of one shape. The same means: no further than atol from the first
    way's. AssertionError unless all are the same; with apart=True, if all are. numbers=False shows shapes alone, where
    the numbers are those of a model that was trained on this machine.
    """
    found = {name: np.asarray(v.detach().cpu() if hasattr(v, "detach") else v) for name, v in values.items()}
    first = next(iter(found.values()))
    if wrong := [name for name, value in found.items() if value.shape != first.shape]:
        raise ValueError(f"{wrong} have another shape than {next(iter(found))!r}, which is {first.shape}")
    same = int(np.min([np.isclose(value, first, rtol=0, atol=atol).sum() for value in found.values()]))
    caption = f"{same:,} of {first.size:,} the same" + (f", to within {atol:g}" if atol else "")
    assert apart == (same < first.size), caption
    header = ["", "shape", *["the first of them"] * numbers]
    rows = [
        [name, "×".join(map(str, value.shape)), *[" ".join(written(x, 2) for x in value.flat[:6])] * numbers]
        for name, value in found.items()
    ]
    return table(rows, header, caption)


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
