"""Tiny Town: a small English-like language written as data, and the stories it tells.

The grammar (``data/tinytown.yaml``) chooses three hidden variables for each story (topic, hero, mood), walks through a
Markov chain over kinds of sentences and fills templates. Because nothing else happens,
:mod:`course_lib.town.oracle` can compute the exact probability of every word.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path as FilePath

import yaml

from course_lib.places import DATA

__all__ = ["Sentence", "Path", "Story", "Question", "TinyTown", "GRAMMAR_FILE"]

Sentence = list[str]  # e.g. ['Anna', 'went', 'to', 'the', 'kitchen', '.']

GRAMMAR_FILE = DATA / "tinytown.yaml"
PRONOUN = "pron"
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
    """A question about a story and its answer: ``story.words[start:end]``."""

    text: str
    answer: str
    start: int
    end: int


@dataclass(frozen=True)
class Story:
    """A document of Tiny Town with its gold annotation."""

    sentences: list[Sentence]
    topic: str
    hero: str
    mood: str
    kinds: list[str]  # one per sentence
    slots: list[list[str | None]]  # the slot that wrote each word, None for a fixed word
    tags: list[list[str]]  # one label per word, 'O' for none

    @property
    def words(self) -> Sentence:
        """All words in a row."""
        return [word for sentence in self.sentences for word in sentence]

    def since(self, sentence: int) -> Story:
        """Leave out the sentences before this one."""
        parts = ("sentences", "kinds", "slots", "tags")
        return replace(self, **{name: getattr(self, name)[sentence:] for name in parts})


@dataclass(frozen=True)
class TinyTown:
    """The grammar: hidden variables, word classes, a chain over kinds and the paths of each kind.

    Load the course's own with ``TinyTown.load()``; a cut-down one from a dict with ``from_dict``.
    """

    variables: dict[str, list[str]]  # {'topic': [...], 'hero': [...], 'mood': [...]}
    slots: dict[str, tuple[str | None, dict[str | None, list[str]]]]  # slot -> (variable, value -> words)
    start: str
    chain: dict[str, dict[str, float]]  # kind -> next kind -> probability
    paths: list[Path]
    labels: dict[str, str] = field(default_factory=dict)  # slot -> label
    question_templates: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def load(cls, path: str | FilePath | None = None) -> TinyTown:
        """Read a grammar file (YAML); without an argument, the course's ``data/tinytown.yaml``."""
        path = FilePath(path or GRAMMAR_FILE)
        if not path.exists():
            raise FileNotFoundError(f"No grammar at {path}. Work from a clone of the course, or pass a path.")
        return cls.from_dict(yaml.safe_load(path.read_text(encoding="utf-8")))

    @classmethod
    def from_dict(cls, grammar: dict) -> TinyTown:
        """Build the town from the sections of a grammar file; see ``data/tinytown.yaml`` for each."""
        if missing := {"topics", "heroes", "moods", "story", "sentences"} - set(grammar):
            raise ValueError(f"The grammar has no section {sorted(missing)}: add it (see data/tinytown.yaml).")
        variables, slots = _word_classes(grammar)
        paths = [path for kind, templates in grammar["sentences"].items() for path in _paths(kind, templates, slots)]
        chain = _chain(grammar["story"], set(grammar["sentences"]))
        labels = {slot: label for label, names in grammar.get("labels", {}).items() for slot in names}
        questions = [(q["ask"], q["answer"]) for q in grammar.get("questions", [])]
        asked = {part[1:-1] for ask, _ in questions for part in ask.split() if _is_slot(part)}
        if unknown := {*labels, *asked, *(answer for _, answer in questions)} - set(slots):
            raise ValueError(f"`labels` or `questions` name {sorted(unknown)}. Known slots: {sorted(slots)}.")
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
        if sentences < 1:
            raise ValueError(f"sentences={sentences}: a story needs at least one sentence.")
        values = {name: options[int(rng.random() * len(options))] for name, options in self.variables.items()}
        texts, kinds, slots = [], [], []
        kind = self.start
        for _ in range(sentences):
            options, weights = self._by_kind[kind]
            path = rng.choices(options, cum_weights=weights)[0]
            words = [self.choices(part, values) for part in path.parts]
            texts.append([w[0] if len(w) == 1 else w[int(rng.random() * len(w))] for w in words])
            slots.append(path.slots)
            kinds.append(kind)
            kind = rng.choices(list(self.chain[kind]), weights=self.chain[kind].values())[0]
        tags = [[self.labels.get(slot, NO_LABEL) for slot in row] for row in slots]
        return Story(texts, kinds=kinds, slots=slots, tags=tags, **values)

    def stories(self, n: int, seed: int = 0, sentences: int = 6) -> list[Story]:
        """Write ``n`` independent stories; the same seed gives the same stories."""
        rng = random.Random(seed)
        return [self.story(rng, sentences) for _ in range(n)]

    def questions(self, story: Story) -> list[Question]:
        """Ask the grammar's questions about a story; one whose answer is not in the text is left out."""
        words, slots = story.words, [slot for row in story.slots for slot in row]
        values = {"topic": story.topic, "hero": story.hero, "mood": story.mood}
        found = []
        for ask, slot in self.question_templates:
            if slot in slots:
                at = slots.index(slot)
                text = " ".join(self.choices(part, values)[0] for part in ask.split())
                found.append(Question(text, words[at], at, at + 1))
        return found

    @cached_property
    def _by_kind(self) -> dict[str, tuple[list[Path], list[float]]]:
        """Group paths by kind, with their cumulative probabilities."""
        grouped = {kind: [path for path in self.paths if path.kind == kind] for kind in self.chain}
        return {kind: (paths, list(accumulate(path.probability for path in paths))) for kind, paths in grouped.items()}


def _is_slot(part: str) -> bool:
    return part.startswith("{")


def _word_classes(grammar: dict):
    """Read the sections topics, heroes, moods and anywhere into variables and slots."""
    slots: dict[str, tuple[str | None, dict]] = {}

    def add(slot, variable, value, words):
        words = _listed(words)
        bad = [word for word in words if not word or " " in word]
        if not words or bad:
            raise ValueError(f"Word class {slot!r} of {value!r} has {bad or 'no words'}: give single words.")
        known, by_value = slots.setdefault(slot, (variable, {}))
        if known != variable or value in by_value:
            raise ValueError(f"Word class {slot!r} of {value or 'anywhere'!r} is given twice: rename one.")
        by_value[value] = words

    for variable, section in (("topic", "topics"), ("mood", "moods")):
        for value, classes in grammar[section].items():
            for slot, words in classes.items():
                add(slot, variable, value, words)
    for pronoun, classes in grammar["heroes"].items():
        for name in _listed(classes["hero"]):
            for slot, words in ({"hero": name, PRONOUN: pronoun} | classes | {"hero": name}).items():
                add(slot, "hero", name, words)
    for slot, words in (grammar.get("anywhere") or {}).items():
        add(slot, None, None, words)
    heroes = [name for classes in grammar["heroes"].values() for name in _listed(classes["hero"])]
    variables = {"topic": list(grammar["topics"]), "hero": heroes, "mood": list(grammar["moods"])}
    for slot, (variable, choices) in slots.items():
        if absent := set(variables[variable]) - set(choices) if variable else ():
            raise ValueError(f"Word class {slot!r} is missing for {variable} {sorted(absent)}: add it there.")
    return variables, slots


def _listed(words: str | list[str]) -> list[str]:
    return [words] if isinstance(words, str) else words


def _chain(story: dict, kinds: set[str]) -> dict[str, dict[str, float]]:
    """Read the section story: P(next kind | kind)."""
    then = story.get("then", {})
    for kind, weights in then.items():
        if unknown := {kind, *weights} - kinds:
            raise ValueError(f"`story` names {sorted(unknown)}, but `sentences` has no such kind.")
        if sum(weights.values()) <= 0 or min(weights.values()) < 0:
            raise ValueError(f"`story: then: {kind}` has weights {weights}: give some above 0, none below.")
    if set(then) != kinds or story.get("starts_with") not in kinds:
        raise ValueError(f"Every kind of {sorted(kinds)} needs a line under `story: then:` and a start.")
    return {kind: {after: weight / sum(weights.values()) for after, weight in weights.items()}
            for kind, weights in then.items()}  # fmt: skip


def _paths(kind: str, templates: list[str], slots: dict) -> list[Path]:
    """Turn each '[a {thing}|an {item}]' into one path per alternative; groups are chosen together."""
    if not isinstance(templates, list) or not templates:
        raise ValueError(f"Kind {kind!r} under `sentences` needs a list of templates: {templates!r}.")
    paths = []
    for template in templates:
        groups = [group.split("|") for group in GROUP.findall(template)]
        counts = {len(group) for group in groups} or {1}
        if len(counts) > 1:
            raise ValueError(f"Template {template!r}: all [..|..] must offer the same number, not {sorted(counts)}.")
        for chosen in list(zip(*groups, strict=True)) or [()]:
            fill = iter(chosen)
            parts = tuple(GROUP.sub(lambda _, fill=fill: next(fill), template).split())
            if not parts or any(bracket in part for part in parts for bracket in "[]"):
                raise ValueError(f"Template {template!r} has no words, or a bracket without a partner: mend it.")
            for part in parts:
                if ("{" in part or "}" in part) and part[1:-1] not in slots:
                    raise ValueError(f"Template {template!r}: no word class for {part!r}. Known: {sorted(slots)}.")
            paths.append(Path(kind, parts, 1 / (len(templates) * max(counts))))
    return paths
