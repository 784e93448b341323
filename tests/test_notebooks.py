"""The anatomy of every notebook: executed, small cells, compared strictly, figures with alt text.

Each failure names the notebook and the cell and says what the author should do.
"""

import ast
import functools
import html.parser
import re
import statistics
import symtable
from pathlib import Path

import nbformat
import pytest

from course_lib.exercises import lessons
from course_lib.notes import interview, working_copy
from tools import bake

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if not path.name.startswith("00")]
FULL_LESSONS = [path for path in LESSONS if int(path.name[:2]) >= 3]
SECOND_EDITION = [path for path in NOTEBOOKS if path.name[:2] in ("00", "03", "04")]  # the anatomy of design's second
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# A decimal that is a name rather than a measurement: an arXiv number, a section, a version.
NAMED_DECIMAL = re.compile(
    r"arXiv[: ]\s*\d{4}\.\d{4,5}(v\d+)?"
    r"|(§+|\b(sections?|sec\.|figures?|fig\.|tables?|appendix|equations?|eq\.|chapters?))\s*\d+(\.\d+)+"
    r"|\b(Python|torch|PyTorch|transformers|JupyterLab|version|CC[ -]BY)\s*v?\d+(\.\d+)+\+?",
    re.IGNORECASE,
)
LOCAL_PATH = re.compile(
    r"(?<![\w/.<])/(home|Users|root|tmp|work|private|var/folders|opt|mnt)/\w|\b[A-Z]:\\\w"
)

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
each_rebuilt = pytest.mark.parametrize("path", SECOND_EDITION, ids=lambda path: path.stem)
each_full_lesson = pytest.mark.parametrize("path", FULL_LESSONS, ids=lambda path: path.stem)


@functools.cache
def load(path):
    """Read a notebook once, as learners see it; tests only look at it."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = working_copy.for_learners(notebook.cells)
    return notebook


def code_cells(path):
    """Return [(label, cell)] for the code cells; the label is what a message shows."""
    cells = [cell for cell in load(path).cells if cell.cell_type == "code"]
    return [(f"code cell {n} ({first_line(cell)!r})", cell) for n, cell in enumerate(cells)]


def first_line(cell):
    return (cell.source.strip().splitlines() or [""])[0][:60]


def markdown(path):
    return "\n\n".join(cell.source for cell in load(path).cells if cell.cell_type == "markdown")


def tags(cell):
    return cell.metadata.get("tags", [])


def rendered(cell):
    """Return [(kind, text)] of everything textual that a cell shows."""
    shown = []
    for output in cell.outputs:
        if output.output_type == "stream":
            shown.append((output.name, output.text))
        elif "data" in output:
            shown += [(kind, value) for kind, value in output.data.items() if isinstance(value, str)]
    return shown


def size(cell):
    """Count non-blank lines; an exercise's docstring is its question, so only the other lines count there."""
    lines = {number for number, line in enumerate(cell.source.splitlines(), 1) if line.strip()}
    if "exercise" in tags(cell):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
                lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def asked_in_interviews(path):
    """Return the questions that the notebook shows under its heading 'In an interview'."""
    call = f"interview.show({int(path.name[:2])})"
    shown = any(call in cell.source for _, cell in code_cells(path))
    return interview.load()[int(path.name[:2])] if shown and "In an interview" in markdown(path) else ()


class Images(html.parser.HTMLParser):
    """Collect the attributes of every <img>."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found.append(dict(attributes))


# --- the file ----------------------------------------------------------------------------------------------


def test_there_are_notebooks():
    assert NOTEBOOKS, "notebooks/ is empty"


@each_notebook
def test_is_valid_nbformat_4_5_with_unique_ids(path):
    notebook = load(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5), "save it as nbformat 4.5: make bake"
    ids = [cell.get("id") for cell in notebook.cells]
    assert all(ids) and len(set(ids)) == len(ids), "each cell needs an id of its own: make bake"


@each_notebook
def test_is_baked(path):
    found = bake.problems(path)
    assert not found, f"{'; '.join(found)}. Run: make bake ARGS=notebooks/{path.name}"


@each_notebook
def test_is_executed_in_order_without_errors(path):
    counts = [cell.execution_count for _, cell in code_cells(path) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1)), (
        f"execution counts are {counts}: run it from a fresh kernel, top to bottom (make bake)"
    )
    for label, cell in code_cells(path):
        errors = [output.ename for output in cell.outputs if output.output_type == "error"]
        assert not errors, (
            f"{label} ends in {errors[0]}: catch the exception in the cell and print its message"
        )


@each_notebook
def test_outputs_hold_nothing_of_one_machine(path):
    notebook = load(path)
    assert "widgets" not in notebook.metadata, "widget state is stored: make bake"
    for label, cell in code_cells(path):
        for kind, text in rendered(cell):
            assert not kind.startswith("application/vnd.jupyter.widget"), (
                f"{label} stores a widget view: make bake"
            )
            assert kind != "stderr", (
                f"{label} writes to stderr: {text[:200]!r}. Silence the cause or catch it"
            )
            found = None if "base64" in text else LOCAL_PATH.search(text)
            assert not found, (
                f"{label} shows a path of one machine, {text[found.start() :][:60]!r}: print its name only"
            )
            assert "device(type=" not in text, (
                f"{label} shows the device: assign it (device = runtime.setup())"
            )
            assert not re.search(r" at 0x[0-9a-f]{6,}", text), (
                f"{label} shows an object's address ({text[:80]!r}): assign the last value (_ = ...)"
            )
    for cell in notebook.cells:
        found = LOCAL_PATH.search(cell.source)
        assert not found, (
            f"{first_line(cell)!r} holds a path of one machine: {cell.source[found.start() :][:60]!r}"
        )


# --- code cells --------------------------------------------------------------------------------------------


@each_notebook
def test_setup_cell_is_short(path):
    label, cell = code_cells(path)[0]
    assert size(cell) <= 12, (
        f"{label} has {size(cell)} lines: a setup cell has at most 12; import later what comes later"
    )


@each_notebook
def test_an_exercise_is_written_and_checked_in_one_cell_then_come_hint_and_solution(path):
    """So the check on screen is never older than the answer above it."""
    sources = [cell.source for _, cell in code_cells(path)]
    for at, source in enumerate(sources):
        if asked := re.search(r'return reference\("(\w+)"\)', source):
            name = asked[1]
            assert source.endswith(f"\n\n\ncheck({name})"), f"{name}: put check({name}) below the function, in its cell"
            after = [source for source in sources[at + 1 : at + 4] if source != f"try_it({name})"]
            assert after[:2] == [f'hint("{name}", 1)', f'solution("{name}")'], name


@each_notebook
def test_cells_are_small(path):
    sizes = sorted((size(cell), label) for label, cell in code_cells(path))
    numbers = [lines for lines, _ in sizes]
    p90 = numbers[int(len(numbers) * 0.9)] if len(numbers) > 1 else numbers[0]
    largest = "; ".join(f"{label}: {lines}" for lines, label in sizes[-4:])
    advice = f"split cells, one idea each, or import what the reader has already built. Largest: {largest}"
    assert numbers[-1] <= 25, f"a cell of {numbers[-1]} lines (at most 25): {advice}"
    assert p90 <= 12, f"90% of the cells must have 12 lines or fewer, not {p90}: {advice}"
    assert statistics.median(numbers) <= 4, (
        f"the median cell has {statistics.median(numbers)} lines, not 4: {advice}"
    )


@each_notebook
def test_outputs_are_compared_strictly(path):
    with_outputs = [(label, cell) for label, cell in code_cells(path) if cell.outputs]
    loose = [(label, cell) for label, cell in with_outputs if is_loose(cell)]
    share = 1 - len(loose) / max(1, len(with_outputs))
    assert share >= 0.8, (
        f"only {share:.0%} of the cells with outputs are compared (at least 80%): make them the same on "
        f"every machine (counts, shapes, verdicts, rounded numbers): {[label for label, _ in loose]}"
    )


@each_notebook
def test_cells_that_are_not_compared_assert_their_claim(path):
    for label, cell in code_cells(path):
        assert "nbval-skip" not in tags(cell) and "NBVAL_SKIP" not in cell.source, (
            f"{label}: no cell may be skipped"
        )
        assert "raises-exception" not in tags(cell), (
            f"{label}: catch the exception and print it instead (nbval lets it pass)"
        )
        if is_loose(cell):
            nodes = [*ast.walk(ast.parse(cell.source))]
            told = [n.args[0].value for n in nodes if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "reveal"]
            asserted = any(isinstance(node, ast.Assert) for node in nodes)
            assert asserted or any(lessons.find("predictions", name).holds for name in told), (
                f"{label} is not compared, so it must assert its claim, with a band that seeds justify"
            )


def is_loose(cell):
    return "nbval-ignore-output" in tags(cell) or "NBVAL_IGNORE_OUTPUT" in cell.source


@each_notebook
def test_a_function_keeps_its_name(path):
    lost = clashes([(label, cell.source) for label, cell in code_cells(path)])
    assert not lost, (
        f"a cell that is run again after Run All finds another thing under a function's name: {lost}; rename one"
    )


def clashes(cells):
    """Return {name of a function or class: [labels]} where another cell binds the same name, too."""
    bound, functions = {}, set()
    for label, source in cells:
        functions |= {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        for symbol in symtable.symtable(source, label, "exec").get_symbols():  # a comprehension's names are its own
            if symbol.is_assigned() or symbol.is_imported():
                bound.setdefault(symbol.get_name(), []).append(label)
    return {name: bound[name] for name in sorted(functions) if len(bound[name]) > 1}


# --- figures -----------------------------------------------------------------------------------------------


@each_notebook
def test_figures_have_alt_text(path):
    for label, cell in code_cells(path):
        described = any(kind == "text/html" and "<img" in text for kind, text in rendered(cell))
        for kind, text in rendered(cell):
            assert described or not kind.startswith("image/"), (
                f"{label} shows a bare {kind}: return plots.figure(fig, alt=...) instead"
            )
            for image in Images(text).found if kind == "text/html" else []:
                check_alt(label, image)
    for image in Images(markdown(path)).found:
        check_alt("a markdown cell", image)
    for alt in re.findall(r"!\[(.*?)\]\(", markdown(path)):
        check_alt("a markdown cell", {"alt": alt})


def check_alt(label, image):
    alt = (image.get("alt") or "").strip()
    assert len(alt) >= 15 and " " in alt, f"{label}: the alt text {alt!r} does not say what the figure shows"


# --- the text ----------------------------------------------------------------------------------------------


@each_notebook
def test_title_asks_a_question(path):
    first = load(path).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# "), (
        "the first cell must be a '# ' title"
    )
    if path in LESSONS:
        assert "?" in first_line(first), f"the title {first_line(first)!r} must ask the lesson's question"


@each_lesson
def test_has_the_sections_of_a_lesson(path):
    text = markdown(path)
    opening = "\n".join(cell.source for cell in load(path).cells[:3] if cell.cell_type == "markdown").lower()
    for words in ("what you will be able to do", "minutes", "prerequisites"):
        assert words in opening, f"the opening cells must say {words!r}"
    assert re.search(r"^#{1,4} .*Recap", text, re.MULTILINE), "a heading 'Recap' is missing"
    assert asked_in_interviews(path), "a heading 'In an interview' and interview.show(...) are missing"


@each_lesson
def test_interview_answers_are_folded_and_bilingual(path):
    assert "<details" not in markdown(path), "no answer stands in a cell's source, which a double click would open"
    for asked in asked_in_interviews(path):
        english = re.sub(CHINESE, "", asked.answer)
        chinese = len(CHINESE.findall(asked.answer))
        assert CHINESE.search(asked.zh) and chinese > 20, f"{asked.en}: answer in Chinese too"
        assert len(re.findall(r"[a-z]{3,}", english)) > 10, f"{asked.en}: answer in English too"
        assert not typed_decimals(asked.answer), f"{asked.en} holds a measured number, which is typed"


@each_full_lesson
def test_asks_before_it_shows(path):
    calls = sum(len(re.findall(r"\bpredict\(", cell.source)) for _, cell in code_cells(path))
    assert calls >= 4, f"{calls} calls of predict(): the reader commits to at least 4 guesses"


@each_full_lesson
def test_has_exercises_and_interview_questions(path):
    exercises = [label for label, cell in code_cells(path) if "exercise" in tags(cell)]
    assert len(exercises) >= 4, f"{len(exercises)} cells are tagged 'exercise': at least 4"
    questions = len(asked_in_interviews(path))
    assert questions >= 5, f"{questions} questions in 'In an interview': at least 5"


@each_notebook
def test_markdown_holds_no_measured_number(path):
    for cell in load(path).cells:
        if cell.cell_type == "markdown":
            found = typed_decimals(cell.source)
            assert not found, (
                f"the markdown cell {first_line(cell)!r} holds {found}: a measured number is rendered from a "
                "computation (plots.markdown), a paper's number stands in a blockquote with its section"
            )


def typed_decimals(text):
    """Return the numbers with a decimal point outside blockquotes, code, formulas, links and names."""
    text = re.sub(r"^(```|~~~).*?^\1", " ", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^\s*>.*$", " ", text, flags=re.MULTILINE)
    text = re.sub(r"^#+\s+\d+(\.\d+)*\.?\s", " ", text, flags=re.MULTILINE)  # a numbered heading
    text = re.sub(r"(`+).+?\1", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$\$.+?\$\$|\$[^$\n]+\$|<(code|pre)>.*?</\1>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)|https?://\S+|<[^>]+>", " ", text)
    return re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\d*\.\d)", NAMED_DECIMAL.sub(" ", text))


# --- the second edition: what is seen, in which order ------------------------------------------------------

PARTS = ("glass.show(", "predict(", "reveal(", "world.show(", "check(", "whiteboard.show(", "interview.show(")
PET = {  # our words, and the field's that come first
    r"two-sided|both-sided": "bidirectional", r"left-only|one-eyed|forward-only": "causal or autoregressive",
    r"\bbod(y|ies)\b": "backbone", r"\bspread\b": "standard deviation", r"\bless\s+its\b": "minus",
}  # fmt: skip


def core(path):
    """Return the cells of a lesson before its optional part, which begins with the heading 'Further'."""
    cells = load(path).cells
    ends = (n for n, cell in enumerate(cells) if re.match(r"## (\d+ )?Further\b", cell.source))
    return cells[: next(ends, len(cells))]


@each_rebuilt
def test_the_core_is_short_and_begins_with_the_picture(path):
    cells = core(path)
    assert len(cells) <= 60, f"{len(cells)} cells before 'Further': at most 60, the rest stands below it"
    first = {part: next((n for n, cell in enumerate(cells) if part in cell.source), 99) for part in PARTS[:2]}
    assert first["glass.show("] <= 4 and first["predict("] <= 8, f"the picture and a prediction come first, not {first}"


@each_rebuilt
def test_the_parts_of_a_lesson_stand_in_their_order(path):
    parts = PARTS if path in FULL_LESSONS else [part for part in PARTS if part != "world.show("]
    code = [cell.source for cell in core(path) if cell.cell_type == "code"]
    missing = [part for part in parts if not any(part in source for source in code)]
    assert not missing, f"the core lacks {missing}"
    first = [next(n for n, source in enumerate(code) if part in source) for part in parts]
    assert first == sorted(first), f"these begin in another order than {[*zip(parts, first, strict=True)]}"


@each_rebuilt
def test_the_core_is_no_plumbing(path):
    silent = [bool(cell.source.strip()) and not cell.outputs for cell in core(path) if cell.cell_type == "code"]
    code = [cell for cell in core(path) if cell.cell_type == "code"]
    for one, other, cell in zip(silent, silent[1:], code[1:], strict=False):
        assert not (one and other), (
            f"{first_line(cell)!r} and the cell before it show nothing: join them, or let the library do it"
        )


@each_rebuilt
def test_standard_terms_come_first(path):
    for pet, term in PET.items():
        found = re.search(pet, re.sub(r"`[^`]*`", "", markdown(path)))
        assert not found, f"the prose says {found[0]!r}; the field says {term}"


@each_rebuilt
def test_what_is_read_off_a_figure_is_bound(path):
    number = int(path.name[:2])
    unbound = [name for name, one in lessons.read("predictions", number).items() if not one.holds]
    assert not unbound, f"the paragraphs of {unbound} have no condition (`holds`) under which they are true"


@each_notebook
def test_a_verdict_shows_what_it_is_about(path):
    for label, cell in code_cells(path):
        for kind, text in rendered(cell):
            assert kind != "text/plain" or text not in ("True", "False"), (
                f"{label} shows a bare {text}: show both numbers, then that they agree (plots.beside)"
            )


# --- the tests' own rules ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("accuracy was 0.72 here", ["0.72"]),
        ("It reached 0.72, then 98.5%.", ["0.72", "98.5"]),
        ("> BERT §5.1: 84.4 against 83.9", []),
        ("the rate `0.15` and $p = 0.5$", []),
        ("```python\nx = 0.5\n```", []),
        ("see Section 3.1 of arXiv:1810.04805 and [here](https://arxiv.org/abs/1907.11692)", []),
        ("Python 3.11 or newer, about 15% of 80/10/10", []),
        ("<details><summary>?</summary>it was 1.5 times</details>", ["1.5"]),
        ("## 2.1 Masks\ntext", []),
    ],
)
def test_typed_decimals(text, found):
    assert typed_decimals(text) == found


def test_docstrings_of_exercises_do_not_count():
    source = 'def f(x):\n    """Ask.\n\n    At length.\n    """\n    return g(x)  # <- replace this line\n'
    cell = nbformat.v4.new_code_cell(source)
    assert size(cell) == 5
    cell.metadata["tags"] = ["exercise"]
    assert size(cell) == 2


def test_a_name_bound_twice_is_a_clash_only_if_one_is_a_function():
    cells = [("a", "def f():\n    x = 1\n\nx = f()"), ("b", "x = 2\n[f for f in (1, 2)]"), ("c", "f = 3")]
    assert clashes([*cells, ("d", "def g(): pass")]) == {"f": ["a", "c"]}
    assert clashes([("a", "def f(): pass"), ("b", "def f(): pass"), ("c", "f()")]) == {"f": ["a", "b"]}
    assert clashes([("a", "def f(): pass\nf = f"), ("b", "import g"), ("c", "def g(): pass")]) == {"g": ["b", "c"]}
