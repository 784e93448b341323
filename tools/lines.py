"""Count the lines of Python against the course's targets: `python -m tools.lines`."""

import sys
from pathlib import Path

__all__ = ["count", "main"]

ROOT = Path(__file__).resolve().parent.parent
READING_PATH = ("town", "text", "model", "train")  # what a learner reads
ASIDE = ("fast", "scaling")  # modules of train that stand aside from it
TARGETS = {"course_lib": 10_500, "reading path": 3_000}


def count(paths):
    """Return how many lines these files have, blank ones and comments included."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def main():
    """Print the counts by folder; returns 1 if a target is missed."""
    library = ROOT / "course_lib"
    folders = sorted(path for path in library.iterdir() if path.is_dir() and any(path.rglob("*.py")))
    path = [file for name in READING_PATH for file in (library / name).rglob("*.py") if file.stem not in ASIDE]
    totals = {"course_lib": count(library.rglob("*.py")), "reading path": count(path)}
    rows = {"course_lib/*.py": count(library.glob("*.py"))}
    rows |= {f"course_lib/{folder.name}/": count(folder.rglob("*.py")) for folder in folders}
    rows |= {f"{name}/": count((ROOT / name).rglob("*.py")) for name in ("tools", "tests")}
    for name, lines in rows.items():
        print(f"{name:<28}{lines:>7,}")
    for name, target in TARGETS.items():
        print(f"{name:<28}{totals[name]:>7,}  target {target:,}: {'met' if totals[name] <= target else 'missed'}")
    return int(any(totals[name] > target for name, target in TARGETS.items()))


if __name__ == "__main__":
    sys.exit(main())
