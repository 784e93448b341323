"""Text that takes minutes to extract is extracted once and kept in the cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from course_lib import runtime

__all__ = ["load", "once", "store"]


def once(name: str, key: str, extract: Callable[[], dict]) -> dict:
    """Return what `extract` makes, from the cache folder if an earlier call with this key has left it there."""
    stored = load(name, key)
    if stored is None:
        stored = extract()
        store(name, key, stored)
    return stored


def load(name: str, key: str) -> dict | None:
    """Return what is kept under a name and a key, or None; a damaged file is told of."""
    try:
        file = runtime.cache_place() / f"{name}-{key}.json"  # it may be another's: read only
        checksum, _, payload = file.read_bytes().partition(b"\n")
    except OSError:
        return None  # not there yet, or not to be read; store says so if it cannot be written
    stored = json.loads(payload) if hashlib.sha256(payload).hexdigest().encode() == checksum else None
    if isinstance(stored, dict) and {"parts", "documents"} <= set(stored):
        return stored
    runtime.warn(f"the stored text {str(file)!r} is damaged; it is extracted again")
    return None


def store(name: str, key: str, extracted: dict) -> None:
    """Write beside the target and rename: a reader, or a second process, never sees half a file."""
    payload, written = json.dumps(extracted).encode(), None
    try:
        folder = runtime.cache_dir()
        handle, written = tempfile.mkstemp(dir=folder, prefix=f"{name}-", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)
        os.replace(written, folder / f"{name}-{key}.json")
    except OSError as error:
        if written is not None:
            Path(written).unlink(missing_ok=True)
        if load(name, key) is None:  # else a second process has just stored the same text
            runtime.warn(f"{name}() works, but will be extracted again next time, as it could not be stored: "
                         f"{error}")
