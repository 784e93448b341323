"""Where the course's own data lies, where files that can be made again may lie, and how litter goes."""

import contextlib
import functools
import re
import shutil
import tempfile
import time
from pathlib import Path

import platformdirs

__all__ = ["DATA", "sweep", "temporary_folder", "user_cache"]

_PACKED = Path(__file__).resolve().parent / "data"  # there in an installed wheel; a checkout has data/ at its top
DATA = _PACKED if _PACKED.is_dir() else _PACKED.parent.parent / "data"
FOLDER = "one-mask-apart"
DAY = 86_400  # seconds


def user_cache():
    """Return the course's folder in the platform's place for files that can be made again, created if need be.

    Raises OSError where none can be: a container's user may have no home, or one that cannot be written. A folder
    that is there already may be read-only.
    """
    try:
        folder = platformdirs.user_cache_path(FOLDER, appauthor=False)
    except RuntimeError as error:  # the user is not in the list of users
        raise OSError(str(error)) from None
    if not folder.is_absolute():  # HOME names one who is not, and platformdirs is an old one
        raise OSError(f"there is no home {str(folder)!r}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@functools.cache
def temporary_folder():
    """Return a folder among the temporary files that is this process's own."""
    return Path(tempfile.mkdtemp(prefix=f"{FOLDER}-"))


def sweep(folder, drafts):
    """Remove what killed processes left half-written in a folder: names that match `drafts`, untouched for a day.

    A process that lives never loses its draft, which lasts as long as one save. `drafts` is a regular expression for
    whole names; nothing else is touched, since the folder may be anybody's. What cannot be removed stays.
    """
    with contextlib.suppress(OSError):
        for item in Path(folder).iterdir():
            if re.fullmatch(drafts, item.name) and time.time() - item.lstat().st_mtime > DAY:
                if item.is_dir() and not item.is_symlink():
                    shutil.rmtree(item, ignore_errors=True)
                else:
                    item.unlink()
