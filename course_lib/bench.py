"""Measure the library against its peers, and how cost grows: `python -m course_lib bench`.

The benchmark itself stands in benchmarks/, beside the page that explains its method.
"""

import importlib.util
import sys
from pathlib import Path

__all__ = ["arguments", "run"]

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "suite.py"


def arguments(parser):
    """Declare the options of `python -m course_lib bench`."""
    if SCRIPT.is_file():
        _benchmark().arguments(parser)


def run(options):
    """Measure, print the table and return the exit status."""
    if not SCRIPT.is_file():
        print(f"{SCRIPT} is missing: run this in a checkout of the course.", file=sys.stderr)
        return 1
    return _benchmark().run(options)


def _benchmark():
    spec = importlib.util.spec_from_file_location("suite", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["suite"] = module  # results.py imports it by this name
    spec.loader.exec_module(module)
    return module
