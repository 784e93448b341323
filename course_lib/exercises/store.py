"""Keep a learner's progress in one small local JSON file that two notebooks may write at once.

COURSE_PROGRESS names the file (or a folder for it); else it is notebooks/.progress.json of the checkout, or else
.progress.json in the current folder. What is damaged is put aside as .bad and what can be read goes on; where nothing
can be written, nothing is saved.
"""

import contextlib
import copy
import json
import os
import re
import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from course_lib import places

__all__ = ["load", "progress_file", "record"]

EMPTY = {"version": 1, "predictions": {}, "exercises": {}, "quizzes": {}, "drill": {}}
FIELDS = {  # what an entry may hold; a field that is not listed may hold anything
    "first": str, "guess": str, "answer": str, "when": str, "changed": list, "tries": int, "times": int, "of": int,
    "right": (bool, str), "said": list, "late": bool,
}  # fmt: skip
LOCK_SECONDS = 5
UNSAVED = (
    "Your progress cannot be saved here (the folder is not writable, the disk is full, or another program holds the "
    "file); everything else works. Set COURSE_PROGRESS to a file that can be written."
)

_unsaved: dict[tuple[str, str], dict] = {}  # what this kernel could not write, by file and section
_told: set[str] = set()  # messages are given once per kernel
_held: set[str] = set()  # files whose lock another process held when this kernel waited for it


def progress_file():
    """Return the path of the progress file (it may not exist yet)."""
    named = os.path.expanduser(os.environ.get("COURSE_PROGRESS", "").strip())
    if named and not named.startswith("~"):  # else there is no such home
        return Path(named, ".progress.json") if os.path.isdir(named) else Path(named)
    notebooks = Path(__file__).resolve().parents[2] / "notebooks"
    if notebooks.is_dir() and os.access(notebooks, os.W_OK):
        return notebooks / ".progress.json"
    return Path.cwd() / ".progress.json"


def now():
    """Return the time as it is written into the file: UTC to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load():
    """Return all progress: sections 'predictions', 'exercises', 'quizzes', 'drill', each a dict of entries by name."""
    path = _place()
    try:
        with _locked(path) if path.exists() else contextlib.nullcontext():
            data = _read(path, keep_damaged=True)
    except (OSError, Timeout, NotImplementedError):
        data = _read(path, keep_damaged=False)
    for (file, section), entries in _unsaved.items():
        if file == str(path):
            data[section].update(copy.deepcopy(entries))
    return data


def record(section, name, update):
    """Replace one entry by update(old entry or None) and return it; entries of other kernels are kept.

    The file is read, merged and replaced under a lock, so no kernel ever sees half a file or loses an entry.
    """
    path = _place()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            data = _read(path, keep_damaged=True)
            if data["version"] > EMPTY["version"]:
                raise OSError("written by a newer course")
            old = _unsaved.get((str(path), section), {}).get(name, data[section].get(name))
            data[section][name] = new = update(copy.deepcopy(old))
            _replace(path, data)
        _unsaved.get((str(path), section), {}).pop(name, None)
        return new
    except (OSError, Timeout, NotImplementedError):
        data = load()
        if data["version"] == EMPTY["version"]:
            _tell(UNSAVED)
        new = update(copy.deepcopy(data[section].get(name)))
        _unsaved.setdefault((str(path), section), {})[name] = new
        return new


def _place():
    """Return where the file really lies: a link to it stays a link."""
    return Path(os.path.realpath(progress_file()))


@contextlib.contextmanager
def _locked(path):
    """Hold a lock that the operating system frees when a kernel dies; one that is held is waited for once."""
    lock = FileLock(f"{path}.lock", timeout=0 if str(path) in _held else LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        _held.add(str(path))
        raise
    try:
        _held.discard(str(path))
        yield
    finally:
        lock.release()


def _read(path, keep_damaged):
    """Return what can be read of the file; the damaged file is, if asked, put aside as .bad, and the rest written anew.

    Nothing is ever put in the place of a pipe or a device, and nothing over a newer course's file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(f"{path.name} is no file")
        text = path.read_bytes()
    except FileNotFoundError:
        return copy.deepcopy(EMPTY)
    except OSError:
        if keep_damaged:
            raise
        return copy.deepcopy(EMPTY)
    try:
        data = json.loads(text.decode("utf-8-sig"))  # some editors begin a file with a mark
    except (ValueError, RecursionError):
        data = None
    sound = _sound(data)
    if sound["version"] > EMPTY["version"]:
        _tell(f"Your progress file was written by a newer course (its version is {sound['version']}). It is left as it "
              "is, and nothing is saved: update the course, or set COURSE_PROGRESS to another file.")  # fmt: skip
    elif keep_damaged and sound != (data if not isinstance(data, dict) else {**copy.deepcopy(EMPTY), **data}):
        aside = path.with_name(path.name + ".bad")
        number = 2
        while aside.exists():
            aside, number = path.with_name(f"{path.name}.bad{number}"), number + 1
        os.replace(path, aside)
        going_on = "what could be read of it goes on" if sound != EMPTY else "a new one is begun"
        if sound != EMPTY:
            _replace(path, sound)
        _tell(f"Your progress file was damaged. It is kept as {aside.name}, and {going_on}.", again=True)
    return sound


def _sound(data):
    """Return the content with the sections and entries that have the file's shape; unknown sections are left alone."""
    data = data if isinstance(data, dict) else {}
    version = data.get("version", 1)
    sound = {**copy.deepcopy(EMPTY), **data, "version": version if type(version) is int and version > 0 else 1}
    for section in EMPTY.keys() - {"version"}:
        entries = data.get(section, {})
        entries = entries if isinstance(entries, dict) else {}
        sound[section] = {name: entry for name, entry in entries.items() if _is_entry(entry)}
    return sound


def _is_entry(entry):
    return (
        isinstance(entry, dict)
        and all(isinstance(entry[field], kind) for field, kind in FIELDS.items() if field in entry)
        and all(type(number) is int for number in entry.get("said", []))
    )


def _replace(path, data):
    """Write the file in one step: a reader sees the old one or the new one."""
    places.sweep(path.parent, re.escape(path.name) + r"\w{8}\.part")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        # half a character, as a broken paste may hold it, becomes a question mark: the file stays UTF-8
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            json.dump(data, file, ensure_ascii=False, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _tell(message, again=False):
    """Print a message, once per kernel unless it may be news again."""
    if again or message not in _told:
        _told.add(message)
        print(message)
