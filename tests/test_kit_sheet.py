"""Run sheets, copies of the lessons and the rehearsal: what `make kit` and `python -m tools.kit.rehearse` make."""

import ast
import contextlib
import errno
import hashlib
import io
import json
import re
import zipfile

import nbformat
import pytest

from course_lib.exercises import lessons as texts
from course_lib.exercises.help import solution_source
from tools import bake, packed
from tools.kit import __main__ as kit
from tools.kit import copies, notes, plan, rehearse, sheet, slides

REAL = notes.lessons()
OUTPUT = nbformat.v4.new_output("stream", text="an output")
STUB = 'def best_share(gaps):\n    """Say the share."""\n    return reference("best_share")(gaps)  # <- replace\n\n\n'


def note(minutes, *parts):
    lines = "\n".join(f"- **{name}:** {text}" for name, text in (("Show", "the | picture."), *parts))
    text = f"<details><summary>For the instructor · {minutes}</summary>\n\n{lines}\n\n</details>"
    return nbformat.v4.new_markdown_cell(text, metadata={"tags": ["instructor"]})


def lesson(*parts):
    made = []
    for part in parts:
        if isinstance(part, str) and not part.startswith("#"):
            part = nbformat.v4.new_code_cell(part, outputs=[OUTPUT], execution_count=1)
        made.append(nbformat.v4.new_markdown_cell(part) if isinstance(part, str) else part)
    return nbformat.v4.new_notebook(cells=made)


@pytest.fixture
def course(monkeypatch, tmp_path):
    """Two little lessons with notes, in the place of the course's, and a format for them."""
    first = lesson(
        "# 00 · A start\n\nTwo words. [next](03_masks.ipynb#a) [other](01_text.ipynb)", note("2 h: 4 min"),
        "import math", "## 1 One\n\nA text.\n\n## 2 Two", note("2 h: 20 min", ("Late", "all of it.")),
        'predict("first-word")', "## 3 Three", "word = math.pi", "## 4 Four", "idle = 1", "### 4.1 Deep",
        note("2 h: 30 min", ("Ask", "why?")), "print(word)", "### 4.2 Deeper", "deeper = 1",
        nbformat.v4.new_markdown_cell("A line.\n### 4.3"),
    )  # fmt: skip
    second = lesson("# 03 · Masks", "## 1 Exercises", note("2 h: 40 min"), STUB + "check(best_share)",
                    'hint("best_share", 1)', 'solution("best_share")', "## 2 Last", note("2 h: 11 min"))  # fmt: skip
    folder = tmp_path / "notebooks"
    folder.mkdir()
    nbformat.write(first, folder / "00_start.ipynb")
    nbformat.write(second, folder / "03_masks.ipynb")
    about = {"minutes": 120, "days": 1, "opening": 5, "breaks": [10]}
    monkeypatch.setattr(notes, "NOTEBOOKS", folder)
    monkeypatch.setitem(notes.FORMATS, "2 h", about)
    monkeypatch.setattr(rehearse, "KEPT", tmp_path / "rehearsed.json")
    monkeypatch.setattr(slides, "numbers", lambda name: {(0, "2 Two"): (3, 5), (0, "4.1 Deep"): (6, 6)})
    cached = notes.notes, plan.sections, rehearse.kept
    for one in cached:
        one.cache_clear()
    yield about
    for one in cached:
        one.cache_clear()


# --- a plan --------------------------------------------------------------------------------------------------------


def test_a_plan_says_when_each_section_begins_and_breaks_between_lessons(course):
    rows = [(row.start, row.minutes, row.what) for row in plan.plan("2 h")]
    assert rows == [(0, 5, "Opening"), (5, 4, "00 · A start"), (9, 20, "2 Two"), (29, 30, "4.1 Deep"),
                    (59, 10, "Break"), (69, 40, "1 Exercises"), (109, 11, "2 Last")]  # fmt: skip


def test_a_break_stands_between_two_lessons_where_that_is_about_as_even():
    mine = [notes.Note(lesson, "", 0, {"x": minutes}, {}) for lesson, minutes in ((0, 33), (0, 10), (1, 33))]
    assert plan._breaks(0, mine, "x", 1) == (2,)
    assert plan._breaks(30, mine, "x", 1) == (1,)


def test_two_days_have_a_drill_in_the_morning_and_lunch_that_is_not_counted(course):
    course |= {"days": 2, "breaks": [2, 3], "lunch": 60, "morning": 7, "second_day": 3, "minutes": 122}
    with pytest.raises(ValueError, match="2 sections have minutes on day 2"):
        plan.plan("2 h")
    course |= {"breaks": [2]}
    course["minutes"] = 5 + 54 + 2 + 7 + 51
    rows = [(row.day, row.start, row.what) for row in plan.plan("2 h")]
    assert (1, 0, "Opening") in rows and (2, 0, "Drill") in rows
    assert [day for day, _, what in rows if what == "Lunch"] == [1, 2]


def test_minutes_that_do_not_add_up_are_an_error(course, capsys, tmp_path):
    course["minutes"] = 121
    assert kit.main(["--hours", "2", "--out", str(tmp_path / "out")]) == 2
    assert "2 h: the minutes of its rows add up to 120, and tools/kit/kit.yaml says 121" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_sections_end_at_headings_and_count_their_own_words(course):
    found = plan.sections(0)
    assert [*found] == ["00 · A start", "1 One", "2 Two", "3 Three", "4 Four", "4.1 Deep", "4.2 Deeper", "4.3"]
    assert [found[name].words for name in ("00 · A start", "1 One", "2 Two")] == [6, 3, 1]
    assert [one.name for one in found["2 Two"].predictions] == ["first-word"]
    assert [one.name for one in plan.sections(3)["1 Exercises"].exercises] == ["best_share"]
    assert plan.numbers("2 h") == [0, 3]


def test_a_section_that_is_left_out_is_run_where_a_later_one_needs_its_names(course):
    run = [section.heading for section in plan.to_run(0, "2 h")]
    assert run == ["00 · A start", "2 Two", "3 Three", "4.1 Deep"]
    text = sheet.markdown("2 h")
    assert "run when you come there (later cells use it): 3 Three" in text
    assert "slides 3 to 5; " in text and "slide 6; " in text


@pytest.mark.parametrize("source, used, made", [
    ("x = y + 1\nz = x", {"y"}, {"x", "z"}),
    ("def f(a, b=c):\n    d = a\n    return [e * d * g for e in a]", {"c", "g"}, {"f"}),
    ("import torch.nn\nfrom a import b as d\nprint(torch, d)", set(), {"torch", "d"}),
    ("x = [n for n in range(3)]\nclass A:\n    def f(self):\n        return outer", {"outer"}, {"x", "A"}),
])  # fmt: skip
def test_names_that_a_section_needs(source, used, made):
    assert plan._names(source) == (used, made)


# --- the notes in the lessons ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", notes.FORMATS)
def test_the_lessons_minutes_add_up_and_nobody_sits_for_too_long(name):
    if not any(notes.notes(number) for number in REAL):
        pytest.skip("the lessons have no notes yet")
    since, day = 0, 1
    for row in plan.plan(name):
        if row.day != day:
            since, day = 0, row.day
        if row.what in ("Break", "Lunch"):
            since = row.start + row.minutes
        assert row.start + row.minutes - since <= 95, row


@pytest.mark.parametrize("name", notes.FORMATS)
def test_each_vote_has_four_minutes(name):
    """A question, a minute alone, a minute with the neighbour, hands, a reason from each side: less is no vote."""
    for note in plan.taught(name):
        votes = len(plan.sections(note.lesson)[note.section].predictions)
        assert note.minutes[name] >= 4 * votes, (note.lesson, note.section)


def test_what_was_rehearsed_is_in_the_lessons():
    for formats in rehearse.kept().values():
        for name, measured in formats.items():
            for number, one in measured.items():
                there = {section.heading for section in plan.to_run(int(number), name)}
                assert set(one["seconds"]) <= there, f"{name}, lesson {number}: python -m tools.kit.rehearse"


def test_docs_say_what_was_measured():
    written = rehearse.DOCS.read_text(encoding="utf-8").partition(rehearse.BEGIN)[2].partition(rehearse.END)[0]
    assert written.strip() == rehearse.tables(), "python -m tools.kit.rehearse --docs"


# --- run sheets ------------------------------------------------------------------------------------------------------


def test_a_run_sheet_says_what_to_do_when_and_keeps_the_answers(course):
    kept = {rehearse.ALONE: {"2 h": {"00": {"seconds": {"2 Two": 12.4}}}}}
    rehearse.KEPT.write_text(json.dumps(kept), encoding="utf-8")
    text = sheet.markdown("2 h", start=9 * 60 + 30)
    two = "[2 Two](../../../my-course/00_start.ipynb#2-Two)<br><small>slides 3 to 5; cells: 12 s; 1 words"
    assert f"| 9:39 | 20 | {two}" in text
    assert "| 10:39 | 40 |" in text and "`best_share`: 4 min" in text and "**Show:** the \\| picture." in text
    assert "| 9:35 | 4 | [the title](../../../my-course/00_start.ipynb#00-%C2%B7-A-start)" in text
    assert "| 9:39 | 00 | 2 Two | 20 | all of it. |" in text.partition("## When you are late")[2]
    assert "## 1 One" not in text and "Lessons for another day" not in text
    question, votes = texts.find("predictions", "first-word"), text.partition("## Votes")[2]
    assert " ".join(question.text.split()) in votes and "b: ____ / ____" in votes
    assert not [said for said in (*question.because.values(), *question.secrets) if said in text]


def test_the_page_of_a_run_sheet_stands_alone(course, tmp_path):
    markdown, page = sheet.make(tmp_path, ["2 h"])
    assert markdown.read_text(encoding="utf-8") == sheet.markdown("2 h")
    text = page.read_text(encoding="utf-8")
    assert "<td>1:09</td>" in text and "<strong>Ask:</strong> why?" in text and "@page" in text
    assert not re.search(r"https?://|<script|<link|\.ipynb", text)


# --- copies of the lessons -------------------------------------------------------------------------------------------


def test_the_zips_hold_the_lessons_of_a_format_and_are_the_same_when_built_again(course, tmp_path):
    written = copies.make(tmp_path / "one", ["2 h"])
    again = copies.make(tmp_path / "two", ["2 h"])
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]
    learners, solutions, sums = written
    for line in sums.read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((sums.parent / name).read_bytes()).hexdigest() == digest
    with zipfile.ZipFile(learners) as packed:
        (folder,) = {name.split("/")[0] for name in packed.namelist()}
        inside = {name.partition("/")[2]: packed.read(name).decode() for name in packed.namelist()}
    assert folder == "one-mask-apart-2h-learners"
    assert sorted(inside) == ["README.txt", "lessons/00_start.ipynb", "lessons/03_masks.ipynb", "one-mask-apart.html"]
    assert len(inside["README.txt"].splitlines()) == 3 and "lessons/00_start.ipynb" in inside["README.txt"]
    everything = inside["lessons/00_start.ipynb"] + inside["lessons/03_masks.ipynb"]
    assert not re.search(r"an output|For the instructor|solution\(|01_text", everything)
    assert "03_masks.ipynb#a" in everything and 'hint(\\"best_share\\", 1)' in everything
    with zipfile.ZipFile(solutions) as packed:
        solved = packed.read("one-mask-apart-2h-solutions/lessons/03_masks.ipynb").decode()
    assert "max(gap.values())" in solved and "Say the share." in solved and "For the instructor" not in solved
    assert 'reference(\\"best_share' not in solved and solved.count("an output") == 2, "of hint and solution alone"


@pytest.mark.parametrize("number", REAL)
def test_no_lesson_hands_out_an_answer_and_every_answer_is_right(number):
    stored = nbformat.read(REAL[number], as_version=4)
    handed = "\n".join(cell["source"] for cell in copies.learner(stored)["cells"])
    assert not [cell for cell in copies.learner(stored)["cells"] if cell.get("outputs")]
    assert "For the instructor" not in handed and not re.search(r"\bsolution\(\"", handed)
    solved = {match[1]: copies.answered(cell.source, match[1]) for cell in stored.cells
              if cell.cell_type == "code" and (match := copies.STUB.search(cell.source))}  # fmt: skip
    assert set(solved) == set(texts.read("exercises", number))
    for name, source in solved.items():
        exercise, space = texts.find("exercises", name), {}
        right = solution_source(exercise.reference).rpartition("\n\n\n")[2].partition("\n")[2]
        assert right not in handed and right in source and "reference(" not in source
        wanted = [node for node in ast.parse(source).body if not isinstance(node, ast.Expr)]  # without check(...)
        exec(compile(ast.unparse(wanted), "<answer>", "exec"), space)
        for args in exercise.edges:
            assert exercise.tried(space[name], args)[2] is None, name


# --- the rehearsal ---------------------------------------------------------------------------------------------------


def test_a_rehearsal_runs_what_learners_run_and_adds_up_seconds(course, monkeypatch):
    def run(notebook, folder, timeout, record_timing):
        assert [c.source for c in notebook.cells] == ["import math", 'predict("first-word")', "word = math.pi",
                                                      "print(word)"]  # fmt: skip
        for second, one in enumerate(notebook.cells[:3]):
            one.metadata["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00.000Z",
                                         "shell.execute_reply": f"2026-01-01T00:00:0{second}.500Z"}  # fmt: skip
        return notebook

    monkeypatch.setattr(bake, "execute", run)
    took = rehearse.rehearse(0, "2 h")["seconds"]
    assert took == {"00 · A start": 0.5, "2 Two": 1.5, "3 Three": 2.5, "4.1 Deep": 0.0}


def test_a_rehearsal_that_is_stopped_goes_on_and_runs_nothing_twice(course, monkeypatch, capsys):
    ran = []

    def run(number, name):
        ran.append(number)
        if ran == [0, 3]:
            raise KeyboardInterrupt
        return {"code": bake.fingerprint(rehearse.to_run(number, name)[1]), "seconds": {"2 Two": 60.0}}

    monkeypatch.setattr(rehearse, "rehearse", run)
    statuses = []
    for _ in range(3):
        statuses.append(rehearse.main(["--hours", "2"]))
        rehearse.kept.cache_clear()
    assert (statuses, ran) == ([130, 0, 0], [0, 3, 3])
    rehearse.main(["--hours", "2", "--again"])
    assert ran == [0, 3, 3, 0, 3] and "The same command goes on" in capsys.readouterr().out
    table = rehearse.tables()
    assert "| **2 h** | 120 | 15 | 105 | 2.0 min | not measured (2 of 2 lessons missing) | 4 min | 0 min |" in table
    assert "| 00 | 54 |" in table


def test_a_class_cache_that_is_not_there_is_told(course, capsys, tmp_path):
    assert rehearse.main(["--hours", "2", "--class-cache", str(tmp_path / "none")]) == 2
    assert "bake the models for a class first" in capsys.readouterr().err


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, said", [
    (["--hours", "3"], "there is no format of 3 h; there are --hours 2, --hours 4, --days 2"),
    (["--days", "7"], "there is no format of 7 days"),
])  # fmt: skip
def test_a_format_that_there_is_not_is_told(arguments, said, capsys):
    assert kit.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_time_that_is_none_is_told():
    with pytest.raises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
        kit.main(["--start", "25:00"])
    assert "'25:00' is no time of day" in said.getvalue()


def test_the_command_writes_all_or_nothing(course, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(kit, "PARTS", ("sheet", "copies", "there-is-none"))
    out = tmp_path / "build" / "kit"
    assert kit.main(["--hours", "2", "--out", str(out)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 5 and all("kB" in line for line in told)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(copies, "make", full)
    assert kit.main(["--hours", "2", "--start", "9:00", "--out", str(out)]) == 1
    assert "No space left on device. Free some space" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert [path.name for path in out.parent.iterdir()] == ["kit"]


def test_every_file_of_a_zip_has_the_same_date_and_the_order_that_was_given(tmp_path):
    packed.pack(tmp_path / "one.zip", (("b", "text"), ("a/c", b"bytes")))
    with zipfile.ZipFile(tmp_path / "one.zip") as made:
        assert [(one.filename, one.date_time[0]) for one in made.infolist()] == [("b", 1980), ("a/c", 1980)]
        assert made.read("b") == b"text" and made.infolist()[0].external_attr >> 16 == 0o644
