"""Find the exercises, predictions and quizzes: texts in lesson_NN.yaml, functions in lesson_NN.py beside this file."""

import difflib
import functools
import importlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from course_lib.notes.cards import slip

__all__ = ["KINDS", "Question", "find", "numbers", "read", "texts"]

FOLDER = Path(__file__).parent
KINDS = {"exercises": "exercise", "predictions": "prediction", "quizzes": "quiz"}
FIELDS = {  # what an entry of each kind must have, and of what type
    "exercises": {"minutes": int, "stars": int, "contract": str, "hints": list, "mistakes": dict},
    "predictions": {"text": str, "options": dict, "read": str, "secrets": list},
    "quizzes": {"text": str, "options": dict, "answer": str},
}
OPTIONAL = {"holds": list}  # of a prediction
SAFE = {function.__name__: function for function in (abs, all, any, len, max, min, round, sum, zip)}  # in conditions


@dataclass(frozen=True)
class Question:
    """A prediction, or a quiz (which has an answer): options by letter, and for each one sentence about it.

    Of a prediction also the paragraph that reads the result (Markdown, with fields for numbers), the conditions under
    which it is true, and words that would give the answer away: they may not stand on the page outside its fold.
    """

    name: str
    text: str
    options: dict[str, str]
    because: dict[str, str]
    answer: str = ""
    read: str = ""
    holds: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def read_with(self, values):
        """Return (the paragraph with its numbers, the first condition that is false or ""); ValueError names a value.

        A condition is a Python expression in the values: "two_sided - left > 0.1".
        """
        try:
            wrong = [condition for condition in self.holds if not eval(condition, {"__builtins__": SAFE, **values})]
            return self.read.format(**values), "".join(wrong[:1])
        except (KeyError, NameError) as error:
            missing = error.args[0] if isinstance(error, KeyError) else error.name
            message = f"the prediction {self.name!r} needs {missing}=...; it was given {sorted(values)}"
            raise slip(ValueError(message)) from None


def numbers():
    """Return the numbers of the lessons that have a file here, in order."""
    found = (re.fullmatch(r"lesson_(\d\d)\.yaml", path.name) for path in FOLDER.iterdir())
    return sorted({int(name[1]) for name in found if name})


@functools.cache
def texts(number):
    """Read lesson_NN.yaml, checked: {'title', 'exercises', 'predictions', 'quizzes'}; ValueError says what is wrong."""
    path = FOLDER / f"lesson_{number:02d}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if unknown := set(content) - {"title", *KINDS}:
        raise ValueError(f"{path.name}: {sorted(unknown)} are no parts of a lesson: title, {', '.join(KINDS)}")
    for kind, fields in FIELDS.items():
        for name, entry in content.setdefault(kind, {}).items():
            checked(f"{path.name}: {kind}: {name}", entry, fields)
    return content


def checked(place, entry, fields):
    """Raise ValueError where an entry of a lesson's texts lacks something, has too much, or text is no text."""
    fields = fields | {field: kind for field, kind in OPTIONAL.items() if "secrets" in fields and field in entry}
    if set(entry) != set(fields):
        raise ValueError(f"{place} has {sorted(entry)}, and needs {sorted(fields)}")
    for field, kind in fields.items():
        if not isinstance(entry[field], kind) or isinstance(entry[field], bool):
            raise ValueError(f"{place}: {field} is {entry[field]!r}, which is no {kind.__name__}; quote text")
    if "hints" in fields:
        if len(entry["hints"]) < 2 or entry["stars"] not in (1, 2, 3):
            raise ValueError(f"{place} needs at least two hints, and 1 to 3 stars")
        said = [entry["contract"], *entry["hints"], *entry["mistakes"].values()]
    else:
        options = entry["options"]
        if list(options) != list("abcdefgh"[: len(options)]) or not len(options) > 1:
            raise ValueError(f"{place}: the options are lettered a, b, ..., and there are at least two")
        if any(not isinstance(option, dict) or set(option) != {"says", "because"} for option in options.values()):
            raise ValueError(f"{place}: an option has `says` and `because`, the sentence for who chooses it")
        if entry.get("answer", "a") not in options:
            raise ValueError(f"{place}: the answer {entry['answer']!r} is none of the options")
        said = [text for option in options.values() for text in option.values()]
        said += [*entry.get("holds", ()), *entry.get("secrets", ())]
    if wrong := [text for text in said if not isinstance(text, str) or not text.strip()]:
        raise ValueError(f"{place}: {wrong[0]!r} is no text: put it in quotes")


def read(kind, number):
    """Return all items of one kind ('exercises', 'predictions' or 'quizzes') of a lesson by name, or ValueError."""
    if type(number) is not int or number not in numbers():
        raise slip(ValueError(f"there is no lesson {number!r}; the lessons are {numbers()}"))
    return _read(kind, number)


@functools.cache
def _read(kind, number):
    entries = texts(number)[kind]
    if kind != "exercises":
        return {name: question(name, entry) for name, entry in entries.items()}
    made = importlib.import_module(f"course_lib.exercises.lesson_{number:02d}").EXERCISES
    if [exercise.name for exercise in made] != list(entries):
        raise ValueError(f"lesson {number:02d} has {[e.name for e in made]}, and texts for {list(entries)}")
    for exercise in made:
        exercise.reference.__doc__ = entries[exercise.name]["contract"].strip()
    return {exercise.name: replace(exercise, texts=entries[exercise.name]) for exercise in made}


def question(name, entry):
    """Return the Question of one entry."""
    because = {letter: option["because"] for letter, option in entry["options"].items()}
    says = {letter: option["says"] for letter, option in entry["options"].items()}
    told = {"holds": tuple(entry.get("holds", ())), "secrets": tuple(entry.get("secrets", ()))}
    return Question(name, entry["text"], says, because, entry.get("answer", ""), entry.get("read", ""), **told)


def find(kind, name):
    """Return the item called `name`; ValueError with the nearest names when there is none."""
    for number in numbers():
        if isinstance(name, str) and name in texts(number)[kind]:
            return read(kind, number)[name]
    known = sorted(name for number in numbers() for name in texts(number)[kind])
    close = difflib.get_close_matches(str(name), known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"known names: {', '.join(known)}"
    raise slip(ValueError(f"there is no {KINDS[kind]} named {name!r}; {advice}"))
