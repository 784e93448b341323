"""The kit's slides and cards: a question before its answer, every format complete, cards that keep their identity."""

import functools
import json
import re
import sqlite3
import zipfile
from dataclasses import replace

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from course_lib.exercises import lessons
from course_lib.notes import drill, interview, whiteboard, working_copy
from tools.kit import notes, plan, slides

PARTS = {"Show": "the picture, **for ten seconds**.", "Ask": "who is for a?"}
revealjs = pytest.mark.skipif(not slides.importlib.util.find_spec("sphinx_revealjs"), reason="extra `site` is not here")


def note(lesson, section, cell):
    return notes.Note(lesson, section, cell, {"2 days": 5}, PARTS)


@functools.cache
def cells(lesson):
    return working_copy.for_learners(nbformat.read(notes.lessons()[lesson], as_version=4).cells)


def every(lesson):
    """Return notes for all sections of a lesson, whatever its own notes are."""
    heads = [(n, re.findall("^##? (.+)", cell.source, re.M)) for n, cell in enumerate(cells(lesson))
             if cell.cell_type == "markdown"]
    return [note(lesson, found[-1], n) for n, found in heads if found]


@functools.cache
def shown(lesson):
    """Return the slides of a lesson with all of its sections, as soup."""
    made = slides.lesson(lesson, cells(lesson), every(lesson))
    return [BeautifulSoup(one, "html.parser").section for one in made]


def seen(slide):
    """Return what a class can see or hear read aloud of a slide: its text and the descriptions of its images."""
    return " ".join([*(text for text in slide.strings if not text.find_parent("aside")),
                     *(image["alt"] for image in slide.select("img"))])  # fmt: skip


def plain(text):
    return "".join(re.sub(r"[`*]", "", text).split())


# --- slides --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lesson", [0, 3, 4, 11])
def test_each_question_has_a_vote_and_then_its_answer(lesson):
    kinds = [(slide["class"][0], plain(seen(slide))) for slide in shown(lesson)]
    asked = {**lessons.read("predictions", lesson), **lessons.read("quizzes", lesson)}
    known = {name: n for n, name in enumerate(asked)}
    order = [slide.select_one("[data-votes]")["data-votes"] for slide in shown(lesson) if slide.select("[data-votes]")]
    assert set(order) == set(known), "every prediction and quiz of the lesson is there"
    for name, question in asked.items():
        mine = [n for n, slide in enumerate(shown(lesson)) if slide.select_one(f'[data-votes="{name}"]')]
        assert [kinds[n][0] for n in mine] == ["vote", "answer"] and kinds[mine[0] - 1][0] == "question"
        assert plain(question.text) in kinds[mine[0] - 1][1]
        before = "".join(text for _, text in kinds[: mine[1]])
        for told in (*question.secrets, *question.because.values()):
            assert plain(told) not in before, f"{name}: {told!r} stands on a slide before the answer"


def test_an_answer_is_the_runs_with_a_sentence_that_reads_it_and_the_figures_of_the_fold():
    at = next(n for n, slide in enumerate(shown(3)) if slide["class"] == ["answer"] and
              slide.select_one('[data-votes="one-character"]'))  # fmt: skip
    answer, *figures = shown(3)[at : at + 3]
    assert answer.h2.text == "Answer: c" and answer.select_one(".right")["data-option"] == "c"
    assert "far above the ceiling" in seen(answer) and len(seen(answer)) < 700
    assert [figure["class"][0] for figure in figures] == ["figure", "figure"]
    assert "loss in training" in seen(figures[0]) and "next word right" in seen(figures[1])
    assert sum("next word right, 3 seeds" in seen(slide) for slide in shown(3)) == 1, "no figure of a fold comes twice"
    assert "far above" in answer.aside.text and len(answer.aside.text) > 400, "the whole paragraph is for the speaker"


def test_a_lesson_begins_with_its_question_and_ends_with_a_sentence():
    for lesson in (1, 3):
        first, last = shown(lesson)[0], shown(lesson)[-1]
        assert first["class"] == ["opening"] and "?" in first.h1.text and len(first.select("li")) >= 3
        board = whiteboard.load().get(lesson)
        assert plain(board.zh if board else "Text becomes pieces") in plain(seen(last))
    assert all("for ten seconds" in slide.aside.text for slide in shown(3)[:-1]), "the speaker has the section's note"


def test_a_section_that_the_format_leaves_out_has_no_slides_and_no_question_loses_its_answer():
    sections = [one for one in every(4) if one.section.startswith(("1 ", "4 "))]  # the answer to one stands in 2
    made = " ".join(slides.lesson(4, cells(4), sections))
    assert re.findall(r'class="(question|answer)".*?data-votes="([\w-]+)"', re.sub("<aside.*?</aside>", "", made)) == [
        ("question", "what-else"), ("question", "same-weights"), ("answer", "same-weights"), ("answer", "what-else"),
        ("question", "cost-of-the-mask"), ("answer", "cost-of-the-mask")]  # fmt: skip
    later = [one for one in every(4) if one.section.startswith("2 ")]
    kinds = re.findall(r'<section class="(\w+)"', " ".join(slides.lesson(4, cells(4), later)))
    assert kinds[:4] == ["opening", "question", "vote", "answer"]


def test_tags_force_a_cell_in_and_keep_one_out():
    code = v4.new_code_cell("a = 1\n" * 3, metadata={"tags": ["slide"]})
    mine = [v4.new_markdown_cell("# 03 · A?\n\n## 1 One"), code, *cells(3)[3:8]]
    made = " ".join(slides.lesson(3, mine, [note(3, "1 One", 0)]))
    assert "a = 1" in made and "later-word" in made and "<img" in made
    for cell in mine[2:4]:
        cell = cell.copy()
        cell.metadata = {"tags": ["no-slide"]}
        mine = [cell if cell.id == other.id else other for other in mine]
    made = " ".join(slides.lesson(3, mine, [note(3, "1 One", 0)]))
    assert "later-word" not in made and 'class="figure"' not in made
    code.source = "a = 1\n" * 11
    with pytest.raises(ValueError, match="cell 1 of lesson 03 has the tag `slide`, and more lines than the 10"):
        slides.lesson(3, mine, [note(3, "1 One", 0)])


def test_a_figure_too_wide_for_its_words_goes_over_several_slides():
    def image(wide, high):
        import base64
        import struct

        start = base64.b64encode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", wide, high) + b"0" * 24)
        return {"alt": "A panel.", "src": "data:image/png;base64," + start.decode()}

    assert len(slides._figures([image(760, 474)])) == 1
    four = slides._figures([*[image(314, 347)] * 4, image(169, 36)])
    assert [body.count("<img") for _, body in four] == [3, 3], "two panels and the key of colours on each"
    assert slides._figures([image(760, 1196)])[0][0] == "text"


@revealjs
def test_a_page_asks_for_nothing_and_is_the_same_from_two_builds():
    text = slides.page("2 days", every(3))
    assert text == slides.page("2 days", every(3)) and len(text) < 5_000_000
    soup = BeautifulSoup(text, "html.parser")
    addresses = [one.get("src") or one.get("href") for one in soup.select("[src], [href]")]
    assert addresses and all(address.startswith("data:") for address in addresses) and not soup.select("link, iframe")
    assert "@import" not in text and "url(http" not in text and "Permission is hereby granted" in text
    assert "One Mask Apart" in slides.page("2 h", []), "without any note there is a first slide"


def test_a_format_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match="no format '3 h'; the formats are 2 h, 4 h, 2 days"):
        slides.make(tmp_path, ["3 h"])


@revealjs
def test_a_section_s_slides_are_numbered_as_the_page_counts_them_and_none_is_blank():
    told, name = slides.numbers("2 days"), "2 days"
    counted = BeautifulSoup(slides.page(name, plan.taught(name)), "html.parser").select(".slides > section")
    for (lesson, section), (first, last) in told.items():
        for number in (first, last):
            assert counted[number - 1].header.get_text() == f"{lesson:02d} \u00b7 {section}"
    assert len(told) > 10 and counted[0]["class"] == ["cover"]
    for slide in counted:
        shown = [one for one in slide.select("p, li, td, img") if not one.find_parent("aside")]
        assert any(one.get_text(strip=True) or one.name == "img" for one in shown), slide
    assert len(counted[told[3, "12 Recap"][0] - 1].select("li")) > 3, "a recap shows its points"


# --- cards ---------------------------------------------------------------------------------------------------


def deck(folder):
    """Return the bytes of a deck and its notes: {guid: (subdeck, front, back, tags)}, and its images' names."""
    from tools.kit import anki

    file = anki.make(folder, ["2 h"])[0]
    with zipfile.ZipFile(file) as package:
        (folder / "collection").write_bytes(package.read("collection.anki2"))
        images = [*json.loads(package.read("media")).values()]
    with sqlite3.connect(folder / "collection") as base:
        names = {int(number): one["name"] for number, one in json.loads(
            base.execute("select decks from col").fetchone()[0]).items()}  # fmt: skip
        rows = base.execute("select guid, did, flds, tags from notes join cards on cards.nid = notes.id").fetchall()
    found = {guid: (names[did], *fields.split("\x1f"), tags.split()) for guid, did, fields, tags in rows}
    assert len(found) == len(rows), "each has an identity of its own"
    return file.read_bytes(), found, images


def test_cards_hold_every_question_in_both_languages_and_keep_their_identity(tmp_path, monkeypatch):
    pytest.importorskip("genanki")
    first, cards, images = deck(tmp_path / "one")
    counts = [sum(name == f"One Mask Apart::{part}" for name, *_ in cards.values())
              for part in ("Drill (English)", "Drill (中文)", "Whiteboard", "Interview")]  # fmt: skip
    asked = sum(map(len, interview.load().values()))
    assert counts == [len(drill.load()), len(drill.load()), len(whiteboard.load()), asked]
    assert images and all(name in str(cards) for name in images)
    for name, front, back, tags in cards.values():
        assert front.strip() and BeautifulSoup(back, "html.parser").text.strip() and len(tags) >= 2
        assert not re.search(r"\{[\w.:%]+\}", front + back), (name, front)
        assert ("zh" in name or "中文" in name) <= bool(re.search("[\u4e00-\u9fff]", front))
    board = next(back for name, _, back, _ in cards.values() if "Whiteboard" in name)
    assert re.search(r"gives .*: \d\.\d\d and \d\.\d\d", board), "numbers are those of the stored run"
    assert deck(tmp_path / "two")[0] == first, "two builds give the same bytes"
    prompts = drill.load()
    changed = replace(prompts[0], points=[replace(prompts[0].points[0], en="Another answer."), *prompts[0].points[1:]])
    monkeypatch.setattr(drill, "load", lambda: (changed, *prompts[1:]))
    third, renewed, _ = deck(tmp_path / "three")
    assert third != first and renewed.keys() == cards.keys() and "Another answer." in str(renewed)
