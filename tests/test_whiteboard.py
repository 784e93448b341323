"""The whiteboard at the end of a lesson: a task in view, the drawing and what to mark in a fold, both languages."""

import re
import string

import pytest
from bs4 import BeautifulSoup

from course_lib import glass
from course_lib.notes import whiteboard

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def shown(monkeypatch):
    cards = []
    monkeypatch.setattr(whiteboard, "display", cards.append)
    return cards


def values(board):
    return {field: 0.25 for point in board.points for _, field, *_ in string.Formatter().parse(point) if field}


@pytest.mark.parametrize("number", list(whiteboard.load()))
def test_a_board_shows_its_task_and_folds_what_to_mark(number, shown):
    board = whiteboard.load()[number]
    whiteboard.show(number, "a drawing", **values(board))
    soup = BeautifulSoup(shown[0].data, "html.parser")
    fold = soup.details.extract()
    assert not fold.has_attr("open") and "a drawing" in fold.get_text()
    assert len(fold.find_all("li")) == len(board.points) >= 3
    assert "Take a sheet of paper." in soup.get_text() and board.en not in soup.get_text()
    assert fold.select_one("[lang=zh]").get_text() == board.zh and len(CHINESE.findall(board.zh)) > 15
    assert "0.25" in shown[0].text and board.en in shown[0].text
    assert not re.search(r"(?<!\*)\*\w", fold.get_text()), "an asterisk is shown as it is"


def test_a_lesson_without_a_board_is_an_error_that_names_those_that_have_one(shown):
    with pytest.raises(ValueError, match=r"no whiteboard for lesson 99; there are some for \[0"):
        whiteboard.show(99)
    with pytest.raises(KeyError):
        whiteboard.show(0)  # its points name numbers, which are missing


def test_one_sentence_is_drawn_under_both_masks():
    found = glass.drawn("tomorrow Ben will go to the school .", hidden=1)
    assert "bidirectional mask" in found.alt and "causal mask" in found.alt and "<img" in found._repr_html_()
