"""Run notebooks from a fresh kernel and store them in a normal form, so that a diff shows content only.

Normal form: stable cell ids, no widget state, no timestamps, no absolute paths, one kernel name, LF ends;
and a fingerprint of the code that made the outputs, by which `bake --check` finds stale ones without a run.
"""

import argparse
import copy
import hashlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from course_lib import places
from course_lib.notes import working_copy

__all__ = ["execute", "fingerprint", "main", "normalise", "problems"]

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KEPT_CELL_METADATA = ("tags", "jupyter", "slideshow", "editable", "deletable")
SLIDES = {  # a cell with such a line begins a slide, or comes into one at a click (`jupyter nbconvert --to slides`)
    "markdown": {"# ": "slide", "## ": "slide", "### ": "subslide"},
    "code": {"predict(": "subslide", "reveal(": "fragment"},
}
WIDGET = "application/vnd.jupyter.widget-"


def main(arguments=None):
    """Bake or check the notebooks and return the exit status; one with a failing cell is left as it was."""
    parser = argparse.ArgumentParser(prog="python -m tools.bake", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="notebooks (default: all of notebooks/)")
    parser.add_argument("--check", action="store_true", help="run nothing, write nothing: say which need baking")
    parser.add_argument("--timeout", type=int, default=180, metavar="SECONDS", help="limit of one cell (180)")
    options = parser.parse_args(arguments)
    files = options.files or sorted((ROOT / "notebooks").glob("*.ipynb"))
    missing = [str(file) for file in files if not file.is_file()]
    if missing or not files:
        print(f"no such notebook: {', '.join(missing) or ROOT / 'notebooks'}", file=sys.stderr)
        return 2
    bad = 0
    for file in files:
        if options.check:
            found = problems(file)
            bad += bool(found)
            print(f"{file.name}: {'; '.join(found) or 'fine'}")
        else:
            bad += not _bake(file, options.timeout)
    if bad:
        print(f"{bad} of {len(files)} to mend." + (" Run: make bake" if options.check else ""))
    return 1 if bad else 0


def _bake(file, timeout):
    """Execute, normalise and replace one notebook; say what failed and return False when a cell did."""
    print(f"{file.name}: running ...", end=" ", flush=True)
    started = time.monotonic()
    notebook = nbformat.read(file, as_version=4)
    try:
        done = execute(notebook, file.resolve().parent, timeout)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(f"FAILED, nothing written\n{_where(notebook)}\n{_plain(str(error)).rstrip()}\n")
        return False
    places.write(file, _text(normalise(done)))
    print(f"done in {time.monotonic() - started:.0f} s")
    return True


def execute(notebook, folder, timeout=180, record_timing=False, **variables):
    """Return the notebook with fresh outputs, run in `folder` (pathlib.Path) as a learner's first run is.

    Quiet, offline, with an empty cache and no recorded progress, unless `variables` of the environment
    say otherwise. `timeout` limits a cell, in seconds; `record_timing` notes in each cell when it ran. Raises
    nbclient's CellExecutionError, CellTimeoutError or DeadKernelError.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as fresh:
        environment = os.environ | {
            "COURSE_QUIET": "1",
            "COURSE_STRICT": "1",
            "COURSE_CACHE": str(Path(fresh) / "cache"),
            "COURSE_PROGRESS": str(Path(fresh) / "progress.json"),
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
        } | variables
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            record_timing=record_timing,
            store_widget_state=False,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=40"],  # no notes on transports among our lines
        )
        return client.execute(env=environment)


def normalise(notebook):
    """Return a copy of the notebook in normal form (see the top of this file); the argument is left alone."""
    new = copy.deepcopy(notebook)
    new.nbformat, new.nbformat_minor = 4, 5
    seen = set()
    for number, cell in enumerate(new.cells):
        name = cell.get("id", "")
        if name in seen or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
            name = hashlib.sha256(f"{number}\n{cell.source}".encode()).hexdigest()[:12]
        cell.id = name
        seen.add(name)
        cell.metadata = nbformat.from_dict(
            {
                key: value
                for key, value in cell.metadata.items()
                if key in KEPT_CELL_METADATA and value not in ([], {})
            }
        )
        cell.source = cell.source.rstrip()
        cell.metadata.pop("slideshow", None)
        if working_copy.INSTRUCTOR in cell.metadata.get("tags", []):
            cell.metadata["slideshow"] = {"slide_type": "notes"}
            continue
        for start, kind in SLIDES.get(cell.cell_type, {}).items():
            if f"\n{start}" in f"\n{cell.source}":
                cell.metadata["slideshow"] = {"slide_type": kind}
                break
        if cell.cell_type == "code":
            cell.outputs = [_normal_output(output) for output in cell.outputs]
            cell.metadata.get("jupyter", {}).pop("outputs_hidden", None)
            if not cell.metadata.get("jupyter", True):
                del cell.metadata["jupyter"]
    new.metadata = nbformat.from_dict(
        {
            "kernelspec": KERNEL,
            "language_info": {"name": "python"},
            "one_mask_apart": {"code": fingerprint(new)}
            if any(cell.get("execution_count") for cell in new.cells)
            else {},
        }
    )
    return new


def fingerprint(notebook):
    """Return a short hash of the code cells' sources: what the outputs were made by."""
    sources = [cell.source.rstrip() for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\x00".join(sources).encode()).hexdigest()[:16]


def problems(file):
    """Return what keeps a stored notebook from being fresh and normal, as a list of short phrases."""
    notebook = nbformat.read(file, as_version=4)
    found = []
    counts = [
        cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()
    ]
    if counts != list(range(1, len(counts) + 1)):
        found.append("not run from top to bottom")
    if notebook.metadata.get("one_mask_apart", {}).get("code") != fingerprint(notebook):
        found.append("its code changed since its outputs were made")
    if file.read_bytes() != _text(normalise(notebook)).encode():
        found.append("not in normal form")
    return found


def _normal_output(output):
    """Return one output without widget views, metadata or absolute paths."""
    output = output.copy()
    if "data" in output:
        output.data = {
            kind: _relative(value) for kind, value in output.data.items() if not kind.startswith(WIDGET)
        }
        output.metadata = {}
    if "text" in output:
        output.text = _relative(output.text)
    if output.get("output_type") == "execute_result":
        output.pop("transient", None)
    return output


def _relative(value):
    """Return text without the folders of this machine: the checkout becomes '.', the home folder '~'."""
    if not isinstance(value, str):
        return value
    for folder, name in ((str(ROOT), "."), (sys.prefix, ".venv"), (str(Path.home()), "~")):
        if len(folder) > 3:
            value = re.sub(re.escape(folder) + r"(?![\w-])", name, value)
    return value


def _text(notebook):
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def _where(notebook):
    """Say which code cell failed: the last one that was started."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    started = [number for number, cell in enumerate(code) if cell.execution_count or cell.outputs]
    number = started[-1] if started else 0
    return f"code cell {number + 1} of {len(code)}: {code[number].source.splitlines()[0] if code else ''}"


def _plain(text):
    """Return text without terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


if __name__ == "__main__":
    sys.exit(main())
