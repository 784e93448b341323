"""Check a learner's function against a reference, and recognise the usual mistakes.

An exercise stands in lesson_NN.py, its texts in lesson_NN.yaml under the reference's name (lesson_00 is a small pair);
the contract there becomes the reference's docstring, and stands word for word in the notebook:

    def causal(T):  # the reference
        return torch.ones(T, T).tril().bool()

    EXERCISES = (
        Exercise(causal, inputs=lambda d: (d.integer(1, 9),),        # the whole domain at random (inputs.Draw)
                 edges=[(1,), (4,)], mistakes={                      # always tried, the most telling first
            "upper half": lambda T: torch.ones(T, T).triu().bool(),  # its message stands in the YAML
        }),
    )

`trains`: the answer is a loss, whose gradients must agree too. `trial` and `judge`: for functions that take a
generator. `trial(seed)` returns arguments so large that no two seeds give the same result; judge([(args, got), ...])
on a few of them returns None, or what the counts show: text, or (the name of a mistake, {numbers for its message}).
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from course_lib.exercises import compare, inputs, lessons, sandbox
from course_lib.exercises.compare import brief
from course_lib.exercises.verdicts import Verdict, described
from course_lib.notes.cards import show, slip
from course_lib.notes.progress import now, record

__all__ = ["Exercise", "check", "reference", "verdict"]

SECONDS = 2.0  # of work on drawn inputs, on making a failing one smaller, and on recognising a mistake
TRIALS = 3
NO_GRADIENT = (
    "the number is right, but nothing can be trained with it: it does not hang on the inputs any more. `.item()`, "
    "`.detach()`, `float(...)` and numpy cut a loss off, and `.backward()` uses it up; return the tensor itself."
)
SAME_FOR_ALL = (
    "two generators with different seeds give the same result. Hand `generator` on to every random function, and seed "
    "nothing yourself."
)
RESEEDED = (
    "called twice with one generator it gives the same result both times, so that every batch is treated alike: "
    "something seeds the generator anew, or works on a copy. Just draw from it."
)
UNREPEATABLE = "two generators in the same state give different results: some of its randomness comes from elsewhere."


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise with all that its check needs; see the example at the top of this module."""

    reference: Callable
    inputs: Callable
    edges: list
    mistakes: dict[str, Callable]
    compare: Callable | None = None  # of another answer: (got, expected, *args) -> None if it is right too, or why not
    trains: bool = False
    trial: Callable | None = None
    judge: Callable | None = None
    texts: dict = field(default_factory=dict)

    @property
    def name(self):
        return self.reference.__name__

    @functools.cached_property
    def samples(self):
        """The inputs of a check: all edges, then 100 drawn ones."""
        return [*self.edges, *inputs.sample(self.inputs)]

    def run(self, function, args):
        """Return the Outcome of a function in the reference's place."""
        return sandbox.run(function, args, self.reference, self.trains)

    def tried(self, function, args):
        """Return a function's Outcome, the reference's, and in words what is wrong, or None."""
        got, expected = self.run(function, args), self.run(self.reference, args)
        return got, expected, difference(self, args, got, expected)


def check(function, name=None):
    """Say whether your function is right, and if not, where it first differs and what may be the cause.

    The exercise is the one with the function's own name unless `name` is given. A right answer is recorded.
    """
    exercise = lessons.find("exercises", name or name_of(function))
    try:
        result = verdict(function, exercise)
    except KeyboardInterrupt:
        raise slip(KeyboardInterrupt("you stopped the check; nothing is recorded")) from None
    show(result.card())
    if result.status != "not attempted":
        record("exercises", exercise.name, lambda old: attempt(old or {}, result.status == "right"))


def attempt(entry, right):
    """Return the progress entry after one more attempt."""
    entry = {**entry, "tries": entry.get("tries", 0) + 1}
    return {**entry, "right": now()} if right and not entry.get("right") else entry


def name_of(function):
    """Return the function's name; errors say what check() wants."""
    if not callable(function):
        text = (
            f"check() takes your function itself, without brackets or quotes, as in check(my_function); "
            f"this is {compare.kind_of(function)}: {brief(function)}"
        )
        raise slip(TypeError(text))
    name = getattr(function, "__name__", "<lambda>")
    if name == "<lambda>":
        text = 'this function has no name; say which exercise it answers: check(function, "its_name")'
        raise slip(ValueError(text))
    return name


def reference(name, *inputs):
    """Return the reference answer of an exercise, for the line that you are going to replace."""
    if inputs or not isinstance(name, str):
        text = (
            "reference() takes the exercise's name alone, in quotes; inputs go in brackets of their own, "
            'as in reference("name")(x)'
        )
        raise slip(TypeError(text))
    return sandbox.delegating(lessons.find("exercises", name).reference)


@sandbox.undisturbed()
def verdict(function, exercise):
    """Return the Verdict on a function without showing or recording anything."""
    count, over = 0, sandbox.timer(SECONDS)
    for args in exercise.samples:
        drawn = count >= len(exercise.edges)
        if drawn and over():
            break
        count += 1
        got, expected, problem = exercise.tried(function, args)
        if got.delegated:
            call = f'reference("{exercise.name}")'
            text = f"the function still calls `{call}`. Put your own lines in its place, then run the cell again."
            return Verdict(exercise.name, "not attempted", text)
        if problem:
            failing = (args, got, expected, problem)
            if drawn and not isinstance(got.error, sandbox.TooLong):
                failing = smaller(function, exercise, failing)
            return explained(function, exercise, *failing)
    if exercise.trial and (found := misdrawn(function, exercise)):
        return found
    return Verdict(exercise.name, "right", f"your function gives what is asked for on all {count} inputs.")


def smaller(function, exercise, failing):
    """Return the smallest failing input that can be found in time, with its outcomes and what is wrong."""
    found, over = [failing], sandbox.timer(SECONDS)

    def fails(args):
        if over():
            return False
        outcome = exercise.tried(function, args)
        if outcome[-1]:
            found.append((args, *outcome))
        return bool(outcome[-1])

    inputs.search(exercise.inputs, fails)
    return found[-1]


def explained(function, exercise, args, got, expected, problem):
    """Return the Verdict on a wrong answer: the mistake if it is a known one, and the input that shows it."""
    details = [("input", described(exercise.reference, args))]
    if got.error is None and not got.mutated:
        asked = "one right answer" if exercise.trial else "asked for"
        details += [(asked, brief(expected.value)), ("yours", brief(got.value))]
    if got.printed.strip():
        details.append(("printed", got.printed.strip()[:500]))
    name = "" if isinstance(got.error, sandbox.TooLong) else recognised(function, exercise, args)
    if name and not got.mutated:  # else the mistake's message says it already
        details.append(("difference", problem))
    return Verdict(exercise.name, "not yet", exercise.texts["mistakes"].get(name, problem), tuple(details), name)


def difference(exercise, args, got, expected):
    """Return in words what is wrong with one outcome, or None."""
    if isinstance(got.error, sandbox.TooLong):
        return f"it does not end: stopped after {sandbox.SECONDS:g} seconds. Which condition should end its loop?"
    if got.error is not None:
        where = f" in your line `{got.line}`" if got.line else ""
        return f"it raises {type(got.error).__name__}{where}: {compare.first_line(got.error)}"
    if got.mutated:
        names = " and ".join(f"`{name}`" for name in got.mutated)
        return f"it changes its input {names} in place: the caller's data are spoilt. Work on a copy, or build anew."
    if exercise.trial and got.touched:
        return f"it draws from {got.touched} global generator, so that the caller's seed does not decide its result."
    problem = compared(exercise, got.value, expected.value, args)
    if problem or not exercise.trains:
        return problem
    if got.gradients is None:
        return NO_GRADIENT
    slope = compare.same(got.gradients, expected.gradients)
    return slope and f"its value is right, but its gradient is not: {slope}"


def compared(exercise, got, expected, args):
    """Return why a value is no right answer, or None."""
    problem = compare.same(got, expected)
    if problem is None or exercise.compare is None:
        return problem
    try:
        return exercise.compare(got, expected, *args)
    except Exception:  # it is written for right types, and given a learner's anything
        return problem


def recognised(function, exercise, failing):
    """Return the name of the known mistake that does the same on this input and 40 others, or ''."""
    left, over = list(exercise.mistakes), sandbox.timer(SECONDS)
    for args in [failing, *exercise.samples[:40]]:
        if not left or over():
            break
        got = exercise.run(function, args)
        left = [name for name in left if alike(exercise, args, got, exercise.run(exercise.mistakes[name], args))]
    return left[0] if left else ""


def alike(exercise, args, got, theirs):
    """Return whether a known mistake does the same as the learner's function on this input."""
    sorts = [(type(one.error), one.mutated, one.gradients is None, one.touched) for one in (got, theirs)]
    if sorts[0] != sorts[1] or got.error is not None:
        return sorts[0] == sorts[1]
    problem = compared(exercise, got.value, theirs.value, args) or compare.same(got.gradients, theirs.gradients)
    return problem is None


def misdrawn(function, exercise):
    """Return the Verdict on a random function that is wrong in its randomness, or None."""

    def said(message, name=""):
        return Verdict(exercise.name, "not yet", message, (), name)

    trials, outcomes = [exercise.trial(seed) for seed in (*range(TRIALS), 0)], []
    for args in trials:
        got, _, problem = exercise.tried(function, args)
        outcomes.append(got)
        if problem:
            return said(f"on a large input: {problem}")
    *values, again = [got.value for got in outcomes]
    if compare.same(again, values[0]):
        return said(UNREPEATABLE)
    if compare.same(*values[:2]) is None:
        return said(SAME_FOR_ALL)
    twice = exercise.run(lambda *args: [copy.deepcopy(function(*args)) for _ in "12"], trials[0]).value
    if twice and compare.same(*twice) is None:
        return said(RESEEDED)
    seen = exercise.judge(list(zip(trials, values, strict=False)))  # without the last
    if isinstance(seen, tuple):
        name, numbers = seen
        return said(exercise.texts["mistakes"][name].format(**numbers), name)
    return said(seen) if seen else None
