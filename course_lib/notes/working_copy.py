"""A learner's own copy of the lessons: without outputs, renewed when the course is, and never overwritten.

`make lab` lays it into my-course/ and opens it. What was laid is noted in .versions.json beside it, so that a copy
that nobody changed can be told from one with answers in it.
"""

import contextlib
import datetime
import filecmp
import hashlib
import itertools
import json
import os
import platform
import shutil
from pathlib import Path

from filelock import FileLock

from course_lib import places
from course_lib.notes.cards import Card, inline, plain, show, slip

__all__ = ["INSTRUCTOR", "LESSONS", "cleared", "folder", "for_learners", "latest", "lay", "own", "restart_lesson"]

LESSONS = places.DATA.parent / "notebooks"  # of a checkout; an installed wheel brings none
NAMES = "[0-9][0-9]_*.ipynb"
PAGE = "one-mask-apart.html"  # lessons show it as ../one-mask-apart.html
LANGUAGE = {  # as a Python kernel tells it: JupyterLab marks a notebook that says something else as changed
    "name": "python", "version": platform.python_version(), "mimetype": "text/x-python", "file_extension": ".py",
    "codemirror_mode": {"name": "ipython", "version": 3}, "pygments_lexer": "ipython3", "nbconvert_exporter": "python",
}  # fmt: skip
INSTRUCTOR = "instructor"  # the tag of cells that only an instructor's view has
KEPT = ("tags", "slideshow", "editable", "deletable")  # of a cell's metadata


def folder():
    """Return the folder of a learner's copy and progress, which may not be there yet.

    It is my-course/ in the checkout, if the user may write there and nobody else began one; or else in
    ~/one-mask-apart. COURSE_HOME names another folder for it.
    """
    named = os.environ.get("COURSE_HOME", "").strip()
    mine = LESSONS.parent / "my-course"
    if not named and LESSONS.is_dir() and (own(mine) if mine.exists() else os.access(mine.parent, os.W_OK)):
        return mine
    home = os.path.abspath(os.path.expanduser(named or "~/one-mask-apart"))
    return Path(home, "my-course")


def own(path):
    """Tell whether a file or folder that is there is the user's to write, and nobody else's."""
    return os.access(path, os.W_OK) and (not hasattr(os, "getuid") or path.stat().st_uid == os.getuid())


def lay():
    """Make the learner's copy, or renew it, and return what there is to tell: a line for each lesson with answers.

    A lesson that nobody changed is replaced. In one that was changed, the learner's answers, edits and own cells move
    to the new version, and the copy as it was stays beside it. Raises OSError where nothing can be written.
    """
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / ".versions.lock", timeout=60):
        versions = _versions(place)
        told = [_renew(path, place, versions) for path in sorted(LESSONS.glob(NAMES))]
        if place.parent != LESSONS.parent:
            _lay_page(place, versions)
    return [line for line in told if line]


def latest():
    """Return the name of the lesson to open: the one that was worked on last, or the first."""
    place, worked = folder(), []
    versions = _versions(place)
    for path in sorted(place.glob(NAMES)):
        mine = _read(path) if path.name in versions else None
        if mine and _hash(mine) != versions[path.name]["version"]:
            worked.append(path)
    return max(worked, key=lambda path: path.stat().st_mtime).name if worked else min(LESSONS.glob(NAMES)).name


def restart_lesson(number):
    """Lay a fresh copy of a lesson, for instance `restart_lesson(4)`, and keep yours beside it.

    What you solved and predicted stays recorded. Raises ValueError for a lesson that there is not.
    """
    known = {int(path.name[:2]): path for path in sorted(LESSONS.glob(NAMES))}
    if number not in known:
        there = f"the lessons are {min(known)} to {max(known)}" if known else "this installation brings no notebooks"
        raise slip(ValueError(f"there is no lesson {number!r}: {there}"))
    place, name = folder(), known[number].name
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / ".versions.lock", timeout=60):
        versions, new = _versions(place), cleared(_read(known[number]))
        mine = _read(place / name)
        kept = _put_aside(place / name) if mine is None or _hash(mine) != _hash(new) else ""
        _write(place / name, new, versions)
    text = f"Lesson {number:02d} is laid afresh. What you solved and predicted stays recorded."
    if kept:
        text += f" Your copy is kept as `{kept}`."
    text += " If the lesson is open: File, then **Reload Notebook from Disk**."
    show(Card(inline(text), plain(text)))


def _renew(source, place, versions):
    """Lay one lesson, or its new version, and return what there is to tell, or None."""
    path, known = place / source.name, versions.get(source.name)
    new, mine = _read(source), _read(path)
    if new is None:
        return f"notebooks/{source.name} cannot be read and was left out. `git checkout notebooks` brings it back."
    new = cleared(new)
    if mine and known and known["version"] == _hash(new):
        return None  # this version is here, whatever the learner made of it
    if not path.exists() or (mine and known and known["version"] == _hash(mine)):
        _write(path, new, versions)
        return None
    joined = _joined(new, mine, (known or {}).get("cells", {})) if mine else new
    if mine and _hash(joined) == _hash(mine):
        _note(path, new, versions)
        return None
    kept = _put_aside(path)
    _write(path, joined, versions, new)
    why = "is a new version, with your answers in it" if mine else "could not be read and is laid afresh"
    return f"{source.name} {why}. Your copy as it was: {kept}"


def _joined(new, mine, base):
    """Return the new version with the learner's changes in it.

    `base` is {cell id: hash} of the version that the learner began with, or {} if that is unknown. A cell that the
    learner changed is kept where the new version has not changed it, and an exercise always.
    """
    cells, own = [dict(cell) for cell in new["cells"]], {cell.get("id"): cell for cell in mine["cells"]}
    for cell in cells:
        there, before = own.get(cell["id"]), base.get(cell["id"])
        if there is None or there["cell_type"] != cell["cell_type"] or _cell_hash(there) == before:
            continue
        if _cell_hash(cell) == before or "exercise" in cell["metadata"].get("tags", []):
            cell["source"] = there["source"]
    order = [cell["id"] for cell in cells]
    after = -1
    for cell in mine["cells"]:
        name = cell.get("id")
        if name in order:
            after = order.index(name)
        elif base and name and name not in base and _source(cell).strip():  # a cell that the learner added
            after += 1
            cells.insert(after, cell)
            order.insert(after, name)
    return cleared(new | {"cells": cells})


def for_learners(cells):
    """Leave out the cells that are for the instructor."""
    return [cell for cell in cells if INSTRUCTOR not in cell["metadata"].get("tags", [])]


def cleared(notebook):
    """Return a notebook as it is handed out: no outputs, no counts, no marks of an editor, no notes to instructors."""
    cells = []
    for cell in for_learners(notebook["cells"]):
        metadata = {key: value for key, value in cell["metadata"].items() if key in KEPT}
        if cell["cell_type"] == "code":
            cell = cell | {"outputs": [], "execution_count": None}
        cells.append(cell | {"metadata": metadata})
    about = {key: value for key, value in notebook["metadata"].items() if key == "kernelspec"}
    return notebook | {"cells": cells, "metadata": about | {"language_info": LANGUAGE}}


def _source(cell):
    return "".join(cell["source"])  # a file holds a list of lines or one text


def _digest(text):
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _cell_hash(cell):
    return _digest(_source(cell))


def _hash(notebook):
    """Return a hash of what a learner can change: cells, their order and outputs, but not what an editor notes."""
    cells = [[c.get("id"), c["cell_type"], _source(c), c.get("outputs", [])] for c in notebook["cells"]]
    return _digest(json.dumps(cells, sort_keys=True))


def _read(path):
    """Return a notebook, or None where there is none, or something that is no notebook."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
        _hash(notebook)
        return notebook if all(isinstance(cell["metadata"], dict) for cell in notebook["cells"]) else None
    except (FileNotFoundError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def _versions(place):
    """Return {lesson: {'version': its hash as it was laid, 'cells': {id: hash}}}, and such an entry of the page."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        found = json.loads((place / ".versions.json").read_text(encoding="utf-8"))
        return {name: entry for name, entry in found.items() if {"version", "cells"} <= set(entry)}
    return {}


def _write(path, notebook, versions, version=None):
    """Write a trusted notebook and note which version of the lesson it is: this one, or the one it was made from."""
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    text = text.encode("utf-8", "replace").decode()  # half a character, as a broken paste may hold it
    places.write(path, text)
    _note(path, version or notebook, versions)
    with contextlib.suppress(Exception):  # no home for signatures: Jupyter asks for trust, as it does without us
        import nbformat
        from nbformat.sign import NotebookNotary

        notary = NotebookNotary()
        notary.sign(nbformat.reads(text, as_version=4))
        notary.store.close()


def _note(path, version, versions):
    cells = {cell["id"]: _cell_hash(cell) for cell in version["cells"]}
    versions[path.name] = {"version": _hash(version), "cells": cells}
    places.write(path.with_name(".versions.json"), json.dumps(versions, indent=1))


def _put_aside(path):
    """Copy a learner's file to a name that says what it is, and return the name ('' where there is no file)."""
    if not path.exists():
        return ""
    for number in itertools.count(1):
        until = datetime.date.today().isoformat() + ("" if number == 1 else f", {number}")
        kept = path.with_name(f"{path.stem} (mine until {until}){path.suffix}")
        if not kept.exists():
            break
        if filecmp.cmp(path, kept, shallow=False):  # kept by a try that the disk or a kill cut short
            return kept.name
    draft = kept.with_name(f".{kept.name}.part")
    try:
        shutil.copy2(path, draft)
        os.replace(draft, kept)
    finally:
        draft.unlink(missing_ok=True)
    return kept.name


def _lay_page(place, versions):
    """Lay the glass model's page beside the copy, unless another file of that name lies there."""
    path, text = place.with_name(PAGE), (LESSONS.parent / PAGE).read_text(encoding="utf-8")
    new, known = _digest(text), versions.get(PAGE, {}).get("version")
    if not path.exists() or _digest(path.read_text(encoding="utf-8")) == known != new:
        places.write(path, text)
        versions[PAGE] = {"version": new, "cells": {}}
        places.write(place / ".versions.json", json.dumps(versions, indent=1))
