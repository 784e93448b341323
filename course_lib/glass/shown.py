"""The glass model in a notebook: a picture, and the live page laid over it where that can run."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from urllib.parse import quote

from course_lib.glass import picture, reading
from course_lib.plots.figure import PAPER, Picture, figure

__all__ = ["STAGES", "drawn", "show", "show_pair"]

STAGES = ("switch", "mask", "attention", "tokens", "masking", "cache", "translation")  # which part of the page is open
PAGE, ENGLISH = "../one-mask-apart.html", "../one-mask-apart-english.html"  # from a notebook's place
HEIGHT = 660  # of the page in a notebook, in pixels


class Glass:
    """A state of the glass model: HTML with the picture and the page over it, a PNG, and plain text for readers."""

    def __init__(self, markup: str, png: bytes, alt: str):
        self.markup, self.png, self.alt = markup, png, alt

    def __repr__(self) -> str:
        return f"Glass model: {self.alt}"

    def _repr_html_(self) -> str:
        return self.markup

    def _repr_png_(self) -> bytes:
        return self.png


def show(
    text: str, hidden: int = 1, mask: str = "causal", size: int | None = None, stage: str = "switch",
    checkpoint: str | Path = "town",
) -> Glass:  # fmt: skip
    """Show the glass model at work on one sentence of Tiny Town, or with ``checkpoint='english'`` on English.

    ``hidden`` is the position of the hidden word (1 is the first word). ``mask``: bidirectional, causal, prefix or
    window, the last two with a ``size``. ``stage`` opens a part of the page, one of STAGES. Raises ValueError for what
    the town does not know. English is read in pieces under the first two masks, see ``read``; its live page is laid
    over the picture once ``python -m course_lib.glass.build english`` has built it.
    """
    if stage not in STAGES:
        raise ValueError(f"stage={stage!r} is unknown; choose one of {', '.join(STAGES)}.")
    found = reading.read(text, hidden, mask, size, checkpoint)
    state = {"text": text, "hide": hidden - 1, "mask": mask, "stage": stage}
    return _glass(found, state | ({} if size is None else {mask: size}))


def drawn(
    text: str, hidden: int = 1, masks: tuple[str, ...] = ("bidirectional", "causal"), checkpoint: str | Path = "town"
) -> Picture:
    """Draw one sentence under several masks, one below the other: a figure that needs no live page."""
    found = [reading.read(text, hidden, mask, checkpoint=checkpoint) for mask in masks]
    return figure(picture.draw(*found, titles=masks), alt=" ".join(map(picture.describe, found)))


def show_pair(number: int = 0, mask: str = "bidirectional") -> Glass:
    """Show the glass model judge whether segment B follows A: one of eight held-out pairs, the answer read from [CLS].

    ``mask`` is bidirectional or causal, under which [CLS] sees nothing but itself. Raises ValueError for another.
    """
    return _glass(reading.read_pair(number, mask), {"pair": number, "mask": mask, "stage": "pair"})


def _glass(found: reading.Reading, state: dict) -> Glass:
    """Lay the live page over the picture: it shows itself when it has come."""
    alt, png = picture.describe(found), picture.png(picture.draw(found))
    page = ENGLISH if found.floor else PAGE
    address = page + "#embed=1&" + "&".join(f"{name}={quote(str(value))}" for name, value in state.items())
    code = base64.b64encode(png).decode()
    look = "max-width:100%;border-radius:8px;mix-blend-mode:multiply"  # with the paper beneath, no glare on a dark page
    image = f'<img alt="{html.escape(alt)}" style="{look}" src="data:image/png;base64,{code}">'
    frame = (
        f'<iframe title="Glass model, live" src="{html.escape(address)}" loading="lazy" '
        'style="position:absolute;inset:0;width:100%;height:100%;border:0;visibility:hidden"></iframe>'
    )
    return Glass(f'<div style="position:relative;min-height:{HEIGHT}px;{PAPER}">{image}{frame}</div>', png, alt)
