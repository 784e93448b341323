"""Help with an exercise: what your function gives on its example, its hints one by one, and its solution, folded."""

import ast
import doctest
import inspect
import sys
import textwrap

from course_lib.exercises import lessons
from course_lib.exercises.engine import name_of
from course_lib.notes.cards import Card, inline, plain, pre, show, slip

__all__ = ["hint", "solution", "solution_source", "try_it"]

_given: dict[str, int] = {}  # how many hints of an exercise this kernel has shown


def try_it(function, name=None):
    """Show what your function gives on the example of its docstring, beside what the exercise says; nothing is checked.

    The exercise is the one with the function's own name unless `name` is given. An error of your function is yours to
    see, with its traceback.
    """
    exercise = lessons.find("exercises", name or name_of(function))
    names = {**vars(sys.modules[exercise.reference.__module__]), exercise.name: function}
    for example in doctest.DocTestParser().get_examples(exercise.texts["contract"]):
        if not example.want:
            exec(example.source, names)
            continue
        asked, want, got = example.source.strip(), example.want.strip(), repr(eval(example.source, names))
        text = f"{asked}\nyours:    {got}\nexpected: {want}"
        show(Card(pre(text), text, "right" if got == want else "note"))


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
    source = solution_source(lessons.find("exercises", name).reference)
    title = f"One right answer to `{name}` (there are others)"
    body = f"<details><summary>{inline(title)}</summary>{pre(source)}</details>"
    show(Card(body, f"{title}:\n\n{source}"))


def solution_source(function):
    """Return a reference's source, after those imports of its lesson's module that it uses."""
    source = textwrap.dedent(inspect.getsource(function)).rstrip()
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    module = ast.parse(inspect.getsource(inspect.getmodule(function)))
    imports = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = [ast.unparse(node) for node in imports if used & {alias.asname or alias.name for alias in node.names}]
    return "\n".join([*sorted(lines), "", "", source] if lines else [source])
