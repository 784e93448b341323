"""The drill: every heading of the notes, every claim behind a question, marks that are kept and asked for again."""

import re

import pytest

from course_lib.notes import claims, drill
from course_lib.notes import progress as store

SECTIONS = {"1": 4, "2": 5, "3": 6, "4": 3, "4.1": 3, "4.2": 4, "5": 5, "6": 3}  # headings below each, in the notes
CHINESE = re.compile("[\u4e00-\u9fff]")


pytestmark = pytest.mark.usefixtures("progress_file")


def shown(capsys, *args, **kwargs):
    drill.ask(*args, **kwargs)
    return capsys.readouterr().out


def test_every_heading_of_the_notes_is_a_question_once():
    below = [f"{section}.{n}" for section, count in SECTIONS.items() for n in range(1, count + 1)]
    expected = {*(section for section in SECTIONS if "." not in section), *below}
    assert len(drill.load()) == len(expected) == 39
    assert {prompt.id for prompt in drill.load()} == expected


def test_every_claim_stands_behind_a_question_of_its_own_section():
    behind = {prompt.id: {id for point in prompt.points for id in point.claims} for prompt in drill.load()}
    assert set().union(*behind.values()) == {claim.id for claim in claims.load()}
    for claim in claims.load():
        for section in re.findall(r"\d(?:\.\d)?", claim.section):
            section = section.removesuffix(".0")
            near = [ids for id, ids in behind.items() if id == section or id.startswith(f"{section}.")]
            assert any(claim.id in ids for ids in near), f"{claim.id} is behind no question of {section}"


@pytest.mark.parametrize("prompt", drill.load(), ids=lambda prompt: prompt.id)
def test_a_question_is_whole_in_both_languages(prompt):
    assert prompt.en[-1] in "?." and prompt.zh[-1] in "？?。" and CHINESE.search(prompt.zh) and prompt.heading
    assert 2 <= len(prompt.points) <= 5
    for point in prompt.points:
        assert point.en[-1] == "." and point.zh[-1] == "。" and CHINESE.search(point.zh) and point.claims
        assert 20 < len(point.en) < 160 and len(point.zh) < 80


def test_the_points_stay_folded_until_there_is_an_answer(capsys):
    prompt = drill.find("4.2.2")
    out = shown(capsys, "4.2.2")
    assert prompt.en in out and prompt.zh in out and prompt.points[0].en not in out
    card = drill._card(prompt, "", None)
    assert "<details>" in card.data and prompt.points[0].en in card.data
    out = shown(capsys, "4.2.2", answer="decoders read the encoder")
    assert all(point.en in out and point.zh in out for point in prompt.points) and "said=" in out
    assert "ATT-09" in out and store.load()["drill"]["4.2.2"]["answer"] == "decoders read the encoder"


def test_marks_are_kept_and_what_was_missed_names_a_claim(capsys):
    prompt = drill.find("5.1")
    out = shown(capsys, "5.1", answer="pairs", said=[3, 1])
    assert "Marked: 2 of 3." in out and f'show_claim("{prompt.points[1].claims[0]}")' in out
    assert out.count("✓") == 2 and out.count("✗") == 1
    entry = store.load()["drill"]["5.1"]
    assert (entry["said"], entry["of"], entry["answer"]) == ([1, 3], 3, "pairs")
    shown(capsys, "5.1", said=[1, 2, 3])
    entry = store.load()["drill"]["5.1"]
    assert (entry["said"], entry["answer"]) == ([1, 2, 3], "pairs")


def test_what_you_know_least_is_asked_next(capsys):
    order = [prompt.id for prompt in drill.load()]
    assert drill.weakest().id == order[0] == "1"
    for id in order:
        drill.ask(id, said=[n + 1 for n, _ in enumerate(drill.find(id).points)] if id != "3.4" else [1])
    assert drill.weakest().id == "3.4"
    drill.ask("6.3", said=[])
    assert drill.weakest().id == "6.3" and drill.find("6.3").en in shown(capsys)
    store.record("drill", "2.1", lambda old: old | {"of": 99})  # marked when it had other points
    assert drill.weakest().id == "2.1"


def test_the_table_of_marks(capsys):
    assert "0 of 39" not in repr(drill.marks()) and "0 of 5" in repr(drill.marks())
    drill.ask("1.1", said=[2])
    text = repr(drill.marks())
    assert "1 of 5" in text and "1 of 2" in text and "Next: 1" in text


@pytest.mark.parametrize("call,message", [
    (lambda: drill.ask("7"), "there is no question '7'"),
    (lambda: drill.ask("4.9"), "there is no question '4.9'.*4.2.1"),
    (lambda: drill.ask("1", said=[9]), r"said=\[9\] is no list of the points of 1, which has \[1, 2"),
    (lambda: drill.ask("1", said=[0]), "no list of the points of 1"),
    (lambda: drill.ask(said=[1]), r'say which question you mark: drill.ask\("1", said='),
    (lambda: drill.sheet("7"), "there is no chapter '7'"),
    (lambda: drill.ask(said=1), r'say which question you mark: drill.ask\("1", said=1\)'),
    (lambda: drill.ask("1", said=1), "said=1 is no list of the points"),
    (lambda: drill.ask("1", said="12"), "said='12' is no list of the points"),
    (lambda: drill.ask("1", said=[[1]]), "no list of the points of 1"),
    (lambda: drill.ask(1), "there is no question 1; ask for one of these, as text: 1, 1.1"),
    (lambda: drill.ask(1.2), "there is no question 1.2"),
])  # fmt: skip
def test_slips_are_explained_and_change_nothing(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert len(caught.value._render_traceback_()) == 1, "one clear line"
    assert store.load()["drill"] == {}


def test_the_sheet_has_all_questions_or_those_of_a_chapter(capsys):
    drill.sheet()
    assert len(capsys.readouterr().out.strip().splitlines()) == 39
    drill.sheet("6")
    assert [line[:3].strip() for line in capsys.readouterr().out.strip().splitlines()] == ["6", "6.1", "6.2", "6.3"]


def test_answers_cannot_break_the_page(capsys):
    card = drill._card(drill.find("1"), "<script>alert(1)</script>", None)
    assert "<script>" not in card.data and "&lt;script&gt;" in card.data
