"""Exercises of lesson 01 about pieces: references, other right answers and known mistakes."""

from collections import Counter

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


def count_pairs(words):
    counts = {}
    for pieces, n in words.items():
        for pair in zip(pieces, pieces[1:], strict=False):
            counts[pair] = counts.get(pair, 0) + n
    return counts


def count_pairs_cases():
    yield ({("l", "o", "w"): 1},)
    yield ({("l", "o", "w"): 5, ("l", "o", "t"): 2},)
    yield ({("a", "a", "a"): 3, ("a",): 9, ("b", "a", "a"): 1},)


def count_pairs_by_index(words):
    counts = Counter()
    for pieces, n in words.items():
        for i in range(len(pieces) - 1):
            counts[pieces[i], pieces[i + 1]] += n
    return dict(counts)


def counted_once(words):
    counts = Counter()
    for pieces in words:
        counts.update(zip(pieces, pieces[1:], strict=False))
    return dict(counts)


def once_per_word(words):
    counts = Counter()
    for pieces, n in words.items():
        for pair in set(zip(pieces, pieces[1:], strict=False)):
            counts[pair] += n
    return dict(counts)


def across_words(words):
    pieces = [piece for word, n in words.items() for _ in range(n) for piece in word]
    return dict(Counter(zip(pieces, pieces[1:], strict=False)))


def any_two(words):
    counts = Counter()
    for pieces, n in words.items():
        for i, left in enumerate(pieces):
            for right in pieces[i + 1 :]:
                counts[left, right] += n
    return dict(counts)


def longest_match(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        end = len(word)
        while end > start and ("##" if start else "") + word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(("##" if start else "") + word[start:end])
        start = end
    return pieces


KNOWN = {*"readunk", *("##" + letter for letter in "readunklbs"), "read", "un", "##read", "##er", "##able", "reader"}


def longest_match_cases():
    for word in ("read", "reader", "unread", "readable", "readx", "dread", "readers"):
        yield word, frozenset(KNOWN)


def longest_match_by_recursion(word, vocabulary, first=True):
    if not word:
        return []
    for end in range(len(word), 0, -1):
        piece = word[:end] if first else "##" + word[:end]
        if piece in vocabulary:
            rest = longest_match_by_recursion(word[end:], vocabulary, False)
            return ["[UNK]"] if rest == ["[UNK]"] else [piece, *rest]
    return ["[UNK]"]


def without_hashes(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        end = len(word)
        while end > start and word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(word[start:end])
        start = end
    return pieces


def shortest_match(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        end = next((e for e in range(start + 1, len(word) + 1) if mark + word[start:e] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(mark + word[start:end])
        start = end
    return pieces


def unknown_letter_only(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        mark, end = "##" if start else "", len(word)
        while end > start and mark + word[start:end] not in vocabulary:
            end -= 1
        pieces.append(mark + word[start:end] if end > start else "[UNK]")
        start = max(end, start + 1)
    return pieces


def whole_or_nothing(word, vocabulary):
    return [word] if word in vocabulary else ["[UNK]"]


EXERCISES = (
    Exercise(
        name="count_pairs", lesson=1, minutes=5, difficulty=1,
        reference=count_pairs, cases=count_pairs_cases,
        mistakes=(
            Mistake("not weighted", counted_once,
                    "each word counts once, however often it stands in the text: add its frequency."),
            Mistake("once per word", once_per_word,
                    "a pair that occurs twice in a word counts once: look at each place, not at the set of pairs."),
            Mistake("across words", across_words,
                    "pairs are counted across the border of two words, but a piece never spans a space."),
            Mistake("any two", any_two,
                    "pieces that do not stand next to each other are counted as well."),
        ),
        hints=("How often does the pair (o, w) occur in a text that has the word l-o-w five times?",
               "`zip(pieces, pieces[1:])` gives the neighbours; add n for each."),
        alternatives=(count_pairs_by_index,),
    ),
    Exercise(
        name="longest_match", lesson=1, minutes=8, difficulty=2,
        reference=longest_match, cases=longest_match_cases,
        mistakes=(
            Mistake("no ##", without_hashes,
                    "inside a word only pieces with ## count: *##able* may go on a word, *able* may begin one."),
            Mistake("shortest", shortest_match,
                    "you take the shortest piece that fits; WordPiece takes the longest, so that words stay whole."),
            Mistake("[UNK] inside", unknown_letter_only,
                    "a word with a letter that no piece covers is one [UNK] as a whole, not [UNK] for that letter."),
            Mistake("whole words", whole_or_nothing,
                    "a word that is not in the vocabulary should be put together from pieces before it is [UNK]."),
        ),
        hints=("From the left: which is the longest prefix that the vocabulary has? Then go on behind it.",
               "Behind the first piece look for '##' + the rest. If nothing fits, the whole word is ['[UNK]']."),
        alternatives=(longest_match_by_recursion,),
    ),
)  # fmt: skip
