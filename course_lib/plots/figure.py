"""How a figure leaves the library (as an image with alt text), and how it looks."""

import base64
import contextlib
import html
import io
import json
from functools import cache
from pathlib import Path

import matplotlib
from IPython.display import HTML
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from course_lib.plots.colours import INK, PALE

__all__ = ["LONGEST_NAME", "Picture", "figure", "inches", "legible", "named", "style", "whole"]

LONGEST_NAME = 40  # letters of a name on an axis or beside a line: more would break the layout
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


def figure(fig, alt, arms=None):
    """Return a matplotlib figure as an HTML image with alt text.

    `alt` says in a sentence what the picture shows (at least 15 characters); ValueError without it. arms: {name:
    colour}, kept beside the image.
    """
    if not isinstance(alt, str) or len(alt.strip()) < 15:
        raise ValueError(f"alt is {alt!r}; say in a sentence of at least 15 characters what the figure shows")
    alt, arms = whole(" ".join(alt.split())), {whole(name): colour for name, colour in (arms or {}).items()}
    for text in fig.findobj(Text):
        text.set_text(legible(text.get_text()))
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", facecolor="white", metadata={"Software": None})
    png = buffer.getvalue()
    data = base64.b64encode(png).decode()
    kept = f' data-arms="{html.escape(json.dumps(arms, ensure_ascii=False))}"' if arms else ""
    image = f'<img alt="{html.escape(alt)}" style="max-width:100%;max-height:80vh" src="data:image/png;base64,{data}">'
    return Picture(f'<figure style="margin:0"{kept}>{image}</figure>', alt, png, arms)
