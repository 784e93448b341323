"""Checks are themselves checked: right answers pass, mistakes are told apart, nothing of an answer leaks or hangs."""

import contextlib
import doctest
import importlib
import inspect
import io
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts import cells, docstring
from IPython.core.interactiveshell import InteractiveShell
from right_answers import RIGHT

from course_lib.exercises import check, hint, inputs, lessons, predict, reference, sandbox
from course_lib.exercises import compare as values
from course_lib.exercises.engine import Exercise, verdict
from course_lib.exercises.help import solution_source
from course_lib.notes import progress as store

EXERCISES = [(n, exercise) for n in lessons.numbers() for exercise in lessons.read("exercises", n).values()]
each_exercise = pytest.mark.parametrize("number, exercise", EXERCISES, ids=[item.name for _, item in EXERCISES])


pytestmark = pytest.mark.usefixtures("progress_file")


def second_way(number, name):
    """Return the function of an exercise's name in second_ways/lesson_NN.py: the same, found without the reference."""
    return getattr(importlib.import_module(f"second_ways.lesson_{number:02d}"), name)


# --- every exercise of every lesson ------------------------------------------------------------------------


@each_exercise
def test_right_answers_are_right(number, exercise):
    for answer in (exercise.reference, second_way(number, exercise.name), *RIGHT.get(exercise.name, ())):
        result = verdict(answer, exercise)
        assert result.status == "right", f"{exercise.name}: {result.message} {result.details}"


@pytest.mark.slow
@each_exercise
def test_the_second_way_agrees_on_all_edges_and_many_inputs(number, exercise):
    second = second_way(number, exercise.name)
    for args in [*exercise.edges, *inputs.sample(exercise.inputs, 300)]:
        _, expected, problem = exercise.tried(second, args)
        assert problem is None and expected.error is None and not expected.mutated, args


@each_exercise
def test_mistakes_are_refused_each_with_its_own_message(number, exercise):
    messages = exercise.texts["mistakes"]
    assert set(messages) == set(exercise.mistakes), "a mistake needs a message and a function"
    assert len(messages) >= 3 and len(set(messages.values())) == len(messages)
    for name, mistake in exercise.mistakes.items():
        first = verdict(mistake, exercise)
        assert (first.status, first.mistake) == ("not yet", name), f"{name!r} is taken for {first}"
        assert not re.search(r"0x[0-9a-f]{5}|/tmp|/home", repr(first.card()))


@each_exercise
def test_an_answer_that_still_delegates_is_not_attempted(number, exercise):
    result = verdict(lambda *args: reference(exercise.name)(*args), exercise)
    assert (result.status, result.details) == ("not attempted", ())
    assert f'reference("{exercise.name}")' in result.message


@each_exercise
@pytest.mark.parametrize("nonsense", [None, 3, "word", [[]], {}, torch.zeros(7, 7, 7), np.zeros(0), print, Exercise])
def test_nonsense_is_not_yet_right(number, exercise, nonsense):
    assert verdict(lambda *args: nonsense, exercise).status == "not yet"
    repr(verdict(lambda *args: nonsense, exercise).card())


@each_exercise
def test_the_shown_solution_can_be_pasted_and_is_right(number, exercise):
    source = solution_source(exercise.reference)
    assert "course_lib.exercises" not in source and "reference(" not in source
    space = {}
    exec(compile(source, "<solution>", "exec"), space)
    assert verdict(space[exercise.name], exercise).status == "right"


@each_exercise
def test_the_contract_stands_in_the_notebook_and_its_example_is_true(number, exercise):
    contract = inspect.getdoc(exercise.reference)
    assert ">>> " in contract and max(map(len, contract.splitlines())) <= 72, "a worked example, 72 columns"
    (found,) = [docstring("".join(cell["source"]), exercise.name) for _, _, cell in cells(number, exercise.name)]
    assert found == contract, f"python tests/contracts.py {number} brings it into the notebook"
    space = dict(vars(importlib.import_module(f"course_lib.exercises.lesson_{number:02d}")))
    example = doctest.DocTestParser().get_doctest(contract, space, exercise.name, None, 0)
    said = io.StringIO()
    assert doctest.DocTestRunner(verbose=False).run(example, out=said.write).failed == 0, said.getvalue()


WRONG = [  # plausible answers that agree with the reference on many inputs
    ("best_share", lambda gaps: statistics.median(max(gap.values()) for gap in gaps)),
    ("draw_mask", lambda kinds: ["".join(".x"[a != "-" and (b != "A" or a == "P" or j <= i)]
                                         for j, a in enumerate(kinds)) for i, b in enumerate(kinds)]),
    ("one_layer", lambda moves, layers: [int(moves[-1].sum() - 1) // layers, int(moves[0].sum()) // layers]),
    ("far_with_two", lambda layers: [one.float() @ one.float() > 0 for one in second_way(3, "far_with_two")(layers)]),
    ("far_with_two", lambda layers: [torch.ones(2**layers, 2**layers).tril().triu(-1).bool() for _ in range(layers)]),
    ("last_real", lambda outputs, mask: outputs.masked_fill(mask[..., None] == 0, -1e9).amax(1)),
    ("last_real", lambda outputs, mask: outputs[range(len(mask)), mask.argmin(1) - 1]),
    ("leaking_positions", lambda read, ids, V: (read(ids.roll(1)) != read(ids)).any(1)[:-1].nonzero()[:, 0].tolist()),
]  # fmt: skip


@pytest.mark.parametrize("name, wrong", WRONG)
def test_plausible_answers_that_are_wrong_sometimes_are_refused(name, wrong):
    result = verdict(wrong, lessons.find("exercises", name))
    assert result.status == "not yet" and result.details[0][0] == "input"


@pytest.mark.parametrize("kind", lessons.KINDS)
def test_names_are_unique(kind):
    names = [name for number in lessons.numbers() for name in lessons.texts(number)[kind]]
    assert len(set(names)) == len(names)


ENTRY = {"minutes": 3, "stars": 1, "contract": "c", "hints": ["a", "b"], "mistakes": {"x": "y"}}
READ = {"text": "Why?", "read": "r", "secrets": ["s", "t"]}
ASKED = {"text": "Why?", "options": {key: {"says": "s" + key, "because": "t"} for key in "ab"}}


@pytest.mark.parametrize("kind, entry, said", [
    ("exercises", {**ENTRY, "hints": ["a"]}, "two hints"),
    ("exercises", {**ENTRY, "stars": 4}, "1 to 3 stars"),
    ("exercises", {**ENTRY, "minutes": "3"}, "minutes is '3', which is no int"),
    ("exercises", {**ENTRY, "hint": "a"}, "needs"),
    ("exercises", {**ENTRY, "mistakes": {"x": 2}}, "2 is no text: put it in quotes"),
    ("predictions", {**READ, "options": {"b": {}, "c": {}}}, "lettered"),
    ("predictions", {**READ, "options": {"a": "one", "b": "two"}}, "`says` and `because`"),
    ("predictions", {**READ, "options": {k: {"says": True, "because": "t"} for k in "ab"}}, "True is no text"),
    ("predictions", {**READ, **ASKED, "holds": [True]}, "True is no text"),
    ("predictions", ASKED, "needs"),
    ("quizzes", {**ASKED, "answer": "c"}, "none of the options"),
])  # fmt: skip
def test_texts_that_are_wrong_are_named(kind, entry, said):
    lessons.checked("here", {**ENTRY}, lessons.FIELDS["exercises"])
    with pytest.raises(ValueError, match=re.escape(said)):
        lessons.checked("here", entry, lessons.FIELDS[kind])


# --- the check ---------------------------------------------------------------------------------------------


def add_one(x):
    return x + 1


def exercise_of(function, cases, mistakes=(), messages=(), **changes):
    """Return an exercise with just this reference and these inputs."""
    made = Exercise(function, lambda d: d.choice(cases), cases, dict(mistakes), texts={"mistakes": dict(messages)})
    return replace(made, **changes)


ADD = exercise_of(add_one, [(torch.tensor([1.0, 2.0]),), (torch.tensor([3.0]),)])


def test_in_place_changes_are_named_and_spoil_no_case():
    def learners(x):
        x += 1
        return x

    data = torch.zeros(3)
    exercise = exercise_of(add_one, [(data,)])
    result = verdict(learners, exercise)
    assert result.status == "not yet" and "changes its input `x` in place" in result.message and data.sum() == 0


def test_the_error_names_the_learners_own_line():
    def learners(x):
        return torch.stack([x, torch.zeros(99)])  # my line

    assert "torch.stack([x, torch.zeros(99)])" in verdict(learners, ADD).message
    assert "TypeError" in verdict(lambda: 1, ADD).message


def test_only_a_call_of_the_reference_is_no_attempt():
    share, other = lessons.find("exercises", "best_share"), reference("best_share")

    def dead_code(gaps):
        if True:
            return sum(max(gap.values()) for gap in gaps) / len(gaps)
        return reference("best_share")(gaps)

    assert verdict(other, share).status == "not attempted" and verdict(dead_code, share).status == "right"
    assert verdict(lambda x: (other([{"a": 1.0}]), x + 1)[1], ADD).status == "right", "of another exercise"


def test_check_names_what_it_cannot_take():
    with pytest.raises(TypeError, match="without brackets or quotes.*a str"):
        check("best_share")
    with pytest.raises(ValueError, match="no name"):
        check(lambda words, position: words)
    with pytest.raises(ValueError, match="did you mean 'best_share'"):
        check(add_one, "best_shar")


def test_a_notebook_shows_the_message_of_a_slip_and_no_line_of_the_library():
    shell = InteractiveShell()
    shown = []
    shell._showtraceback = lambda kind, error, lines: shown.append("\n".join(lines))
    shell.user_ns |= {"check": check, "hint": hint, "predict": predict}
    slips = ("check('best_share')", "check(lambda words: words)", "hint('best_share', 9)", "predict('first-word', 'z')")
    for slip in slips:
        shell.run_cell(slip)
    assert [text.split(":")[0] for text in shown] == ["TypeError", "ValueError", "ValueError", "ValueError"]
    assert all("\n" not in text and "None" not in text for text in shown)
    assert '"a", "b", "c"' in shown[-1]


def test_check_shows_and_records(capsys):
    def best_share(gaps):
        return reference("best_share")(gaps)

    check(best_share)
    assert capsys.readouterr().out == (
        'Not attempted yet: the function still calls `reference("best_share")`. Put your own lines in its place, '
        "then run the cell again.\n"
    )
    assert store.load()["exercises"] == {}

    def best_share(gaps):
        return 0.5

    check(best_share)
    assert capsys.readouterr().out == (
        "Not yet, because it has 0.5, not 0.875.\n"
        "  input: best_share(gaps=[{'cat': 0.25, 'dog': 0.75}, {'tomorrow': 1}])\n"
        "  asked for: 0.875\n"
        "  yours: 0.5\n"
    )
    assert store.load()["exercises"] == {"best_share": {"tries": 1}}
    check(lambda gaps: sum(max(gap.values()) for gap in gaps) / len(gaps), "best_share")
    assert capsys.readouterr().out == "Right: your function gives what is asked for on all 104 inputs.\n"
    entry = store.load()["exercises"]["best_share"]
    assert entry["tries"] == 2 and entry["right"]


class Hostile:
    """An answer that refuses everything."""

    def refuse(self, *args):
        raise RuntimeError("no")

    __repr__ = __str__ = __eq__ = __len__ = __bool__ = __iter__ = refuse
    __hash__ = None


class Mute(ValueError):
    """An error without words."""

    def __str__(self):
        raise RuntimeError("no")


LOOP = []
LOOP += [LOOP, LOOP]


@pytest.mark.parametrize("got", [
    Hostile(), [Hostile()], {"a": Hostile()}, torch.ones(2).to_sparse(), torch.ones(2, device="meta"), type, "\ud83d",
    torch.ones(2) * 1j, np.array(["a", "b"]), np.array([object(), None]), iter([1]), LOOP,
    [[[["x" * 99] * 99] * 99] * 99], torch.zeros(2000, 2000),
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_odd_answers_get_a_verdict(got, capsys):
    for exercise in (ADD, exercise_of(lambda x: [1, 2], [([1],)]), exercise_of(lambda x: 3.0, [(1,)])):
        result = verdict(lambda x: got, exercise)
        assert result.status == "not yet"
        assert len((result.card()._repr_html_() + repr(result.card())).encode("utf-8")) < 20_000


def test_exit_and_errors_without_words_are_answers():
    def mute(x):
        raise Mute

    assert "raises SystemExit" in verdict(lambda x: exit(), ADD).message
    assert "no message" in verdict(mute, ADD).message
    assert "in place" in verdict(lambda x: x.append(Hostile()), exercise_of(lambda x: 1, [([],)])).message


def test_a_verdict_on_the_page_is_escaped():
    card = verdict(lambda x: exec("raise ValueError('<script>')"), ADD).card()
    assert "<script>" not in card._repr_html_() and "&lt;script&gt;" in card._repr_html_()


def test_a_mistake_is_recognised_by_all_its_outputs():
    functions = {"twice": lambda x: 2 * x, "nothing": lambda x: x}
    exercise = replace(ADD, mistakes=functions, texts={"mistakes": {"twice": "you double it.", "nothing": "no."}})
    assert verdict(lambda x: x + x, exercise).message == "you double it."
    assert verdict(lambda x: x * len(x), exercise).mistake == "", "the same on one input only"
    result = verdict(lambda x: x - 1, exercise)
    assert (result.mistake, result.message) == ("", "at [0] it has 0, not 2 (2 of 2 differ).")


def test_a_drawn_failure_is_made_smaller_and_is_the_same_every_time():
    exercise = replace(ADD, inputs=lambda d: (d.floats(d.integer(1, 8)),))
    shown = [verdict(lambda x: x + 1 + (len(x) > 2), exercise).details for _ in range(2)]
    assert shown[0] == shown[1]
    assert shown[0] == (("input", "add_one(x=[0, 0, 0])"), ("asked for", "[1, 1, 1]"), ("yours", "[2, 2, 2]"))


def test_what_is_drawn_holds_the_hard_cases():
    def drawn(make):
        return [value for (value,) in inputs.sample(lambda d: (make(d),))]

    assert {True, False} == set(drawn(lambda d: d.choice((True, False))))
    assert {2, 5} < set(drawn(lambda d: d.integer(2, 5)))
    assert {0, 3} < {int(ids) for ids in drawn(lambda d: d.ids(V=4))}, "id 0 and the last one"
    assert len({tuple(mask.tolist()) for mask in drawn(lambda d: d.mask(3))}) == 7, "any but all zeros"
    rows = drawn(lambda d: d.probabilities(3))
    assert all(torch.allclose(row.sum(), torch.ones(())) for row in rows) and any((row == 0).any() for row in rows)
    assert any(len(set(row.tolist())) < 3 for row in drawn(lambda d: d.floats(3))), "ties"
    words = drawn(lambda d: d.choices("abc", 1, 7))
    assert any(len(set(text)) < len(text) for text in words) and {1, 7} <= {len(text) for text in words}
    sizes = [(a.shape, b.shape) for a, b in drawn(lambda d: (d.floats("B", "T"), d.mask("B", 2)))]
    assert all(a[0] == b[0] and b[1] == 2 for a, b in sizes) and {1, 4} <= {a[1] for a, _ in sizes}, "letters"
    assert len({tuple(order) for order in drawn(lambda d: d.shuffled("abc"))}) == 6


def test_inputs_do_not_depend_on_imported_modules(monkeypatch):
    first = values.brief(inputs.sample(lambda d: (d.integer(0, 10**6),)))
    monkeypatch.setitem(sys.modules, "numbers_of_mine", importlib.import_module("contracts"))
    assert values.brief(inputs.sample(lambda d: (d.integer(0, 10**6),))) == first


SAME_AGAIN = """
from course_lib.exercises import lessons
from course_lib.exercises.engine import verdict
wrong = {
    "best_share": lambda gaps: sum(min(gap.values()) for gap in gaps[:2]) / len(gaps),
    "last_real": lambda outputs, mask: outputs[range(len(mask)), mask.argmin(1) - 1],
    "leaking_positions": lambda read, ids, V: [*range(len(ids) - 1)],
}
cards = [repr(verdict(f, lessons.find("exercises", name)).card()) for name, f in wrong.items()]
"""


def test_the_verdict_is_the_same_at_every_call_and_in_every_process():
    here = {}
    exec(SAME_AGAIN, here)
    exec(SAME_AGAIN, again := {})
    assert here["cards"] == again["cards"] and len(set(here["cards"])) == 3
    code = SAME_AGAIN + "import random, sys; sys.stdout.buffer.write(repr(cards).encode())"
    env = {**os.environ, "PYTHONHASHSEED": "4711"}
    assert subprocess.check_output([sys.executable, "-c", code], env=env).decode() == repr(here["cards"])


@pytest.mark.parametrize("forever", ["while True: pass", "time.sleep(1000)", "while True:\n try: 1\n except: pass"])
@pytest.mark.parametrize("aside", [False, True], ids=["main thread", "another thread"])
def test_an_answer_that_does_not_end_is_stopped(monkeypatch, forever, aside):
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)
    monkeypatch.setattr(sandbox, "threading", threading)
    results = []
    code = compile(forever, "<answer>", "exec")

    def work():
        results.append(verdict(lambda x: exec(code, {"time": time}), ADD))

    start = time.monotonic()
    if aside:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(20)
    else:
        work()
    assert time.monotonic() - start < 6 and "does not end: stopped after 0.3 seconds" in results[0].message


def test_stopping_a_check_records_nothing_and_puts_everything_back(capsys):
    shell = InteractiveShell()
    shown = []
    shell._showtraceback = lambda kind, error, lines: shown.append("\n".join(lines))

    def best_share(gaps):
        torch.set_default_dtype(torch.float64)
        raise KeyboardInterrupt

    shell.user_ns |= {"check": check, "best_share": best_share}
    shell.run_cell("check(best_share)")
    assert shown == ["KeyboardInterrupt: you stopped the check; nothing is recorded"]
    assert store.load()["exercises"] == {} and torch.get_default_dtype() == torch.float32


def test_a_check_leaves_switches_generators_and_functions_alone():
    def state():
        return (
            torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_device(),
            random.getstate(), torch.rand, np.sum, print, torch.Tensor.softmax, torch.get_rng_state().tolist(),
            str(np.random.get_state()),
        )  # fmt: skip

    def learners(x):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_default_device("meta")
        np.random.rand(), random.random()
        torch.rand = np.sum = __builtins__["print"] = torch.Tensor.softmax = lambda *args: None
        return x + 1

    chance = exercise_of(lambda x: torch.rand(3), [(1,)])
    assert verdict(lambda x: torch.rand(3), chance).status == "right", "every call begins with the same seed"
    before = state()
    verdict(learners, ADD)
    after = state()
    with contextlib.redirect_stdout(io.StringIO()):
        assert before == after


def test_what_an_answer_prints_is_shown_once_and_only_where_it_is_wrong(capsys):
    def learners(x):
        print("x is", x)
        return x

    assert dict(verdict(learners, ADD).details)["printed"] == "x is tensor([1., 2.])"
    assert capsys.readouterr().out == ""


def mean_loss(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels)


LOSS = exercise_of(mean_loss, [(torch.tensor([[1.0, 2.0], [0.0, 3.0]]), torch.tensor([0, 1]))], trains=True)


def test_a_loss_must_train():
    assert verdict(lambda logits, labels: -logits.log_softmax(1)[range(2), labels].mean(), LOSS).status == "right"
    for cut in (lambda loss: loss.item(), lambda loss: loss.detach(), float, lambda loss: (loss.backward(), loss)[1]):
        assert "nothing can be trained" in verdict(lambda *args, cut=cut: cut(mean_loss(*args)), LOSS).message

    def half(logits, labels):
        loss = mean_loss(logits, labels)
        return loss / 2 + loss.detach() / 2

    assert "its gradient is not" in verdict(half, LOSS).message
    spoiling = verdict(lambda a, b: mean_loss(a, b) + 0 * a.zero_().sum(), LOSS)
    assert "changes its input `logits` in place" in spoiling.message


def flips(n, generator):
    return torch.rand(n, generator=generator) < 0.25


def fair(outcomes):
    heads, trials = sum(int(got.sum()) for _, got in outcomes), sum(args[0] for args, _ in outcomes)
    if values.within_binomial(heads, trials, 0.25):
        return None
    return ("half", {"heads": heads, "n": trials}) if values.within_binomial(heads, trials, 0.5) else f"{heads} heads"


def shape(got, expected, n, generator):
    return None if isinstance(got, torch.Tensor) and got.shape == (n,) and got.dtype is torch.bool else "no booleans."


FLIPS = exercise_of(
    flips, [(1, torch.Generator().manual_seed(3))], compare=shape, judge=fair,
    trial=lambda seed: (4000, torch.Generator().manual_seed(seed)),
    mistakes={"half": lambda n, generator: torch.rand(n, generator=generator) < 0.5},
    messages={"half": "{heads} of {n} are heads: that is a half."},
)  # fmt: skip


def test_random_functions():
    def seeded(n, generator):
        return torch.rand(n, generator=torch.Generator().manual_seed(0)) < 0.25

    def reseeded(n, generator):
        return torch.rand(n, generator=generator.manual_seed(generator.initial_seed())) < 0.25

    def elsewhere(n, generator):
        rng = np.random.default_rng()
        return torch.tensor(rng.random(n)) < 0.25

    assert verdict(flips, FLIPS).status == "right"
    assert verdict(lambda n, g: torch.multinomial(torch.tensor([0.75, 0.25]), n, True, generator=g).bool(),
                   FLIPS).status == "right"  # fmt: skip
    for wrong, said in (
        (lambda n, g: torch.rand(n) < 0.25, "draws from PyTorch's global generator"),
        (lambda n, g: torch.tensor([random.random() < 0.25 for _ in range(n)]), "draws from Python's global"),
        (seeded, "different seeds give the same"), (reseeded, "called twice with one generator"),
        (elsewhere, "in the same state give different results"),
        (lambda n, g: torch.rand(n, generator=g) < 0.5, r"^\d+ of 12000 are heads: that is a half\.$"),
        (lambda n, g: torch.rand(n, generator=g) < 0.7, r"^\d+ heads$"),
        (lambda n, g: torch.rand(n, generator=g), "no booleans"),
    ):  # fmt: skip
        assert re.search(said, verdict(wrong, FLIPS).message), said
    assert verdict(FLIPS.mistakes["half"], FLIPS).mistake == "half"
