"""The progress file: nothing of the learner's is lost, whatever lies in its place."""

import json
import os
import re
import subprocess
import sys

import pytest
from filelock import FileLock

from course_lib.exercises import check, lessons, predict, progress, quiz, reveal
from course_lib.notes import drill, working_copy
from course_lib.notes import progress as store

EMPTY = {section: {} for section in store.SECTIONS}

RUN = dict(tokens=1000, end=0.78, way=0.97, floor=0.1, ceiling=0.8)  # the values that its reading names


pytestmark = pytest.mark.usefixtures("progress_file")


def right(name):
    return lessons.find("exercises", name).reference


def test_progress_counts():
    def counts():
        return " ".join(repr(progress(0)).splitlines()[-1].split())

    assert counts() == "00 Start here 0 of 3 0 of 0 0 of 1 0 of 1"
    predict("first-training", guess="b")
    reveal("first-training", "a", **RUN)
    check(right("best_share"), "best_share")
    quiz("floor-and-ceiling", answer="a")
    assert counts() == "00 Start here 1 of 3 0 of 1 1 of 1 1 of 1"
    assert len(repr(progress()).splitlines()) == 3 + len(lessons.numbers())
    for number in (99, 1.0, True, "1", [1]):
        with pytest.raises(ValueError, match=f"no lesson {re.escape(repr(number))}; the lessons are"):
            progress(number)


WRITER = """
import sys
from course_lib.notes.progress import record
for i in range(25):
    record("quizzes", f"{sys.argv[1]}-{i}", lambda old: {"right": True})
    record("exercises", "shared", lambda old: {"tries": (old or {}).get("tries", 0) + 1})
"""


def test_two_kernels_lose_nothing(progress_file):
    code = [sys.executable, "-c", WRITER]
    kernels = [subprocess.Popen([*code, name], env=dict(os.environ)) for name in ("one", "two")]
    assert [kernel.wait(timeout=120) for kernel in kernels] == [0, 0]
    data = json.loads(progress_file.read_text(encoding="utf-8"))
    assert len(data["quizzes"]) == 50 and data["exercises"]["shared"]["tries"] == 50
    assert not list(progress_file.parent.glob("*.part"))


WRONG = [
    ("exercises", "best_share", {"tries": "many"}), ("exercises", "best_share", {"right": []}),
    ("predictions", "first-training", {"first": ["a"]}), ("predictions", "first-training", {"guess": {}}),
    ("predictions", "first-training", {"first": "a", "guess": "a", "changed": 5}),
    ("quizzes", "floor-and-ceiling", {"first": 1}), ("quizzes", "floor-and-ceiling", [1]),
    ("quizzes", "floor-and-ceiling", None),
    ("drill", "1", {"said": 3, "of": 3}), ("drill", "1", {"said": ["a"], "of": 2}), ("drill", "1", {"times": "x"}),
]  # fmt: skip


def test_a_mark_at_the_beginning_is_no_damage(progress_file, capsys):
    progress_file.write_bytes(b'\xef\xbb\xbf{"quizzes": {"x": {"right": true}}}')
    store.record("quizzes", "y", lambda old: {"right": True})
    assert set(store.load()["quizzes"]) == {"x", "y"} and capsys.readouterr().out == ""


def test_a_folder_may_be_named_for_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))
    store.record("quizzes", "x", lambda old: {"right": True})
    assert store.load()["quizzes"] and (tmp_path / ".progress.json").is_file()


@pytest.mark.parametrize("name", ["~nouser/progress.json", "   "])
def test_a_name_that_means_nothing_is_as_good_as_none(monkeypatch, tmp_path, name):
    monkeypatch.delenv("COURSE_PROGRESS")
    usual = store.progress_file()
    monkeypatch.setenv("COURSE_PROGRESS", name)
    assert store.progress_file() == usual


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
def test_a_link_to_the_file_stays_a_link_and_a_pipe_a_pipe(monkeypatch, tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere" / "real.json")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "link.json"))
    for name in ("x", "y"):
        store.record("quizzes", name, lambda old: {"right": True})
    assert (tmp_path / "link.json").is_symlink() and set(store.load()["quizzes"]) == {"x", "y"}
    assert len(json.loads((tmp_path / "elsewhere" / "real.json").read_bytes())["quizzes"]) == 2
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    for name in ("circle", "pipe"):
        monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / name))
        store.record("quizzes", "x", lambda old: {"right": True})
        assert store.load()["quizzes"] == {"x": {"right": True}}, "remembered by the kernel"
    assert (tmp_path / "circle").is_symlink() and (tmp_path / "pipe").is_fifo()
    assert capsys.readouterr().out.count("cannot be saved") == 1


def test_half_a_character_is_saved_and_shown(progress_file, capsys):
    drill.ask("1", answer="half \ud83d of a smile", said=[1])
    assert "half ? of a smile" in capsys.readouterr().out
    store.record("quizzes", "\udc80", lambda old: {"first": "\ud83d"})
    json.loads(progress_file.read_text(encoding="utf-8"))
    drill._card(drill.find("1"), "\ud83d", None)._repr_html_().encode("utf-8")


def test_sections_of_a_later_version_are_kept(progress_file):
    progress_file.write_text(
        '{"version": 1, "badges": [1], "quizzes": {"x": {"right": false}}}', encoding="utf-8"
    )
    store.record("quizzes", "y", lambda old: {"right": True})
    data = json.loads(progress_file.read_text(encoding="utf-8"))
    assert data["badges"] == [1] and set(data["quizzes"]) == {"x", "y"}


def test_where_nothing_can_be_written_the_kernel_remembers(monkeypatch, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("COURSE_PROGRESS", str(blocked / "progress.json"))
    predict("first-training", guess="a")
    predict("first-training", guess="b")
    said = capsys.readouterr().out
    assert said.count("cannot be saved") == 1 and str(tmp_path) not in said
    reveal("first-training", "a", **RUN)
    assert "You were right" in capsys.readouterr().out


def test_the_file_lies_with_the_learner_s_copy(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_PROGRESS")
    monkeypatch.delenv("COURSE_HOME", raising=False)
    assert store.progress_file() == working_copy.folder() / ".progress.json"
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    assert store.progress_file() == tmp_path / "my-course" / ".progress.json"
    store.record("quizzes", "x", lambda old: {"right": True})
    assert set(store.load()["quizzes"]) == {"x"}, "also before there is a copy"


@pytest.mark.parametrize("section, name, entry", WRONG)
def test_an_entry_of_a_wrong_type_is_kept_aside_and_the_others_go_on(progress_file, capsys, section, name, entry):
    good = {"exercises": {"fitted_pair": {"tries": 2, "right": "2026-01-01"}}, "badges": [1], "version": 1}
    content = {**good, section: {**good.get(section, {}), name: entry}}
    progress_file.write_text(json.dumps(content), encoding="utf-8")
    progress(0)
    assert json.loads(progress_file.read_text(encoding="utf-8")) == content, "reading writes nothing"
    predict("first-training", guess="a")
    reveal("first-training", "b", **RUN)
    quiz("floor-and-ceiling", answer="a")
    check(right("best_share"), "best_share")
    drill.ask("1", said=[1])
    drill.ask()
    shown = capsys.readouterr().out
    assert shown.count("is kept as progress.json.bad.") == 1 and "Right: your function" in shown
    data = json.loads(progress_file.read_text(encoding="utf-8"))
    assert data["exercises"]["fitted_pair"] == good["exercises"]["fitted_pair"] and data["badges"] == [1]
    assert data["exercises"]["best_share"]["tries"] == 1 and data["drill"]["1"]["said"] == [1]
    assert json.loads(progress_file.with_name("progress.json.bad").read_text(encoding="utf-8")) == content


def test_the_verdict_stands_before_the_message_about_the_file(progress_file, capsys):
    progress_file.mkdir()
    (progress_file / ".progress.json").mkdir()
    check(right("best_share"), "best_share")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Right") and "cannot be saved here (what lies there is no file)" in lines[1]
    assert store.load()["exercises"]["best_share"]["tries"] == 1


@pytest.mark.parametrize("version", ["x", None, [2]])
def test_a_version_that_is_none_is_mended(progress_file, version):
    progress_file.write_text(json.dumps({"version": version, "quizzes": {"x": {"right": True}}}), encoding="utf-8")
    assert store.load() == {**EMPTY, "quizzes": {"x": {"right": True}}}
    store.record("quizzes", "y", lambda old: {"right": True})
    assert json.loads(progress_file.read_bytes())["version"] == 1
    assert progress_file.with_name("progress.json.bad").exists()


def test_the_file_of_a_newer_course_is_left_alone(progress_file, capsys):
    content = b'{"version": 2, "quizzes": {"x": {"right": true}, "new": "kind"}}'
    progress_file.write_bytes(content)
    quiz("floor-and-ceiling", answer="a")
    store.record("quizzes", "y", lambda old: {"right": True})
    assert progress_file.read_bytes() == content and not list(progress_file.parent.glob("*.bad*"))
    assert set(store.load()["quizzes"]) == {"x", "y", "floor-and-ceiling"}
    assert capsys.readouterr().out.count("written by a newer version") == 1


def test_a_lock_that_another_holds_is_not_waited_for_long(monkeypatch, progress_file, capsys):
    store.record("quizzes", "x", lambda old: {"right": True})
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.2)
    with FileLock(f"{progress_file}.lock"):
        for name in "yz":
            store.record("quizzes", name, lambda old: {"right": True})
            assert set(store.load()["quizzes"]) >= {"x", name}
    assert capsys.readouterr().out.count("another program holds the file") == 1
    store.record("quizzes", "again", lambda old: {"right": True})
    assert set(json.loads(progress_file.read_bytes())["quizzes"]) == {"x", "y", "z", "again"}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"predictions": 3}', b'{"quizzes": {"x": "right"}}', b"[" * 100_000],
    ids=["empty", "cut off", "list", "binary", "section", "entry", "deep"],
)
def test_a_damaged_file_is_copied_before_it_is_written(progress_file, capsys, content):
    progress_file.write_bytes(content)
    assert store.load() == EMPTY and progress_file.read_bytes() == content
    for name in ("progress.json.bad", "progress.json.bad2"):
        store.record("quizzes", "x", lambda old: {"right": True})
        assert store.load()["quizzes"]["x"] == {"right": True}
        assert progress_file.with_name(name).read_bytes() == content
        progress_file.write_bytes(content)
    assert capsys.readouterr().out.count("could not be read") == 2


def test_a_full_disk_keeps_the_old_file(monkeypatch, progress_file):
    store.record("quizzes", "x", lambda old: {"right": True})
    before = progress_file.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(store.places.os, "replace", full)
        store.record("quizzes", "y", lambda old: {"right": True})
    assert progress_file.read_bytes() == before and not list(progress_file.parent.glob("*.part"))
    assert set(store.load()["quizzes"]) == {"x", "y"}
    store.record("quizzes", "y", lambda old: {**old, "again": True})
    assert json.loads(progress_file.read_bytes())["quizzes"]["y"] == {"right": True, "again": True}
