"""Keep a learner's progress in one small local JSON file that two notebooks may write at once.

COURSE_PROGRESS names the file; else it is notebooks/.progress.json of the checkout, or else .progress.json
in the current folder. A damaged file is put aside as .bad; where nothing can be written, nothing is saved.
"""

import contextlib
import copy
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["load", "progress_file", "record"]

EMPTY = {"version": 1, "predictions": {}, "exercises": {}, "quizzes": {}, "drill": {}}
LOCK_SECONDS = 5

_unsaved: dict[tuple[str, str], dict] = {}  # what this kernel could not write, by file and section
_told: set[str] = set()  # messages are given once per kernel


def progress_file():
    """Return the path of the progress file (it may not exist yet)."""
    named = os.environ.get("COURSE_PROGRESS")
    if named:
        return Path(named).expanduser()
    notebooks = Path(__file__).resolve().parents[2] / "notebooks"
    if notebooks.is_dir() and os.access(notebooks, os.W_OK):
        return notebooks / ".progress.json"
    return Path.cwd() / ".progress.json"


def now():
    """Return the time as it is written into the file: UTC to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load():
    """Return all progress: sections 'predictions', 'exercises', 'quizzes', 'drill', each a dict of entries by name."""
    path = progress_file()
    try:
        if not path.exists():
            return _with_unsaved(copy.deepcopy(EMPTY))
    except OSError:
        return _with_unsaved(copy.deepcopy(EMPTY))
    try:
        with _locked(path):
            return _with_unsaved(_read(path, keep_damaged=True))
    except (OSError, Timeout):
        return _with_unsaved(_read(path, keep_damaged=False))


def record(section, name, update):
    """Replace one entry by update(old entry or None) and return it; entries of other kernels are kept.

    The file is read, merged and replaced under a lock, so no kernel ever sees half a file or loses an entry.
    """
    path = progress_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            data = _read(path, keep_damaged=True)
            old = _unsaved.get((str(path), section), {}).get(name, data[section].get(name))
            data[section][name] = new = update(copy.deepcopy(old))
            _replace(path, data)
        _unsaved.get((str(path), section), {}).pop(name, None)
        return new
    except (OSError, Timeout):
        _tell(
            "Your progress cannot be saved here (the folder is not writable, or the disk is full); "
            "everything else works. Set COURSE_PROGRESS to a file that can be written."
        )
        new = update(copy.deepcopy(load()[section].get(name)))
        _unsaved.setdefault((str(path), section), {})[name] = new
        return new


def _with_unsaved(data):
    """Return the data with this kernel's unsaved entries on top."""
    for (path, section), entries in _unsaved.items():
        if path == str(progress_file()):
            data[section].update(copy.deepcopy(entries))
    return data


def _locked(path):
    """Return a lock that the operating system frees when a kernel dies."""
    return FileLock(f"{path}.lock", timeout=LOCK_SECONDS)


def _read(path, keep_damaged):
    """Return the file's content; a damaged file counts as empty and, if asked, is put aside as .bad."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return copy.deepcopy(EMPTY)
    except (ValueError, RecursionError):
        data = None
    if _sound(data):
        return {**copy.deepcopy(EMPTY), **data}
    if keep_damaged:
        aside = path.with_name(path.name + ".bad")
        number = 2
        while aside.exists():
            aside, number = path.with_name(f"{path.name}.bad{number}"), number + 1
        os.replace(path, aside)
        _tell(
            f"Your progress file was damaged. It is kept as {aside.name}, and a new one is begun.", again=True
        )
    return copy.deepcopy(EMPTY)


def _sound(data):
    """Return whether the content has the file's shape; sections we do not know are left alone."""
    sections = [name for name in EMPTY if name != "version"]
    return (
        isinstance(data, dict)
        and all(isinstance(data.get(name, {}), dict) for name in sections)
        and all(isinstance(entry, dict) for name in sections for entry in data.get(name, {}).values())
    )


def _replace(path, data):
    """Write the file in one step: a reader sees the old one or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
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
