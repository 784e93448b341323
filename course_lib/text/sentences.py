"""Find the sentences of plain text, and the prose inside marked-up documentation."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

__all__ = ["paragraphs", "prose", "reads_as_prose", "sections", "split"]

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef  # what has a docstring
PLAIN = 0.7  # share of the words of prose that are words and not code
LONGEST_SENTENCE = 1000  # characters; text that is one huge line is cut at a space before this

_ABBREVIATIONS = frozenset([
    "e.g", "i.e", "cf", "vs", "viz", "approx", "al", "fig", "figs", "eq", "no", "nos", "sec", "ch", "vol",
    "pp", "ed", "eds", "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "inc", "ltd", "co"])
_CLOSERS = "\"'”’»)\\]"
_STOPS = ".!?…؟۔।॥።܀"  # Latin, Arabic, Urdu, Devanagari, Ethiopic, Syriac
_END = re.compile(
    # a space must follow: 3.14, os.path and v2.0.1 stay whole; a run of stops is tried only once
    rf"(?<![{_STOPS}])[{_STOPS}]++[{_CLOSERS}]*+(?=\s)"
    "|[。！？｡]+[」』”’）》]*")  # Chinese and Japanese put no space between sentences


def split(text: str) -> list[str]:
    """Split text into sentences with a few rules; white space is normalised, nothing else is lost.

    A blank line ends a sentence. So does a full stop before a space, unless it closes an abbreviation
    (e.g., i.e.), an initial or a list number, or the next word starts in lower case. Longer than
    LONGEST_SENTENCE characters is cut at a space.
    """
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        start = 0
        for end in _END.finditer(paragraph):
            if _ends_sentence(paragraph, start, end):
                found.extend(_chunks(paragraph[start:end.end()]))
                start = end.end()
        found.extend(_chunks(paragraph[start:]))
    return found


def _ends_sentence(paragraph: str, start: int, end: re.Match) -> bool:
    if end[0][0] in "。！？｡":
        return True
    if paragraph[end.end():end.end() + 40].lstrip()[:1].islower():
        return False
    if end[0] != ".":
        return True
    before = paragraph[max(start, end.start() - 40):end.start()].split()
    word = before[-1].lstrip("(\"'[“‘") if before else ""
    is_initial = len(word) == 1 and word.isupper() and word != "I"
    is_list_number = len(before) == 1 and word.isdecimal()
    return not (is_initial or is_list_number or word.lower() in _ABBREVIATIONS)


def _chunks(text: str) -> Iterator[str]:
    """Normalise white space and cut what is longer than LONGEST_SENTENCE at its last space, or anywhere."""
    sentence, start = " ".join(text.split()), 0
    while len(sentence) - start > LONGEST_SENTENCE:
        space = sentence.rfind(" ", start + 1, start + LONGEST_SENTENCE + 1)
        cut = space if space > 0 else start + LONGEST_SENTENCE
        yield sentence[start:cut]
        start = cut + (space > 0)
    if start < len(sentence):
        yield sentence[start:]


# --- documentation ---------------------------------------------------------------------------------

_HEADING = re.compile(r"^\S.*\n([*=~^#\"-])\1{2,} *$", re.MULTILINE)
_LIST_MARK = re.compile(r"(?:[*+•-]|\d+[.)])\s+")
_NOT_PROSE = re.compile(  # doctests, directives, tables and underlines, field lists, shell, grammar
    r">>>|\.\. |[-+|=*~^]{3}|[|+] ?|:\w+|@|[$%] |\S+ *::?=")
_INLINE = [(re.compile(pattern), new) for pattern, new in (
    (r":[\w:+.-]+:`[~!]?([^`<]+?)(?:\s*<[^`>]*>)?`", r"\1"),  # :func:`len`
    (r"``([^`]+)``|`([^`]+)`_{0,2}", r"\1\2"),  # ``code``, `name`, `link`_
    (r"(?<![\w*])\*{1,2}(\w[^*\n]*?)\*{1,2}(?![\w*])", r"\1"),  # *emphasis*, **strong**
    (r"\s*\[(?:\d+|#\w*)\]_?", ""),  # footnote marks
)]


def sections(text: str) -> list[str]:
    """Cut a text at its underlined headings and leave the headings out."""
    return _HEADING.split(text)[::2]


def prose(markup: str) -> Iterator[str]:
    """Yield the complete sentences of the paragraphs that read as prose, without their markup.

    Code, tables, directives, field lists and fragments are dropped: better less text than noise.
    """
    for text in paragraphs(markup):
        for sentence in split(text):
            if reads_as_prose(sentence, 4) and re.search(r"[.!?][\"')]*$", sentence):
                yield sentence


def paragraphs(markup: str) -> Iterator[str]:
    """Yield the paragraphs that are no code, table, directive or field list, each as one line without its markup."""
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*[*+•-] )", inspect.cleandoc(markup)):
        lines = [line.strip() for line in paragraph.splitlines()]
        if any(_NOT_PROSE.match(line) for line in lines):
            continue
        text = " ".join(lines)
        if mark := _LIST_MARK.match(text):
            text = text[mark.end():]
        for pattern, new in _INLINE:
            text = pattern.sub(new, text)
        yield text


def reads_as_prose(text: str, fewest_words: int) -> bool:
    """Tell whether a text begins like a sentence and consists of words, not of code."""
    words = text.split()
    plain = sum(word.strip("\"'(),.;:!?-").isalpha() for word in words)
    return (len(words) >= fewest_words and plain >= PLAIN * len(words) and "::" not in text
            and bool(re.match(r"[A-Z\"'(]", text)))  # fmt: skip
