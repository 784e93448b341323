"""Tiny Town: a small English-like language written as data, and the stories it tells.

The grammar (``data/tinytown.yaml``) chooses three hidden variables for each story (topic, hero, mood), walks through a
Markov chain over kinds of sentences and fills templates. Because nothing else happens,
:mod:`course_lib.town.oracle` can compute the exact probability of every word.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from functools import cached_property

import yaml

from course_lib.places import DATA

__all__ = ["Sentence", "Path", "Story", "Question", "TinyTown", "GRAMMAR_FILE"]

Sentence = list[str]  # e.g. ['Anna', 'went', 'to', 'the', 'kitchen', '.']

GRAMMAR_FILE = DATA / "tinytown.yaml"
GROUP = re.compile(r"\[([^\]]*)\]")  # alternatives: [went|is]
NO_LABEL = "O"


@dataclass(frozen=True)
class Path:
    """One template with its alternatives chosen: a straight line of words and ``{slots}``."""

    kind: str
    parts: tuple[str, ...]  # e.g. ('{hero}', 'went', 'to', 'the', '{place}', '.')
    probability: float  # given the kind

    @property
    def slots(self) -> list[str | None]:
        """The slot of each part, None for a fixed word: '{hero}' is the slot 'hero'."""
        return [part[1:-1] if _is_slot(part) else None for part in self.parts]


@dataclass(frozen=True)
class Question:
    """A question about a story; its answer is one word, ``story.words[place]``."""

    text: str
    place: int


@dataclass(frozen=True)
class Story:
    """A document of Tiny Town with its gold annotation."""

    sentences: list[Sentence]
    topic: str
    hero: str
    mood: str
    kinds: list[str]  # one per sentence
    slots: list[list[str | None]]  # the slot that wrote each word, None for a fixed word

    @property
    def words(self) -> Sentence:
        """All words in a row."""
        return [word for sentence in self.sentences for word in sentence]

    def since(self, sentence: int) -> Story:
        """Leave out the sentences before this one."""
        return replace(self, **{name: getattr(self, name)[sentence:] for name in ("sentences", "kinds", "slots")})


@dataclass(frozen=True)
class TinyTown:
    """The grammar: hidden variables, word classes, a chain over kinds and the paths of each kind."""

    variables: dict[str, list[str]]  # {'topic': [...], 'hero': [...], 'mood': [...]}
    slots: dict[str, tuple[str | None, dict[str | None, list[str]]]]  # slot -> (variable, value -> words)
    start: str
    chain: dict[str, dict[str, float]]  # kind -> next kind -> probability
    paths: list[Path]
    labels: dict[str, str]  # slot -> label
    question_templates: list[tuple[str, str]]  # (question, slot of the answer)

    @classmethod
    def load(cls) -> TinyTown:
        """Read the course's grammar, ``data/tinytown.yaml``."""
        return cls.from_dict(yaml.safe_load(GRAMMAR_FILE.read_text(encoding="utf-8")))

    @classmethod
    def from_dict(cls, grammar: dict) -> TinyTown:
        """Build the town from the sections of a grammar file; see ``data/tinytown.yaml`` for each."""
        variables, slots = _word_classes(grammar)
        paths = [path for kind, templates in grammar["sentences"].items() for path in _paths(kind, templates)]
        chain = {kind: {after: weight / sum(weights.values()) for after, weight in weights.items()}
                 for kind, weights in grammar["story"]["then"].items()}  # fmt: skip
        labels = {slot: label for label, names in grammar["labels"].items() for slot in names}
        questions = [(q["ask"], q["answer"]) for q in grammar["questions"]]
        return cls(variables, slots, grammar["story"]["starts_with"], chain, paths, labels, questions)

    @property
    def vocabulary(self) -> list[str]:
        """Every word that a story or a question can contain, sorted."""
        parts = [*(path.parts for path in self.paths), *(ask.split() for ask, _ in self.question_templates)]
        words = {word for _, choices in self.slots.values() for words in choices.values() for word in words}
        return sorted(words.union(part for line in parts for part in line if not _is_slot(part)))

    def choices(self, part: str, values: dict[str, str]) -> list[str]:
        """List the equally likely words for one part of a path, given the hidden variables' values."""
        if not _is_slot(part):
            return [part]
        variable, words = self.slots[part[1:-1]]
        return words[values[variable] if variable else None]

    def story(self, rng: random.Random, sentences: int = 6) -> Story:
        """Write one story: draw the hidden variables, walk the chain, fill a template at each step."""
        values = {name: options[int(rng.random() * len(options))] for name, options in self.variables.items()}
        texts, kinds, slots = [], [], []
        kind = self.start
        for _ in range(sentences):
            options = self._by_kind[kind]
            path = rng.choices(options, [option.probability for option in options])[0]
            words = [self.choices(part, values) for part in path.parts]
            texts.append([w[0] if len(w) == 1 else w[int(rng.random() * len(w))] for w in words])
            slots.append(path.slots)
            kinds.append(kind)
            kind = rng.choices(list(self.chain[kind]), weights=self.chain[kind].values())[0]
        return Story(texts, kinds=kinds, slots=slots, **values)

    def stories(self, n: int, seed: int = 0, sentences: int = 6) -> list[Story]:
        """Write ``n`` independent stories; the same seed gives the same stories."""
        rng = random.Random(seed)
        return [self.story(rng, sentences) for _ in range(n)]

    def questions(self, story: Story) -> list[Question]:
        """Ask the grammar's questions about a story; one whose answer is not in the text is left out."""
        slots = [slot for row in story.slots for slot in row]
        values = {"topic": story.topic, "hero": story.hero, "mood": story.mood}
        found = []
        for ask, slot in self.question_templates:
            if slot in slots:
                text = " ".join(self.choices(part, values)[0] for part in ask.split())
                found.append(Question(text, slots.index(slot)))
        return found

    @cached_property
    def _by_kind(self) -> dict[str, list[Path]]:
        return {kind: [path for path in self.paths if path.kind == kind] for kind in self.chain}


def _is_slot(part: str) -> bool:
    return part.startswith("{")


def _word_classes(grammar: dict) -> tuple[dict[str, list[str]], dict[str, tuple]]:
    """Read the sections topics, heroes, moods and anywhere: the hidden variables, and the words of each slot."""
    heroes = {name: {"pron": pronoun} | classes | {"hero": name}
              for pronoun, classes in grammar["heroes"].items() for name in classes["hero"]}  # fmt: skip
    sections = {"topic": grammar["topics"], "mood": grammar["moods"], "hero": heroes, None: {None: grammar["anywhere"]}}
    slots: dict[str, tuple[str | None, dict]] = {}
    for variable, values in sections.items():
        for value, classes in values.items():
            for slot, words in classes.items():
                _, choices = slots.setdefault(slot, (variable, {}))
                choices[value] = [words] if isinstance(words, str) else words
    return {variable: list(sections[variable]) for variable in ("topic", "hero", "mood")}, slots


def _paths(kind: str, templates: list[str]) -> list[Path]:
    """Turn each '[a {thing}|an {item}]' into one path per alternative; groups are chosen together."""
    paths = []
    for template in templates:
        groups = [group.split("|") for group in GROUP.findall(template)]
        options = list(zip(*groups, strict=True)) or [()]
        for chosen in options:
            fill = iter(chosen)
            parts = tuple(GROUP.sub(lambda _, fill=fill: next(fill), template).split())
            paths.append(Path(kind, parts, 1 / (len(templates) * len(options))))
    return paths
