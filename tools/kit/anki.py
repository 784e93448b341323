"""The drill, the whiteboards and the interview's questions as cards for Anki: `python -m tools.kit.anki`.

It writes build/kit/one-mask-apart.apkg. A card keeps its identity when its text changes, so that a later import renews
it and leaves what was learned. Numbers on whiteboard cards are those of the stored lesson.
"""

import base64
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup

from course_lib.notes import claims, drill, interview, whiteboard
from course_lib.notes.cards import chinese, inline, markdown
from tools.kit import notes
from tools.packed import pack
from tools.site import lessons

__all__ = ["make"]

FILE, NAME = "one-mask-apart.apkg", "One Mask Apart"
MODEL, FIRST_DECK = 1_720_411_903, 1_720_411_910  # never change: by these numbers Anki knows what it has
DECKS = ("Drill (English)", "Drill (中文)", "Whiteboard", "Interview")  # in this order; new ones at the end
STYLE = ".card { font: 20px sans-serif; text-align: left; max-width: 40em; margin: auto; } img { max-width: 100%; }"
BACK = "{{FrontSide}}<hr id=answer>{{Answer}}"


def make(folder, formats=()):
    """Write the deck of cards into a folder, the same for every format; returns [its path]."""
    try:
        import genanki
    except ImportError:
        raise ModuleNotFoundError("cards for Anki need genanki: run `make site` once, which installs it") from None
    template = {"name": "Card", "qfmt": "{{Question}}", "afmt": BACK}
    fields = [{"name": "Question"}, {"name": "Answer"}]
    model = genanki.Model(MODEL, NAME, fields=fields, templates=[template], css=STYLE)
    media, decks = {}, []
    made = (_drill("en"), _drill("zh"), _boards(media), _interview())
    for number, (name, cards) in enumerate(zip(DECKS, made, strict=True)):
        decks.append(genanki.Deck(FIRST_DECK + number, f"{NAME}::{name}"))
        for key, front, back, tags in cards:
            guid = genanki.guid_for(NAME, key)
            decks[-1].add_note(genanki.Note(model, [front, back], guid=guid, tags=[NAME.replace(" ", "-"), *tags]))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for name, content in media.items():
            Path(place, name).write_bytes(content)
        draft, package = Path(place, "draft"), genanki.Package(decks, [str(Path(place, name)) for name in media])
        package.write_to_file(draft, timestamp=_changed())
        with zipfile.ZipFile(draft) as made:  # once more, without the time of day
            pack(Path(place, FILE), ((name, made.read(name)) for name in made.namelist()))
        os.replace(Path(place, FILE), folder / FILE)
    return [folder / FILE]


def _drill(language):
    """Return [(key, front, back, tags)] of the drill's questions in one language."""
    made = []
    for prompt in drill.load():
        points = "".join(f"<li>{inline(getattr(point, language))}</li>" for point in prompt.points)
        named = sorted({claim for point in prompt.points for claim in point.claims})
        taught = sorted({f"lesson-{claims.find(claim).lesson}" for claim in named})
        tags, front = [f"chapter-{prompt.id[0]}", *named, *taught], inline(getattr(prompt, language))
        made.append((f"drill {prompt.id} {language}", front, f"<ol>{points}</ol>", tags))
    return made


def _boards(media):
    """Return the cards of the whiteboards, marked as in the stored lesson; their drawings go to `media`."""
    made = []
    for number, board in whiteboard.load().items():
        stored = lessons.whiteboard(nbformat.read(notes.lessons()[number], as_version=4))
        if not stored:
            raise ValueError(f"lesson {number:02d} stores no whiteboard card: bake it anew (CONTRIBUTING.md)")
        fold = BeautifulSoup(stored[-1], "html.parser").details
        shown = ""
        for n, image in enumerate(fold.select("img"), 1):
            name = f"one-mask-apart-{number:02d}-{n}.png"
            media[name] = base64.b64decode(image["src"].split(",", 1)[1])
            shown += f'<img src="{name}">'
        points = "".join(f"<li>{mark.decode_contents().removeprefix('☐ ')}</li>" for mark in fold.select("ul > li"))
        back = f"{shown}<ul>{points}</ul><p>{inline(board.en)}</p><p>{chinese(board.zh)}</p>"
        made.append((f"whiteboard {number}", markdown(board.draw), back, [f"lesson-{number:02d}"]))
    return made


def _interview():
    """Return the cards of the interview, in both languages: the English question is a card's identity."""
    made = []
    for number, asked in ((number, one) for number, entries in interview.load().items() for one in entries):
        front = f"<p>{inline(asked.en)}</p><p>{chinese(asked.zh)}</p>"
        made.append((f"interview {number} {asked.en}", front, markdown(asked.answer), [f"lesson-{number:02d}"]))
    return made


def _changed():
    """Return when the lessons last changed, in seconds: Anki takes over only what is newer than what it has."""
    sources = ["data/drill.yaml", "data/whiteboard.yaml", "data/interview.yaml", "notebooks"]
    if shutil.which("git"):
        asked = ["git", "log", "-1", "--format=%ct", "--", *sources]
        told = subprocess.run(asked, cwd=notes.NOTEBOOKS.parent, capture_output=True, text=True).stdout
        if re.fullmatch(r"\d+\s", told):
            return int(told)
    return int(max((notes.NOTEBOOKS.parent / source).stat().st_mtime for source in sources))


if __name__ == "__main__":
    print(*make(notes.NOTEBOOKS.parent / "build" / "kit"))
