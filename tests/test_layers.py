"""The library's shape: imports from lower levels only, public names listed, functions that one takes in at a glance."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "course_lib"
LEVELS = [
    ["kernel", "places", "intervals"],
    ["runtime"],
    ["town"],
    ["text"],
    ["model"],
    ["train"],
    ["apply"],
    ["experiments", "plots"],
    ["notes"],
    ["glass"],
    ["exercises", "doctor"],
    ["__main__"],
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
LEVEL["__init__"] = 1
ONLY_FROM_LEVEL_0 = {"plots"}  # it draws what it is given and never trains
LONGEST = 50  # lines of a function, from its name to its end
FILES = sorted(PACKAGE.rglob("*.py"))
OURS = sorted([*FILES, *PACKAGE.with_name("tools").rglob("*.py")])
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


def module(path):
    """Return the part of the package that a file belongs to: 'attention', or 'exercises' for its files."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """Yield (line, part of course_lib) for each import of the package, at the top and inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            folder = ["course_lib", *path.relative_to(PACKAGE).parts[:-1]]
            base = folder[: len(folder) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *filter(None, [node.module])])
            names = [f"{prefix}.{alias.name}" for alias in node.names] if prefix == "course_lib" else [prefix]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "course_lib" and len(parts) > 1 and parts[1] != "__version__":
                yield node.lineno, parts[1]


@each_file
def test_imports_only_from_lower_levels(path):
    name = module(path)
    assert name in LEVEL, f"{name}.py has no level yet: add it to LEVELS in {Path(__file__).name}"
    for line, other in imported(path):
        if other == name and (PACKAGE / name).is_dir():
            continue  # files of one package know each other
        assert other in LEVEL, (
            f"{path.name}:{line} imports course_lib.{other}, which is not a module of the library"
        )
        ceiling = 1 if name in ONLY_FROM_LEVEL_0 else LEVEL[name]
        assert LEVEL[other] < ceiling, (
            f"{path.name}:{line} (level {LEVEL[name]}) imports {other} (level {LEVEL[other]}): only lower"
            f" levels{' (for plots: level 0)' if name in ONLY_FROM_LEVEL_0 else ''} may be: pass values in"
        )


def functions(path):
    """Return {name: lines} of the functions of a file, without decorators and the docstring."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = node.body[0] if ast.get_docstring(node) is not None else None
            lines = node.end_lineno - node.lineno + 1 - (told.end_lineno - told.lineno + 1 if told else 0)
            found[node.name] = max(lines, found.get(node.name, 0))
    return found


def test_functions_are_taken_in_at_a_glance():
    long = {f"{path.parent.name}/{path.stem}.{name}": lines
            for path in OURS for name, lines in functions(path).items() if lines > LONGEST}  # fmt: skip
    assert not long, f"more than {LONGEST} lines without the docstring, split by concept: {long}"


def test_files_are_named_for_concepts_and_do_something():
    for path in FILES:
        assert path.stem not in ("utils", "helpers", "common", "misc"), f"{path}: name the module for its concept"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        does = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)
                and getattr(getattr(node, "targets", [None])[0], "id", "") != "__all__"]  # fmt: skip
        assert does or path.stem == "__init__", f"{path} only hands on what others define: import it from there"


@each_file
def test_public_names_are_listed_and_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{path.name} needs a docstring that says what it is for"
    if path.name == "__main__.py" or len(tree.body) == 1:
        return
    listed = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    assert listed, f"{path.name} needs __all__: the names that others may use"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in listed[0]:
            assert ast.get_docstring(node), f"{path.name}: {node.name} is public and needs a docstring"


@each_file
def test_has_no_star_import(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), (
                f"{path.name}:{node.lineno} imports *: name the names"
            )


def test_importing_the_package_imports_nothing_heavy():
    heavy = "torch", "transformers", "numpy", "matplotlib"
    code = f"import sys, course_lib, course_lib.runtime; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
