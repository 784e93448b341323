"""How a figure leaves the library (as an image with alt text), and how it looks."""

import base64
import contextlib
import html
import io
import sys
import warnings

import matplotlib
from IPython.display import HTML
from matplotlib import font_manager
from matplotlib.figure import Figure

__all__ = ["ARMS", "INK", "PALE", "Picture", "figure", "style"]

INK, PALE = "#222222", "#666666"
ARMS = (  # colour, line style, marker: any two differ in all three
    ("#0072B2", "-", "o"),
    ("#D55E00", "--", "s"),
    ("#009E73", "-.", "^"),
    ("#CC79A7", ":", "D"),
    ("#E69F00", (0, (5, 1, 1, 1, 1, 1)), "v"),
    ("#56B4E9", (0, (1, 1)), "P"),
)
OTHER_SCRIPTS = ("Noto Sans CJK SC", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "WenQuanYi Zen Hei")


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
    known = set(font_manager.fontManager.get_font_names())
    settings = {
        "font.family": ["DejaVu Sans", *(name for name in OTHER_SCRIPTS if name in known)],
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
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A token in a script that no installed font has is drawn as a box; a warning would help nobody here.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
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
