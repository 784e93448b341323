"""Keep a learner's progress in one small local JSON file that two notebooks may write at once.

COURSE_PROGRESS names the file (or a folder for it); else it is .progress.json beside the learner's copy of the lessons,
and goes on from one that an earlier version of the course left elsewhere. Reading never writes. Before a file with
damage in it is written, it is copied to a file that ends in .bad; one that cannot be written is left as it is, and this
kernel remembers instead.
"""

import contextlib
import copy
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from course_lib import places
from course_lib.notes import working_copy

__all__ = ["load", "now", "progress_file", "record"]

VERSION = 1
SECTIONS = ("predictions", "exercises", "quizzes", "drill")
FIELDS = {  # what an entry may hold; a field that is not listed may hold anything
    "first": str, "guess": str, "answer": str, "when": str, "changed": list, "tries": int, "times": int, "of": int,
    "right": (bool, str), "said": list, "late": bool,
}  # fmt: skip
LOCK_SECONDS = 5
UNSAVED = "Your progress cannot be saved here ({why}); everything else works. Set COURSE_PROGRESS to another file."

_unsaved: dict[str, dict] = {}  # what this kernel could not write: {file: {section: {name: entry}}}
_told: set[str] = set()  # messages are given once per kernel


def progress_file():
    """Return the path of the progress file (it may not exist yet)."""
    named = os.path.expanduser(os.environ.get("COURSE_PROGRESS", "").strip())
    if named and not named.startswith("~"):  # else there is no such home
        return Path(named, ".progress.json") if os.path.isdir(named) else Path(named)
    return working_copy.folder() / ".progress.json"


def now():
    """Return the time as it is written into the file: UTC to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load():
    """Return all progress that can be read: for each section a dict of entries by name."""
    path, data = _place(), {}
    with contextlib.suppress(OSError):
        data, _ = _read(_earlier(path) or path)
    return copy.deepcopy(_merged(data, path))


def record(section, name, update):
    """Replace one entry by update(old entry or None) and return it; what cannot be saved is remembered, never raised.

    The file is read, merged and replaced under a lock, so no kernel sees half a file or loses an entry.
    """
    path, new = _place(), update(load()[section].get(name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
            earlier = _earlier(path)
            data, sound = _read(earlier or path)
            if isinstance(data.get("version"), int) and data["version"] > VERSION:
                raise OSError("it was written by a newer version of the course, and is left as it is")
            if not sound:
                _put_aside(earlier or path)
            merged = _merged(data, path)
            new = merged[section][name] = update(merged[section].get(name))
            _write(path, {**data, **merged, "version": VERSION})
        if earlier:  # it was taken over, and must not come back when the new one is deleted
            with contextlib.suppress(OSError):
                earlier.rename(f"{earlier}.old")
        _unsaved.pop(str(path), None)
    except (OSError, Timeout, NotImplementedError) as error:
        # the text of an error of the system names a path, which has no place in a notebook
        why = "another program holds the file" if isinstance(error, Timeout) else getattr(error, "strerror", 0) or error
        if (message := UNSAVED.format(why=why)) not in _told:
            _told.add(message)
            print(message)
        _unsaved.setdefault(str(path), {}).setdefault(section, {})[name] = new
    return new


def _place():
    """Return where the file really lies: a link to it stays a link."""
    return Path(os.path.realpath(progress_file()))


def _earlier(path):
    """Return the user's own file of an earlier version of the course, where none lies in the present place yet."""
    if path.exists() or path != Path(os.path.realpath(working_copy.folder() / ".progress.json")):
        return None
    left = (working_copy.LESSONS / ".progress.json", Path(".progress.json"))
    return next((old for old in left if old.is_file() and working_copy.own(old)), None)


def _read(path):
    """Return (content, whether all of it has the file's shape); OSError where something else is in its place."""
    if not path.exists() and not path.is_symlink():
        return {}, True
    if not path.is_file():
        raise OSError("what lies there is no file")
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
        sound = all(_entries(data, section) == data.get(section, {}) for section in SECTIONS)
        return data, sound and type(data.get("version", VERSION)) is int
    except (ValueError, RecursionError, AttributeError):  # no JSON, or no dict
        return {}, False


def _merged(data, path):
    """Return the entries of all sections: the file's, and over them what this kernel could not write."""
    remembered = _unsaved.get(str(path), {})
    return {section: _entries(data, section) | remembered.get(section, {}) for section in SECTIONS}


def _entries(data, section):
    """Return the entries of a section that have an entry's shape."""
    entries = data.get(section)
    return {name: entry for name, entry in entries.items() if _is_entry(entry)} if isinstance(entries, dict) else {}


def _is_entry(entry):
    return (
        isinstance(entry, dict)
        and all(isinstance(entry[field], kind) for field, kind in FIELDS.items() if field in entry)
        and all(type(number) is int for number in entry.get("said", []))
    )


def _put_aside(path):
    """Copy a damaged file to a name of its own before it is written."""
    number = 1
    while (aside := path.with_name(f"{path.name}.bad{number if number > 1 else ''}")).exists():
        number += 1
    aside.write_bytes(path.read_bytes())
    print(f"Something in your progress file could not be read. The file as it was is kept as {aside.name}.")


def _write(path, data):
    """Write the file in one step. Half a character, as a broken paste may hold it, becomes a question mark."""
    text = json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True)
    places.write(path, text.encode("utf-8", "replace").decode("utf-8"))
