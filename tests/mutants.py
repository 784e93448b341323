"""Mutate a function: each mutant is the function with one small change. `python tests/mutants.py 03` lists survivors.

The changes: comparisons and arithmetic turned, constants (axes among them) one up and one down, conditions negated,
arguments swapped, a part of `and`, `or`, `&`, `|` dropped, a method call dropped, a statement or a branch dropped.
"""

import ast
import copy
import inspect
import sys
import textwrap
import time
from pathlib import Path

import yaml

LISTED = Path(__file__).with_suffix(".yaml")
TURNED = {
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.In: [ast.NotIn],
    ast.NotIn: [ast.In], ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Add], ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Div], ast.Mod: [ast.FloorDiv], ast.Pow: [ast.Mult], ast.MatMult: [ast.Mult],
    ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd], ast.And: [ast.Or], ast.Or: [ast.And],
}  # fmt: skip


def changes(node):
    """Yield what may stand in the place of a node."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in TURNED.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.BinOp):
        for other in TURNED.get(type(node.op), ()):
            yield ast.BinOp(node.left, other(), node.right)
        yield from (node.left, node.right)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(TURNED[type(node.op)][0](), node.values)
        yield from node.values
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int | float):
            yield from (ast.Constant(node.value + 1), ast.Constant(node.value - 1))
        elif isinstance(node.value, str):
            yield ast.Constant(node.value + "x")
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.Call):
        if len(node.args) > 1:
            yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
        for keyword in node.keywords:
            yield ast.Call(node.func, node.args, [other for other in node.keywords if other is not keyword])
        if isinstance(node.func, ast.Attribute):
            yield node.func.value
        elif len(node.args) == 1:
            yield node.args[0]
    elif isinstance(node, ast.Slice):
        for part in ("lower", "upper", "step"):
            if getattr(node, part) is not None:
                yield ast.Slice(**{"lower": node.lower, "upper": node.upper, "step": node.step, part: None})
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield ast.comprehension(node.target, node.iter, [], node.is_async)
    elif isinstance(node, ast.If | ast.While):
        yield type(node)(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        yield ast.Pass()
    elif isinstance(node, ast.Expr | ast.Assign | ast.AugAssign | ast.For) and not is_docstring(node):
        yield ast.Pass()


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def mutants(function):
    """Yield (what was changed, the mutant) for every change of a plain function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    tree.body[0].body = [node for node in tree.body[0].body if not is_docstring(node)]
    for number, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.arguments | ast.arg):
            continue
        for change in changes(node):
            copied = copy.deepcopy(tree)
            there = list(ast.walk(copied))[number]
            Replace(there, copy.deepcopy(change)).visit(copied)
            before, after = ast.unparse(node), ast.unparse(change)
            if before == after:
                continue
            space = dict(function.__globals__)
            try:
                exec(compile(ast.fix_missing_locations(copied), "<mutant>", "exec"), space)
            except (SyntaxError, ValueError):
                continue
            yield f"{' '.join(before.split())} -> {' '.join(after.split())}", space[function.__name__]


class Replace(ast.NodeTransformer):
    """Put a node in the place of another."""

    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else super().visit(node)


def survivors(exercise):
    """Return the changes to an exercise's reference that its check does not notice."""
    from course_lib.exercises.engine import verdict

    return [name for name, mutant in mutants(exercise.reference) if verdict(mutant, exercise).status == "right"]


def listed():
    """Return {exercise: {change: why no input of the domain can show it}}."""
    return yaml.safe_load(LISTED.read_text(encoding="utf-8")) or {}


def main(number):
    from course_lib.exercises import lessons, sandbox

    sandbox.SECONDS = 0.5
    for name, exercise in lessons.read("exercises", number).items():
        start = time.perf_counter()
        total, alive = sum(1 for _ in mutants(exercise.reference)), survivors(exercise)
        print(f"{name}: {total} mutants, {len(alive)} survive, {time.perf_counter() - start:.1f} s")
        for change in alive:
            print(f"    {change}    {listed().get(name, {}).get(change, '')}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
