"""How a figure leaves the library (as an image with alt text), and how it looks."""

import base64
import contextlib
import html
import io
import sys
from functools import cache
from pathlib import Path

import matplotlib
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

__all__ = ["ARMS", "INK", "PALE", "Picture", "figure", "legible", "style"]

INK, PALE = "#222222", "#666666"
ARMS = (  # colour, line style, marker: any two differ in all three
    ("#0072B2", "-", "o"),
    ("#D55E00", "--", "s"),
    ("#009E73", "-.", "^"),
    ("#CC79A7", ":", "D"),
    ("#E69F00", (0, (5, 1, 1, 1, 1, 1)), "v"),
    ("#56B4E9", (0, (1, 1)), "P"),
)
FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")  # comes with matplotlib: the same everywhere


class Picture(HTML):
    """A figure as HTML with alt text; `png` holds the image's bytes, `alt` its description."""

    def __init__(self, markup, alt, png):
        super().__init__(markup)
        self.alt, self.png = alt, png

    def __repr__(self):
        return f"Figure: {self.alt}"


@contextlib.contextmanager
def style():
    """Draw with the course's style inside `with style():`; text is never mathematics ('$' is a token)."""
    settings = {
        "font.family": ["DejaVu Sans"],
        "font.size": 12,
        "axes.titlesize": 13,
        "axes.titlelocation": "left",
        "axes.labelsize": 12,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": PALE,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.labelsize": 11,
        "ytick.labelsize": 11,
        "lines.linewidth": 2.2,
        "hatch.linewidth": 0.8,
        "figure.dpi": 110,
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings):
        yield


@cache
def _drawable():
    """Return the numbers of the characters that the course's font can draw."""
    return frozenset(get_font(FONT).get_charmap())


def legible(text):
    """Return text with each character that the course's font lacks as Python writes it: '我' becomes '\\u6211'."""
    return "".join(
        letter if letter == "\n" or ord(letter) in _drawable() else ascii(letter)[1:-1] for letter in str(text)
    )


def _all_legible(fig):
    """Rewrite, in place, what a figure says in the course's font; a font that its owner chose is left alone."""

    def ours(text):
        return Path(findfont(text.get_fontproperties())) == FONT and legible(text.get_text()) != text.get_text()

    for axis in (axis for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)):
        names = axis.get_ticklabels()  # which are written anew at each drawing
        if any(map(ours, names)):
            axis.set_ticks(axis.get_ticklocs(), [legible(name.get_text()) for name in names])
    for text in fig.findobj(lambda part: isinstance(part, Text) and ours(part)):
        text.set_text(legible(text.get_text()))


def figure(fig, alt, caption=None):
    """Return a matplotlib figure as an HTML image with alt text, and close it.

    `alt` says in a sentence what the picture shows (at least 15 characters); ValueError without it.
    """
    if not isinstance(fig, Figure):
        raise TypeError(
            f"figure() takes a matplotlib Figure, not {type(fig).__name__}; for axes give ax.figure"
        )
    if not isinstance(alt, str) or len(alt.strip()) < 15:
        raise ValueError(f"alt is {alt!r}; say in a sentence of at least 15 characters what the figure shows")
    alt = " ".join(alt.split())
    _all_legible(fig)
    buffer = io.BytesIO()
    fig.savefig(
        buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white", metadata={"Software": None}
    )
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(fig)
    png = buffer.getvalue()
    data = base64.b64encode(png).decode()
    under = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    image = f'<img alt="{html.escape(alt)}" style="max-width:100%;max-height:80vh" src="data:image/png;base64,{data}">'
    return Picture(f'<figure style="margin:0">{image}{under}</figure>', alt, png)
