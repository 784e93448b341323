"""The cache: right keys, whole entries or none, and no disk trouble that costs a result."""

import errno
import json
import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import runtime
from course_lib.train import checkpoints


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("COURSE_CACHE", str(folder))
    return folder


def write(text):
    def fill(folder):
        (folder / "deep").mkdir()
        (folder / "deep" / "b.txt").write_text(text * 2, encoding="utf-8")
        (folder / "a.txt").write_text(text, encoding="utf-8")

    return fill


# --- keys
plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
values = st.recursive(plain, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=3), x, max_size=3))


@given(values, values)
def test_a_fingerprint_is_the_same_exactly_for_the_same_things(a, b):
    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    assert (checkpoints.fingerprint(x=a) == checkpoints.fingerprint(x=b)) == same
    assert checkpoints.fingerprint(x=a, y=1) == checkpoints.fingerprint(y=1, x=a)
    assert checkpoints.fingerprint(x=a) != checkpoints.fingerprint(y=a)


def test_a_fingerprint_is_the_same_in_every_process():
    code = "from course_lib.train.checkpoints import *; print(fingerprint(a=[1, 'x', None], b={'c': 0.1}))"
    told = {
        subprocess.check_output([sys.executable, "-c", code], text=True, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("0", "1")
    }
    assert told == {checkpoints.fingerprint(a=[1, "x", None], b={"c": 0.1}) + "\n"}



def test_what_was_saved_is_found(cache):
    assert checkpoints.load("entry") is None
    folder = checkpoints.save("entry", write("hello"))
    assert folder == cache / "entry" == checkpoints.load("entry")
    assert (folder / "deep" / "b.txt").read_text(encoding="utf-8") == "hellohello"
    assert os.listdir(cache) == ["entry"]  # no draft stays behind


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "a.txt").write_text("hellO", encoding="utf-8"),
        lambda f: (f / "a.txt").write_text("", encoding="utf-8"),
        lambda f: (f / "deep" / "b.txt").unlink(),
        lambda f: (f / "checksums.json").unlink(),
        lambda f: (f / "checksums.json").write_text("", encoding="utf-8"),
        lambda f: (f / "checksums.json").write_text("{}", encoding="utf-8"),
        lambda f: (f / "checksums.json").write_text("3", encoding="utf-8"),
        lambda f: (f / "checksums.json").write_bytes(b"\xff\xfe\x00"),
    ],
    ids=["changed", "cut", "file lost", "sums lost", "sums empty", "sums of nothing", "sums a number", "binary"],
)
def test_a_damaged_entry_is_removed_with_a_message(damage, capsys):
    damage(checkpoints.save("entry", write("hello")))
    assert checkpoints.load("entry") is None
    assert "entry is damaged; it is made again" in capsys.readouterr().out
    assert checkpoints.save("entry", write("hello")) == checkpoints.load("entry")


def test_an_interrupted_write_leaves_nothing(cache):
    def stop(folder):
        write("half")(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checkpoints.save("entry", stop)
    assert checkpoints.load("entry") is None and os.listdir(cache) == []


def test_a_mistake_in_the_code_is_not_taken_for_a_full_disk(cache):
    def mistake(folder):
        raise KeyError("config")

    with pytest.raises(KeyError):
        checkpoints.save("entry", mistake)
    assert os.listdir(cache) == []


def test_many_writers_at_once_leave_one_whole_entry(cache):
    gate, results = threading.Barrier(8), []

    def work(i):
        def slow(folder):
            write(str(i))(folder)
            gate.wait()  # everybody has written before anybody moves

        results.append(checkpoints.save("entry", slow))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [cache / "entry"] * 8
    assert checkpoints.load("entry") == cache / "entry" and os.listdir(cache) == ["entry"]


# --- disk trouble
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_cache_loses_nothing(number, capsys):
    def fail(folder):
        raise OSError(number, os.strerror(number))

    assert checkpoints.save("entry", fail) is None
    told = capsys.readouterr().out
    assert os.strerror(number) in told and "Nothing else is lost" in told and "COURSE_CACHE" in told


def test_a_full_disk_as_safetensors_tells_it_loses_nothing(capsys):
    def fail(folder):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    assert checkpoints.save("entry", fail) is None
    assert "No space left" in capsys.readouterr().out


def test_a_cache_that_cannot_be_made_loses_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(runtime.CacheError):
        runtime.cache_dir()
    assert checkpoints.load("entry") is None
    assert checkpoints.save("entry", write("x")) is None
    assert "set COURSE_CACHE" in capsys.readouterr().out


# --- caches of others
def test_what_may_not_be_read_is_not_called_damaged(cache, monkeypatch, capsys):
    folder = checkpoints.save("entry", write("hello"))

    def forbidden(file):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))

    with monkeypatch.context() as m:
        m.setattr(checkpoints, "_checksum", forbidden)
        assert checkpoints.load("entry") is None
    told = capsys.readouterr().out
    assert "cannot be read (Permission denied)" in told and "COURSE_CACHE" in told and "damaged" not in told
    assert checkpoints.load("entry") == folder, "another user's entry is left alone"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_not_called_damaged(cache, capsys):
    folder = checkpoints.save("entry", write("hello"))
    folder.chmod(0)
    try:
        assert checkpoints.load("entry") is None
    finally:
        folder.chmod(0o700)
    assert "cannot be read" in capsys.readouterr().out and folder.is_dir()


def test_a_cache_that_cannot_be_written_is_still_read(cache, monkeypatch, capsys):
    folder = checkpoints.save("entry", write("hello"))

    def read_only(*args, **settings):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(runtime.tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr(checkpoints.tempfile, "mkdtemp", read_only)
    with pytest.raises(runtime.CacheError):
        runtime.cache_dir()
    assert checkpoints.load("entry") == folder and capsys.readouterr().out == ""
    assert checkpoints.save("other", write("x")) is None and "Read-only" in capsys.readouterr().out


def files(folder):
    return {p: p.stat().st_mtime_ns for p in sorted(folder.rglob("*"))}


def test_a_class_cache_is_read_and_never_written(cache, tmp_path, monkeypatch, capsys):
    shared = tmp_path / "class"
    monkeypatch.setenv("COURSE_CACHE", str(shared))  # the teacher fills it
    for name in ("good", "damaged"):
        checkpoints.save(name, write("hello"))
    (shared / "damaged" / "a.txt").write_text("hellO", encoding="utf-8")
    before = files(shared)
    monkeypatch.setenv("COURSE_CACHE", str(cache))
    assert checkpoints.load("good") is None
    monkeypatch.setenv("COURSE_CLASS_CACHE", str(shared))
    assert checkpoints.load("good") == shared / "good" and checkpoints.load("missing") is None
    assert capsys.readouterr().out == ""
    assert checkpoints.load("damaged") is None and "damaged" in capsys.readouterr().out
    assert checkpoints.save("damaged", write("hello")) == cache / "damaged" == checkpoints.load("damaged")
    assert checkpoints.save("good", write("own")) == cache / "good" == checkpoints.load("good")  # one's own comes first
    assert files(shared) == before


def test_a_class_cache_that_is_not_there_is_none(cache, monkeypatch):
    monkeypatch.setenv("COURSE_CLASS_CACHE", str(cache / "nowhere"))
    assert checkpoints.load("entry") is None
    checkpoints.save("entry", write("x"))
    assert checkpoints.load("entry") == cache / "entry"
