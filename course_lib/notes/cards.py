"""Show small results in a notebook: HTML for the page, stable plain text for terminals and for nbval."""

import html
import re

import mistune
from IPython.display import HTML, display

from course_lib.kernel import slip, whole

__all__ = ["Card", "chinese", "inline", "markdown", "plain", "show", "slip", "texts"]

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


def show(card, updatable=False):
    """Display a card in a notebook; print its text elsewhere. Returns a handle by which it can be displayed anew."""
    return display(card, display_id=True if updatable else None)


def texts(shown):
    """Return what is shown as (HTML, plain text): Markdown, or an object that a notebook can display."""
    if hasattr(shown, "_repr_markdown_"):
        shown = shown.data
    if isinstance(shown, str):
        return markdown(shown), plain(shown).strip()
    if hasattr(shown, "_repr_html_"):
        return f'<div style="margin:0.5em 0">{shown._repr_html_()}</div>', repr(shown)
    return pre(repr(shown)), repr(shown)


_render = mistune.create_markdown(plugins=["table", "math"])  # raw HTML is escaped


def markdown(text):
    """Return Markdown as HTML; a paragraph in Chinese says so, for who has it read aloud."""
    return re.sub(r"<p>(?=[^<]*[\u4e00-\u9fff]{4})", '<p lang="zh">', _render(text))


def chinese(text):
    """Return Chinese text as HTML that says that it is Chinese."""
    return f'<span lang="zh">{inline(text)}</span>'


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
