"""The top of every lesson: the way before and on, one numbering of headings, and what is left here."""

import json
import re

import pytest

from course_lib.exercises import check, lessons, panel, predict, quiz
from tools import way

WAYS = way.ways()


@pytest.mark.parametrize("file", WAYS, ids=lambda file: file.stem)
def test_headings_are_numbered_and_the_way_stands_at_the_top_and_the_end(file):
    notebook = way._read(file)
    new = way.mended(notebook, WAYS[file])
    wrong = ["".join(cell["source"])[:70] for cell, old in zip(new["cells"], notebook["cells"], strict=True)
             if cell != old]  # fmt: skip
    assert not wrong, f"run `python -m tools.way`, which mends the cells that begin with {wrong}"


@pytest.mark.parametrize("file", WAYS, ids=lambda file: file.stem)
def test_every_link_to_a_heading_leads_to_one(file):
    for cell in way._read(file)["cells"]:
        for name, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", "".join(cell["source"])):
            there = way._read(file.with_name(name)) if name else way._read(file)
            texts = ["".join(c["source"]) for c in there["cells"] if c["cell_type"] == "markdown"]
            anchors = [title.replace(" ", "-") for text in texts for title in re.findall(r"^#+ (.+)$", text, re.M)]
            assert anchor in anchors, f"{file.name} links to {name}#{anchor}"


def notebook(*texts):
    return {"cells": [{"cell_type": "markdown", "source": text} for text in texts]}


def mended(*texts, line="← [03 · a](03.ipynb) | [The map](00.ipynb#8)"):
    return ["".join(cell["source"]) for cell in way.mended(notebook(*texts), line)["cells"]]


def test_the_way_at_the_end_stands_above_an_instructor_s_note():
    lesson = notebook("# T?\nWords.", "## Recap\nend", "a note")
    lesson["cells"][-1]["metadata"] = {"tags": ["instructor"]}
    *_, end, note = way.mended(lesson, "[The map](00.ipynb#8)")["cells"]
    assert "".join(end["source"]) == "## 1 Recap\nend\n\n[The map](00.ipynb#8)" and note["source"] == "a note"


def test_a_title_gets_the_way_and_headings_their_numbers_and_links_follow():
    line = "← [03 · a](03.ipynb) | [The map](00.ipynb#8)"
    told = mended("# T?\nWords, see [there](#Recap).", "## 1 · One\ntext", "## Two\n### Three", "## Recap\nend")
    assert told == [
        f"# T?\n\n{line}\n\nWords, see [there](#3-Recap).", "## 1 One\ntext", "## 2 Two\n### Three",
        f"## 3 Recap\nend\n\n{line}",
    ]  # fmt: skip
    assert mended(*told) == told, "a second time changes nothing"
    moved = mended(*told, line="[The map](00.ipynb#9) | [05 · b](05.ipynb) →")
    assert moved[0].count("The map") == moved[-1].count("The map") == 1 and "#9" in moved[0] + moved[-1]


def test_the_panel_counts_what_is_left_and_names_the_next_open_exercise(progress_file):
    def lines():
        return repr(panel(0)).splitlines()

    assert lines() == [
        "Lesson 0 of 11. Left here: 3 of 3 predictions, 1 of 1 exercises, 1 of 1 quizzes.",
        "Next open exercise: best_share (4 minutes)",
    ]
    predict("first-training", guess="b")
    quiz("floor-and-ceiling", answer="a")
    assert lines() == ["Lesson 0 of 11. Left here: 2 of 3 predictions, 1 of 1 exercises.",
                       "Next open exercise: best_share (4 minutes)"]  # fmt: skip
    check(lessons.find("exercises", "best_share").reference, "best_share")
    assert lines() == ["Lesson 0 of 11. Left here: 2 of 3 predictions."]
    for other in set(lessons.read("predictions", 0)) - {"first-training"}:
        predict(other, guess="a")
    assert lines() == ["Lesson 0 of 11. Nothing is left here: all is predicted and solved."]


def test_the_panel_leads_to_the_heading_above_the_exercise(progress_file, monkeypatch, tmp_path):
    for lesson in lessons.numbers():
        anchor = re.search(r'href="#([^"]+)"', panel(lesson)._repr_html_())[1]
        [file] = [file for file in WAYS if int(file.name[:2]) == lesson]
        texts = ["".join(cell["source"]) for cell in way._read(file)["cells"] if cell["cell_type"] == "markdown"]
        assert anchor in [title.replace(" ", "-") for text in texts for title in re.findall(r"^#+ (.+)$", text, re.M)]
    monkeypatch.setattr("course_lib.exercises.overview.LESSONS", tmp_path)
    assert "<a" not in panel(4)._repr_html_() and "Next open exercise: which_fault" in repr(panel(4))


def test_a_lesson_that_there_is_not_has_no_panel():
    with pytest.raises(ValueError, match="there is no lesson 40"):
        panel(40)


def test_the_links_are_written_without_a_change_elsewhere(tmp_path, monkeypatch):
    for file in WAYS:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(way, "NOTEBOOKS", tmp_path)
    assert way.main() == 0
    for file in WAYS:
        old, new = (json.loads((folder / file.name).read_text()) for folder in (file.parent, tmp_path))
        for before, after in zip(old["cells"], new["cells"], strict=True):
            if before["cell_type"] == "markdown":
                before.pop("source"), after.pop("source")
        assert old == new
        assert (tmp_path / file.name).read_text().endswith("}\n")


@pytest.mark.parametrize("file", WAYS, ids=lambda file: file.stem)
def test_each_lesson_shows_its_own_panel_in_its_first_cell(file):
    code = ["".join(cell["source"]) for cell in way._read(file)["cells"] if cell["cell_type"] == "code"]
    assert code[0].rstrip().endswith(f"\npanel({int(file.name[:2])})"), "end the setup cell with its lesson's panel"
    assert not any("panel(" in source for source in code[1:])
