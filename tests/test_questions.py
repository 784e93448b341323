"""Hints come one by one, solutions are complete, the first guess counts, right stays right."""

import re
from dataclasses import replace

import pytest

from course_lib import plots
from course_lib.exercises import hint, lessons, predict, questions, quiz, reveal, solution, try_it
from course_lib.exercises.help import solution_source
from course_lib.notes import progress as store
from course_lib.notes.cards import inline

pytestmark = pytest.mark.usefixtures("progress_file")


def test_hints_come_one_by_one_or_by_number(capsys):
    for _ in range(4):
        hint("best_share")
    told = re.findall(r"^Hint (\d) of 3", capsys.readouterr().out, re.MULTILINE)
    assert told == ["1", "2", "3", "3"]
    hint("best_share", 1)
    assert capsys.readouterr().out.startswith("Hint 1 of 3: One gap first")
    for number in (0, 4, "1", 1.5, True, 1.0):
        with pytest.raises(ValueError, match="numbered 1 to 3"):
            hint("best_share", number)


@pytest.mark.parametrize("name", [name for n in lessons.numbers() for name in lessons.texts(n)["exercises"]])
def test_the_example_of_an_exercise_can_be_tried(capsys, name):
    try_it(lessons.find("exercises", name).reference)
    said = capsys.readouterr().out.split("yours:    ")
    assert len(said) > 1
    for part in said[1:]:
        got, want = part.split("\nexpected: ")
        assert want.startswith(got), f"{name}: the contract's example"


def test_try_it_shows_what_a_wrong_function_gives(capsys):
    try_it(lambda gaps: len(gaps), "best_share")
    assert capsys.readouterr().out == (
        'best_share([{"cat": 0.25, "dog": 0.75}, {"tomorrow": 1.0}])\nyours:    2\nexpected: 0.875\n'
    )
    with pytest.raises(ZeroDivisionError):
        try_it(lambda gaps: 1 / 0, "best_share")
    with pytest.raises(TypeError, match="without brackets"):
        try_it(["the"])


def test_a_solution_is_folded_and_complete(capsys):
    solution("best_share")
    assert "def best_share(gaps):" in capsys.readouterr().out


def test_a_solution_has_the_imports_that_it_uses_and_no_others():
    source = solution_source(lessons.find("exercises", "answer_f1").reference)
    assert source.startswith("from collections import Counter\nimport string\n\n\ndef answer_f1(answer, gold):")


OPTIONS = {"a": "yes", "b": "no"}
QUESTION = lessons.Question("made-up", "Does `x` < **y**?", OPTIONS, {"a": "It is smaller.", "b": "It is larger."})
QUIZ = lessons.Question("made-quiz", "One?", OPTIONS, {"a": "One is one.", "b": "It is."}, "a")


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setattr(questions, "_answers", {})
    monkeypatch.setattr(questions, "_cut_before", {})
    items = {"predictions": QUESTION, "quizzes": QUIZ}
    monkeypatch.setattr(lessons, "find", lambda kind, name: items[kind])


def said(capsys, function, *args, **options):
    function(*args, **options)
    return capsys.readouterr().out


def test_a_prediction_from_question_to_reveal(made_up, capsys):
    asked = said(capsys, predict, "made-up", guess=None)
    assert asked == (
        "Predict: Does `x` < y?\n  a) yes\n  b) no\n"
        'What do you expect? Click an option, or type its letter: `predict("made-up", "a")`.\n'
    )
    assert said(capsys, predict, "made-up", guess=" B ").endswith("Your guess: b) no.\n")
    assert said(capsys, predict, "made-up").endswith("Your guess: b) no.\n")
    assert said(capsys, reveal, "made-up", "b").startswith("You were right: the run says b) no. It is larger.")
    changed = said(capsys, predict, "made-up", guess="a")
    assert "Changed: your first guess, b, is the one that counts." in changed
    assert said(capsys, reveal, "made-up", "a") == (
        "You said b) no. It is larger.\n\nThe run says a) yes. It is smaller.\n"
    )
    entry = store.load()["predictions"]["made-up"]
    assert (entry["first"], entry["guess"], entry["answer"]) == ("b", "a", "a")
    assert len(entry["changed"]) == 1


READING = replace(QUESTION, read="They are {gap:.1f} apart.", holds=("gap > 1", "max(v for v in values) < 9"))


def test_the_paragraph_is_read_only_where_its_conditions_hold(monkeypatch, capsys):
    monkeypatch.setattr(lessons, "find", lambda kind, name: READING)
    monkeypatch.delenv("COURSE_STRICT", raising=False)
    shown = said(capsys, reveal, "made-up", "b", "A *table*.", gap=2, values=[1])
    assert "A *table*.\n\nThey are 2.0 apart." in shown
    for values, condition in (({"gap": 1, "values": [1]}, "gap > 1"), ({"gap": 2, "values": [9]}, "max(v for")):
        shown = said(capsys, reveal, "made-up", "b", **values)
        assert "apart" not in shown and f"`{condition}" in shown and "does not hold" in shown
    for values in ({"values": [1]}, {"gap": 2}):
        with pytest.raises(ValueError, match="'made-up' needs (gap|values)=..."):
            reveal("made-up", "b", **values)
    monkeypatch.setenv("COURSE_STRICT", "1")
    with pytest.raises(AssertionError, match="gap > 1 is false in this run"):
        reveal("made-up", "b", gap=1, values=[1])
    with pytest.raises(ValueError, match="needs open="):
        replace(READING, holds=("open('x')",)).read_with({"gap": 1})


def test_the_answer_is_folded_until_there_is_a_guess(made_up):
    reveal("made-up", "b", "Shown *too*.")
    (answer,) = [questions._answers["made-up"]]
    closed = answer.card().data
    assert "<details><summary>" in closed and closed.count("<details") == closed.count("</details>") == 1
    inside = closed[closed.index("</summary>") : closed.index("</details>")]
    assert "It is larger." in inside and "Shown <em>too</em>." in inside
    predict("made-up", "a")
    assert "<details open>" in answer.card().data and "You said a) yes. It is smaller." in answer.card().data


def test_computed_markdown_is_shown_as_markdown_in_the_fold(made_up):
    reveal("made-up", "b", plots.markdown("Expected:\n\n> *more*"))
    shown = questions._answers["made-up"].card()
    assert "<blockquote>\n<p><em>more</em>" in shown.data and "> *more*" in repr(shown)


def test_a_run_that_was_stopped_answers_nothing(made_up, monkeypatch, capsys, progress_file):
    monkeypatch.setattr(questions, "cut_short", lambda: "tiny BERT")
    text = said(capsys, reveal, "made-up", "b")
    assert text == "tiny BERT was stopped early, so there is no answer yet: run its cell again, then this one.\n"
    assert not progress_file.exists() and "made-up" not in questions._answers
    predict("made-up")  # asked after the stop: it is about something else
    assert "the run says" in said(capsys, reveal, "made-up", "b").lower()


def test_a_click_records_the_guess_and_opens_the_answer(made_up, monkeypatch):
    shown = []
    monkeypatch.setattr(questions, "show", lambda card, updatable=False: shown.append(card) or Handle(shown))
    predict("made-up")
    buttons, note = parts(shown[-1])
    assert [button.button_style for button in buttons] == ["", ""]
    reveal("made-up", "b")
    buttons[1].click()
    assert [button.button_style for button in buttons] == ["", "primary"]
    assert "Your guess: b) no." in note.value and "<details open>" in shown[-1].data
    assert store.load()["predictions"]["made-up"]["guess"] == "b"
    quiz("made-quiz")
    buttons, note = parts(shown[-1])
    buttons[0].click()
    assert "Right: a) yes. One is one." in note.value and store.load()["quizzes"]["made-quiz"]["right"]
    quiz("made-quiz", "a")
    assert [button.button_style for button in parts(shown[-1])[0]] == ["primary", ""]


class Handle:
    def __init__(self, shown):
        self.update = shown.append


def parts(asked):
    """Return the buttons and the note of a question's widgets."""
    box = asked._buttons()
    return [row.children[0] for row in box.children[1:-1]], box.children[-1]


@pytest.mark.parametrize("letter", ["c", "", 1, ["a"], "ab", True])
def test_a_letter_that_is_no_option(made_up, letter):
    for call in (predict, reveal, quiz):
        with pytest.raises(ValueError, match='"a", "b"'):
            call("made-up", letter)


def test_a_guess_of_an_option_that_is_gone_is_no_guess(made_up, capsys):
    store.record("predictions", "made-up", lambda old: {"first": "z", "guess": "z"})
    assert "Click an option" in said(capsys, predict, "made-up")
    assert said(capsys, predict, "made-up", guess="a").endswith("Your guess: a) yes.\n")
    assert store.load()["predictions"]["made-up"]["first"] == "a"


def test_a_quiz(made_up, capsys):
    assert "type its letter" in said(capsys, quiz, "made-quiz")
    assert said(capsys, quiz, "made-quiz", answer="b").endswith("Not yet: b) no. It is.\n")
    assert said(capsys, quiz, "made-quiz", answer="a").endswith("Right: a) yes. One is one.\n")
    assert said(capsys, quiz, "made-quiz", answer="b").endswith("Not yet: b) no. It is.\n")
    entry = store.load()["quizzes"]["made-quiz"]
    assert entry["right"] and entry["first"] == "b", "another option may be tried to read why it is wrong"


def test_a_guess_made_after_the_run_does_not_count(made_up, capsys):
    assert said(capsys, reveal, "made-up", "b") == "The run says b) no. It is larger.\n"
    assert "so it does not count" in said(capsys, predict, "made-up", guess="b")
    assert "Your guess: the answer was on the page before it" in said(capsys, reveal, "made-up", "b")
    assert "so it does not count" in said(capsys, predict, "made-up", guess="a")


def test_asking_writes_nothing(made_up, progress_file):
    predict("made-up")
    quiz("made-quiz")
    assert not progress_file.exists()


def test_inline_marks():
    assert inline("`a<b` **c** & <d>") == "<code>a&lt;b</code> <b>c</b> &amp; &lt;d&gt;"
