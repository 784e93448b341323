"""Write the run sheet of a format: what happens when, what is shown, asked and run. As Markdown, and to print on A4."""

import html
import importlib.util
import itertools
import re
from pathlib import Path
from urllib.parse import quote

from course_lib import places
from tools.kit import plan, rehearse, slides
from tools.kit.notes import FORMATS, lessons

__all__ = ["make", "markdown"]

STYLE = Path(__file__).with_suffix(".css")
PREPARE = """\
- **The day before**: `make preflight` on the machine at the projector, and on one of those in the room; the models of
  the lessons trained for everybody (docs/workshop.md says how), so that nobody waits when all train at once.
- **An hour before**: lesson {first:02d} open at the projector, in a copy without outputs (`make lab`); the learners'
  zip in everybody's folder. The zip with solutions stays with you until the end.
- **At hand**: paper for the whiteboards, and the page of votes at the end of this sheet.
"""
BESIDE = {  # what is said of a row that is no section
    "Opening": "Everybody opens the first lesson and runs its first cell; whose laptop does not, joins a neighbour. "
    "Meanwhile hands: who has used a BERT, who a GPT?",
    "Closing": "Each tells the neighbour one sentence that they would now say otherwise in an interview. Hand out the "
    "solutions; who wants to, runs `python -m course_lib results` and sends the file. Ask back: what was unclear?",
    "Break": "Leave the kernels running.",
    "Lunch": "Leave the kernels running.",
    "Drill": "Questions of the drill (lesson 11) on yesterday's lessons, in pairs: one asks, one answers aloud.",
}


def make(folder, formats, start=0):
    """Write folder/FORMAT/run-sheet.md and .html for each format; returns the paths. It begins at minute `start`."""
    written = []
    for name in formats:
        place = folder / plan.short(name)
        place.mkdir(parents=True, exist_ok=True)
        text = markdown(name, start)
        for path, content in ((place / "run-sheet.md", text), (place / "run-sheet.html", page(text))):
            places.write(path, content)
            written.append(path)
    return written


def markdown(name, start=0):
    """Return the run sheet of a format as Markdown."""
    rows = plan.plan(name)
    parts = [f"# One Mask Apart in {name}: the run sheet", _reaches(name), "## To prepare",
             PREPARE.format(first=plan.numbers(name)[0]), _clock(rows, name, start), _late(rows, name, start),
             _votes(rows, start)]  # fmt: skip
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _time(row, start):
    return f"{(start + row.start) // 60}:{(start + row.start) % 60:02d}"


def _table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(" ".join(str(one).split()) for one in line) + " |" for line in lines)


def _cell(text):
    return text.replace("|", "\\|")


def _title(lesson):
    return next(iter(plan.sections(lesson)))


def _reaches(name):
    """Return what a format reaches: the lessons with their minutes, and what of them is left out."""
    minutes, lines = dict.fromkeys(plan.numbers(name), 0), []
    for note in plan.taught(name):
        minutes[note.lesson] += note.minutes[name]
    for lesson, count in minutes.items():
        those = [note.section for note in plan.taught(name) if note.lesson == lesson]
        out = [one for one in plan.sections(lesson) if one not in those and re.match(r"\d+ [^·]", one)]
        told = ("Left out", out) if len(out) <= len(those) else ("Only", those)
        lines.append(f"- **{_title(lesson)}** {count} min. " + (f"{told[0]}: {'; '.join(told[1])}" if out else ""))
    others = [f"{number:02d}" for number in lessons() if number not in minutes]
    lines += [f"- Lessons for another day: {', '.join(others)}."] if others else []
    return f"{FORMATS[name]['minutes']} minutes. The questions that it answers:\n\n" + "\n".join(lines)


def _clock(rows, name, start):
    seconds, out = rehearse.seconds(name), []
    shown = slides.numbers(name) if importlib.util.find_spec("sphinx_revealjs") else {}
    for day, of_day in itertools.groupby(rows, key=lambda row: row.day):
        out.append(f"## Day {day}" if FORMATS[name]["days"] > 1 else "## By the clock")
        lines, lesson = [], None
        for row in of_day:
            if row.note and row.note.lesson != lesson:
                lesson = row.note.lesson
                lines.append(["", "", f"**{_title(lesson)}**", _first(lesson, name)])
            lines.append([_time(row, start), row.minutes, _what(row, seconds, shown), _said(row)])
        out.append(_table(["time", "min", "section, and what is measured", "what to do"], lines))
    return "\n\n".join(out)


def _first(lesson, name):
    """Say which sections that are not taught have to be run all the same."""
    those = {note.section for note in plan.taught(name) if note.lesson == lesson}
    silent = [section.heading for section in plan.to_run(lesson, name) if section.heading not in those]
    return f"Not taught, but run when you come there (later cells use it): {'; '.join(silent)}" if silent else ""


def _what(row, seconds, shown):
    if not row.note:
        return f"*{row.what}*"
    section, measured = plan.sections(row.note.lesson)[row.what], []
    first, last = shown.get((row.note.lesson, row.what), (0, 0))
    if first:
        measured.append(f"slides {first} to {last}" if last > first else f"slide {first}")
    address = f"../../../my-course/{lessons()[row.note.lesson].name}#{quote(row.what.replace(' ', '-'))}"
    if section.code:
        took = seconds.get((row.note.lesson, row.what))
        measured.append("cells: not timed" if took is None else f"cells: {took:.0f} s" if took >= 1 else "cells: < 1 s")
    for exercise in section.exercises:
        measured.append(f"`{exercise.name}`: {exercise.texts['minutes']} min")
    measured.append(f"{section.words} words")
    label = "the title" if row.what == _title(row.note.lesson) else _cell(row.what)
    return f"[{label}]({address})<br><small>{'; '.join(measured)}</small>"


def _said(row):
    if not row.note:
        return BESIDE[row.what]
    return "<br>".join(f"**{name}:** {_cell(text)}" for name, text in row.note.parts.items())


def _late(rows, name, start):
    """Return what can be left out when late, with the minutes that its section has."""
    lines = [
        [_time(row, start), f"{row.note.lesson:02d}", _cell(row.what), row.minutes, _cell(row.note.parts["Late"])]
        for row in rows if row.note and "Late" in row.note.parts
    ]  # fmt: skip
    told = "A section's minutes are the most that leaving something of it out can save."
    return f"## When you are late\n\n{told}\n\n" + _table(["time", "lesson", "section", "min", "leave out"], lines)


def _votes(rows, start):
    """Return a page to keep votes on: the predictions in order, without their answers."""
    lines = []
    for row in filter(lambda row: row.note, rows):
        for one in plan.sections(row.note.lesson)[row.what].predictions:
            options = "".join(f"<br>{letter}) {_cell(text)}" for letter, text in one.options.items())
            about = f"**`{one.name}`** {_cell(one.text)}{options}"
            votes = "<br>".join(f"{letter}: ____ / ____" for letter in one.options)
            lines.append([f"{_time(row, start)}<br>lesson {row.note.lesson:02d}", about, votes])
    told = "Hands before the neighbours have talked / after. The answers stand in the lessons, folded."
    return f"## Votes\n\n{told}\n\n" + _table(["when", "prediction", "votes"], lines)


def page(text):
    """Return the run sheet as one HTML page: to print on A4, or to project."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    body = re.sub(r'<a href="[^"]*\.ipynb#[^"]*">(.+?)</a>', r"\1", body)  # a browser cannot open a lesson
    title = html.escape(text.splitlines()[0].lstrip("# "))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    style = STYLE.read_text(encoding="utf-8")
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{style}</style></head><body>\n{body}</body></html>\n'
