"""Hints come one by one, solutions are complete, the first guess counts, right stays right."""

import re

import pytest

from course_lib.exercises import hint, lessons, predict, quiz, reveal, solution
from course_lib.exercises.help import solution_source
from course_lib.notes import progress as store
from course_lib.notes.cards import inline

pytestmark = pytest.mark.usefixtures("progress_file")


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


def test_a_solution_has_the_imports_that_it_uses_and_no_others():
    source = solution_source(lessons.find("exercises", "answer_f1").reference)
    assert source.startswith("from collections import Counter\nimport string\n\n\ndef answer_f1(answer, gold):")


OPTIONS = {"a": "yes", "b": "no"}
QUESTION = lessons.Question("made-up", "Does `x` < **y**?", OPTIONS, {"a": "It is smaller.", "b": "It is larger."})
QUIZ = lessons.Question("made-quiz", "One?", OPTIONS, {"a": "One is one.", "b": "It is."}, "a")


@pytest.fixture
def made_up(monkeypatch):
    items = {"predictions": QUESTION, "quizzes": QUIZ}
    monkeypatch.setattr(lessons, "find", lambda kind, name: items[kind])


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


def test_asking_writes_nothing(made_up, progress_file):
    predict("made-up")
    quiz("made-quiz")
    assert not progress_file.exists()


def test_inline_marks():
    assert inline("`a<b` **c** & <d>") == "<code>a&lt;b</code> <b>c</b> &amp; &lt;d&gt;"
