"""What a learner should be able to draw and say after a lesson, from memory, and mark (data/whiteboard.yaml).

In a notebook: `whiteboard.show(0, figure)`: the task is in view, the drawing and the list to mark it by are folded.
"""

import functools
from dataclasses import dataclass

import yaml

from course_lib.notes.cards import Card, chinese, inline, markdown, plain, slip, texts
from course_lib.notes.cards import show as display
from course_lib.places import DATA

__all__ = ["Whiteboard", "load", "show"]


@dataclass(frozen=True)
class Whiteboard:
    """A task for paper and pencil, what must be on the paper, and the one sentence to say, in both languages."""

    draw: str
    points: tuple[str, ...]
    en: str
    zh: str


@functools.cache
def load():
    """Read {number of the lesson: its whiteboard}."""
    content = yaml.safe_load((DATA / "whiteboard.yaml").read_text(encoding="utf-8"))
    return {number: Whiteboard(**entry | {"points": tuple(entry["points"])}) for number, entry in content.items()}


def show(number, *shown, **values):
    """Show a lesson's task; in the fold the figures, what to mark, and the sentence. values: numbers for the points."""
    if number not in load():
        raise slip(ValueError(f"no whiteboard for lesson {number!r}; there are some for {[*load()]}"))
    board = load()[number]
    points = [point.format(**values) for point in board.points]
    figures = [texts(one) for one in shown]
    marks = "".join(f"<li>☐ {inline(point)}</li>" for point in points)
    fold = (f"<details><summary><b>Your paper, marked</b></summary>{''.join(one for one, _ in figures)}"
            f'<p>Is it all there?</p><ul style="list-style:none;padding-left:0.5em">{marks}</ul>'
            f"<p><b>And in one sentence:</b> {inline(board.en)}</p><p>{chinese(board.zh)}</p></details>")  # fmt: skip
    lines = [plain(board.draw).strip(), *(text for _, text in figures), *(f"[ ] {plain(point)}" for point in points),
             plain(board.en), board.zh]  # fmt: skip
    display(Card(f"<b>Take a sheet of paper.</b> {markdown(board.draw)}{fold}", "\n".join(lines)))
