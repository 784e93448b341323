"""Show small results in a notebook: HTML for the page, stable plain text for terminals and for nbval."""

import html
import re

from IPython.display import HTML, display

from course_lib.kernel import slip

__all__ = ["Card", "inline", "plain", "show", "slip"]

# Border colours of the Okabe-Ito palette; the words carry the meaning, the colour only repeats it.
COLOURS = {"right": "#009E73", "not yet": "#D55E00", "note": "#0072B2", "open": "#999999"}


class Card(HTML):
    """A bordered box in the notebook whose plain text is given, so that strict nbval can compare both."""

    def __init__(self, body, text, kind="note"):
        style = f"border-left:4px solid {COLOURS[kind]};padding:0.3em 0.9em;margin:0.4em 0"
        super().__init__(whole(f'<div style="{style}">{body}</div>'))
        self.text = whole(text)

    def __repr__(self):
        return self.text


def whole(text):
    """Return text without halves of characters, which no front end can be sent: each is a question mark."""
    return text.encode("utf-8", "replace").decode()


def show(card):
    """Display a card in a notebook; print its text elsewhere."""
    display(card)


def inline(text):
    """Return text as HTML: escaped, with `code` and **bold**."""
    parts = re.split(r"(`[^`]+`)", text)
    out = []
    for part in parts:
        if len(part) > 2 and part.startswith("`") and part.endswith("`"):
            out.append(f"<code>{html.escape(part[1:-1])}</code>")
        else:
            out.append(re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", html.escape(part, quote=False)))
    return "".join(out)


def plain(text):
    """Return text without the marks of `inline`, for the terminal (code keeps its backticks)."""
    return re.sub(r"\*\*([^*]+)\*\*", r"\1", text)


def pre(text):
    """Return text as a preformatted HTML block."""
    return f'<pre style="margin:0.2em 0;overflow-x:auto">{html.escape(text, quote=False)}</pre>'
