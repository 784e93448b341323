"""Export what a learner did, for whoever teaches the class: `python -m course_lib results [--name "Ada"]`.

In long form, a row for each thing done. Nothing of the machine is in it, nothing that was written in one's own words,
and no name unless one is given: a random id, kept beside the progress file, tells that two exports are one learner's.
tools/kit/results.py makes the summary of a class from such files.
"""

import csv
import io
import json
import re
import secrets
from pathlib import Path

from course_lib import places
from course_lib.exercises import lessons, questions
from course_lib.notes import drill, progress

__all__ = ["COLUMNS", "COURSE", "KINDS", "rows", "run"]

COURSE = "one-mask-apart results 1"  # what a JSON export begins with: the form and its version
KINDS = ("prediction", "exercise", "quiz", "drill")
COLUMNS = ("learner", "name", "lesson", "kind", "item", "first", "answer", "right", "tries", "when")


def rows(learner, name=""):
    """Return what the progress file holds as dicts of text by COLUMNS, in the lessons' order.

    first: the option chosen first. answer: what the run said (prediction), the option chosen last (quiz), or the points
    said, '2 of 3' (drill). right: yes, no or empty; of a prediction that was guessed with the answer in view: late.
    """
    done, found = progress.load(), []

    def add(lesson, kind, item, **values):
        row = {"learner": learner, "name": name, "lesson": lesson, "kind": kind, "item": item, **values}
        found.append({column: str(row.get(column, "")) for column in COLUMNS})

    for number in lessons.numbers():
        for item, question in lessons.read("predictions", number).items():
            if questions.guessed(question, entry := done["predictions"].get(item)):
                said = entry.get("answer", "")
                right = "late" if entry.get("late") else said and ("yes" if entry["first"] == said else "no")
                add(f"{number:02d}", "prediction", item, first=entry["first"], answer=said, right=right,
                    when=entry.get("when", ""))  # fmt: skip
        for item in lessons.texts(number)["exercises"]:
            if entry := done["exercises"].get(item):
                when = entry.get("right") or ""
                add(f"{number:02d}", "exercise", item, right="yes" if when else "no", tries=entry.get("tries", 0),
                    when=when if isinstance(when, str) else "")  # fmt: skip
        for item in lessons.texts(number)["quizzes"]:
            if entry := done["quizzes"].get(item):
                known = {field: entry.get(field, "") for field in ("first", "answer", "when")}
                add(f"{number:02d}", "quiz", item, right="yes" if entry.get("right") else "no", **known)
    for prompt in drill.load():
        if "said" in (entry := done["drill"].get(prompt.id, {})):
            said = f"{len(entry['said'])} of {entry.get('of', len(prompt.points))}"
            add("", "drill", prompt.id, answer=said, when=entry.get("when", ""))
    return found


def run(name="", out=None):
    """Write the export and return the exit status; out: a file that ends in .json or .csv, or None for both here."""
    name = " ".join((name or "").split())
    if out and Path(out).suffix.lower() not in (".json", ".csv"):
        raise ValueError(f"--out {out}: name a file that ends in .json or .csv")
    try:
        learner = _learner()
        found = rows(learner, name)
        files = [Path(out).expanduser()] if out else [Path(f"results-{learner}.{kind}") for kind in ("json", "csv")]
        for file in files:
            table = io.StringIO(newline="")
            writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)
            data = json.dumps({"course": COURSE, "rows": found}, ensure_ascii=False, indent=1) + "\n"
            places.write(file, data if file.suffix.lower() == ".json" else table.getvalue())
    except OSError as error:
        print(f"The results cannot be written ({error}). Name a file in a folder of yours: --out results.json")
        return 1
    print(f"{len(found)} results, {f'as {name!r}' if name else 'without a name'}: {', '.join(map(str, files))}.")
    return 0


def _learner():
    """Return the learner's random id; the first call makes it."""
    kept = progress.progress_file().with_name(".learner")
    if not kept.is_file() or not re.fullmatch(r"[0-9a-f]{12}", kept.read_text(encoding="utf-8", errors="replace")):
        kept.parent.mkdir(parents=True, exist_ok=True)
        places.write(kept, secrets.token_hex(6))
    return kept.read_text(encoding="utf-8")
