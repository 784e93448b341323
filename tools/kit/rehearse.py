"""Rehearse a format on this machine: run the cells of its sections as a learner does, and keep the seconds they take.

`python -m tools.kit.rehearse --hours 2` goes on where it was stopped; a lesson whose code is as it was is not run again
(--again: it is). `--class-cache FOLDER` rehearses with a class's trained models ready. `--docs` runs nothing and writes
the table in docs/workshop.md anew.
"""

import argparse
import datetime
import functools
import json
import os
import platform
import sys
from pathlib import Path

import joblib
import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from course_lib import places
from tools import bake
from tools.kit import copies, plan
from tools.kit.notes import FORMATS, lessons

__all__ = ["WORDS_A_MINUTE", "rehearse", "seconds", "tables"]

KEPT, TRIALS = (Path(__file__).with_name(name) for name in ("rehearsed.json", "trial.json"))
DOCS = Path(__file__).resolve().parents[2] / "docs" / "workshop.md"
BEGIN, END = "<!-- python -m tools.kit.rehearse --docs writes what is below -->", "<!-- up to here -->"
WORDS_A_MINUTE = 130  # of somebody who reads aloud, without haste
ALONE, READY = "models trained in class", "models ready"


@functools.cache
def kept():
    """Return {how: {format: {lesson: what was measured}}}."""
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}


def seconds(name, how=ALONE):
    """Return {(lesson, heading): seconds} as they were measured for a format."""
    found = kept().get(how, {}).get(name, {})
    return {(int(number), head): took for number, one in found.items() for head, took in one["seconds"].items()}


def to_run(lesson, name):
    """Return (the headings, a notebook of the cells) of what a learner runs of a lesson in a format."""
    run = [(section.heading, source) for section in plan.to_run(lesson, name) for source in section.code.values()]
    run = [(heading, source) for heading, source in run if not copies.SHOWS.fullmatch(source)]
    cells = [nbformat.v4.new_code_cell(source) for _, source in run]
    return [heading for heading, _ in run], nbformat.v4.new_notebook(cells=cells)


def rehearse(lesson, name, timeout=600):
    """Run what a format needs of a lesson; returns what there is to keep. Raises nbclient's errors."""
    headings, notebook = to_run(lesson, name)
    done = bake.execute(notebook, lessons()[lesson].parent, timeout, record_timing=True)
    took = dict.fromkeys(headings, 0.0)
    for heading, cell in zip(headings, done.cells, strict=True):
        times = cell.metadata.get("execution", {})
        begun, ended = times.get("iopub.status.busy"), times.get("shell.execute_reply")
        if begun and ended:  # an empty cell is not run
            parsed = datetime.datetime.fromisoformat
            took[heading] += (parsed(ended) - parsed(begun)).total_seconds()
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.system()}, {platform.machine()}, Python {platform.python_version()}",
        "cores": joblib.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "code": bake.fingerprint(notebook),
        "seconds": {heading: round(time, 1) for heading, time in took.items()},
    }


def tables():
    """Return what docs/workshop.md says of the formats: minutes planned, and what is measured, as Markdown."""
    heads = ["", "minutes", "opening, breaks, drill", "in lessons", "the computer needs", "with models ready",
             "exercises", "words, read aloud"]  # fmt: skip
    rows, planned = [], []
    for name, about in FORMATS.items():
        notes = plan.taught(name)
        if not notes:
            continue
        parts = [plan.sections(note.lesson)[note.section] for note in notes]
        exercises = sum(exercise.texts["minutes"] for part in parts for exercise in part.exercises)
        aloud = sum(part.words for part in parts) / WORDS_A_MINUTE
        inside = sum(note.minutes[name] for note in notes)
        times = [_machine(name, how) for how in (ALONE, READY)]
        rows.append([f"**{name}**", about["minutes"], about["minutes"] - inside, inside, *times, f"{exercises} min",
                     f"{aloud:.0f} min"])  # fmt: skip
        planned.append(name)
    if not rows:
        return "No lesson has an instructor's note yet."
    by_lesson = [[f"{n:02d}", *(_minutes(n, name) for name in planned)] for n in lessons()]
    return table(heads, rows) + "\n\n" + table(["minutes in lesson", *planned], by_lesson) + trials()


def trials():
    """Return what the trials of many kernels at once found (tools.kit.bake --trial), a line each."""
    lines = [
        f"{name[0].upper()}{name[1:]} at once on {found['cores']} cores, one thread each: the last is done after "
        f"{found['without']['slowest_s']} s, and after {found['with']['slowest_s']} s with the class's models; at the "
        f"peak all hold {found['without']['peak_sum_gb']:.1f} GB, one {found['without']['peak_one_gb']:.1f} GB."
        for name, found in (json.loads(TRIALS.read_text(encoding="utf-8")) if TRIALS.exists() else {}).items()
    ]
    return "".join(f"\n\n{line}" for line in lines)


def table(heads, rows):
    """Return a table in Markdown, on one line each."""
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (heads, ["---"] * len(heads), *rows))


def _minutes(lesson, name):
    return sum(note.minutes[name] for note in plan.taught(name) if note.lesson == lesson) or "–"


def _machine(name, how):
    found = kept().get(how, {}).get(name, {})
    if missing := [n for n in plan.numbers(name) if f"{n:02d}" not in found]:
        return f"not measured ({len(missing)} of {len(plan.numbers(name))} lessons missing)"
    return f"{sum(seconds(name, how).values()) / 60:.1f} min"


def write_docs():
    """Write the tables between their marks in docs/workshop.md."""
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    places.write(DOCS, f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}")


def _run(name, how, again):
    """Rehearse the lessons of a format, each kept as soon as it is done; returns whether all ran."""
    for lesson in plan.numbers(name):
        old = kept().get(how, {}).get(name, {}).get(f"{lesson:02d}")
        if old and not again and old["code"] == bake.fingerprint(to_run(lesson, name)[1]):
            continue
        print(f"{name}, lesson {lesson:02d}: running ...", end=" ", flush=True)
        try:
            new = rehearse(lesson, name)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"FAILED, nothing of it is kept\n{error}")
            return False
        kept().setdefault(how, {}).setdefault(name, {})[f"{lesson:02d}"] = new
        places.write(KEPT, json.dumps(kept(), ensure_ascii=False, indent=1, sort_keys=True) + "\n")
        print(f"{sum(new['seconds'].values()):.0f} s")
    return True


def main(arguments=None):
    """Rehearse, or write the table; returns the exit status."""
    from tools.kit.__main__ import chosen

    parser = argparse.ArgumentParser(prog="python -m tools.kit.rehearse", description=__doc__)
    parser.add_argument("--hours", type=int, help="only the format of so many hours")
    parser.add_argument("--days", type=int, help="only the format of so many days")
    parser.add_argument("--class-cache", type=Path, metavar="FOLDER", help="trained models, as COURSE_CLASS_CACHE")
    parser.add_argument("--again", action="store_true", help="run what is measured already, too")
    parser.add_argument("--docs", action="store_true", help="run nothing: write the table in docs/workshop.md")
    asked = parser.parse_args(arguments)
    try:
        formats = chosen(asked.hours, asked.days)
        for name in formats if not asked.docs else ():
            plan.plan(name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if asked.docs:
        write_docs()
        return 0
    os.environ.pop("COURSE_CLASS_CACHE", None)
    if asked.class_cache:
        if not asked.class_cache.is_dir():
            print(f"there is no folder {asked.class_cache}: bake the models for a class first", file=sys.stderr)
            return 2
        os.environ["COURSE_CLASS_CACHE"] = str(asked.class_cache.resolve())
    how = READY if asked.class_cache else ALONE
    try:
        return 0 if all([_run(name, how, asked.again) for name in formats]) else 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on with the lesson that it was at.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
