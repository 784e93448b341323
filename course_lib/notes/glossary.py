"""The terms of the course in English and Chinese (data/glossary.yaml), to be looked up in either language."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import yaml

from course_lib.notes.cards import chinese, inline
from course_lib.places import DATA

__all__ = ["Term", "load", "look_up"]


@dataclass(frozen=True)
class Term:
    """A term, what it means in one line, and the lesson that builds it."""

    en: str
    zh: str
    says: str
    says_zh: str
    lesson: str


@functools.cache
def load() -> tuple[Term, ...]:
    """Read all terms, in the order of the lessons that build them; those of lesson 00 come last."""
    return tuple(Term(**entry) for entry in yaml.safe_load((DATA / "glossary.yaml").read_text(encoding="utf-8")))


def look_up(*words: str):
    """Show the terms that hold any of these words, in English or Chinese; all terms without a word.

    Raises ValueError where nothing is found, with words that would find something.
    """
    from course_lib.plots.tables import scrolled, table

    asked = [word.strip().casefold() for word in words] or [""]
    said = {term: " ".join((term.en, term.zh, term.says, term.says_zh)).casefold() for term in load()}
    found = [term for term, text in said.items() if any(word in text for word in asked)]
    if not found:
        some = ", ".join(repr(term.en) for term in load()[:4])
        raise ValueError(f"no term holds {' or '.join(map(repr, words))}; there are {some} and others: look_up()")
    rows = [[term.en, term.zh, term.says, term.says_zh, term.lesson] for term in found]
    shown = table(rows, ["English", "中文", "in one line", "一句话", "lesson"])
    left = 'style="text-align:left"'  # on a page the two languages stand one below the other, for a narrow window
    body = "".join(
        f'<tr><th scope="row" {left}>{inline(term.en)}<br>{chinese(term.zh)}</th>'
        f"<td {left}>{inline(term.says)}<br>{chinese(term.says_zh)}</td><td>{term.lesson}</td></tr>"
        for term in found
    )
    head = "".join(f'<th scope="col" {left}>{name}</th>' for name in ("term", "in one line", "lesson"))
    shown.data = scrolled(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", "terms")
    return shown
