"""Where files that can be made again may lie on a machine that nobody has prepared, and how litter goes."""

import contextlib
import functools
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["private_folder", "sweep", "user_cache"]

FOLDER = "one-mask-apart"
DAY = 86_400  # seconds


def user_cache():
    """Return the course's folder in the platform's place for files that can be made again; None where none can be.

    A container's user may have no home, or one that cannot be written. A folder that was there may be read-only.
    """
    try:
        if sys.platform == "win32":
            place = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            place = Path.home() / "Library" / "Caches"
        else:
            place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # the user is not in the list of users, or HOME names one who is not
        return None
    folder = place / FOLDER
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder if os.path.isdir(folder) else None


@functools.cache
def private_folder():
    """Return a folder among the temporary files that is this user's own, the same for every process where it can be.

    Its name can be guessed, so it is taken only if nobody else made it: what lies there will be trusted.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir(), f"{FOLDER}-of-{user}")
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and (os.name == "nt" or found.st_uid == user and not found.st_mode & 0o077):
            return folder
    return Path(tempfile.mkdtemp(prefix=f"{FOLDER}-"))


def sweep(folder, drafts):
    """Remove what killed processes left half-written in a folder: names that match `drafts`, untouched for a day.

    A process that lives never loses its draft, which lasts as long as one save. `drafts` is a regular expression for
    whole names; nothing else is touched, since the folder may be anybody's. What cannot be removed stays.
    """
    with contextlib.suppress(OSError):
        for item in os.scandir(folder):
            if re.fullmatch(drafts, item.name) and time.time() - item.stat(follow_symlinks=False).st_mtime > DAY:
                if item.is_dir(follow_symlinks=False):
                    shutil.rmtree(item.path, ignore_errors=True)
                else:
                    os.unlink(item.path)
