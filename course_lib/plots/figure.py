"""How a figure leaves the library (as an image with alt text), and how it looks."""

import base64
import contextlib
import html
import io
import json
import sys
from functools import cache
from pathlib import Path
from textwrap import wrap

import matplotlib
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from course_lib.plots.colours import INK, PALE

__all__ = ["LONGEST_NAME", "MOST_PIXELS", "Picture", "figure", "inches", "legible", "named", "style", "whole"]

LONGEST_NAME = 40  # letters of a name on an axis or beside a line: more would break the layout
MOST_PIXELS = 5_000  # a side; no page shows more, and the memory that a figure takes grows with the square
DPI = 110
FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")  # comes with matplotlib: the same everywhere


class Picture(HTML):
    """A figure as HTML with alt text: `png` is the image, `alt` its description, `arms` the {name: colour} it shows."""

    def __init__(self, markup, alt, png, arms):
        super().__init__(markup)
        self.alt, self.png, self.arms = alt, png, arms

    def __repr__(self):
        return f"Figure: {self.alt}"


@contextlib.contextmanager
def style():
    """Draw with the course's style inside `with style():`; text is never mathematics ('$' is a token)."""
    settings = {
        "font.family": ["DejaVu Sans"], "font.size": 12, "axes.titlesize": 13, "axes.titlelocation": "left",
        "axes.labelsize": 12, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": PALE,
        "text.color": INK, "axes.labelcolor": INK, "xtick.labelsize": 11, "ytick.labelsize": 11,
        "lines.linewidth": 2.2, "hatch.linewidth": 0.8, "figure.dpi": DPI, "text.parse_math": False,
    }  # fmt: skip
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


def named(name):
    """Return a name as it stands on an axis: legible, on one line, cut with an ellipsis where it is too long."""
    name = legible(name).replace("\n", "\\n")
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def whole(text):
    """Return text without halves of characters, which no front end can be sent: each is a question mark."""
    return str(text).encode("utf-8", "replace").decode()


def inches(text, size):
    """Return how wide a line is in the course's font, of this size in points."""
    return text_to_path.get_text_width_height_descent(text, FontProperties(fname=FONT, size=size), False)[0] / 72


def _all_legible(fig):
    """Rewrite, in place, what a figure says: in the course's font what it can draw, and in lines that fit its frame.

    A font that the figure's owner chose is left alone. Of a text that needs more than three lines, three are shown.
    """

    def shown(text, share=0.85):
        said, size = text.get_text(), text.get_fontproperties().get_size_in_points()
        said = legible(said) if Path(findfont(text.get_fontproperties())) == FONT else said
        room, lines = share * float(fig.get_size_inches()[int(text.get_rotation() in (90, 270))]), []
        for line in said.split("\n"):
            wide = inches(legible(line), size) if len(line) > 20 else 0
            lines += wrap(line, max(10, int(len(line) * room / wide))) if wide > room else [line]
        if len(lines) > max(3, said.count("\n") + 1):
            lines[2:] = [lines[2] + "…"]
        return "\n".join(lines)

    for axis, share in (pair for ax in fig.axes for pair in ((ax.xaxis, 0.85), (ax.yaxis, 0.4))):
        names = axis.get_ticklabels()  # which are written anew at each drawing
        if any(shown(name, share) != name.get_text() for name in names):
            axis.set_ticks(axis.get_ticklocs(), [shown(name, share) for name in names])
    for text in fig.findobj(Text):
        if (said := shown(text)) != text.get_text():
            text.set_text(said)


def _extent(fig):
    """Return what a figure takes with all that stands outside its frame, in inches; ValueError when it is too large."""
    _refuse_huge(*fig.get_size_inches())  # before it is laid out, which takes the memory already
    fig.set_dpi(DPI)
    fig.draw_without_rendering()
    fig.set_layout_engine("none")  # as it stands: laid out once more for the file, things would move
    box = fig.get_tightbbox().padded(matplotlib.rcParams["savefig.pad_inches"])
    _refuse_huge(box.width, box.height)
    return box


def _refuse_huge(width, height):
    if not max(width, height) * DPI <= MOST_PIXELS:
        raise ValueError(
            f"the figure would be {width * DPI:,.0f} x {height * DPI:,.0f} pixels, and no page shows more than "
            f"{MOST_PIXELS:,} a side: draw a part of it, or fewer rows, and keep its text near its axes"
        )


def figure(fig, alt, arms=None):
    """Return a matplotlib figure as an HTML image with alt text, and close it.

    `alt` says in a sentence what the picture shows (at least 15 characters); ValueError without it, and for a figure of
    more than MOST_PIXELS a side. arms: {name: colour}, kept beside the image.
    """
    if not isinstance(fig, Figure):
        raise TypeError(f"figure() takes a matplotlib Figure, not {type(fig).__name__}; for axes give ax.figure")
    if not isinstance(alt, str) or len(alt.strip()) < 15:
        raise ValueError(f"alt is {alt!r}; say in a sentence of at least 15 characters what the figure shows")
    alt, arms = whole(" ".join(alt.split())), {whole(name): colour for name, colour in (arms or {}).items()}
    _all_legible(fig)
    buffer, extent = io.BytesIO(), _extent(fig)
    fig.savefig(buffer, format="png", dpi=DPI, bbox_inches=extent, facecolor="white", metadata={"Software": None})
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(fig)
    png = buffer.getvalue()
    data = base64.b64encode(png).decode()
    kept = f' data-arms="{html.escape(json.dumps(arms, ensure_ascii=False))}"' if arms else ""
    image = f'<img alt="{html.escape(alt)}" style="max-width:100%;max-height:80vh" src="data:image/png;base64,{data}">'
    return Picture(f'<figure style="margin:0"{kept}>{image}</figure>', alt, png, arms)
