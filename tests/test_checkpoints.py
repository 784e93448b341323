"""The cache's folders: right keys, whole entries or none, and no disk trouble that costs a result."""

import errno
import os
import threading

import pytest
import torch
from test_loop import SMALL, TOKENIZER, same, weights
from transformers import BertForMaskedLM

from course_lib.model.bodies import tiny_bert
from course_lib.train import checkpoints
from course_lib.train.history import History

HISTORY = History("mine", [1], [2], [0.5], [1.0], [0.25])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("COURSE_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def model():
    return tiny_bert(TOKENIZER, **SMALL)


def save(model, name="entry"):
    checkpoints.save(name, model, TOKENIZER, HISTORY)


def load(name="entry"):
    """Load into another model; returns (its weights, history)."""
    other = tiny_bert(TOKENIZER, **SMALL)
    history = checkpoints.load(name, other)
    return weights(other), history


# --- entries
def test_what_was_saved_is_found(cache, model, capsys):
    assert load()[1] is None
    save(model)
    found, history = load()
    assert same(found, weights(model)) and history == HISTORY
    assert os.listdir(cache) == ["entry"] and capsys.readouterr().out == ""  # no draft stays behind


@pytest.mark.parametrize("content", [None, b"", b"3", b"\xff\xfe\x00", "half"])
@pytest.mark.parametrize("file", ["model.safetensors", "history.json"])
def test_a_damaged_entry_is_made_again_with_a_message(file, content, cache, model, capsys):
    save(model)
    path = cache / "entry" / file
    whole = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    capsys.readouterr()
    assert load()[1] is None
    assert "entry cannot be read" in capsys.readouterr().out and os.listdir(cache) == []
    save(model)
    assert load()[1] == HISTORY


def test_a_model_is_left_as_it_was_by_what_cannot_be_read(cache, model):
    save(model)
    (cache / "entry" / "history.json").write_text("")
    before = weights(other := tiny_bert(TOKENIZER, **SMALL))
    assert checkpoints.load("entry", other) is None and same(weights(other), before)


def test_many_writers_at_once_leave_one_whole_entry(cache, model, monkeypatch, capsys):
    gate, write = threading.Barrier(4), BertForMaskedLM.save_pretrained

    def slow(self, folder):
        write(self, folder)
        gate.wait()  # everybody has written before anybody moves

    monkeypatch.setattr(BertForMaskedLM, "save_pretrained", slow)
    threads = [threading.Thread(target=save, args=(model,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "not kept" not in capsys.readouterr().out
    assert load()[1] == HISTORY and os.listdir(cache) == ["entry"]


# --- disk trouble
@pytest.mark.parametrize("error", [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError(errno.EROFS, os.strerror(errno.EROFS)),
    RuntimeError("I/O error: No space left on device (os error 28)"),
])  # fmt: skip
def test_a_full_or_read_only_cache_loses_nothing(error, cache, model, monkeypatch, capsys):
    def fail(self, folder):
        folder.mkdir()
        (folder / "half").write_text("half")
        raise error

    monkeypatch.setattr(BertForMaskedLM, "save_pretrained", fail)
    save(model)
    told = capsys.readouterr().out
    assert f"({type(error).__name__}: {error})" in told and "Nothing else is lost" in told and "COURSE_CACHE" in told
    assert os.listdir(cache) == []


def test_a_cache_that_cannot_be_made_loses_nothing(tmp_path, model, monkeypatch, capsys):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    assert load()[1] is None
    save(model)
    assert "set COURSE_CACHE" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_left_alone(cache, model, capsys):
    save(model)
    (cache / "entry" / "model.safetensors").chmod(0)
    (cache / "entry").chmod(0o500)
    assert load()[1] is None
    assert "cannot be read" in capsys.readouterr().out and (cache / "entry").is_dir()
    (cache / "entry").chmod(0o700)


def test_a_class_cache_is_read_and_never_written(cache, tmp_path, model, monkeypatch, capsys):
    shared, other = tmp_path / "class", tiny_bert(TOKENIZER, **SMALL)
    monkeypatch.setenv("COURSE_CACHE", str(shared))  # the teacher fills it
    for name in ("good", "damaged"):
        save(model, name)
    (shared / "damaged" / "history.json").write_text("", encoding="utf-8")
    before = {p: p.stat().st_mtime_ns for p in shared.rglob("*")}
    monkeypatch.setenv("COURSE_CACHE", str(cache))
    assert load("good")[1] is None
    monkeypatch.setenv("COURSE_CLASS_CACHE", str(shared))
    assert load("good")[1] == HISTORY and load("missing")[1] is None and capsys.readouterr().out == ""
    assert load("damaged")[1] is None and "cannot be read" in capsys.readouterr().out
    save(other, "damaged")
    assert load("damaged")[1] == HISTORY
    save(other, "good")
    assert torch.equal(*(w["cls.predictions.transform.dense.weight"] for w in (load("good")[0], weights(other)))), "own"
    assert {p: p.stat().st_mtime_ns for p in shared.rglob("*")} == before
