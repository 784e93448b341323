"""A cut-down town and its answers by counting every text, sharing no code with the library.

Only for tests. Everything is a dict from a tuple of words to its probability; the answers of
`course_lib.town.oracle` are ratios of its sums.
"""

from collections import defaultdict
from functools import lru_cache
from itertools import product

GRAMMAR = {
    "topics": {
        "farm": {"place": "farm", "thing": ["hen", "rope"], "item": "egg"},
        "port": {"place": "port", "thing": ["boat", "rope", "net"], "item": ["oar", "egg"]},
    },
    "heroes": {"she": {"hero": ["Ann", "Bea"], "poss": "her"}, "he": {"hero": ["Cal"], "poss": "his"}},
    "moods": {"happy": {"feeling": ["glad", "calm"]}, "sad": {"feeling": ["low", "calm", "grim"]}},
    "anywhere": {"pet": ["dog", "cat"]},
    "story": {
        "starts_with": "go",
        "then": {
            "go": {"see": 2, "feel": 1},
            "see": {"see": 1, "feel": 2, "go": 3},
            "feel": {"go": 1, "see": 1},
        },
    },
    "sentences": {
        "go": ["[once|now] {hero} [went|is] there .", "{poss} {pet} ran ."],
        "see": ["{pron} saw [a {thing}|an {item}] .", "the {thing} fell ."],
        "feel": ["{hero} was {feeling} .", "{pron} was {feeling} and calm .", "dog ."],
    },
    "labels": {"PERSON": ["hero"], "OBJECT": ["thing", "item"]},
    "questions": [{"ask": "who is it ?", "answer": "hero"}],
}
# What the templates say, spelt out by hand: kind -> [(probability, parts)]; a part is a word or a slot.
SENTENCES = {
    "go": [
        (1 / 4, ["once", "{hero}", "went", "there", "."]),
        (1 / 4, ["now", "{hero}", "is", "there", "."]),
        (1 / 2, ["{poss}", "{pet}", "ran", "."]),
    ],
    "see": [
        (1 / 4, ["{pron}", "saw", "a", "{thing}", "."]),
        (1 / 4, ["{pron}", "saw", "an", "{item}", "."]),
        (1 / 2, ["the", "{thing}", "fell", "."]),
    ],
    "feel": [
        (1 / 3, ["{hero}", "was", "{feeling}", "."]),
        (1 / 3, ["{pron}", "was", "{feeling}", "and", "calm", "."]),
        (1 / 3, ["dog", "."]),
    ],
}
CHAIN = {"go": {"see": 2 / 3, "feel": 1 / 3}, "see": {"see": 1 / 6, "feel": 2 / 6, "go": 3 / 6},
         "feel": {"go": 1 / 2, "see": 1 / 2}}  # fmt: skip
HIDDEN = list(product(["farm", "port"], ["Ann", "Bea", "Cal"], ["happy", "sad"]))  # all equally likely


def words_for(part, topic, hero, mood):
    """Return the equally likely words of one part under the hidden variables."""
    classes = {
        "{thing}": {"farm": ["hen", "rope"], "port": ["boat", "rope", "net"]}[topic],
        "{item}": {"farm": ["egg"], "port": ["oar", "egg"]}[topic],
        "{hero}": [hero],
        "{pron}": ["he" if hero == "Cal" else "she"],
        "{poss}": ["his" if hero == "Cal" else "her"],
        "{feeling}": {"happy": ["glad", "calm"], "sad": ["low", "calm", "grim"]}[mood],
        "{pet}": ["dog", "cat"],
    }
    return classes.get(part, [part])


def sentences(kind, hidden):
    """Yield (words, probability) for each sentence of a kind."""
    for probability, parts in SENTENCES[kind]:
        options = [words_for(part, *hidden) for part in parts]
        for words in product(*options):
            p = probability
            for choices in options:
                p /= len(choices)
            yield words, p


@lru_cache
def stories(n, start="go"):
    """Return {(sentence, ...): probability} for all stories of n sentences."""
    found = defaultdict(float)

    def go_on(told, kind, p, hidden):
        if len(told) == n:
            found[told] += p
            return
        for words, q in sentences(kind, hidden):
            for after, r in CHAIN[kind].items() if len(told) + 1 < n else [(None, 1.0)]:
                go_on((*told, words), after, p * q * r, hidden)

    for hidden in HIDDEN:
        go_on((), start, 1 / len(HIDDEN), hidden)
    return dict(found)


def texts(n):
    """Return {words: probability} for all texts of the first n words of a story."""
    found = defaultdict(float)

    def go_on(words, kind, p, hidden):
        if len(words) >= n:
            found[words[:n]] += p
            return
        for sentence, q in sentences(kind, hidden):
            for after, r in CHAIN[kind].items():
                go_on(words + sentence, after, p * q * r, hidden)

    for hidden in HIDDEN:
        go_on((), "go", 1 / len(HIDDEN), hidden)
    return dict(found)


@lru_cache
def annotated(n):
    """Return {(hidden, ((word, slot, kind), ...)): probability} for all texts of n words."""
    found = defaultdict(float)

    def go_on(so_far, kind, p, hidden):
        if len(so_far) >= n:
            found[hidden, so_far[:n]] += p
            return
        for q, parts in SENTENCES[kind]:
            slots = [part.strip("{}") if part.startswith("{") else None for part in parts]
            for words, r in filled(parts, hidden):
                said = tuple((word, slot, kind) for word, slot in zip(words, slots, strict=True))
                for after, s in CHAIN[kind].items():
                    go_on(so_far + said, after, p * q * r * s, hidden)

    for hidden in HIDDEN:
        go_on((), "go", 1 / len(HIDDEN), hidden)
    return dict(found)


def filled(parts, hidden):
    """Yield (words, probability) for one template."""
    out = [((), 1.0)]
    for part in parts:
        options = words_for(part, *hidden)
        out = [((*words, word), p / len(options)) for words, p in out for word in options]
    return out


def condition(all_texts, seen, place):
    """Compute P(word at place | words seen): {word: probability}; `seen` maps places to words."""
    found = defaultdict(float)
    for words, p in all_texts.items():
        if all(words[t] == word for t, word in seen.items()):
            found[words[place]] += p
    total = sum(found.values())
    return {word: p / total for word, p in found.items()}


def restore(all_texts, vocabulary, observed, place, rate, random, keep, left_only=False):
    """Compute P(original word at place | corrupted text, place selected), counting the others' selections.

    Each other place was selected with probability `rate`; a selected word became [MASK] (None) with
    1 - random - keep, a uniformly drawn word with `random`, and stayed with `keep`.
    """
    places = range(place + 1 if left_only else len(observed))  # under a causal mask a place still sees itself

    def outcome(selected, original, seen):
        if not selected:
            return float(original == seen)
        if seen is None:
            return 1 - random - keep
        return random / len(vocabulary) + keep * (original == seen)

    patterns = []  # (probability of the selection, which of the places it selects)
    for pattern in product([False, True], repeat=len(places)):
        chosen = dict(zip(places, pattern, strict=True))
        if chosen[place]:
            p = 1.0
            for t in places:
                p *= 1.0 if t == place else rate if chosen[t] else 1 - rate
            patterns.append((p, chosen))
    found = defaultdict(float)
    for words, p in all_texts.items():
        for q, chosen in patterns:
            for t in places:
                q *= outcome(chosen[t], words[t], observed[t])
                if q == 0:
                    break
            found[words[place]] += p * q
    total = sum(found.values())
    return {word: p / total for word, p in found.items()}


def follows(all_stories, a, b, negative, n):
    """Compute P(b follows a) by placing both runs everywhere in all stories of n sentences."""
    a, b = tuple(map(tuple, a)), tuple(map(tuple, b))

    def share(*runs):
        """P(each run stands at its place)."""
        return sum(p for story, p in all_stories.items() if all(story[i : i + len(run)] == run for i, run in runs))

    def mean(values):
        return sum(values) / len(values)

    starts_a, starts_b = range(n - len(a) + 1), range(n - len(b) + 1)
    positive = mean([share((i, a), (i + len(a), b)) for i in range(n - len(a) - len(b) + 1)])
    if negative == "swapped":
        contrast = mean([share((i, b), (i + len(b), a)) for i in range(n - len(a) - len(b) + 1)])
    elif negative == "same document":
        apart = [
            (i, j)
            for i in starts_a
            for j in starts_b
            if (j > i + len(a) or j + len(b) <= i)  # no overlap, and not the next run
        ]
        contrast = mean([share((i, a), (j, b)) for i, j in apart])
    else:
        contrast = mean([share((i, a)) for i in starts_a]) * mean([share((j, b)) for j in starts_b])
    return positive / (positive + contrast)
