"""Checks are themselves checked: known mistakes are told apart, all right answers pass, in each lesson."""

import json
import math
import os
import random
import re
import subprocess
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from course_lib.exercises import (
    check,
    drill,
    hint,
    predict,
    progress,
    quiz,
    reference,
    registry,
    reveal,
    runs,
    solution,
    store,
    values,
)
from course_lib.exercises.engine import Exercise, Mistake, verdict
from course_lib.exercises.hints import solution_source
from course_lib.exercises.questions import Question, Quiz
from course_lib.exercises.show import inline

EXERCISES = registry.everything("EXERCISES")
QUESTIONS = registry.everything("QUESTIONS")
QUIZZES = registry.everything("QUIZZES")
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda item: item.name)
each_question = pytest.mark.parametrize("question", [*QUESTIONS, *QUIZZES], ids=lambda item: item.name)


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    """Give every test a progress file of its own, and forget what earlier ones could not save."""
    path = tmp_path / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    monkeypatch.setattr(store, "_unsaved", {})
    monkeypatch.setattr(store, "_told", set())
    monkeypatch.setattr(store, "_held", set())
    return path


# --- every exercise, prediction and quiz of every lesson ---------------------------------------------------


@each_exercise
def test_a_right_answer_is_right(exercise):
    assert exercise.alternatives, f"{exercise.name} needs another right answer, found another way"
    for answer in (exercise.reference, *exercise.alternatives):
        result = verdict(answer, exercise)
        assert result.status == "right", f"{exercise.name}: {result.message} {result.details}"


@each_exercise
def test_known_mistakes_are_rejected_each_with_its_own_message(exercise):
    assert len(exercise.mistakes) >= 3, f"{exercise.name} knows {len(exercise.mistakes)} mistakes: at least 3"
    for known in ("name", "message"):
        texts = [getattr(mistake, known) for mistake in exercise.mistakes]
        assert len(set(texts)) == len(texts), f"{exercise.name}: two mistakes share a {known}"
    for mistake in exercise.mistakes:
        result = verdict(mistake.function, exercise)
        assert result.status == "not yet", f"{exercise.name} accepts the mistake {mistake.name!r}"
        assert (result.mistake, result.message) == (mistake.name, mistake.message), (
            f"{exercise.name}: {mistake.name!r} is taken for {result.mistake or result.message!r}"
        )


@each_exercise
def test_an_answer_that_still_delegates_is_not_attempted(exercise):
    def learners(*args):
        return reference(exercise.name)(*args)

    result = verdict(learners, exercise)
    assert (result.status, result.details) == ("not attempted", ())
    assert f'reference("{exercise.name}")' in result.message


@each_exercise
@pytest.mark.parametrize(
    "nonsense", [None, 3, "word", [[]], {}, torch.zeros(7, 7, 7), np.zeros(0), print, Mistake]
)
def test_nonsense_is_not_yet_right(exercise, nonsense):
    assert verdict(lambda *args: nonsense, exercise).status == "not yet"
    repr(verdict(lambda *args: nonsense, exercise).card())


@each_exercise
def test_an_error_is_reported_with_its_input(exercise):
    def learners(*args):
        raise RuntimeError("too few masks")

    result = verdict(learners, exercise)
    assert result.status == "not yet"
    assert "RuntimeError" in result.message or result.mistake
    assert exercise.name in dict(result.details)["first input that differs"]


@each_exercise
def test_exercises_say_how_long_and_how_hard(exercise):
    assert exercise.minutes in range(1, 31) and exercise.difficulty in (1, 2, 3)
    assert exercise.name.isidentifier() and len(exercise.hints) >= 2
    assert all(text.strip() for text in exercise.hints)
    assert exercise in registry.lesson_module(exercise.lesson).EXERCISES


@each_exercise
def test_cases_are_the_same_at_every_call(exercise):
    first, second = ([values.brief(args) for args in exercise.cases()] for _ in range(2))
    assert first == second and len(first) >= 1
    assert all(isinstance(args, tuple) for args in exercise.cases()), "a case is a tuple of arguments"


@each_exercise
def test_verdicts_are_the_same_at_every_call(exercise):
    answers = [mistake.function for mistake in exercise.mistakes]
    first, second = ([repr(verdict(answer, exercise).card()) for answer in answers] for _ in range(2))
    assert first == second
    assert not re.search(r"0x[0-9a-f]{5}|/tmp|/home", "\n".join(first))


@each_exercise
def test_the_shown_solution_can_be_pasted_and_is_right(exercise):
    source = solution_source(exercise)
    assert "course_lib.exercises" not in source and "reference(" not in source
    space = {}
    exec(compile(source, "<solution>", "exec"), space)
    assert verdict(space[exercise.name], exercise).status == "right"


def test_names_are_unique():
    for kind in (EXERCISES, QUESTIONS, QUIZZES):
        names = [item.name for item in kind]
        assert len(set(names)) == len(names)


@each_question
def test_questions_are_complete(question):
    assert list(question.options) == list("abcdefgh"[: len(question.options)]) and len(question.options) >= 2
    assert question.text.strip().endswith(("?", ".", ":")) and all(question.options.values())
    silent = set(question.options) - set(question.because)
    assert not silent, f"`because` of {question.name!r} has no sentence for {sorted(silent)}"
    assert set(question.because) <= set(question.options)
    assert len(set(question.options.values())) == len(question.options)
    if isinstance(question, Quiz):
        assert question.answer in question.options


@pytest.mark.parametrize("number", registry.lesson_numbers())
def test_lessons_have_a_title_and_items_of_their_own_number(number):
    module = registry.lesson_module(number)
    assert module.TITLE
    for kind in ("EXERCISES", "QUESTIONS", "QUIZZES"):
        assert all(item.lesson == number for item in getattr(module, kind, ()))


# --- the check ---------------------------------------------------------------------------------------------


def add_one(x):
    return x + 1


def exercise_of(function, cases, mistakes=(), **changes):
    """Return an exercise with just this reference and these cases."""
    made = Exercise("made", 0, 1, 1, function, lambda: iter(cases), tuple(mistakes), ("one", "two"))
    return replace(made, **changes)


ADD = exercise_of(add_one, [(torch.tensor([1.0, 2.0]),), (torch.tensor([3.0]),)])


def test_in_place_change_of_the_callers_data_is_named():
    def learners(x):
        x += 1
        return x

    result = verdict(learners, ADD)
    assert result.status == "not yet" and "changes its input `x` in place" in result.message


def test_a_reference_that_changes_its_input_may_be_followed():
    exercise = exercise_of(lambda x: x.append(1), [([],)])
    assert verdict(lambda x: x.append(1), exercise).status == "right"


def test_the_cases_survive_a_learner_who_spoils_them():
    data = [torch.zeros(3)]
    exercise = exercise_of(add_one, [(data[0],)])
    verdict(lambda x: x.fill_(9), exercise)
    assert data[0].sum() == 0


def test_generators_are_copied_and_may_advance():
    def draw(generator, rng, dice):
        return torch.rand(2, generator=generator), rng.random(), dice.random()

    case = (torch.Generator().manual_seed(3), np.random.default_rng(3), random.Random(3))
    exercise = exercise_of(draw, [case])
    assert verdict(draw, exercise).status == "right"
    assert verdict(lambda *args: (torch.rand(2), 0.5, 0.5), exercise).status == "not yet"


def test_a_check_leaves_the_global_random_state_alone():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    wanted = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    exercise = exercise_of(lambda x: torch.rand(3), [(1,)])
    assert verdict(lambda x: torch.rand(3) + 0 * random.random(), exercise).status == "right"
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == wanted


def test_errors_that_are_asked_for():
    def strict(T):
        if T < 1:
            raise ValueError("T is 0; ask for at least one position")
        return T

    exercise = exercise_of(strict, [(1,), (0,)])
    assert verdict(strict, exercise).status == "right"
    assert "should raise ValueError" in verdict(lambda T: T, exercise).message

    def wrong_kind(T):
        return [0][T - 1] if T < 1 else 1 // T

    def other(T):
        if T < 1:
            raise KeyError(T)
        return T

    assert "raises KeyError, not ValueError" in verdict(other, exercise).message
    assert verdict(wrong_kind, exercise).status == "not yet"


def test_the_error_names_the_learners_own_line():
    def learners(x):
        return torch.stack([x, torch.zeros(99)])  # my line

    assert "torch.stack([x, torch.zeros(99)])" in verdict(learners, ADD).message


def test_wrong_arguments_are_reported():
    assert "TypeError" in verdict(lambda: 1, ADD).message


def test_a_reference_called_for_another_exercise_is_no_delegation():
    def learners(x):
        reference("hide")(["a"], 0)
        return x + 1

    assert verdict(learners, ADD).status == "right"


def test_dead_code_after_an_answer_is_an_attempt():
    hide = registry.find("EXERCISES", "hide")

    def learners(words, position):
        if True:
            return words[:position] + ["[MASK]"] + words[position + 1 :]
        return reference("hide")(words, position)

    assert verdict(learners, hide).status == "right"


def test_the_reference_given_as_the_answer_is_not_attempted():
    assert verdict(reference("hide"), registry.find("EXERCISES", "hide")).status == "not attempted"


def test_a_mistake_is_recognised_by_all_its_outputs():
    mistakes = (
        Mistake("twice", lambda x: 2 * x, "you double it."),
        Mistake("nothing", lambda x: x, "you add nothing."),
    )
    exercise = replace(ADD, mistakes=mistakes)
    assert verdict(lambda x: x + x, exercise).message == "you double it."
    result = verdict(lambda x: x - 1, exercise)
    assert (result.mistake, result.message) == ("", "at [0] it has 0, not 2 (2 of 2 differ).")


def test_a_symptom_recognises_random_mistakes():
    def flips(n, generator):
        return (torch.rand(n, generator=generator) < 0.15).sum().item()

    def plausible(got, expected, n, generator):
        return None if values.within_binomial(got, n, 0.15) else f"{got} of {n} is no share of 15%."

    often = Mistake(
        "twice as often",
        flips,
        "you hide 30%.",
        symptom=lambda outcomes: all(values.within_binomial(got, args[0], 0.3) for args, got in outcomes),
    )
    cases = [(10_000, torch.Generator().manual_seed(seed)) for seed in range(2)]
    exercise = exercise_of(flips, cases, [often], compare=plausible)
    assert verdict(lambda n, generator: int(0.15 * n), exercise).status == "right"
    assert verdict(lambda n, generator: int(0.3 * n), exercise).message == "you hide 30%."
    assert verdict(lambda n, generator: n, exercise).message == "10000 of 10000 is no share of 15%."
    assert verdict(lambda n, generator: "many", exercise).status == "not yet"


def test_check_names_what_it_cannot_take():
    with pytest.raises(TypeError, match="without brackets or quotes.*a str"):
        check("hide")
    with pytest.raises(ValueError, match="no name"):
        check(lambda words, position: words)
    with pytest.raises(ValueError, match="did you mean 'hide'"):
        check(add_one, "hid")


def test_a_notebook_shows_the_message_of_a_slip_and_no_line_of_the_library():
    shell = InteractiveShell()
    shown = []
    shell._showtraceback = lambda kind, error, lines: shown.append("\n".join(lines))
    shell.user_ns |= {"check": check, "hint": hint, "predict": predict}
    for slip in ("check('hide')", "check(lambda words: words)", "hint('hide', 9)", "predict('first-word', 'z')"):
        shell.run_cell(slip)
    assert [text.split(":")[0] for text in shown] == ["TypeError", "ValueError", "ValueError", "ValueError"]
    assert all("\n" not in text and "None" not in text for text in shown)
    assert '"a", "b", "c"' in shown[-1]


def test_check_shows_and_records(capsys):
    def hide(words, position):
        return reference("hide")(words, position)

    check(hide)
    assert capsys.readouterr().out == (
        'Not attempted yet: the function still calls `reference("hide")`. Put your own lines there, then run '
        "both cells again.\n"
    )
    assert store.load()["exercises"] == {}

    def hide(words, position):
        return words

    check(hide)
    assert capsys.readouterr().out == (
        "Not yet, because in item 1, it returns 'baker', not '[MASK]'.\n"
        "  first input that differs: hide(words=['the', 'baker', 'slept', '.'], position=1)\n"
        "  asked for: ['the', '[MASK]', 'slept', '.']\n"
        "  yours: ['the', 'baker', 'slept', '.']\n"
    )
    check(lambda words, position: words[:position] + ["[MASK]"] + words[position + 1 :], "hide")
    assert capsys.readouterr().out == "Right: your function gives what is asked for on all 4 inputs.\n"
    entry = store.load()["exercises"]["hide"]
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


@pytest.mark.parametrize("got", [
    Hostile(), [Hostile()], {"a": Hostile()}, torch.ones(2).to_sparse(), torch.ones(2, device="meta"), type, "\ud83d",
    torch.ones(2) * 1j, np.array(["a", "b"]), np.array([object(), None]), iter([1]),
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_odd_answers_get_a_verdict(got, capsys):
    for exercise in (ADD, exercise_of(lambda x: [1, 2], [([1],)]), exercise_of(lambda x: 3.0, [(1,)])):
        result = verdict(lambda x: got, exercise)
        assert result.status == "not yet"
        (result.card()._repr_html_() + repr(result.card())).encode("utf-8")


def test_exit_and_errors_without_words_are_answers():
    def leave(x):
        raise SystemExit

    def mute(x):
        raise Mute

    assert "raises SystemExit" in verdict(leave, ADD).message and "no message" in verdict(mute, ADD).message

    def plant(x):
        x.append(Hostile())

    assert "in place" in verdict(plant, exercise_of(lambda x: 1, [([],)])).message


def test_a_check_leaves_torchs_switches_alone():
    before = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()

    def learners(x):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_num_threads(before[2] + 1)
        return x + 1

    verdict(learners, ADD)
    assert (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()) == before


def test_a_verdict_on_the_page_is_escaped():
    card = verdict(lambda x: exec("raise ValueError('<script>')"), ADD).card()
    assert "<script>" not in card._repr_html_() and "&lt;script&gt;" in card._repr_html_()


# --- comparing and describing ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    left: torch.Tensor
    right: int


@pytest.mark.parametrize(
    "got, expected",
    [
        (1, 1.0),
        (np.float32(0.1), 0.1),
        (torch.tensor(3), 3),
        (True, torch.tensor(True)),
        ((1, 2), [1, 2]),
        (torch.ones(2, dtype=torch.float64), torch.ones(2)),
        (torch.ones(2, dtype=torch.bfloat16), torch.ones(2)),
        (torch.tensor([1], dtype=torch.int32), torch.tensor([1])),
        (torch.tensor([1e-9, math.nan]), torch.tensor([0, math.nan])),
        ({"a": [1.0]}, {"a": (1,)}),
        (Pair(torch.ones(1), 2), Pair(torch.ones(1), 2)),
        (frozenset("ab"), set("ba")),
        ("x", "x"),
        (None, None),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
    ],
)
def test_the_same(got, expected):
    assert values.same(got, expected) is None


@pytest.mark.parametrize(
    "got, expected, said",
    [
        (None, 1, "is there a `return`"),
        (1, None, "an int where a NoneType"),
        (2, 1, "it has 2, not 1."),
        (True, 1, "bool"),
        (torch.zeros(2), torch.zeros(3), r"shape is \(2,\), not \(3,\)"),
        (torch.zeros(2).bool(), torch.zeros(2), "numbers are bool"),
        (torch.zeros(2).long(), torch.zeros(2), "whole numbers"),
        (np.zeros(2), torch.zeros(2), "a numpy array where a torch tensor"),
        ([0, 0], torch.zeros(2), "a list where a torch tensor"),
        (torch.tensor([[0, 1], [1, 1]]), torch.ones(2, 2).long(), r"at \[0, 0\] it has 0, not 1 \(1 of 4"),
        (torch.tensor([math.nan]), torch.tensor([0.0]), "it has nan, not 0"),
        (torch.tensor([torch.finfo(torch.float32).min]), torch.zeros(1), "it has min, not 0"),
        ([1], [1, 2], "1 item, not 2"),
        ([1, 3], [1, 2], "in item 1, it has 3"),
        ({"b": 1}, {"a": 1}, "keys are"),
        ({"a": 2}, {"a": 1}, "under 'a', it has 2"),
        (Pair(torch.ones(1), 3), Pair(torch.ones(1), 2), "in `right`, it has 3"),
        (3, Pair(torch.ones(1), 3), "an int where a Pair"),
        ("x", "y", "returns 'x', not 'y'"),
        ("x", ["x"], "a str where a list"),
        (print, 1, "brackets missing"),
        (torch.zeros(2), 0.0, "a torch tensor where a float"),
        ({1}, {2}, r"returns \{1\}, not \{2\}"),
    ],
)
def test_not_the_same(got, expected, said):
    assert re.search(said, values.same(got, expected))


@pytest.mark.parametrize(
    "value, text",
    [
        (
            torch.tensor([[0.0, torch.finfo(torch.float32).min], [0.25, -math.inf]]),
            "[[   0,  min],\n [0.25, -inf]]",
        ),
        (torch.tensor([1, 2]), "[1, 2]"),
        (torch.zeros(11, 11), "tensor of shape (11, 11)"),
        (np.zeros((1, 2), dtype=bool), "[[False, False]]"),
        (torch.tensor(2.5), "2.5"),
        ({"a": torch.tensor([1])}, "{'a': [1]}"),
        ((1,), "(1,)"),
        (Pair(torch.ones(1), 2), "Pair(left=[1], right=2)"),
        (torch.Generator(), "Generator(...)"),
        (torch.nn.Linear(1, 1), "Linear(...)"),
        (object(), "object(...)"),
        (add_one, "add_one"),
        (list(range(30)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, ...]"),
        (set(), "set()"),
        (torch.zeros(0), "[]"),
    ],
)
def test_brief(value, text):
    assert values.brief(value) == text


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(json_like)
def test_a_copy_is_the_same_and_unchanged(value):
    again = values.copied(value)
    assert values.same(again, value) is None and not values.changed(value, again)


@given(json_like, json_like)
def test_comparing_anything_with_anything_gives_an_answer(one, other):
    assert values.same(one, other) is None or isinstance(values.same(one, other), str)
    assert isinstance(values.changed(one, other), bool) and isinstance(values.brief(one), str)


@settings(max_examples=60)
@given(st.integers(1, 40), st.floats(0.01, 0.99), st.data())
def test_the_binomial_bound_is_the_exact_tail(trials, p, data):
    count = data.draw(st.integers(0, trials))
    chances = [math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(trials + 1)]
    tail = sum(chances[count:]) if count > p * trials else sum(chances[: count + 1])
    limit = math.erfc(2 / math.sqrt(2)) / 2
    if abs(tail - limit) > 1e-9:
        assert values.within_binomial(count, trials, p, sigmas=2) == (tail >= limit)


def test_the_binomial_bound_of_many_trials():
    assert values.within_binomial(15_000, 100_000, 0.15)
    assert values.within_binomial(15_500, 100_000, 0.15) and not values.within_binomial(15_600, 100_000, 0.15)
    assert values.within_binomial(0, 10, 0) and not values.within_binomial(1, 10, 0)
    assert values.within_binomial(10, 10, 1) and not values.within_binomial(9, 10, 1)
    for bad in ((1, 2, 1.5), (3, 2, 0.5), (-1, 2, 0.5)):
        with pytest.raises(ValueError):
            values.within_binomial(*bad)


def test_modules_are_copied_and_watched():
    layer = torch.nn.Linear(2, 2)
    names = ["layer"]
    assert not runs.run(lambda layer: layer(torch.ones(2)), (layer,), "x", names).mutated
    assert runs.run(lambda layer: layer.weight.data.zero_(), (layer,), "x", names).mutated == ("layer",)
    assert layer.weight.abs().sum() > 0


# --- hints and solutions -----------------------------------------------------------------------------------


def test_hints_come_one_by_one_or_by_number(capsys):
    for _ in range(4):
        hint("hide")
    told = re.findall(r"^Hint (\d) of 3", capsys.readouterr().out, re.MULTILINE)
    assert told == ["1", "2", "3", "3"]
    hint("hide", 1)
    assert capsys.readouterr().out.startswith("Hint 1 of 3: The new sentence has three parts")
    for number in (0, 4, "1", 1.5, True, 1.0):
        with pytest.raises(ValueError, match="numbered 1 to 3"):
            hint("hide", number)


def test_a_solution_is_folded_and_complete(capsys):
    solution("hide")
    assert "def hide(words, position):" in capsys.readouterr().out


def helper(x):
    return x


def leaning(x):
    return helper(x) + torch.nn.functional.softmax(torch.zeros(1), 0)


def test_a_solution_names_its_imports_and_no_hidden_helper(monkeypatch):
    source = solution_source(replace(registry.find("EXERCISES", "hide"), reference=leaning))
    assert (
        f"from {__name__} import helper" in source and "import torch\n" in source and "def hide(x)" in source
    )
    monkeypatch.setattr(helper, "__module__", "course_lib.exercises.lesson_99")
    with pytest.raises(ValueError, match="uses `helper`"):
        solution_source(replace(registry.find("EXERCISES", "hide"), reference=leaning))
    with pytest.raises(ValueError, match="plain function"):
        solution_source(replace(registry.find("EXERCISES", "hide"), reference=lambda x: x))


# --- predictions and quizzes -------------------------------------------------------------------------------


QUESTION = Question(
    "made-up", 0, "Does `x` < **y**?", {"a": "yes", "b": "no"}, {"a": "It is smaller.", "b": "It is larger."}
)
QUIZ = Quiz("made-quiz", 0, "One?", {"a": "yes", "b": "no"}, "a", {"a": "One is one.", "b": "It is."})


@pytest.fixture
def made_up(monkeypatch):
    items = {"QUESTIONS": QUESTION, "QUIZZES": QUIZ}
    monkeypatch.setattr(registry, "find", lambda kind, name: items[kind])


def said(capsys, function, *args, **options):
    function(*args, **options)
    return capsys.readouterr().out


def test_a_prediction_from_question_to_reveal(made_up, capsys):
    asked = said(capsys, predict, "made-up", guess=None)
    assert asked == (
        "Predict: Does `x` < y?\n  a) yes\n  b) no\n"
        'What do you expect? Type a letter instead of None, as in guess="a", and run the cell.\n'
    )
    assert said(capsys, predict, "made-up", guess=" B ").endswith("Your guess: b) no.\n")
    assert said(capsys, predict, "made-up").endswith("Your guess so far: b) no.\n")
    assert said(capsys, reveal, "made-up", "b").startswith("Your guess was right: the run says b) no.")
    changed = said(capsys, predict, "made-up", guess="a")
    assert changed.endswith("Changed: your first guess, b, is the one that counts.\n")
    text = said(capsys, reveal, "made-up", "a", because="By computed numbers.")
    assert text == "You guessed b) no. Instead, the run says a) yes.\nBy computed numbers.\n"
    entry = store.load()["predictions"]["made-up"]
    assert (entry["first"], entry["guess"], entry["answer"]) == ("b", "a", "a")
    assert len(entry["changed"]) == 1


@pytest.mark.parametrize("letter", ["c", "", 1, ["a"], "ab", True])
def test_a_letter_that_is_no_option(made_up, letter):
    for call in (predict, reveal, quiz):
        with pytest.raises(ValueError, match='"a", "b"'):
            call("made-up", letter)


def test_a_guess_of_an_option_that_is_gone_is_no_guess(made_up, capsys):
    store.record("predictions", "made-up", lambda old: {"first": "z", "guess": "z"})
    assert said(capsys, predict, "made-up").endswith("and run the cell.\n")
    assert said(capsys, predict, "made-up", guess="a").endswith("Your guess: a) yes.\n")
    assert store.load()["predictions"]["made-up"]["first"] == "a"


def test_a_quiz(made_up, capsys):
    assert "Type a letter" in said(capsys, quiz, "made-quiz")
    assert said(capsys, quiz, "made-quiz", answer="b").endswith("Not yet: b) no. It is.\n")
    assert said(capsys, quiz, "made-quiz", answer="a").endswith("Right: a) yes. One is one.\n")
    assert said(capsys, quiz, "made-quiz", answer="b").endswith("Not yet: b) no. It is.\n")
    entry = store.load()["quizzes"]["made-quiz"]
    assert entry["right"] and entry["first"] == "b", "another option may be tried to read why it is wrong"


def test_a_guess_made_after_the_run_does_not_count(made_up, capsys):
    assert said(capsys, reveal, "made-up", "b") == "You made no guess; the run says b) no.\nIt is larger.\n"
    assert "made after the run" in said(capsys, predict, "made-up", guess="b")
    assert said(capsys, reveal, "made-up", "b").startswith("Your guess came after the run, so it does not count; the")
    assert "made after the run" in said(capsys, predict, "made-up", guess="a")


def test_a_late_guess_is_made_but_not_right(capsys):
    reveal("first-training", "a")
    predict("first-training", guess="a")
    reveal("first-training", "a")
    capsys.readouterr()
    progress(0)
    asked = len(registry.lesson_module(0).QUESTIONS)
    assert f"1 of {asked} 0 of 1" in " ".join(capsys.readouterr().out.split())


def test_asking_writes_nothing(made_up, progress_file):
    predict("made-up")
    quiz("made-quiz")
    assert not progress_file.exists()


def test_inline_marks():
    assert inline("`a<b` **c** & <d>") == "<code>a&lt;b</code> <b>c</b> &amp; &lt;d&gt;"


# --- progress ----------------------------------------------------------------------------------------------


def test_progress_counts(capsys):
    progress(0)
    before = capsys.readouterr().out
    assert before.splitlines()[1].split("  ")[0] == "00 Start here"
    predict("first-training", guess="b")
    reveal("first-training", "a")
    check(registry.find("EXERCISES", "hide").alternatives[0], "hide")
    quiz("floor-and-ceiling", answer="a")
    capsys.readouterr()
    progress(0)
    after = " ".join(capsys.readouterr().out.splitlines()[1].split())
    asked = len(registry.lesson_module(0).QUESTIONS)
    assert after == f"00 Start here 1 of {asked} 0 of 1 1 of 2 1 of 1"
    progress()
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(registry.lesson_numbers())
    for number in (99, 1.0, True, "1", [1]):
        with pytest.raises(ValueError, match=f"no lesson {re.escape(repr(number))}; the lessons are"):
            progress(number)


WRITER = """
import sys
from course_lib.exercises.store import record
for i in range(25):
    record("quizzes", f"{sys.argv[1]}-{i}", lambda old: {"right": True})
    record("exercises", "shared", lambda old: {"tries": (old or {}).get("tries", 0) + 1})
"""


def test_two_kernels_lose_nothing(progress_file):
    code = [sys.executable, "-c", WRITER]
    kernels = [subprocess.Popen([*code, name], env=dict(os.environ)) for name in ("one", "two")]
    assert [kernel.wait(timeout=120) for kernel in kernels] == [0, 0]
    data = json.loads(progress_file.read_text(encoding="utf-8"))
    assert len(data["quizzes"]) == 50 and data["exercises"]["shared"]["tries"] == 50
    assert not list(progress_file.parent.glob("*.part"))


WRONG = [
    ("exercises", "hide", {"tries": "many"}), ("exercises", "hide", {"right": []}),
    ("predictions", "first-training", {"first": ["a"]}), ("predictions", "first-training", {"guess": {}}),
    ("predictions", "first-training", {"first": "a", "guess": "a", "changed": 5}),
    ("quizzes", "floor-and-ceiling", {"first": 1}), ("quizzes", "floor-and-ceiling", [1]),
    ("quizzes", "floor-and-ceiling", None),
    ("drill", "1", {"said": 3, "of": 3}), ("drill", "1", {"said": ["a"], "of": 2}), ("drill", "1", {"times": "x"}),
]  # fmt: skip


@pytest.mark.parametrize("section, name, entry", WRONG)
def test_an_entry_of_a_wrong_type_is_put_aside_and_the_others_go_on(progress_file, capsys, section, name, entry):
    good = {"exercises": {"left_context": {"tries": 2, "right": "2026-01-01"}}, "badges": [1], "version": 1}
    content = {**good, section: {**good.get(section, {}), name: entry}}
    progress_file.write_text(json.dumps(content), encoding="utf-8")
    progress(0)
    predict("first-training", guess="a")
    reveal("first-training", "b")
    quiz("floor-and-ceiling", answer="a")
    check(registry.find("EXERCISES", "hide").alternatives[0], "hide")
    drill.ask("1", said=[1])
    drill.ask()
    shown = capsys.readouterr().out
    assert shown.count("is kept as progress.json.bad, and what could be read of it goes on.") == 1
    data = json.loads(progress_file.read_text(encoding="utf-8"))
    assert data["exercises"]["left_context"] == good["exercises"]["left_context"] and data["badges"] == [1]
    assert data["exercises"]["hide"]["tries"] == 1 and data["drill"]["1"]["said"] == [1]
    assert json.loads(progress_file.with_name("progress.json.bad").read_text(encoding="utf-8")) == content


@pytest.mark.parametrize("version", ["x", None, 0, -1, [2]])
def test_a_version_that_is_none_is_mended(progress_file, version):
    progress_file.write_text(json.dumps({"version": version, "quizzes": {"x": {"right": True}}}), encoding="utf-8")
    assert store.load() == {**store.EMPTY, "quizzes": {"x": {"right": True}}}


def test_the_file_of_a_newer_course_is_left_alone(progress_file, capsys):
    content = b'{"version": 2, "quizzes": {"x": {"right": true}, "new": "kind"}}'
    progress_file.write_bytes(content)
    quiz("floor-and-ceiling", answer="a")
    store.record("quizzes", "y", lambda old: {"right": True})
    assert progress_file.read_bytes() == content and not list(progress_file.parent.glob("*.bad*"))
    assert set(store.load()["quizzes"]) == {"x", "y", "floor-and-ceiling"}
    shown = capsys.readouterr().out
    assert shown.count("written by a newer course") == 1 and "cannot be saved" not in shown


def test_a_mark_at_the_beginning_is_no_damage(progress_file, capsys):
    progress_file.write_bytes(b'\xef\xbb\xbf{"quizzes": {"x": {"right": true}}}')
    store.record("quizzes", "y", lambda old: {"right": True})
    assert set(store.load()["quizzes"]) == {"x", "y"} and capsys.readouterr().out == ""


def test_a_folder_may_be_named_for_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))
    store.record("quizzes", "x", lambda old: {"right": True})
    assert store.load()["quizzes"] and (tmp_path / ".progress.json").is_file()


@pytest.mark.parametrize("name", ["~nouser/progress.json", "   "])
def test_a_name_that_means_nothing_is_as_good_as_none(monkeypatch, tmp_path, name):
    monkeypatch.delenv("COURSE_PROGRESS")
    usual = store.progress_file()
    monkeypatch.setenv("COURSE_PROGRESS", name)
    assert store.progress_file() == usual


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
def test_a_link_to_the_file_stays_a_link_and_a_pipe_a_pipe(monkeypatch, tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere" / "real.json")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "link.json"))
    for name in ("x", "y"):
        store.record("quizzes", name, lambda old: {"right": True})
    assert (tmp_path / "link.json").is_symlink() and set(store.load()["quizzes"]) == {"x", "y"}
    assert len(json.loads((tmp_path / "elsewhere" / "real.json").read_bytes())["quizzes"]) == 2
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    for name in ("circle", "pipe"):
        monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / name))
        store.record("quizzes", "x", lambda old: {"right": True})
        assert store.load()["quizzes"] == {"x": {"right": True}}, "remembered by the kernel"
    assert (tmp_path / "circle").is_symlink() and (tmp_path / "pipe").is_fifo()
    assert capsys.readouterr().out.count("cannot be saved") == 1


def test_a_lock_that_another_holds_is_waited_for_once(monkeypatch, progress_file, capsys):
    store.record("quizzes", "x", lambda old: {"right": True})
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.5)
    with FileLock(f"{progress_file}.lock"):
        for name in "yz":
            store.record("quizzes", name, lambda old: {"right": True})
            assert set(store.load()["quizzes"]) >= {"x", name}
            assert store._held == {str(progress_file.resolve())}
    assert capsys.readouterr().out.count("cannot be saved") == 1
    store.record("quizzes", "again", lambda old: {"right": True})
    assert not store._held and set(json.loads(progress_file.read_bytes())["quizzes"]) == {"x", "again"}


def test_half_a_character_is_saved_and_shown(progress_file, capsys):
    drill.ask("1", answer="half \ud83d of a smile", said=[1])
    assert "half ? of a smile" in capsys.readouterr().out
    store.record("quizzes", "\udc80", lambda old: {"first": "\ud83d"})
    json.loads(progress_file.read_text(encoding="utf-8"))
    drill._card(drill.find("1"), "\ud83d", None)._repr_html_().encode("utf-8")


def test_litter_of_yesterday_is_swept(progress_file):
    old, new, other = "progress.jsonab12_cd3.part", "progress.jsonab12_cd4.part", "other.jsonab12_cd3.part"
    for name, age in ((old, 2), (new, 0), (other, 2)):
        path = progress_file.with_name(name)
        path.write_text("{")
        os.utime(path, (time.time() - age * 86_400,) * 2)
    store.record("quizzes", "x", lambda old: {"right": True})
    assert {path.name for path in progress_file.parent.glob("*.part")} == {new, other}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"predictions": 3}', b'{"quizzes": {"x": "right"}}', b"[" * 100_000],
    ids=["empty", "cut off", "list", "binary", "section", "entry", "deep"],
)
def test_a_damaged_file_is_put_aside(progress_file, capsys, content):
    progress_file.write_bytes(content)
    assert store.load() == store.EMPTY
    assert capsys.readouterr().out == (
        "Your progress file was damaged. It is kept as progress.json.bad, and a new one is begun.\n"
    )
    assert progress_file.with_name("progress.json.bad").read_bytes() == content
    store.record("quizzes", "x", lambda old: {"right": True})
    assert store.load()["quizzes"] == {"x": {"right": True}}
    progress_file.write_bytes(content)
    store.record("quizzes", "y", lambda old: {"right": True})
    assert progress_file.with_name("progress.json.bad2").read_bytes() == content


def test_sections_of_a_later_version_are_kept(progress_file):
    progress_file.write_text(
        '{"version": 1, "badges": [1], "quizzes": {"x": {"right": false}}}', encoding="utf-8"
    )
    store.record("quizzes", "y", lambda old: {"right": True})
    data = json.loads(progress_file.read_text(encoding="utf-8"))
    assert data["badges"] == [1] and set(data["quizzes"]) == {"x", "y"}


def test_where_nothing_can_be_written_the_kernel_remembers(monkeypatch, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("COURSE_PROGRESS", str(blocked / "progress.json"))
    predict("first-training", guess="a")
    predict("first-training", guess="b")
    said = capsys.readouterr().out
    assert said.count("cannot be saved") == 1 and str(tmp_path) not in said
    reveal("first-training", "a")
    assert "Your guess was right" in capsys.readouterr().out


def test_a_full_disk_keeps_the_old_file(monkeypatch, progress_file):
    store.record("quizzes", "x", lambda old: {"right": True})
    before = progress_file.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(store.os, "fsync", full)
        store.record("quizzes", "y", lambda old: {"right": True})
    assert progress_file.read_bytes() == before and not list(progress_file.parent.glob("*.part"))
    assert set(store.load()["quizzes"]) == {"x", "y"}
    store.record("quizzes", "y", lambda old: {**old, "again": True})
    assert json.loads(progress_file.read_bytes())["quizzes"]["y"] == {"right": True, "again": True}


def test_the_place_of_the_file(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_PROGRESS")
    assert store.progress_file().name == ".progress.json"
    assert store.progress_file().parent.name == "notebooks"
    monkeypatch.setattr(store.os, "access", lambda *args: False)
    monkeypatch.chdir(tmp_path)
    assert store.progress_file() == tmp_path / ".progress.json"
