"""What a class needs: results and their summary, the preflight, models made beforehand, a USB stick."""

import csv
import io
import json
import os
import re
import socket
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from course_lib import __main__ as cli
from course_lib import doctor
from course_lib.exercises import lessons
from course_lib.exercises import results as export
from course_lib.notes import drill, progress
from tools import bootstrap
from tools.kit import bake, preflight, results, wheels

NUMBER = 4
PREDICTION, OTHER = list(lessons.read("predictions", NUMBER))[:2]
EXERCISE = next(iter(lessons.texts(NUMBER)["exercises"]))
QUIZ_LESSON, QUIZ = next((n, name) for n in lessons.numbers() for name in lessons.texts(n)["quizzes"])
RIGHT = lessons.read("quizzes", QUIZ_LESSON)[QUIZ].answer
WRONG = next(letter for letter in lessons.read("quizzes", QUIZ_LESSON)[QUIZ].options if letter != RIGHT)
DRILL = drill.load()[0].id
WHEN = "2026-11-27T10:00:00Z"


@pytest.fixture
def learner(tmp_path, monkeypatch):
    """Return learner(name, predictions, ...): write a progress file as it would be theirs, and be that learner."""

    def become(name, **sections):
        folder = tmp_path / "homes" / name
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("COURSE_PROGRESS", str(folder / "progress.json"))
        for section, entries in sections.items():
            for item, entry in entries.items():
                progress.record(section, item, lambda old, entry=entry: entry)
        return folder

    return become


def guess(first, answer="b", **more):
    return {"first": first, "guess": first, "answer": answer, "when": WHEN, **more}


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


# --- a learner's export --------------------------------------------------------------------------------------------


def test_an_export_has_what_was_done_and_nothing_else(learner, tmp_path, capsys):
    folder = learner(
        "ada", predictions={PREDICTION: guess("b"), OTHER: guess("a", late=True), "no-such": guess("a")},
        exercises={EXERCISE: {"tries": 3, "right": WHEN}},
        quizzes={QUIZ: {"first": WRONG, "answer": RIGHT, "right": True, "when": WHEN}},
        drill={DRILL: {"answer": "my own words", "said": [1], "of": 3, "when": WHEN}},
    )  # fmt: skip
    for kind in ("json", "csv"):
        assert cli.main(["results", "--out", str(tmp_path / f"out.{kind}")]) == 0
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    data = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert data["rows"] == table(text) and list(data["rows"][0]) == list(export.COLUMNS)
    found = {(row["kind"], row["item"]): row for row in data["rows"]}
    assert len(found) == 5 and ("prediction", "no-such") not in found
    assert [found["prediction", item]["right"] for item in (PREDICTION, OTHER)] == ["yes", "late"]
    assert (found["exercise", EXERCISE]["tries"], found["exercise", EXERCISE]["right"]) == ("3", "yes")
    assert (found["quiz", QUIZ]["first"], found["quiz", QUIZ]["right"]) == (WRONG, "yes")
    assert found["drill", DRILL]["answer"] == "1 of 3"
    assert not any(word in text for word in ("my own words", str(tmp_path), "ada", socket.gethostname()))
    assert "without a name" in capsys.readouterr().out
    assert {row["name"] for row in data["rows"]} == {""}
    assert (folder / ".learner").read_text() == data["rows"][0]["learner"]


def test_two_exports_of_a_learner_are_one_learners(learner, tmp_path, monkeypatch):
    learner("ada", predictions={PREDICTION: guess("a")})
    assert cli.main(["results", "--out", str(tmp_path / "1.json")]) == 0
    assert cli.main(["results", "--name", " Ada  Lovelace", "--out", str(tmp_path / "2.json")]) == 0
    learner("bob", predictions={PREDICTION: guess("b")})
    monkeypatch.chdir(tmp_path)
    assert cli.main(["results"]) == 0  # both forms, here, under the id
    first, second = (json.loads((tmp_path / f"{n}.json").read_text())["rows"][0] for n in (1, 2))
    assert first["learner"] == second["learner"] and (first["name"], second["name"]) == ("", "Ada Lovelace")
    rows, left_out = results.read(tmp_path)
    mine = [row for row in rows if row["learner"] == first["learner"]]
    assert len(mine) == 1 and mine[0]["name"] == "Ada Lovelace" and len(rows) == 2
    assert [line.split()[0] for line in left_out] == ["progress.json"] * 2


def test_a_wrong_name_of_a_file_is_told(learner, tmp_path, capsys):
    learner("ada")
    with pytest.raises(SystemExit) as leave:
        cli.main(["results", "--out", "results.xlsx"])
    assert leave.value.code == 2 and "results.xlsx: name a file that ends in" in capsys.readouterr().err
    assert cli.main(["results", "--out", str(tmp_path / "nowhere" / "out.json")]) == 1
    assert "cannot be written" in capsys.readouterr().out


# --- the summary of a class ----------------------------------------------------------------------------------------


def row(learner, kind, item, **values):
    known = {"learner": learner, "kind": kind, "item": item, "when": WHEN}
    return {column: "" for column in export.COLUMNS} | known | values


@pytest.fixture
def exports(tmp_path):
    """A class of four: two say a, two say b; one was late; with a name that a spreadsheet would compute."""
    folder = tmp_path / "exports"
    folder.mkdir()
    names = {"l1": "=SUM(A1)", "l2": "Ada Lovelace", "l3": "", "l4": "", "l5": ""}
    for n, (learner, name) in enumerate(names.items()):
        late = learner == "l5"
        first = "a" if n < 2 or late else "b"
        rows = [
            row(learner, "prediction", PREDICTION, first=first, answer="b",
                right="late" if late else "yes" if first == "b" else "no"),
            row(learner, "prediction", OTHER, first="a", answer="", right=""),
            row(learner, "exercise", EXERCISE, tries=str(n + 1), right="yes" if n else "no"),
            row(learner, "quiz", QUIZ, first=WRONG if n < 3 else RIGHT, answer=WRONG, right="yes"),
            row(learner, "drill", DRILL, answer="1 of 3"),
        ]  # fmt: skip
        rows = [one | {"name": name} for one in rows]
        (folder / f"{learner}.json").write_text(json.dumps({"course": export.COURSE, "rows": rows}), encoding="utf-8")
    return folder


def test_the_summary_says_what_split_the_class(exports, tmp_path, capsys):
    out = tmp_path / "out"
    assert results.main([str(exports), "--to", str(out)]) == 0
    summed = table((out / "summary.csv").read_text(encoding="utf-8"))
    assert [one["item"] for one in summed] == [PREDICTION, OTHER, EXERCISE, QUIZ, DRILL]
    split, same, solved, quiz, said = summed
    assert (split["votes"], split["split"], split["right"], split["late"]) == ("a:2 b:2", "1.0", "2", "1")
    assert (same["split"], same["right"], same["lesson"]) == ("0.0", "0", f"{NUMBER:02d}")
    assert (solved["right"], solved["median_tries"], solved["learners"]) == ("4", "3.5", "5")
    assert (quiz["right"], said["votes"]) == ("2", "5 of 15")
    page = (out / "summary.html").read_text(encoding="utf-8")
    assert "Ada" not in page + (out / "summary.csv").read_text(encoding="utf-8") and "SUM(" not in page
    assert f"What misled most: {WRONG}), 3 of 5" in page and "1 more chose with the answer in view" in page
    shown = re.sub(r"<details>.*?</details>", "", page, flags=re.S)
    assert "were right" in page and "were right" not in shown and "misled" not in shown
    assert not re.search(r"(src|href)=|https?:", page)


def test_the_gradebooks_are_in_the_columns_of_nbgrader_and_otter(exports, tmp_path):
    out = tmp_path / "out"
    assert results.main([str(exports), "--to", str(out)]) == 0
    text = (out / "gradebook.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == (
        "assignment,duedate,timestamp,student_id,last_name,first_name,email,raw_score,late_submission_penalty,score,"
        "max_score"
    )
    grades = {grade["student_id"]: grade for grade in table(text)}
    assert grades["l2"] == {
        "assignment": "04_encoder_vs_decoder", "duedate": "", "timestamp": "2026-11-27 10:00:00", "student_id": "l2",
        "last_name": "Lovelace", "first_name": "Ada", "email": "", "raw_score": "1.0", "late_submission_penalty": "0.0",
        "score": "1.0", "max_score": f"{len(lessons.texts(NUMBER)['exercises']):.1f}",
    }  # fmt: skip
    assert grades["l1"]["score"] == "0.0" and grades["l1"]["last_name"] == "'=SUM(A1)"
    wide = {one["identifier"]: one for one in table((out / "gradebook_wide.csv").read_text(encoding="utf-8"))}
    assert (wide["l2"][EXERCISE], wide["l2"]["percent_correct"], wide["l1"]["percent_correct"]) == ("1.0", "1.0", "0.0")


def test_what_is_damaged_or_foreign_is_named_and_left_out(exports, tmp_path, capsys):
    good = (exports / "l1.json").read_text(encoding="utf-8")
    strange = json.loads(good)
    strange["rows"][0]["item"], strange["rows"][1]["first"] = "of-another-course", "z"
    for name, text in {"half.json": good[: len(good) // 2], "deep.json": "[" * 100_000, "list.json": "[1]",
                       "marks.csv": "who,mark\nAda,1\n", "number.json": good.replace('"1"', "1"),
                       "kind.json": good.replace('"exercise"', '"crime"')}.items():  # fmt: skip
        (exports / name).write_text(text, encoding="utf-8")
    (exports / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    (exports / "strange.json").write_text(json.dumps(strange).replace('"l1"', '"l9"'), encoding="utf-8")
    assert results.main([str(exports), "--to", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    for name in ("half.json", "deep.json", "list.json", "marks.csv", "number.json", "kind.json", "bytes.csv"):
        assert f"! {name} is left out: " in said
    assert "! strange.json: 2 of 5 rows are about nothing that this course has" in said and "Learners: 6." in said
    assert len(table((tmp_path / "out" / "summary.csv").read_text(encoding="utf-8"))) == 5


def test_a_folder_without_results_is_told(tmp_path, capsys):
    assert results.main([str(tmp_path)]) == 1 and "python -m course_lib results" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        results.main([str(tmp_path / "none")])
    assert "none is no folder" in capsys.readouterr().err


# --- the preflight -------------------------------------------------------------------------------------------------


def lines(check, *values):
    return {name: (value, *fix) for name, value, *fix in check(*values)}


def test_the_preflight_ends_with_a_page_of_lines(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(preflight, "KIT", tmp_path)
    monkeypatch.setattr(preflight, "one_kernel", lambda: (0.4, 5.0))
    monkeypatch.setattr(preflight.doctor, "train", lambda: iter([("training", "fast")]))
    monkeypatch.setattr(preflight.printed, "pdf", lambda pages: True)
    monkeypatch.setattr(preflight, "_fonts", lambda: iter([("fonts", "Chinese")]))
    monkeypatch.setattr(preflight, "_ports", lambda: iter([("ports", "free")]))
    with zipfile.ZipFile(tmp_path / "learners.zip", "w") as packed:
        packed.writestr("a.txt", "a")
    assert preflight.main(["--no-open", "--class-cache", ""]) == 0
    said = capsys.readouterr().out
    names = ("torch", "training", "one kernel", "learners", "cores", "class cache", "projector", "browser", "fonts",
             "ports", "copies")  # fmt: skip
    assert all(f"\n  {name} " in f"\n{said}" for name in names) and "All is well" in said
    (tmp_path / "learners.zip").write_bytes(b"PK broken")
    assert preflight.main(["--no-open", "--class-cache", ""]) == 1
    assert "! copies        learners.zip is damaged" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        preflight.main(["--learners", "0"])


def test_a_terminal_that_can_shows_green_and_red(monkeypatch, capsys):
    monkeypatch.setattr(doctor.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert doctor.report(lambda: iter([("good", "1"), ("bad", "2", "mend it")])) == 1
    good, bad, fix = capsys.readouterr().out.splitlines()
    assert good.startswith("\33[32m  good") and bad.startswith("\33[31m! bad") and "-> mend it" in fix
    monkeypatch.setenv("NO_COLOR", "1")
    doctor.report(lambda: iter([("good", "1")]))
    assert "\33" not in capsys.readouterr().out


def test_memory_is_for_learners_who_share_the_machine(monkeypatch):
    monkeypatch.setattr(preflight, "one_kernel", lambda: (0.4, 5.0))
    monkeypatch.setattr(preflight.psutil, "virtual_memory", lambda: SimpleNamespace(available=8e9))
    assert len(lines(preflight._memory, 20, False)["learners"]) == 1
    assert len(lines(preflight._memory, 7, True)["learners"]) == 1  # 1.1 GB each
    value, fix = lines(preflight._memory, 8, True)["learners"]
    assert "9 GB at their peak, 8 GB are free" in value and "enough for 7 at once" in fix


@pytest.mark.slow
def test_one_kernel_is_measured():
    size, seconds = preflight.one_kernel()
    assert 0.1 < size < 4 and 0 < seconds < 120


def test_a_kernel_that_cannot_do_a_lesson_is_told(monkeypatch):
    monkeypatch.setattr(preflight, "LESSON", "raise MemoryError('no room')")
    with pytest.raises(RuntimeError, match="no room"):
        preflight.one_kernel()


def test_learners_who_share_cores_need_one_thread_each(monkeypatch):
    monkeypatch.delenv("COURSE_THREADS", raising=False)
    assert "COURSE_THREADS=1" in lines(preflight._cores, 10_000, True)["cores"][1]
    assert len(lines(preflight._cores, 10_000, False)["cores"]) == 1
    monkeypatch.setenv("COURSE_THREADS", "1")
    assert len(lines(preflight._cores, 10_000, True)["cores"]) == 1


def test_no_browser_is_told(monkeypatch):
    def none():
        raise preflight.webbrowser.Error

    monkeypatch.setattr(preflight.webbrowser, "get", none)
    monkeypatch.setattr(preflight.printed, "pdf", lambda pages: False)
    monkeypatch.setattr(preflight.shutil, "which", lambda name: None)
    assert "install Firefox or Chromium" in lines(preflight._browser)["browser"][1]
    monkeypatch.setattr(preflight.shutil, "which", lambda name: name == "chromium")  # but no display
    assert lines(preflight._browser)["browser"][0].startswith("chromium (not started")
    monkeypatch.setattr(preflight.webbrowser, "get", lambda: SimpleNamespace(name="firefox"))
    assert len(lines(preflight._browser)["browser"]) == 1


def test_no_chinese_font_is_told(monkeypatch):
    monkeypatch.setattr(preflight.sys, "platform", "linux")
    dejavu = str(Path(preflight.font_manager.__file__).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf")
    monkeypatch.setattr(preflight.font_manager, "findSystemFonts", lambda: [os.devnull, dejavu])
    assert "fonts-noto-cjk" in lines(preflight._fonts)["fonts"][1]
    monkeypatch.setattr(preflight.ft2font, "FT2Font", lambda path: SimpleNamespace(get_char_index=lambda letter: 7))
    assert len(lines(preflight._fonts)["fonts"]) == 1


def test_ports_that_are_taken_are_told(monkeypatch):
    with socket.socket() as one, socket.socket() as two:
        for held in (one, two):
            held.bind(("127.0.0.1", 0))
            held.listen()
        taken = [held.getsockname()[1] for held in (one, two)]
        monkeypatch.setattr(preflight, "PORTS", taken)
        value, fix = lines(preflight._ports)["ports"]
        assert f"taken: {taken[0]}, {taken[1]}" in value and "--port=" in fix
        two.close()
        value, *fix = lines(preflight._ports)["ports"]
        assert f"free: {taken[1]}; taken: {taken[0]}" in value and not fix


def test_the_projectors_page_needs_no_network_and_shows_a_whole_line_of_code():
    page = preflight.projector()
    assert not re.search(r"(src|href)=\"(?!data:)", page) and not re.search(r"https?://(?!www\.w3\.org)", page)
    assert len(re.search(r"<pre>(.+)</pre>", page)[1]) == preflight.COLUMNS
    assert f"min-width: {preflight.SCREEN}px" in page and "alt=" in page and 'lang="zh' in page


# --- models made beforehand ----------------------------------------------------------------------------------------


@pytest.fixture
def runs(monkeypatch):
    """Let a lesson's run leave one model in the cache, as training does; returns [(first line, variables), ...]."""
    seen = []

    def execute(notebook, folder, timeout=180, **variables):
        seen.append((notebook.cells[0].source.splitlines()[0], variables))
        assert not any("instructor" in cell.metadata.get("tags", []) for cell in notebook.cells)
        if cache := variables.get("COURSE_CACHE"):
            model = Path(cache, f"model-{len(seen)}")
            model.mkdir()
            (model / "model.safetensors").write_bytes(b"weights")
            model.chmod(0o777)

    monkeypatch.setattr(bake.bake, "execute", execute)
    return seen


def test_a_class_gets_its_models_and_nobody_else_can_write_there(runs, tmp_path, capsys):
    cache = tmp_path / "cache"
    assert bake.main(["--lessons", "4", "0", "--to", str(cache)]) == 0
    assert [lesson for lesson, _ in runs] == [bake.lesson(n).cells[0].source.splitlines()[0] for n in (0, 4)]
    assert all(variables["COURSE_CACHE"] == str(cache) and not variables["COURSE_CLASS_CACHE"] for _, variables in runs)
    assert bake.listed(cache) == {0: ["model-1"], 4: ["model-2"]}
    if os.name != "nt":
        assert not any(path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH) for path in (cache, *cache.rglob("*")))
        assert (cache / "model-1").stat().st_mode & 0o555 == 0o555
    assert f"COURSE_CLASS_CACHE={cache}" in capsys.readouterr().out
    assert bake.main(["--lessons", "0", "--to", str(cache)]) == 0 and len(runs) == 2  # it is there
    (cache / "model-1" / "model.safetensors").unlink()
    assert bake.main(["--lessons", "0", "--to", str(cache)]) == 0 and len(runs) == 3


def test_models_of_another_version_are_made_again(runs, tmp_path, monkeypatch):
    bake.fill(tmp_path / "cache", [0])
    monkeypatch.setattr(bake, "made", lambda: ["another torch"])
    assert bake.listed(tmp_path / "cache") == {}
    monkeypatch.undo()
    monkeypatch.setattr(bake.bake, "fingerprint", lambda notebook: "changed")
    assert bake.listed(tmp_path / "cache") == {}


def test_a_lesson_that_fails_leaves_those_before_it(runs, tmp_path, monkeypatch, capsys):
    works = bake.bake.execute

    def execute(notebook, *rest, **variables):
        if notebook.cells[0].source == bake.lesson(4).cells[0].source:
            raise bake.bake.DeadKernelError("Kernel died")
        works(notebook, *rest, **variables)

    monkeypatch.setattr(bake.bake, "execute", execute)
    assert bake.main(["--lessons", "0", "4", "--to", str(tmp_path / "cache")]) == 1
    assert "Kernel died" in capsys.readouterr().out and list(bake.listed(tmp_path / "cache")) == [0]


def test_a_formats_lessons_are_those_with_minutes(monkeypatch, capsys):
    taught = {3: [SimpleNamespace(lesson=3, minutes={"2 h": 4})], 5: [SimpleNamespace(lesson=5, minutes={"4 h": 4})]}
    monkeypatch.setattr(bake.plan, "notes", lambda number: taught.get(number, []))
    assert bake.chosen(None, "2 h") == [3] and bake.chosen([5, 3, 5], "2 h") == [3, 5]
    with pytest.raises(ValueError, match="name lessons with --lessons"):
        bake.chosen(None, "2 days")
    for wrong in (["--lessons", "99"], ["--lessons", "0", "--trial", "0"], ["--hours", "3"], []):
        with pytest.raises(SystemExit):
            bake.main(wrong)


def test_a_trial_runs_kernels_at_once_and_keeps_its_numbers(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(bake, "TRIALS", tmp_path / "trial.json")
    (tmp_path / "trial.json").write_text('{"earlier": {}}')
    assert bake.main(["--lessons", "0", "--trial", "3", "--to", str(tmp_path / "cache")]) == 0
    ways = [variables["COURSE_CLASS_CACHE"] for _, variables in runs[1:]]
    assert ways == [""] * 3 + [str(tmp_path / "cache")] * 3
    assert all(variables["COURSE_THREADS"] == variables["OMP_NUM_THREADS"] == "1" for _, variables in runs[1:])
    kept = json.loads((tmp_path / "trial.json").read_text())
    assert set(kept) == {"earlier", "lesson 00, 3 kernels"}
    assert set(kept["lesson 00, 3 kernels"]["with"]) == {"fastest_s", "slowest_s", "peak_sum_gb", "peak_one_gb"}


def test_the_preflight_judges_the_classs_models(runs, tmp_path, capsys):
    cache = tmp_path / "cache"
    assert "no folder" in lines(preflight._class_cache, str(cache), [])["class cache"][0]
    assert len(lines(preflight._class_cache, "", [])["class cache"]) == 1
    cache.mkdir(mode=0o755)
    assert "no lesson was run into it" in lines(preflight._class_cache, str(cache), [])["class cache"][1]
    bake.fill(cache, [0])
    assert lines(preflight._class_cache, str(cache), [0])["class cache"] == (f"{cache}: models of lessons 00 (1)",)
    assert "lesson 04 is missing" in lines(preflight._class_cache, str(cache), [0, 4])["class cache"][1]
    if os.name != "nt":
        (cache / "model-1").chmod(0o775)
        found = [line for line in preflight._class_cache(str(cache), [0]) if len(line) > 2]
        assert found[0][1:] == (f"others can put models into {cache / 'model-1'}", f"chmod -R go-w {cache}")


# --- the USB stick -------------------------------------------------------------------------------------------------


def test_a_stick_has_pytorch_first_and_what_builds_the_course(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(wheels.subprocess, "call", lambda command: calls.append([str(part) for part in command]) or 0)
    assert wheels.fetch(tmp_path) == 0
    first, rest = calls
    assert first[-1].startswith("torch==") and "--only-binary" in first
    names = {re.match(r"[\w-]*", one)[0] for one in rest}
    assert {"torch", "transformers", "jupyterlab", "hatchling", "editables", "uv"} <= names and "pytest" not in names
    monkeypatch.setattr(wheels.subprocess, "call", lambda command: 1)
    assert wheels.fetch(tmp_path) == 1


def test_a_stick_has_the_course_as_committed_and_says_what_to_run(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(wheels, "fetch", lambda folder: folder.mkdir() or (folder / "a.whl").write_bytes(b"1") and 0)
    stick = tmp_path / "MY STICK"
    old = stick / "one-mask-apart" / "old.txt"
    old.parent.mkdir(parents=True)
    old.touch()
    if not (wheels.ROOT / ".git").exists() or not bootstrap.shutil.which("git"):
        pytest.skip("needs a clone and git")
    assert wheels.main(["--to", str(stick)]) == 0
    assert (stick / "one-mask-apart" / "tools" / "bootstrap.py").is_file() and not old.exists()
    said = (stick / "START.txt").read_text(encoding="utf-8")
    assert 'PIP_NO_INDEX=1 PIP_FIND_LINKS="file://${PWD// /%20}/wheels"' in said and "{" not in said.replace("${", "")
    assert {path.name for path in stick.iterdir()} == {"one-mask-apart", "wheels", "START.txt"}
    with pytest.raises(SystemExit):
        wheels.main(["--to", str(wheels.ROOT / "usb")])
    assert "is inside the course" in capsys.readouterr().err


@pytest.mark.parametrize("value, options", [("'1'", ["--no-index"]), ("'true'", ["--no-index"]), ("'0'", [])])
def test_uv_is_told_that_there_is_no_index(monkeypatch, value, options):
    told = f":env:.no-index={value}\n:env:.find-links='file:///media/MY%20STICK/wheels'\n"
    monkeypatch.setattr(bootstrap, "run", lambda *command: (0, told))
    links = ["--find-links", "file:///media/MY%20STICK/wheels"]
    assert bootstrap.uv_settings("python") == ([*options, *links], {})


def test_a_lesson_stays_a_notebook():
    assert isinstance(bake.lesson(0), nbformat.NotebookNode)
