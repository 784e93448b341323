"""Sum up the results of a class: `python -m tools.kit.results FOLDER`, where its exports lie (JSON or CSV).

Writes summary.html and summary.csv, without names: which predictions split the class, how many were right before the
reveal, which exercises were passed after how many tries, which options of quizzes mislead. And two gradebooks, of the
exercises alone: gradebook.csv in the columns of nbgrader's export (a row for each learner and lesson), and
gradebook_wide.csv as otter's final_grades.csv is (a row for each learner, a column for each exercise).
"""

import argparse
import collections
import csv
import functools
import io
import json
import math
import re
import statistics
import sys
from pathlib import Path

from course_lib import places
from course_lib.exercises import lessons
from course_lib.exercises.results import COLUMNS, COURSE, KINDS
from course_lib.notes import drill
from course_lib.notes.cards import inline
from tools.kit import notes

__all__ = ["GRADES", "entropy", "gradebook", "main", "read", "summary", "wide"]

OUT = Path(__file__).resolve().parents[2] / "build" / "kit" / "results"
GRADES = ("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
          "late_submission_penalty", "score", "max_score")  # fmt: skip
SUMMED = ("kind", "lesson", "item", "learners", "right", "late", "split", "votes", "median_tries")
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
section{margin:1.5em 0;break-inside:avoid}h3{font-size:1em;margin:.2em 0}small{color:#555}
p.bar{margin:.2em 0;background:linear-gradient(#bcd8ee 0 0) no-repeat 0/var(--share) 100%;padding:.1em .4em}"""


def main(arguments=None):
    """Read a class's exports, write the four files and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.kit.results", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the folder with the learners' exports")
    parser.add_argument("--to", type=Path, default=OUT, metavar="FOLDER", help="where to write (build/kit/results)")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder: name the one with the learners' exports")
    rows, left_out = read(options.folder)
    for line in left_out:
        print(f"! {line}")
    if not rows:
        print(f"No results in {options.folder}. A learner makes them with: python -m course_lib results")
        return 1
    summed = summary(rows)
    files = {"summary.csv": _csv(SUMMED, summed), "summary.html": _page(rows, summed),
             "gradebook.csv": _csv(GRADES, gradebook(rows)), "gradebook_wide.csv": _csv(*wide(rows))}  # fmt: skip
    try:
        options.to.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            places.write(options.to / name, text)
    except OSError as error:
        print(f"{options.to} cannot be written ({error}); name another folder with --to")
        return 1
    print(f"Learners: {len({row['learner'] for row in rows})}. {options.to}: {', '.join(files)}")
    return 1 if left_out else 0


def read(folder):
    """Return (rows, what was left out and why). Of two exports of one learner the later word on each item counts."""
    best, left_out, there = {}, [], _items()
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".json", ".csv")):
        try:
            text = path.read_text(encoding="utf-8-sig")
            rows, foreign = _parsed(text, path.suffix.lower()), 0
        except (OSError, ValueError, RecursionError) as error:
            left_out.append(f"{path.name} is left out: {error}"[:200].splitlines()[0])
            continue
        for row in rows:
            lesson, item = there.get((row["kind"], row["item"]), ("", None))
            chosen = row["kind"] in ("prediction", "quiz")
            if item is None or chosen and row["first"] not in item.options:
                foreign += 1
                continue
            row["lesson"] = lesson
            key = (row["learner"], row["kind"], row["item"])
            best[key] = max(best.get(key, row), row, key=lambda row: (_number(row["tries"]), row["when"], row["name"]))
        if foreign:
            left_out.append(f"{path.name}: {foreign} of {len(rows)} rows are about nothing that this course has")
    return [best[key] for key in sorted(best)], left_out


def _parsed(text, suffix):
    """Return the rows of one export; ValueError says what is wrong with it."""
    if suffix == ".json":
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("course") != COURSE or not isinstance(data.get("rows"), list):
            raise ValueError("it is no export of this course")
        rows = data["rows"]
    else:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError("it has not the columns of this course's exports")
        rows = list(reader)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or set(row) != set(COLUMNS) or not all(isinstance(v, str) for v in row.values()):
            raise ValueError(f"its row {number} is damaged")
        if not row["learner"] or row["kind"] not in KINDS:
            raise ValueError(f"its row {number} names no learner, or no kind of result")
    return rows


@functools.cache
def _items():
    """Return {(kind, item): (its lesson, the question or what else there is to it)} of the whole course."""
    found = {("drill", prompt.id): ("", prompt) for prompt in drill.load()}
    for number in lessons.numbers():
        parts = {"prediction": lessons.read("predictions", number), "quiz": lessons.read("quizzes", number),
                 "exercise": lessons.texts(number)["exercises"]}  # fmt: skip
        found |= {(kind, name): (f"{number:02d}", one) for kind, part in parts.items() for name, one in part.items()}
    return found


def _number(text):
    return int(text) if re.fullmatch(r"\d{1,9}", text) else 0


def entropy(votes):
    """Return how much votes (a list of counts) split a class, in bits: 0 if all say the same."""
    return sum(-n / sum(votes) * math.log2(n / sum(votes)) for n in votes if n)


def summary(rows):
    """Return a row by SUMMED for each item: predictions first, the one that split the class most at the top."""
    by_item, found = collections.defaultdict(list), []
    for row in rows:
        by_item[row["kind"], row["lesson"], row["item"]].append(row)
    for (kind, lesson, item), group in by_item.items():
        on_time = [row for row in group if row["right"] != "late"]
        votes = collections.Counter(row["first"] for row in on_time if row["first"])
        answer = _items()[kind, item][1].answer if kind == "quiz" else None
        right = sum(row["first"] == answer if answer else row["right"] == "yes" for row in on_time)
        passed = [_number(row["tries"]) for row in group if row["right"] == "yes"]
        said = [list(map(_number, row["answer"].partition(" of ")[::2])) for row in group]
        found.append({
            "kind": kind, "lesson": lesson, "item": item, "learners": len(group), "late": len(group) - len(on_time),
            "right": right if kind != "drill" else "",
            "split": round(entropy(list(votes.values())), 3) if votes else "",
            "votes": " ".join(f"{letter}:{count}" for letter, count in sorted(votes.items()))
            if kind != "drill" else f"{sum(n for n, _ in said)} of {sum(n for _, n in said)}",
            "median_tries": statistics.median(passed) if kind == "exercise" and passed else "",
        })  # fmt: skip
    return sorted(found, key=lambda row: (KINDS.index(row["kind"]), -(row["split"] or 0), row["lesson"], row["item"]))


def gradebook(rows):
    """Return a row by GRADES for each learner and lesson: a point for each exercise that was passed."""
    by_learner, found = collections.defaultdict(list), []
    for row in rows:
        by_learner[row["learner"]].append(row)
    for number in sorted({int(row["lesson"]) for row in rows if row["kind"] == "exercise"}):
        for learner, done in by_learner.items():
            mine = [row for row in done if row["kind"] == "exercise" and row["lesson"] == f"{number:02d}"]
            score = float(sum(row["right"] == "yes" for row in mine))
            when = max((row["when"] for row in mine), default="").replace("T", " ").rstrip("Z")
            first, _, last = max(row["name"] for row in done).rpartition(" ")
            found.append(dict(zip(GRADES, (
                notes.lessons()[number].stem, "", when, learner, last, first, "", score, 0.0, score,
                float(len(lessons.texts(number)["exercises"]))), strict=True)))  # fmt: skip
    return found


def wide(rows):
    """Return (columns, rows): a row for each learner, 1 or 0 for each exercise that anybody tried, and the share."""
    tried = sorted({(row["lesson"], row["item"]) for row in rows if row["kind"] == "exercise"})
    names = dict(sorted((row["learner"], row["name"]) for row in rows))  # '' comes first, so that a name stays
    passed = {(row["learner"], row["item"]) for row in rows if row["kind"] == "exercise" and row["right"] == "yes"}
    found = []
    for learner, name in names.items():
        points = {item: float((learner, item) in passed) for _, item in tried}
        total = sum(points.values())
        found.append({"identifier": learner, "name": name, **points, "total_points_earned": total,
                      "percent_correct": round(total / len(tried), 4) if tried else ""})  # fmt: skip
    return (*("identifier", "name"), *(item for _, item in tried), "total_points_earned", "percent_correct"), found


def _csv(columns, rows):
    """Return rows as CSV; what a spreadsheet would take for a formula begins with an apostrophe."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"'{value}" if str(value)[:1] in tuple("=+-@") else value for key, value in row.items()})
    return table.getvalue()


def _page(rows, summed):
    """Return the summary as a page for the projector: votes in view, answers folded."""
    learners = len({row["learner"] for row in rows})
    said = {(row["kind"], row["item"]): row["answer"] for row in rows if row["kind"] == "prediction" and row["answer"]}
    parts = {kind: [] for kind in KINDS}
    for row in summed:
        (_, about), n = _items()[row["kind"], row["item"]], row["learners"]
        where = f"<small>lesson {row['lesson']} · {row['item']} · {n} learner{'s' * (n != 1)}</small>"
        if row["kind"] in ("prediction", "quiz"):
            right = about.answer or said.get((row["kind"], row["item"]))
            parts[row["kind"]].append(_votes(row, about, right, where))
        elif row["kind"] == "exercise":
            tries = f", median of tries {row['median_tries']:g}" if row["median_tries"] != "" else ""
            parts["exercise"].append(f"<p>{inline(row['item'])}: {row['right']} of {n} passed{tries} {where}</p>")
        else:
            parts["drill"].append(f"<p>{row['item']} {inline(about.en)}: {row['votes']} points said {where}</p>")
    titles = {"prediction": "Predictions, the most divided first", "exercise": "Exercises",
              "quiz": "Quizzes, the most divided first", "drill": "The drill"}  # fmt: skip
    body = "".join(f"<h2>{titles[kind]}</h2>{''.join(found)}" for kind, found in parts.items() if found)
    count = f"{learners} learner{'s' * (learners != 1)}; what was chosen first, before the answer was in view."
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>What this class thought</title>'
            f"<style>{STYLE}</style></head><body><h1>What this class thought</h1><p>{count}</p>{body}</body></html>\n")


def _votes(row, question, right, where):
    """Return one question with a bar for each option, and a fold that says which is right and which misleads."""
    votes = {letter: int(count) for letter, _, count in (vote.partition(":") for vote in row["votes"].split())}
    total = sum(votes.values())
    bars = "".join(
        f'<p class="bar" style="--share:{100 * votes.get(letter, 0) / max(1, total):.0f}%">'
        f"{letter}) {inline(text)} <b>{votes.get(letter, 0)}</b></p>" for letter, text in question.options.items()
    )  # fmt: skip
    wrong = {letter: count for letter, count in votes.items() if letter != right}
    fold = f"{row['right']} of {total} were right: {right}) {inline(question.options.get(right, ''))}" if right else (
        "Nobody has run it to its answer yet.")  # fmt: skip
    if right and wrong and max(wrong.values()):
        most = max(sorted(wrong), key=wrong.get)
        fold += f"<br>What misled most: {most}), {wrong[most]} of {total}. {inline(question.because[most])}"
    late = f"<p><small>{row['late']} more chose with the answer in view.</small></p>" if row["late"] else ""
    return (f"<section><h3>{inline(question.text)}</h3>{where}{bars}{late}"
            f"<details><summary>The answer</summary>{fold}</details></section>")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
