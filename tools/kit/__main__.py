"""Make the workshop kit in build/kit/: run sheets, slides, cards and copies of the lessons, for each format."""

import argparse
import functools
import importlib
import importlib.util
import os
import re
import sys
import tempfile
from pathlib import Path

from tools.kit.notes import FORMATS
from tools.kit.plan import plan

OUT = Path(__file__).resolve().parents[2] / "build" / "kit"
PARTS = ("sheet", "copies", "slides", "anki")  # modules with make(folder, formats), which returns what it wrote


def chosen(hours=None, days=None):
    """Return the names of the formats that are asked for, or of all; ValueError names those that there are."""
    asked = [f"{count} {unit}" for count, unit in ((hours, "h"), (days, "days")) if count is not None]
    for name in asked:
        if name not in FORMATS:
            options = (f"--hours {n[:-2]}" if n.endswith(" h") else f"--days {n.split()[0]}" for n in FORMATS)
            raise ValueError(f"there is no format of {name}; there are {', '.join(options)}")
    return asked or [*FORMATS]


def clock(text):
    """Return a time of day, '09:00', in minutes."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time of day, such as 09:00")
    return int(found[1]) * 60 + int(found[2])


def build(out, formats, start=0):
    """Make all parts beside `out` and move each file there when all are made; returns the paths."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".kit-", dir=out.parent) as place:
        made = []
        for name in PARTS:
            if not importlib.util.find_spec(f"tools.kit.{name}"):
                continue
            make = importlib.import_module(f"tools.kit.{name}").make
            make = functools.partial(make, start=start) if name == "sheet" else make
            made += [path.relative_to(place) for path in make(Path(place), formats)]
        for path in made:
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(place, path), out / path)
    return [out / path for path in made]


def main(arguments=None):
    """Make the kit; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make kit", description=__doc__)
    parser.add_argument("--hours", type=int, help="only the format of so many hours: 2 or 4")
    parser.add_argument("--days", type=int, help="only the format of so many days: 2")
    parser.add_argument("--start", type=clock, default=0, metavar="09:00", help="when it begins, for the run sheet")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder to write into (build/kit)")
    asked = parser.parse_args(arguments)
    try:
        formats = chosen(asked.hours, asked.days)
        for name in formats:
            plan(name)
        written = build(asked.out.absolute(), formats, asked.start)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{asked.out} cannot be written: {error.strerror or error}. Free some space, or name another folder "
              "with --out. What lay there is as it was.", file=sys.stderr)  # fmt: skip
        return 1
    except KeyboardInterrupt:
        print("Stopped. What lay there is as it was.")
        return 130
    for path in written:
        print(f"{os.path.relpath(path)}  ({path.stat().st_size / 1e3:,.0f} kB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
