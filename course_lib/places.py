"""Where the course's own data lies, and how a file is written so that it is never half there."""

import os
from pathlib import Path

__all__ = ["DATA", "write"]

_PACKED = Path(__file__).resolve().parent / "data"  # there in an installed wheel; a checkout has data/ at its top
DATA = _PACKED if _PACKED.is_dir() else _PACKED.parent.parent / "data"


def write(path, text):
    """Write a text file in one step: a reader, a kill or a full disk finds the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
