"""The learner's copy: cleared and trusted, renewed by a newer course, and nothing in it is ever lost."""

import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from nbformat.sign import NotebookNotary

from course_lib import places
from course_lib.exercises import check, lessons, restart_lesson
from course_lib.notes import progress, working_copy

ROOT = Path(__file__).parent.parent
LESSON = "04_some_lesson.ipynb"
ASKED = 'def left(t):\n    return reference("left")\n\n\ncheck(left)'


def cell(name, source, kind="code", **metadata):
    made = {"id": name, "cell_type": kind, "source": source, "metadata": metadata}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def lesson(*cells):
    return {"cells": list(cells), "metadata": {"one_mask_apart": {"code": "x"}}, "nbformat": 4, "nbformat_minor": 5}


FIRST = lesson(
    cell("title", "# 04 · Some lesson?", "markdown"),
    cell("told", "what the class gets wrong", "markdown", tags=["instructor"]),
    cell("train", "steps = 100", jupyter={"outputs_hidden": True}) | {
        "execution_count": 1,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "trained\n"}],
    },
    cell("left", ASKED, tags=["exercise"]),
    cell("answer", "<details><summary>?</summary>because</details>", "markdown"),
)  # fmt: skip
SECOND = lesson(
    cell("title", "# 04 · Some lesson, made clearer?", "markdown"),
    cell("new", "import torch"),
    cell("train", "steps = 100"),
    cell("left", ASKED.replace("(t)", "(t: int)"), tags=["exercise"]),
    cell("answer", "<details><summary>?</summary>because of the mask</details>", "markdown"),
)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A checkout with one lesson; returns publish(lesson, name=LESSON)."""
    notebooks = tmp_path / "checkout" / "notebooks"
    notebooks.mkdir(parents=True)
    (notebooks.parent / working_copy.PAGE).write_text("the page", encoding="utf-8")
    monkeypatch.setattr(working_copy, "LESSONS", notebooks)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith("JUPYTER") or name == "COURSE_HOME"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))

    def publish(content, name=LESSON):
        (notebooks / name).write_text(json.dumps(content), encoding="utf-8")

    publish(FIRST)
    return publish


def mine(name=LESSON):
    return json.loads((working_copy.folder() / name).read_text(encoding="utf-8"))


def sources(notebook):
    """Return {id: source} of all cells but the instructor's, which FIRST has."""
    hidden = {"told"} if notebook is FIRST else set()
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"] if cell["id"] not in hidden}


def change(name=LESSON, **edits):
    """Do what a learner does: change cells by id, add those that are new at the end of the copy, and save."""
    notebook = mine(name)
    for cell_id, source in edits.items():
        found = [c for c in notebook["cells"] if c["id"] == cell_id]
        if found:
            found[0]["source"] = source
        else:
            notebook["cells"].append(cell(cell_id, source, "markdown"))
    (working_copy.folder() / name).write_text(json.dumps(notebook), encoding="utf-8")


def kept():
    return sorted(path.name for path in working_copy.folder().glob("*(mine*"))


# --- what is laid ------------------------------------------------------------------------------------------


def test_a_copy_is_cleared_and_trusted(course):
    assert working_copy.lay() == []
    notebook = mine()
    assert sources(notebook) == sources(FIRST)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert [cell["metadata"] for cell in notebook["cells"]] == [{}, {}, {"tags": ["exercise"]}, {}]
    read = nbformat.read(working_copy.folder() / LESSON, as_version=4)
    nbformat.validate(read)
    assert NotebookNotary().check_signature(read), "or its widgets are gone when it is opened again"


def test_every_lesson_of_the_course_can_be_copied_and_its_links_lead_somewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    assert working_copy.lay() == []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(tmp_path / "my-course" / path.name, as_version=4)
        nbformat.validate(notebook)
        for_all = working_copy.for_learners(nbformat.read(path, as_version=4).cells)
        assert [c.source for c in notebook.cells] == [c.source for c in for_all]
        for text in (c.source for c in notebook.cells if c.cell_type == "markdown"):
            for target in links(text):
                assert (tmp_path / "my-course" / target).exists(), f"{path.name} links to {target}"
    assert (tmp_path / working_copy.PAGE).is_file(), "the address of the glass model, ../one-mask-apart.html"


def links(text):
    found = re.findall(r"\]\(([^)\s#]+)[^)]*\)|(?:src|href)=\"([^\"#]+)", text)
    return [one or other for one, other in found if not (one or other).startswith(("http", "data:", "mailto:"))]


# --- a newer version ---------------------------------------------------------------------------------------


def test_a_lesson_that_nobody_changed_is_replaced_without_a_word(course):
    working_copy.lay()
    course(SECOND)
    assert working_copy.lay() == [] and kept() == []
    assert sources(mine()) == sources(SECOND)


def test_a_new_version_takes_answers_edits_and_own_cells_along_and_the_old_copy_stays(course):
    working_copy.lay()
    change(left="def left(t):\n    return 3", train="steps = 7", note="my own words")
    before = (working_copy.folder() / LESSON).read_bytes()
    course(SECOND)
    [line] = working_copy.lay()
    assert LESSON in line and kept()[0] in line and len(kept()) == 1
    assert (working_copy.folder() / kept()[0]).read_bytes() == before
    expected = sources(SECOND) | {"left": "def left(t):\n    return 3", "train": "steps = 7", "note": "my own words"}
    assert sources(mine()) == expected
    assert [c["id"] for c in mine()["cells"]] == ["title", "new", "train", "left", "answer", "note"]
    assert working_copy.lay() == [] and len(kept()) == 1, "once"


def test_a_third_version_still_knows_what_is_the_learner_s(course):
    """What was carried over is not taken for the course's own text, which a newer version may replace."""
    working_copy.lay()
    change(left="mine", note="own")
    course(SECOND)
    working_copy.lay()
    third = lesson(*SECOND["cells"][:-1], cell("answer", "again", "markdown"))
    course(third)
    working_copy.lay()
    assert sources(mine()) == sources(third) | {"left": "mine", "note": "own"}
    assert len(kept()) == 2


def test_a_cell_that_both_changed_is_the_new_version_s_unless_it_is_an_exercise(course):
    working_copy.lay()
    change(title="# my title", left="mine")
    course(SECOND)
    working_copy.lay()
    assert sources(mine()) == sources(SECOND) | {"left": "mine"}
    change_kept = json.loads((working_copy.folder() / kept()[0]).read_text())
    assert sources(change_kept)["title"] == "# my title", "it is not lost"


def test_an_exercise_that_nobody_answered_takes_its_new_text(course):
    working_copy.lay()
    change(train="steps = 7")
    course(SECOND)
    working_copy.lay()
    assert sources(mine())["left"] == sources(SECOND)["left"]


def test_outputs_alone_are_worth_a_copy_and_what_an_editor_notes_is_not(course):
    working_copy.lay()
    notebook = mine()
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.13"}
    (working_copy.folder() / LESSON).write_text(json.dumps(notebook, indent=2))
    course(SECOND)
    assert working_copy.lay() == [] and kept() == []
    notebook = mine()
    notebook["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "an hour's training\n"}]
    (working_copy.folder() / LESSON).write_text(json.dumps(notebook))
    course(FIRST)
    assert len(working_copy.lay()) == 1 and len(kept()) == 1


@pytest.mark.parametrize("damage", ["{}", "[1]", '{"cells": [{}]}', '{"cells": 3}', "not JSON", ""])
def test_a_file_that_is_no_notebook_is_kept_and_the_lesson_laid_again(course, damage):
    working_copy.lay()
    (working_copy.folder() / LESSON).write_text(damage)
    [line] = working_copy.lay()
    assert "could not be read" in line and sources(mine()) == sources(FIRST)
    assert (working_copy.folder() / kept()[0]).read_text() == damage


@pytest.mark.parametrize("damage", [None, "{}", "[]", "not JSON", '{"04_some_lesson.ipynb": 3}'])
def test_without_the_notes_of_what_was_laid_answers_are_kept_too(course, damage):
    working_copy.lay()
    change(left="mine", note="own")
    notes = working_copy.folder() / ".versions.json"
    notes.unlink() if damage is None else notes.write_text(damage)
    course(SECOND)
    working_copy.lay()
    assert sources(mine()) == sources(SECOND) | {"left": "mine"}
    assert "own" in sources(json.loads((working_copy.folder() / kept()[0]).read_text())).values()


def test_a_lesson_of_the_course_that_cannot_be_read_is_left_out(course):
    (working_copy.LESSONS / LESSON).write_text("<<<<<<< HEAD")
    assert "git checkout" in working_copy.lay()[0]


@pytest.mark.parametrize("failing", range(1, 8))
def test_a_full_disk_or_a_kill_at_any_step_loses_nothing(course, monkeypatch, failing):
    """Fail at the n-th file that is put in place: what was the learner's is then there, and the next try ends well."""
    working_copy.lay()
    change(left="mine", note="own")
    before = (working_copy.folder() / LESSON).read_bytes()
    course(SECOND)
    replace, calls = os.replace, []

    def full(*names):
        calls.append(names)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        replace(*names)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        if failing <= 3:
            with pytest.raises(OSError):
                working_copy.lay()
        else:
            working_copy.lay()
    assert before in [path.read_bytes() for path in working_copy.folder().glob("*.ipynb")]
    assert not [path.name for path in working_copy.folder().iterdir() if path.name.endswith(".part")]
    working_copy.lay()
    assert sources(mine()) == sources(SECOND) | {"left": "mine", "note": "own"}
    assert len(kept()) == 1


def test_who_lays_at_the_same_time_waits(course, monkeypatch):
    working_copy.lay()
    lock = working_copy.folder() / ".versions.lock"
    monkeypatch.setattr(working_copy, "FileLock", lambda path, timeout: FileLock(path, timeout=0.1))
    with FileLock(lock):
        for lays in (working_copy.lay, lambda: restart_lesson(4)):
            with pytest.raises(TimeoutError):
                lays()
    assert working_copy.lay() == []


# --- where it lies -----------------------------------------------------------------------------------------


def test_the_copy_lies_in_the_checkout_where_that_is_the_user_s_and_in_the_home_folder_else(course, monkeypatch):
    checkout, home = working_copy.LESSONS.parent, Path.home()
    assert working_copy.folder() == checkout / "my-course"
    (checkout / "my-course").mkdir()
    monkeypatch.setattr(working_copy.os, "getuid", lambda: -1, raising=False)
    assert working_copy.folder() == home / "one-mask-apart" / "my-course", "another user began one here"
    monkeypatch.undo()


def test_a_checkout_that_cannot_be_written_gives_a_copy_and_the_page_in_the_home_folder(course, monkeypatch):
    access = os.access
    closed = working_copy.LESSONS.parent
    monkeypatch.setattr(working_copy.os, "access", lambda path, mode: Path(path) != closed and access(path, mode))
    place = Path.home() / "one-mask-apart"
    assert working_copy.folder() == place / "my-course" and working_copy.lay() == []
    assert (place / working_copy.PAGE).read_text() == "the page"
    assert not (closed / "my-course").exists()
    (closed / working_copy.PAGE).write_text("a new page")
    working_copy.lay()
    assert (place / working_copy.PAGE).read_text() == "a new page"
    (place / working_copy.PAGE).write_text("mine")
    (closed / working_copy.PAGE).write_text("a third page")
    working_copy.lay()
    assert (place / working_copy.PAGE).read_text() == "mine"
    (place / working_copy.PAGE).unlink()
    working_copy.lay()
    assert (place / working_copy.PAGE).read_text() == "a third page"


def test_an_installed_wheel_has_a_place_for_progress_and_no_lessons(course, monkeypatch, tmp_path):
    monkeypatch.setattr(working_copy, "LESSONS", tmp_path / "site-packages" / "course_lib" / "notebooks")
    assert working_copy.folder() == Path.home() / "one-mask-apart" / "my-course"
    with pytest.raises(ValueError, match="brings no notebooks"):
        restart_lesson(4)


def test_the_progress_of_an_earlier_version_moves_in_once(course, monkeypatch):
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)
    old, new = working_copy.LESSONS / ".progress.json", working_copy.folder() / ".progress.json"
    old.write_text('{"version": 1, "quizzes": {"x": {"right": true}}, "badges": [1]}')
    assert set(progress.load()["quizzes"]) == {"x"} and not new.exists(), "reading never writes"
    progress.record("quizzes", "y", lambda entry: {"right": False})
    assert set(json.loads(new.read_text())["quizzes"]) == {"x", "y"} and json.loads(new.read_text())["badges"] == [1]
    assert not old.exists() and old.with_name(".progress.json.old").exists()
    new.unlink()
    assert progress.load()["quizzes"] == {}, "who deletes it begins anew"


def test_the_progress_of_another_user_of_the_checkout_is_not_mine(course, monkeypatch):
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)
    monkeypatch.chdir(working_copy.LESSONS)
    (working_copy.LESSONS / ".progress.json").write_text('{"quizzes": {"x": {"right": true}}}')
    monkeypatch.setattr(working_copy.os, "getuid", lambda: -1, raising=False)
    assert progress.load()["quizzes"] == {}


# --- going on, and beginning again -------------------------------------------------------------------------


def test_the_lesson_that_opens_is_the_first_and_then_the_one_worked_on_last(course):
    course(FIRST, "00_start.ipynb")
    course(FIRST, "07_other.ipynb")
    working_copy.lay()
    assert working_copy.latest() == "00_start.ipynb"
    change(left="mine")
    change("07_other.ipynb", left="mine")
    os.utime(working_copy.folder() / "07_other.ipynb", (1, 1))
    assert working_copy.latest() == LESSON


def test_a_lesson_begins_again_beside_the_old_copy_and_what_is_solved_stays(course, progress_file, capsys):
    working_copy.lay()
    check(lessons.find("exercises", "best_share").reference, "best_share")
    change(left="mine")
    capsys.readouterr()
    restart_lesson(4)
    said = capsys.readouterr().out
    assert kept()[0] in said and "Reload" in said and sources(mine()) == sources(FIRST)
    assert sources(json.loads((working_copy.folder() / kept()[0]).read_text()))["left"] == "mine"
    assert progress.load()["exercises"]["best_share"]["right"]
    restart_lesson(4)
    assert len(kept()) == 1, "there was nothing to keep"
    change(left="another")
    restart_lesson(4)
    assert len(kept()) == 2, "the first is not overwritten"


@pytest.mark.parametrize("number", [40, "4", None, True])
def test_a_lesson_that_there_is_not_is_named(course, number):
    with pytest.raises(ValueError, match="the lessons are 4 to 4"):
        restart_lesson(number)


def test_half_a_character_does_not_stop_it(course):
    working_copy.lay()
    change(note="half \ud83d of a smile")
    course(SECOND)
    working_copy.lay()
    assert "half ? of a smile" in sources(mine())["note"]


def test_the_place_is_told_to_git(course):
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert f"{working_copy.folder().name}/" in ignored
    assert places.DATA.parent / "notebooks" == ROOT / "notebooks"
