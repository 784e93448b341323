"""Slides of each format, from the stored lessons: `python -m tools.kit.slides "2 h"` writes build/kit/2h/slides.html.

One file, for any browser, with reveal.js in it; nothing is fetched. S opens the speaker's view with the instructor's
notes; on a vote, the letters' keys or buttons count hands. A section that the format has shows its figures, and
of each prediction or quiz a question, a vote and the answer. A cell with the tag `slide` is shown besides: its text,
its output, or at most ten lines of code; of one with `no-slide`, nothing is. The PDF beside it has no notes.
"""

import base64
import html
import importlib.util
import math
import os
import re
import struct
import sys
from functools import partial
from pathlib import Path

import matplotlib
import nbformat
from bs4 import BeautifulSoup

from course_lib import places
from course_lib.exercises import lessons
from course_lib.notes import interview, whiteboard
from course_lib.notes.cards import chinese, inline, markdown
from course_lib.notes.working_copy import INSTRUCTOR
from tools import printed
from tools.kit import notes, plan
from tools.site.lessons import ASKS, REVEALS

__all__ = ["lesson", "make", "numbers", "page"]

OUT = printed.ROOT / "build" / "kit"
BOX = 1216, 618  # pixels that a figure may fill on a stage of 1280 by 720
SMALLEST = 18  # pixels of the smallest type
LEGIBLE, COARSE = 18 / 16.8, 0.8  # figures: scale at which 11 points are 18 pixels; at less than the second, no slide
CODE_LINES = 10
PNG = "img[src^='data:image/png']"
SAY = re.compile(r"\*\*What you will be able to do\*\*[^\n]*\n\n((?:- .+\n(?:  .+\n)*)+)")
POINT = re.compile(r"^- (.+(?:\n  .+)*)", re.M)
EXERCISE = re.compile(r"^\*\*(.+?)\*\* · (\d+ minutes)", re.M)
WITHOUT = "slides need the packages of `make site`: run `make site` once, or install sphinx-revealjs"


def make(folder, formats):
    """Write folder/FORMAT/slides.html for each format, with a PDF where there is a browser; returns the paths."""
    if unknown := [name for name in formats if name not in notes.FORMATS]:
        raise ValueError(f"there is no format {unknown[0]!r}; the formats are {', '.join(notes.FORMATS)}")
    files = {folder / plan.short(name) / "slides.html": name for name in formats}
    for file, name in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        places.write(file, page(name, plan.taught(name)))
    made = printed.pdf(files, "?print-pdf")
    if not made:
        print("No PDF of the slides: that takes Chromium, and `make setup` once. They open in any browser.")
    return [*files, *(file.with_suffix(".pdf") for file in files if made)]


def page(name, chosen):
    """Return the slides of a format as one HTML page; chosen: the notes of the sections that it has."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")  # formulas have the same bytes in each build
    with matplotlib.rc_context({"svg.hashsalt": "one-mask-apart"}):
        slides, agenda = [], []
        for number, path in notes.lessons().items():
            if mine := [note for note in chosen if note.lesson == number]:
                cells = nbformat.read(path, as_version=4).cells
                agenda.append(_title(cells))
                slides += lesson(number, cells, mine)
    cover = f'<section class="cover"><h1>One Mask Apart</h1>{_listed(agenda, 30, 450)}</section>'
    read, reveal = partial(Path.read_text, encoding="utf-8"), _reveal()
    styles = [read(reveal / "dist" / part) for part in ("reset.css", "reveal.css", "theme/white.css")]
    style = re.sub(r"@import[^;]+;", "", "\n".join(styles)) + read(Path(__file__).with_suffix(".css"))
    scripts = (reveal / "dist" / "reveal.js", reveal / "plugin/notes/notes.js", Path(__file__).with_suffix(".js"))
    script = "\n".join(map(read, scripts)).replace("</script", "<\\/script")
    head = f'<meta charset="utf-8"><title>One Mask Apart · {html.escape(name)}</title>'
    head += f"<!-- reveal.js:\n{read(reveal / 'LICENSE')}-->\n<style>{style}</style>"
    body = "\n".join(['<div class="reveal"><div class="slides">', cover, *slides, "</div></div>"])
    body += f"\n<script>{script}</script>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def numbers(name):
    """Return {(lesson, section): (its first slide, its last)} of a format, as the slides count themselves."""
    heads, found = re.findall(r"<section[^>]*><header>(.*?)</header>", page(name, plan.taught(name)), re.S), {}
    for number, head in enumerate(heads, 2):
        lesson, _, section = BeautifulSoup(head, "html.parser").get_text().partition(" · ")
        if section and lesson.isdecimal():
            first, _ = found.setdefault((int(lesson), section), (number, number))
            found[int(lesson), section] = first, number
    return found


def _reveal():
    """Return the folder of reveal.js: an extension of Sphinx brings it, and nothing else of that is used."""
    found = importlib.util.find_spec("sphinx_revealjs")
    if found is None:
        raise ModuleNotFoundError(WITHOUT)
    return Path(found.origin).parent / "_static" / "revealjs"


def lesson(number, cells, mine):
    """Return the slides of a lesson: its title, then what the sections of these notes have, then one sentence."""
    title, spans, slides = _title(cells), [_span(cells, note.cell) for note in mine], []
    here = {n for span in spans for n in span}
    if mine[0].section != title:
        slides.append(_slide("", *_opening(title, cells)))
    for note, span in zip(mine, spans, strict=True):
        made = [_opening(title, cells)] if note.section == title else []
        for n in span:
            made += _of_cell(cells, n, here, f"cell {n} of lesson {number:02d}")
        head = f"{number:02d} · {note.section}" if note.section != title else ""
        made = made or [_bare(number, note.section, [cells[n] for n in span])]
        slides += [_slide(head, *one, note=note) for one in made]
    return [*slides, _slide(title, "end", _sentence(number, cells))]


def _slide(head, kind, body, more="", note=None):
    """Return a slide; more: HTML that stands below the instructor's note, in the speaker's view alone."""
    soup = BeautifulSoup(body, "html.parser")
    for link in soup.select("a"):
        link.unwrap()
    for gone in soup.select("iframe, script, button:not([data-step])"):
        gone.decompose()
    printed.draw_formulas(soup)
    parts = "".join(f"<p><b>{part}:</b> {inline(text)}</p>" for part, text in note.parts.items()) if note else ""
    minutes = f"<p>{' · '.join(f'{name}: {count} min' for name, count in note.minutes.items())}</p>" if note else ""
    aside = f'<aside class="notes">{minutes}{parts}{more}</aside>' if note or more else ""
    return f'<section class="{kind}"><header>{inline(head)}</header>{soup}{aside}</section>'


def _tags(cell):
    return cell.metadata.get("tags", [])


def _title(cells):
    return re.match("# (.+)", cells[0].source)[1]


def _levels(cell):
    return [len(found) for found in re.findall("^(#+) ", cell.source, re.M)] if cell.cell_type == "markdown" else []


def _span(cells, at):
    """Return the numbers of a section's cells: from the heading above the note at `at` to the next one, or a note."""
    first = next(n for n in range(at, -1, -1) if _levels(cells[n]))
    level = max(2, min(_levels(cells[first])))
    for end in range(at + 1, len(cells)):
        if INSTRUCTOR in _tags(cells[end]) or min(_levels(cells[end]), default=9) <= level:
            return range(first, end)
    return range(first, len(cells))


def _opening(title, cells):
    """Return a lesson's first slide: the question, and what people will be able to say."""
    found = SAY.search(cells[0].source)
    points = [" ".join(point.split()) for point in found[1].removeprefix("- ").split("\n- ")] if found else []
    return "opening", f"<h1>{inline(title)}</h1>{_listed(points)}"


def _bare(number, section, cells):
    """Return the slide of a section that has nothing else to show: its exercises, or what is asked there."""
    text, code = ("\n".join(cell.source for cell in cells if cell.cell_type == kind) for kind in ("markdown", "code"))
    lines = [f"{name} ({minutes})" for name, minutes in EXERCISE.findall(text)]
    if "interview.show(" in code:
        lines += [asked.en for asked in interview.load()[number]]
    elif "board.show(" in code:
        return "bare", f"<h1>{inline(section)}</h1>{markdown(whiteboard.load()[number].draw)}"
    lines = lines or [" ".join(point.split()) for point in POINT.findall(text)[:6]]
    return "bare", f"<h1>{inline(section)}</h1>{_listed(lines) if lines else '<p>In the notebook, together.</p>'}"


def _listed(lines, most=34, high=470):
    items = "".join(f"<li>{inline(line)}</li>" for line in lines)
    return f'<ul style="font-size:{_size(lines, 1120, high, most)}px">{items}</ul>'


def _sentence(number, cells):
    """Return the one sentence of a lesson: the whiteboard's in both languages, or the first line of its recap."""
    if board := whiteboard.load().get(number):
        return f"<h2>In one sentence</h2><p>{inline(board.en)}</p><p>{chinese(board.zh)}</p>"
    recap = next((cell.source for cell in cells if re.search(r"^## \d+ Recap", cell.source, re.M)), "")
    found = re.search(r"^## \d+ Recap.*\n\n(?:- )?((?:[^-\n].*\n?)+)", recap, re.M)
    return f"<h2>To take home</h2>{markdown(' '.join(found[1].split()))}" if found else "<h2>Questions?</h2>"


def _of_cell(cells, n, here, where):
    """Return what a cell gives: [(kind, body, what else the speaker reads)]. here: all cells that the format has."""
    cell, made = cells[n], []
    if "no-slide" in _tags(cell):
        return made
    made += _shown(cell, where)
    asked, revealed = _questions(cells)
    for name in {**asked, **revealed}:
        at, answered = asked.get(name), revealed.get(name, asked.get(name))
        if n not in (at, answered) or at is None or "no-slide" in _tags(cells[at]) + _tags(cells[answered]):
            continue
        if n == at or at not in here:
            made += _question(name)
        if n == answered or answered not in here:
            made += _answer(name, cells[answered])
    return made


def _questions(cells):
    """Return ({question: the cell that asks it}, {prediction: the cell that reveals it}) of a lesson."""
    asked, revealed = {}, {}
    for n, cell in enumerate(cells):
        if cell.cell_type == "code":
            asked |= {name: n for _, name in ASKS.findall(cell.source) if name not in asked}
            revealed |= dict.fromkeys(REVEALS.findall(cell.source), n)
    return asked, revealed


def _find(name):
    """Return a prediction or a quiz by its name."""
    known = {name for number in lessons.numbers() for name in lessons.read("predictions", number)}
    return lessons.find("predictions" if name in known else "quizzes", name)


def _question(name):
    """Return a question's slide, and that of its vote."""
    question = _find(name)
    size = _size([question.text, *question.options.values()], 1130, 560, 40)
    asks = f'<p class="text">{inline(question.text)}</p><ol>{_options(question)}</ol>'
    most = _size(question.options.values(), 600, 360, 40)
    votes = f"<h2>Hands up</h2><p><small>{inline(question.text)}</small></p><ol>{_options(question, votes=True)}</ol>"
    return [("question", f'<div style="font-size:{size}px">{asks}</div>'),
            ("vote", f'<div style="font-size:{most}px">{votes}</div>')]  # fmt: skip


def _options(question, votes=False, right=""):
    """Return a question's options as list items: with counters for hands, or with counts and the right one marked."""
    items = ""
    for letter, text in question.options.items():
        says = f'<b>{letter}</b><span class="says">{inline(text)}</span>'
        if votes or right:
            says += '<span class="bar"><i></i></span><output>0</output>'
        if votes:
            says += f'<button data-step="1" aria-label="one more for {letter}">+</button>'
            says += f'<button data-step="-1" aria-label="one less for {letter}">−</button>'
        kept = f' data-votes="{question.name}" data-option="{letter}"' if votes or right else ""
        items += f"<li{kept}{' class=right' if letter == right else ''}>{says}</li>"
    return items


def _answer(name, cell):
    """Return the slides of an answer: the option, why, the sentence that reads it; then the figures of the fold."""
    question, tail, figures = _find(name), "", []
    letter = question.answer
    if not letter:
        letter, tail, figures = _fold(cell, name)
    read = re.match(r"\s*(?:<p>)?(.+?[.!?])(?=\s|</p>|$)", tail, re.S)
    said = [f"<p>{inline(question.because[letter])}</p>", *([f"<p>{read[1]}</p>"] if read else [])]
    lines = [*question.options.values(), *(BeautifulSoup(one, "html.parser").get_text() for one in said)]
    body = f"<h2>Answer: {letter}</h2><ol>{_options(question, right=letter)}</ol>{''.join(said)}"
    return [("answer", f'<div style="font-size:{_size(lines, 900, 500, 34)}px">{body}</div>', tail), *figures]


def _fold(cell, name):
    """Return (the letter that the run gave, the paragraphs that read it, the slides of its figures) of a reveal."""
    folds = [soup.details for soup in map(_soup, cell.outputs) if soup.details and "The run says" in soup.text]
    fold = folds[REVEALS.findall(cell.source).index(name)]
    shown = fold.find_all("div", recursive=False)
    pictures = [one for one in shown if one.select_one(PNG)]
    figures = sum(([*_figures(one.select(PNG))] for one in pictures), [])
    tables = [_table(one.table) for one in shown if one.table and not pictures]
    tail = (shown[-1] if shown else fold.p).find_next_siblings()
    return re.search(r"run says ([a-h])\)", fold.text)[1], "".join(map(str, tail)), figures + tables


def _soup(output):
    return BeautifulSoup(output.get("data", {}).get("text/html", ""), "html.parser")


def _shown(cell, where):
    """Return the figures that a cell shows outside folds, and whatever else it holds where its tag is `slide`."""
    made, forced = [], "slide" in _tags(cell)
    for soup in map(_soup, cell.get("outputs", [])):
        for fold in soup.select("details"):
            fold.decompose()
        made += _figures(soup.select(PNG))
        made += [_table(table) for table in soup.select("table") if forced]
    if forced and not made:
        if cell.cell_type == "code" and len(cell.source.splitlines()) > CODE_LINES:
            raise ValueError(f"{where} has the tag `slide`, and more lines than the {CODE_LINES} that a slide holds")
        text = cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```"
        size = _size(text.splitlines(), 1130, 540, 34)
        made.append(("text", f'<div style="font-size:{size}px">{markdown(text)}</div>'))
    return made


def _table(table):
    rows = [[len(cell.text) for cell in row.select("th, td")] for row in table.select("tr")]
    wide = sum(max(column) + 2 for column in zip(*rows, strict=False))
    size = max(SMALLEST, min(34, int(1180 / (0.58 * wide)), int(560 / (1.7 * (len(rows) + 1)))))
    return "table", f'<div style="font-size:{size}px">{table}</div>'


def _figures(images):
    """Lay the parts of one figure out on a slide, or on several where its words would be too small side by side."""
    drawn = [(one["alt"], *_pixels(one["src"]), one["src"]) for one in images]
    keys = [one for one in drawn if min(one[1:3]) < 70]  # of colours: they go with every part
    panels = [one for one in drawn if one not in keys]
    for count in range(1, len(panels) + 1):
        each = math.ceil(len(panels) / count)
        groups = [panels[n : n + each] + keys for n in range(0, len(panels), each)]
        scale = min(map(_scale, groups))
        if scale >= LEGIBLE:
            break
    if panels and scale < COARSE:
        told = "This figure is too fine for a slide: look at it in the lesson."
        return [("text", f"<p>{told}</p><p>{inline(panels[0][0])}</p>")]
    return [("figure", "<div>" + "".join(
        f'<img alt="{html.escape(alt)}" src="{data}" style="width:{scale * wide:.0f}px;height:{scale * high:.0f}px">'
        for alt, wide, high, data in group) + "</div>") for group in groups] if panels else []  # fmt: skip


def _pixels(address):
    """Return the width and height of a PNG in a data address."""
    return struct.unpack(">II", base64.b64decode(address.split(",", 1)[1][:64])[16:24])


def _scale(group, gap=12):
    """Return the largest scale at which these images fit on a slide, in lines from left to right."""
    for scale in (step / 100 for step in range(200, 0, -1)):
        left, rows = 0, [0]
        for _, wide, high, _ in group:
            if left and left + scale * wide > BOX[0]:
                left, rows = 0, [*rows, 0]
            left, rows[-1] = left + scale * wide + gap, max(rows[-1], scale * high)
        widest = max(scale * wide for _, wide, _, _ in group)
        if widest <= BOX[0] and sum(rows) + gap * (len(rows) - 1) <= BOX[1]:
            return scale
    return 0


def _size(lines, width, height, most):
    """Return the size of type (pixels) in which paragraphs fill a box, from `most` down to the smallest."""
    def high(size):
        long = (sum(1 if letter > "\u2e80" else 0.58 for letter in line) * size for line in lines)
        return sum(math.ceil(one / width) * 1.35 * size + 0.5 * size for one in long)

    return next((size for size in range(most, SMALLEST, -1) if high(size) <= height), SMALLEST)


if __name__ == "__main__":
    print(*make(OUT, sys.argv[1:] or [*notes.FORMATS]), sep="\n")
