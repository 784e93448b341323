"""Check a learner's function against a reference, and recognise the usual mistakes.

What a lesson module writes (lesson_00.py is a complete small one):

    import torch
    from course_lib.exercises.engine import Exercise, Mistake
    from course_lib.exercises.questions import Question, Quiz

    TITLE = "Attention masks"

    def causal(T):  # the reference, which solution("causal") shows: it uses no helper of the lesson module
        return torch.ones(T, T).tril().bool()

    def causal_cases():  # tuples of arguments, the smallest first; the same ones at every call
        yield (1,)
        yield (4,)

    EXERCISES = (
        Exercise(
            name="causal", lesson=3, minutes=5, difficulty=1,  # difficulty 1 (easy) to 3 (hard)
            reference=causal,
            cases=causal_cases,
            mistakes=(  # at least 3; each message is its own and completes "Not yet, because ..."
                Mistake("upper half", lambda T: torch.ones(T, T).triu().bool(),
                        "your mask shows the future instead of the past: rows are those who look."),
            ),
            hints=("Draw 4 rows by hand first.", "`Tensor.tril` keeps the lower triangle."),  # at least 2
            alternatives=(lambda T: torch.arange(T)[:, None] >= torch.arange(T),),  # other right answers
            # compare=...  (got, expected, *args) -> None if right, else the reason; values.same if left out
        ),
    )
    QUESTIONS = (Question(name="causal-leak", lesson=3, text="...", options={"a": "...", "b": "..."},
                          because={"a": "one sentence", "b": "one sentence"}),)
    QUIZZES = (Quiz(name="mask-or-pad", lesson=3, text="...", options={"a": "...", "b": "..."}, answer="a",
                    because={"a": "why right", "b": "why not"}),)

What the notebook shows:

    def causal(T):
        \"""The full task, with shapes.\"""
        return reference("causal")(T)  # <- replace this line

    check(causal)          # not attempted | right | not yet, because ...
    hint("causal", 1)      # without the number: the next hint at every call
    solution("causal")

Random functions take their generator as an argument (torch.Generator, numpy's or random.Random; each
run gets its own copy). Their `compare` uses `values.within_binomial`, and their mistakes have a `symptom`: a
function of all outcomes [(args, got), ...] that says whether the mistake shows, as equal outputs cannot be
asked for. Where the reference raises an error, the learner's function is asked for the same kind of error.
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from course_lib.exercises import registry, runs, values
from course_lib.exercises.show import Card, inline, plain, pre, show, slip
from course_lib.exercises.store import now, record

__all__ = ["Exercise", "Mistake", "Verdict", "check", "reference", "verdict"]

LEADS = {"right": "Right: ", "not attempted": "Not attempted yet: ", "not yet": "Not yet, because "}


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer: a function with the mistake, and the message for a learner who made it."""

    name: str
    function: Callable
    message: str  # completes "Not yet, because ..."
    symptom: Callable | None = None  # for random functions: outcomes [(args, got), ...] -> bool


@dataclass(frozen=True)
class Exercise:
    """One exercise with all that its check needs; see the example at the top of this module."""

    name: str
    lesson: int
    minutes: int
    difficulty: int
    reference: Callable
    cases: Callable
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    alternatives: tuple[Callable, ...] = ()
    compare: Callable = values.same


@dataclass(frozen=True)
class Verdict:
    """What a check found: status 'right', 'not attempted' or 'not yet', the reason and what to look at."""

    name: str
    status: str
    message: str
    details: tuple[tuple[str, str], ...] = ()  # (label, preformatted text): input, expected, got
    mistake: str = ""  # the name of the recognised mistake

    def card(self):
        """Return the verdict for the page, with the same in plain text."""
        lead = LEADS[self.status]
        body = f"<b>{lead}</b>{inline(self.message)}"
        text = lead + plain(self.message)
        if self.details:
            rows = [(label, inline if label == "difference" else pre, shown) for label, shown in self.details]
            cells = "".join(
                # no stripes: what is preformatted would stand in a box of the page's colour
                f'<tr style="background:none"><th scope="row" style="text-align:left;vertical-align:top">'
                f'{inline(label)}</th>'
                f'<td style="text-align:left">{render(shown)}</td></tr>'
                for label, render, shown in rows
            )
            body += f"<table>{cells}</table>"
            for label, shown in self.details:
                text += f"\n  {label}: " + (
                    shown if "\n" not in shown else "\n" + textwrap.indent(shown, "    ")
                )
        return Card(body, text, {"not attempted": "open"}.get(self.status, self.status))


def check(function, name=None):
    """Say whether your function is right, and if not, where it first differs and what may be the cause.

    The exercise is the one with the function's own name unless `name` is given. A right answer is recorded.
    """
    exercise = registry.find("EXERCISES", name or name_of(function))
    result = verdict(function, exercise)
    show(result.card())
    if result.status != "not attempted":
        record("exercises", exercise.name, lambda old: attempt(old or {}, result.status == "right"))


def attempt(entry, right):
    """Return the progress entry after one more attempt."""
    entry = {**entry, "tries": entry.get("tries", 0) + 1}
    if right and not entry.get("right"):
        entry["right"] = now()
    return entry


def name_of(function):
    """Return the function's name; errors say what check() wants."""
    if not callable(function):
        text = (
            f"check() takes your function itself, without brackets or quotes, as in check(my_function); "
            f"this is {values.kind_of(function)}: {values.brief(function)}"
        )
        raise slip(TypeError(text))
    name = getattr(function, "__name__", "<lambda>")
    if name == "<lambda>":
        text = 'this function has no name; say which exercise it answers: check(function, "its_name")'
        raise slip(ValueError(text))
    return name


def verdict(function, exercise):
    """Return the Verdict on a function without showing or recording anything."""
    cases = list(exercise.cases())
    outcomes, first = [], None
    for args in cases:
        names = runs.arguments(exercise.reference, args)
        got = runs.run(function, args, exercise.name, names)
        if got.delegated:
            call = f'reference("{exercise.name}")'
            message = (
                f"the function still calls `{call}`. Put your own lines there, then run both cells again."
            )
            return Verdict(exercise.name, "not attempted", message)
        if first is None:
            expected = runs.run(exercise.reference, args, exercise.name, names)
            problem = difference(exercise, args, got, expected)
            if problem:
                first = (args, names, got, expected, problem)
        outcomes.append((args, got))
    if first is None:
        where = f" on all {len(cases)} inputs" if len(cases) > 1 else ""
        return Verdict(exercise.name, "right", f"your function gives what is asked for{where}.")
    args, names, got, expected, problem = first
    found = recognised(exercise, outcomes)
    details = [("first input that differs", described(exercise.name, names, args))]
    if got.error is None and expected.error is None and not got.mutated:
        details += [("asked for", brief(expected.value)), ("yours", brief(got.value))]
    if found is None:
        return Verdict(exercise.name, "not yet", problem, tuple(details))
    if not got.mutated:  # then the mistake's message says it already
        details.append(("difference", problem))
    return Verdict(exercise.name, "not yet", found.message, tuple(details), found.name)


def difference(exercise, args, got, expected):
    """Return in words what is wrong with one outcome, or None."""
    if got.error is not None:
        if expected.error is not None and isinstance(got.error, type(expected.error)):
            return None
        where = f" in your line `{got.line}`" if got.line else ""
        wanted = f", not {type(expected.error).__name__}" if expected.error is not None else ""
        return f"it raises {type(got.error).__name__}{wanted}{where}: {first_line(got.error)}"
    if expected.error is not None:
        kind = type(expected.error).__name__
        returned = f"but yours returns {brief(got.value)}"
        return f"this input should raise {kind} ({first_line(expected.error)}), {returned}."
    spoilt = [f"`{name}`" for name in got.mutated if name not in expected.mutated]
    if spoilt:
        return (
            f"it changes its input {' and '.join(spoilt)} in place: the caller's data are spoilt. "
            "Work on a copy, or build a new value."
        )
    try:
        return exercise.compare(got.value, expected.value, *args)
    except Exception as error:  # a comparison written for right types, given a learner's anything
        reason = f"what it returns cannot be compared ({type(error).__name__}: {first_line(error)})."
        try:
            return values.same(got.value, expected.value) or reason
        except Exception:  # nor with another comparison: a sparse tensor, an object whose == raises
            return reason


def recognised(exercise, outcomes):
    """Return the known mistake that gives the same outcomes on every input, or None."""
    for mistake in exercise.mistakes:
        if mistake.symptom is not None:
            try:
                shows = mistake.symptom([(args, got.value) for args, got in outcomes if got.error is None])
            except Exception:  # a symptom written for right types, given a learner's anything
                shows = False
            if shows:
                return mistake
        elif all(alike(exercise, mistake, args, got) for args, got in outcomes):
            return mistake
    return None


def alike(exercise, mistake, args, got):
    """Return whether a known mistake does the same as the learner's function on this input."""
    theirs = runs.run(mistake.function, args, exercise.name, runs.arguments(exercise.reference, args))
    if (got.error is None) != (theirs.error is None) or got.mutated != theirs.mutated:
        return False
    if got.error is not None:
        return type(got.error) is type(theirs.error)
    try:
        if values.same(got.value, theirs.value) is None:
            return True
        # what counts as the same answer here may be wider than equal values (min and -inf in a mask)
        return exercise.compare(got.value, theirs.value, *args) is None
    except Exception:  # a comparison written for right types, given a learner's anything
        return False


def brief(value):
    """Return a short description of what a learner's function returned, even of what cannot describe itself."""
    try:
        return values.brief(value)
    except Exception:
        return f"{type(value).__name__}(...)"


def first_line(error):
    """Return the first line of an error's text, shortened."""
    try:
        text = (str(error).strip() or "no message").splitlines()[0]
    except Exception:  # an error of the learner's own whose text is another error
        text = "no message"
    return text if len(text) <= 160 else text[:157] + "..."


def described(name, names, args):
    """Return the call as text, name(lengths=[2, 3], T=4); an argument of several lines stands on its own."""
    parts = [f"{label}={values.brief(value)}" for label, value in zip(names, args, strict=True)]
    if not any("\n" in part for part in parts):
        return f"{name}({', '.join(parts)})"
    lines = [part.replace("\n", "\n" + " " * (part.index("=") + 1)) for part in parts]
    return f"{name}(\n" + "".join(textwrap.indent(line, "  ") + ",\n" for line in lines) + ")"


def reference(name):
    """Return the reference answer of an exercise, for the line that you are going to replace."""
    return runs.delegating(name, registry.find("EXERCISES", name).reference)
