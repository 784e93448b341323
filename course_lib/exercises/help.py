"""Help with an exercise: its hints, one after the other, and its solution, folded."""

import ast
import inspect
import sys
import textwrap

from course_lib.exercises import lessons
from course_lib.notes.cards import Card, inline, plain, pre, show, slip

__all__ = ["hint", "solution", "solution_source"]

_given: dict[str, int] = {}  # how many hints of an exercise this kernel has shown


def hint(name, number=None):
    """Show a hint: the next one at every call, or the one with this number (from 1), folded."""
    hints = lessons.find("exercises", name).texts["hints"]
    total, is_open = len(hints), " open" if number is None else ""
    if number is None:
        number = _given[name] = min(_given.get(name, 0) + 1, total)
    if type(number) is not int or not 1 <= number <= total:
        raise slip(ValueError(f"hint {number!r} of {name}: its hints are numbered 1 to {total}"))
    title, text = f"Hint {number} of {total}", hints[number - 1]
    last = f'That was the last hint; `solution("{name}")` shows one right answer.' if number == total else ""
    content = inline(text) + (f"<br><i>{inline(last)}</i>" if last else "")
    body = f"<details{is_open}><summary>{title}</summary>{content}</details>"
    show(Card(body, f"{title}: {plain(text)}" + (f"\n{last}" if last else "")))


def solution(name):
    """Show one right answer, folded, with the imports that it needs."""
    source = solution_source(lessons.find("exercises", name))
    title = f"One right answer to `{name}` (there are others)"
    body = f"<details><summary>{inline(title)}</summary>{pre(source)}</details>"
    show(Card(body, f"{title}:\n\n{source}"))


def solution_source(exercise):
    """Return the reference's source under the exercise's name, after the imports that it needs.

    ValueError when learners could not run it: no plain function, or one with a helper they cannot import.
    """
    function = inspect.unwrap(exercise.reference)
    source = textwrap.dedent(inspect.getsource(function)).rstrip()
    try:
        (definition,) = ast.parse(source).body
    except (SyntaxError, ValueError):
        definition = None
    if not isinstance(definition, ast.FunctionDef):
        raise ValueError(f"the reference of {exercise.name} is no plain function (def ...), to be shown as a solution")
    source = source.replace(f"def {function.__name__}(", f"def {exercise.name}(", 1)
    known = function.__globals__
    names = sorted(name for name in names_from_outside(definition) if name in known)
    lines = [import_line(exercise, name, known[name]) for name in names if known[name] is not exercise.reference]
    return "\n".join([*lines, "", "", source] if lines else [source])


def names_from_outside(definition):
    """Return the names that a function reads and does not set itself."""
    nodes = list(ast.walk(definition))
    named = [node for node in nodes if isinstance(node, ast.Name)]
    own = {node.id for node in named if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return {node.id for node in named} - own


def import_line(exercise, name, value):
    """Return the import that gives a learner this global of the reference."""
    if inspect.ismodule(value):
        module, _, last = value.__name__.rpartition(".")
        if module and last == name:
            return f"from {module} import {name}"
        return f"import {value.__name__}" + (f" as {name}" if value.__name__ != name else "")
    module, original = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not module or not original or original.startswith("_") or module.startswith("course_lib.exercises"):
        raise ValueError(f"the reference of {exercise.name} uses `{name}`, which learners cannot import")
    top = module.partition(".")[0]
    if getattr(sys.modules.get(top), original, None) is value:
        module = top  # from transformers import BertModel, not from its inner module
    return f"from {module} import {original}" + (f" as {name}" if original != name else "")
