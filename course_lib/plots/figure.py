"""How a figure leaves the library, as HTML with alt text and as PNG, and how it looks."""

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
from PIL import Image

from course_lib.kernel import whole
from course_lib.plots.colours import INK, PALE

__all__ = ["LONGEST_NAME", "PAPER", "WIDTH", "Picture", "figure", "inches", "legible", "named", "style"]

LONGEST_NAME = 40  # letters of a name on an axis or beside a line: more would break the layout
DPI, EDGE = 110, 0.1  # EDGE: the inches that are left around a figure
WIDTH = 6.8  # inches: with a list of contents beside the lesson, half a window still leaves ticks of 9 pixels
COLOURS = 256  # of an image: a third of the bytes, and no difference that one sees
FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")  # comes with matplotlib: the same everywhere
# A card that is white on a light page and greyish on a dark one: images are multiplied with what lies beneath them.
PAPER = (
    "border-radius:8px;isolation:isolate;"
    "background:color-mix(in srgb,#fff 82%,var(--jp-layout-color0,var(--pst-color-background,#fff)))"
)
FLOW = "display:flex;flex-wrap:wrap;align-items:flex-end;gap:8px"
CARD = f"margin:0;width:fit-content;max-width:100%;box-sizing:border-box;padding:8px;{FLOW};" + PAPER


class Picture(HTML):
    """A figure as HTML with alt text, as PNG (`png`), and as plain text without measured numbers.

    `alt` is its description, `arms` the {name: colour} that it shows.
    """

    def __init__(self, markup, png, alt, plain, arms):
        super().__init__(markup)
        self.png, self.alt, self.plain, self.arms = png, alt, plain, arms

    def __repr__(self):
        return f"Figure: {self.plain}"

    def _repr_png_(self):
        return self.png


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


def inches(text, size):
    """Return how wide a line is in the course's font, of this size in points."""
    return text_to_path.get_text_width_height_descent(text, FontProperties(fname=FONT, size=size), False)[0] / 72


def figure(fig, alt, plain=None, arms=None, parts=(), pairs=0):
    """Return a matplotlib figure as a Picture. The library's own figures make their alt text themselves.

    `alt` says in a sentence what the picture shows (at least 15 characters); ValueError without it. plain: the same
    without measured numbers. arms: {name: colour}, kept beside the image. parts: [(alt text, artist)] that are cut out
    of the figure and stand side by side on a page, or under each other where it is narrow. pairs: how many of them,
    from the first, go to the next line by twos.
    """
    if not isinstance(alt, str) or len(alt.strip()) < 15:
        raise ValueError(f"alt is {alt!r}; say in a sentence of at least 15 characters what the figure shows")
    alt, plain = (whole(" ".join(text.split())) for text in (alt, plain or alt))
    arms = {whole(name): colour for name, colour in (arms or {}).items()}
    for text in fig.findobj(Text):
        text.set_text(legible(text.get_text()))
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=EDGE, facecolor="white")
    image = Image.open(buffer).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    shown = [(alt, image), *_cut(fig, image, parts)]
    images = [_tag(*one) for one in (shown[1:] or shown)]
    twos = [f'<span style="{FLOW}">{"".join(images[n : n + 2])}</span>' for n in range(0, pairs, 2)]
    images = "".join(twos + images[pairs:])
    kept = f' data-arms="{html.escape(json.dumps(arms, ensure_ascii=False))}"' if arms else ""
    return Picture(f'<figure style="{CARD}"{kept}>{images}</figure>', _png(image), alt, plain, arms)


def _cut(fig, image, parts):
    """Return [(alt text, image)] of the parts of a figure."""
    pieces = []
    for alt, artist in parts:
        box, edge = artist.get_tightbbox().padded(3), fig.get_tightbbox().padded(EDGE)  # pixels upwards, and inches
        left, top = max(0, box.x0 - edge.x0 * DPI), max(0, edge.y1 * DPI - box.y1)
        right, bottom = min(image.width, box.x1 - edge.x0 * DPI), min(image.height, edge.y1 * DPI - box.y0)
        pieces.append((alt, image.crop((left, top, right, bottom))))
    return pieces


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _tag(alt, image):
    """Return an image as HTML, which a low window shrinks, but not so far that its words cannot be read."""
    fit = f"max-width:100%;max-height:max(80vh,{0.55 * image.height:.0f}px);border-radius:8px;mix-blend-mode:multiply"
    data = base64.b64encode(_png(image)).decode()
    return f'<img class="plot" alt="{html.escape(whole(alt))}" style="{fit}" src="data:image/png;base64,{data}">'
