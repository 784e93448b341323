"""Where the course's own data lies: in data/ of a checkout, or packed beside this file in an installed library."""

from pathlib import Path

__all__ = ["DATA"]

_PACKED = Path(__file__).resolve().parent / "data"
DATA = _PACKED if _PACKED.is_dir() else _PACKED.parent.parent / "data"
