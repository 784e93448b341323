"""The sister language of Tiny Town: other words, another order, and endings that depend on the word to come.

Every Tiny Town sentence has exactly one translation, and the rule gives the alignment with it: which source word
each target word comes from. So a perfect translator is right every time (the ceiling is 1), and what a cruder rule
would reach can be counted.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence

from course_lib.town.language import Sentence, TinyTown

__all__ = ["SisterLanguage", "sentences"]

STOPS = (".", ",", "?")
# What the clauses of Tiny Town turn on, beside the words of the slots `did` and `face`.
VERBS = {
    "went", "go", "goes", "walked", "ran", "rode", "met", "was", "were", "took", "saw", "found", "wanted", "asked",
    "needed", "has", "is", "told", "called", "felt", "made", "left", "put",
}  # fmt: skip
EVEN, ODD = "o", "a"
AGREEMENTS = ("next word", "last word")


class SisterLanguage:
    """Translate Tiny Town word by word, in another order, with endings.

    1. *Words* are written backwards, in small letters, with an ending: kitchen -> nehctik and -o or -a.
    2. *Endings*: -o if the source word after it has an even number of letters, -a if it has an odd number or is a
       stop. As with "a" and "an" in English, one has to know the next word; here it goes for every word.
    3. *Order*: in each clause comes first what follows the (first) verb, then what stands before it, then the verb.
       Stops stay where they are and keep their form.

    With ``agreement='last word'`` it is a dialect in which the last word of the clause decides all its endings.
    """

    def __init__(self, agreement: str = "next word"):
        if agreement not in AGREEMENTS:
            raise ValueError(f"agreement={agreement!r} is unknown; choose one of {AGREEMENTS}.")
        self.town, self.agreement = TinyTown.load(), agreement
        slots = [words for slot in ("did", "face") for words in self.town.slots[slot][1].values()]
        self.verbs = VERBS | {word for words in slots for word in words}

    @property
    def vocabulary(self) -> list[str]:
        """Every word of the sister language without the stops, sorted."""
        words = set(self.town.vocabulary) - set(STOPS)
        return sorted(word[::-1].lower() + ending for word in words for ending in (EVEN, ODD))

    def word(self, word: str, decider: str) -> str:
        """Translate a word, given the source word that decides its ending."""
        if word in STOPS:
            return word
        return word[::-1].lower() + (ODD if decider in STOPS or len(decider) % 2 else EVEN)

    def deciders(self, sentence: Sequence[str]) -> list[str]:
        """Return for each word the source word that decides its ending; a stop after the last one of a clause."""
        found: list[str] = []
        last = following = "."
        for word in reversed(sentence):
            found.append(last if self.agreement == "last word" and following not in STOPS else following)
            last = word if following in STOPS and word not in STOPS else last
            following = word
        return found[::-1]

    def alignment(self, sentence: Sequence[str]) -> list[int]:
        """Return for each target position the source position that it translates."""
        places, clause = [], []
        for at, word in enumerate(sentence):
            if word not in STOPS:
                clause.append(at)
            if word in STOPS or at == len(sentence) - 1:
                verb = next((i for i, place in enumerate(clause) if sentence[place] in self.verbs), len(clause))
                places += clause[verb + 1 :] + clause[:verb] + clause[verb : verb + 1]
                places += [at] if word in STOPS else []
                clause = []
        return places

    def translate(self, sentence: Sequence[str]) -> Sentence:
        """Translate a sentence of the town; raises ValueError for a word that the town does not have."""
        if unknown := sorted(set(sentence) - set(self.town.vocabulary)):
            raise ValueError(f"Tiny Town has no {unknown}: translate its own sentences, as sentences(5) gives them.")
        words = [self.word(*pair) for pair in zip(sentence, self.deciders(sentence), strict=True)]
        return [words[at] for at in self.alignment(sentence)]


def sentences(n: int, seed: int = 0, held_out: bool = False) -> list[tuple[str, ...]]:
    """Draw ``n`` sentences as Tiny Town tells them; the same seed gives the same ones.

    A tenth of all that the town can say is set aside, by a checksum of the sentence, and no seed mixes the two:
    ``held_out`` draws from that tenth, each sentence once; otherwise common sentences come more than once. Raises
    ValueError when there are not enough different ones.
    """
    town, rng, found = TinyTown.load(), random.Random(seed), []
    for _ in range(100 + 10 * n):
        told = [s for s in map(tuple, town.story(rng).sentences) if _set_aside(s) is held_out]
        found = list(dict.fromkeys(found + told)) if held_out else found + told
        if len(found) >= n:
            return found[:n]
    raise ValueError(f"n={n}: only {len(found)} such sentences were found. Ask for fewer.")


def _set_aside(sentence: Sequence[str]) -> bool:
    return zlib.crc32(" ".join(sentence).encode()) % 10 == 1  # with 0 all sentences that have "hat" were set aside
