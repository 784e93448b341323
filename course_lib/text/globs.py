"""Find the files that a path, a folder or a glob names: each once, and nothing dropped in silence."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["matching_files", "unreadable"]

MAGIC = re.compile(r"[*?[]")
NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL)  # the last: Windows, of a name with a star


def matching_files(path: str | Path, suffixes: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """Return a file, the files of a folder that end in one of the suffixes, or those of a glob, in order.

    A file is listed once, under however many names it is found. Hidden files are left out unless they are named.
    `**` and a folder do not enter links to other folders, so no circle of links is walked; returned beside the files
    are those links that lead elsewhere. Raises OSError, with the place and the fix, for what is missing or unreadable.
    """
    place, links, hint = Path(os.path.expanduser(path)), [], ""
    status = _status(place)
    if status is not None and stat.S_ISDIR(status.st_mode):
        everything = list(_walk(place, ("**", "*"), links))
        files = [file for file in everything if file.suffix.lower() in suffixes]
        hint = (f"the folder holds {len(everything)} other file(s), but texts must end in {', '.join(suffixes)}; "
                "or give a glob such as 'folder/*.log'")  # fmt: skip
    elif status is not None:
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{str(path)!r} is neither a file nor a folder; name a text file")
        files = [place]
    else:
        plain = next((i for i, part in enumerate(place.parts) if MAGIC.search(part)), len(place.parts) - 1)
        files = list(_walk(Path(*place.parts[:plain]), place.parts[plain:], links))
        hint = f"looked from {str(Path.cwd())!r}; check the spelling, or give the full path"
    if not files:
        raise FileNotFoundError(f"no text file matches {str(path)!r}: {hint}")
    once = {}
    for file in sorted(files):
        try:
            status = file.stat()
        except OSError as error:
            raise unreadable(file, error) from None
        once.setdefault((status.st_dev, status.st_ino), file)
    return list(once.values()), links


def unreadable(place: Path, error: OSError) -> OSError:
    """Return an error of the same kind that names the place and the fix."""
    fix = "give yourself permission to read it, or leave it out"
    if error.errno in NOWHERE:
        fix = "it is a link that leads nowhere, or in a circle; mend it, or leave it out"
    elif error.errno == errno.ENAMETOOLONG:
        fix = "give a folder that lies less deep"
    name = str(place) if len(str(place)) < 300 else "..." + str(place)[-300:]
    return type(error)(f"cannot read {name!r} ({error.strerror or error}); {fix}")


def _walk(top: Path, pattern: tuple[str, ...], links: list[str]) -> Iterator[Path]:
    """Yield the files below a folder that match the parts of a glob, and links that lead nowhere.

    Links to folders outside, which `**` does not enter, are added to `links`. Without recursion: a tree may be as deep
    as the system allows.
    """
    pattern = (*pattern, "*") if pattern[-1:] == ("**",) else pattern
    todo, seen, inside = [(top, pattern)], set(), os.path.join(os.path.realpath(top), "")
    while todo:
        folder, (head, *rest) = todo.pop()
        status = _status(folder)
        if status is None or (status.st_dev, status.st_ino, len(rest)) in seen:
            continue
        seen.add((status.st_dev, status.st_ino, len(rest)))
        if head == "**":
            todo.append((folder, rest))
        for place in _named(folder, head):
            found = _status(place)
            is_folder = found is not None and stat.S_ISDIR(found.st_mode)
            if head == "**":
                if is_folder and not place.is_symlink():
                    todo.append((place, (head, *rest)))
                elif is_folder and not os.path.join(os.path.realpath(place), "").startswith(inside):
                    links.append(str(place))
            elif rest and is_folder:
                todo.append((place, rest))
            elif not rest and (found is None or stat.S_ISREG(found.st_mode)):
                yield place


def _named(folder: Path, part: str) -> list[Path]:
    """List what a folder holds under one part of a glob; hidden names must be spelt with their dot."""
    if not MAGIC.search(part):
        place = folder / part
        return [place] if _status(place) is not None or place.is_symlink() else []
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise unreadable(folder, error) from None
    return [folder / name for name in fnmatch.filter(names, part) if part.startswith(".") or not name.startswith(".")]


def _status(place: Path) -> os.stat_result | None:
    """Return what the system knows of a place, or None where there is nothing, or only a link to nowhere."""
    try:
        return place.stat()
    except ValueError:  # a zero byte in the name
        return None
    except OSError as error:
        if error.errno in NOWHERE:
            return None
        raise unreadable(place, error) from None
