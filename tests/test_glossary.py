"""The glossary is whole in both languages, and finds a word in either."""

import re

import pytest

from course_lib.notes import glossary


def test_terms_are_whole_and_unique():
    terms = glossary.load()
    assert len(terms) >= 40 and len({term.en for term in terms}) == len({term.zh for term in terms}) == len(terms)
    for term in terms:
        assert re.search("[\u4e00-\u9fff]", term.zh + term.says_zh) and 10 < len(term.says) < 110
        assert re.fullmatch(r"0\d|1[01]", term.lesson), f"{term.en}: {term.lesson!r} is no lesson"


@pytest.mark.parametrize("word,term", [
    ("causal", "causal mask"), ("因果", "causal mask"), ("CLS", "[CLS], [SEP]"), ("pooler", "pooler"),
    ("kv", "KV cache"),
])  # fmt: skip
def test_a_word_is_found_in_either_language(word, term):
    found = glossary.look_up(word)
    assert term in repr(found) and f"{term}<br><span lang" in found.data


def test_several_words_and_none():
    both = repr(glossary.look_up("WordPiece", "困惑度"))
    assert "WordPiece" in both and "perplexity" in both and "teacher forcing" not in both
    assert len(repr(glossary.look_up()).splitlines()) == len(glossary.load()) + 2
    with pytest.raises(ValueError, match="no term holds 'xyzzy'; there are 'token'"):
        glossary.look_up("xyzzy")
