"""Say how much of a text a tokenizer would lose: letters in unknown words, and marks that lower-casing drops."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["LONGEST_WORD", "MOST_LOST", "dropped_marks", "unknown_letters", "untrainable"]

LONGEST_WORD = 100  # letters: WordPiece makes [UNK] of a longer word, as scripts without spaces have them
MOST_LOST = 0.05  # share of the letters that may be lost without a word about it
ACCENTS = 200  # combining classes from here on are accents above and below; vowel signs and the like lie under it


def unknown_letters(tokenizer, ids: Mapping[str, list[int]]) -> float:
    """Return the share of letters in words that became the unknown token, of texts with their token ids."""
    unknown, lost = tokenizer.unk_token_id, 0  # looked up once: it is slow
    some = [text for text, found in ids.items() if unknown in found]
    if not some or not tokenizer.is_fast:
        return 0.0
    encoded = tokenizer(some, add_special_tokens=False, split_special_tokens=True, truncation=False,
                        return_offsets_mapping=True, verbose=False)  # fmt: skip
    for found, spans in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        lost += sum(end - start for token, (start, end) in zip(found, spans, strict=True) if token == unknown)
    return lost / sum(len("".join(text.split())) for text in ids)


def untrainable(words: Mapping[str, int], alphabet: Iterable[str]) -> float:
    """Return the share of letters in words that WordPiece could never know, given {word: count} and its letters."""
    kept = set(alphabet)
    lost = sum(n * len(word) for word, n in words.items() if len(word) > LONGEST_WORD or not kept.issuperset(word))
    return lost / sum(n * len(word) for word, n in words.items())


def dropped_marks(texts: Iterable[str]) -> float:
    """Return the share of marks that BERT's lower-casing drops and that make another word: vowel signs, sound marks."""
    counts = Counter()
    for text in texts:
        counts.update(text if text.isascii() else unicodedata.normalize("NFD", text))
    marks = sum(n for letter, n in counts.items()
                if unicodedata.category(letter) == "Mn" and unicodedata.combining(letter) < ACCENTS)  # fmt: skip
    return marks / max(1, counts.total())
