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
    def load(cls, path: str | FilePath | None = None) -> TinyTown:
        """Read a grammar file (YAML); without an argument, the course's ``data/tinytown.yaml``."""
        return cls.from_dict(yaml.safe_load(FilePath(path or GRAMMAR_FILE).read_text(encoding="utf-8")))

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
        return Story(texts, kinds=kinds, slots=slots, **values)

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


def _word_classes(grammar: dict) -> tuple[dict[str, list[str]], dict[str, tuple]]:
    """Read the sections topics, moods, heroes and anywhere: the hidden variables, and the words of each slot."""
    heroes = {name: {PRONOUN: pronoun} | classes | {"hero": name}
              for pronoun, classes in grammar["heroes"].items() for name in _listed(classes["hero"])}  # fmt: skip
    sections = {"topic": grammar["topics"], "mood": grammar["moods"], "hero": heroes,
                None: {None: grammar.get("anywhere") or {}}}  # fmt: skip
    slots: dict[str, tuple[str | None, dict]] = {}
    for variable, values in sections.items():
        for value, classes in values.items():
            for slot, words in classes.items():
                known, choices = slots.setdefault(slot, (variable, {}))
                if known != variable or not words:
                    raise ValueError(f"Word class {slot!r} of {value or 'anywhere'!r} has no words, or is given twice: "
                                     "give it words, or another name.")  # fmt: skip
                choices[value] = _listed(words)
    for slot, (variable, choices) in slots.items():
        if absent := set(sections[variable]) - set(choices):
            raise ValueError(f"Word class {slot!r} is missing for {variable} {sorted(absent)}: add it there.")
    return {variable: list(sections[variable]) for variable in ("topic", "hero", "mood")}, slots


def _listed(words: str | list[str]) -> list[str]:
    return [words] if isinstance(words, str) else words


def _chain(story: dict, kinds: set[str]) -> dict[str, dict[str, float]]:
    """Read the section story: P(next kind | kind)."""
    then = story["then"]
    named = {story["starts_with"], *then, *(after for weights in then.values() for after in weights)}
    if unknown := named - kinds:
        raise ValueError(f"`story` names {sorted(unknown)}, but `sentences` has no such kind.")
    if missing := kinds - set(then):
        raise ValueError(f"`story: then:` has no line for {sorted(missing)}: say what follows each kind.")
    return {kind: {after: weight / sum(weights.values()) for after, weight in weights.items()}
            for kind, weights in then.items()}  # fmt: skip


def _paths(kind: str, templates: list[str], slots: dict) -> list[Path]:
    """Turn each '[a {thing}|an {item}]' into one path per alternative; groups are chosen together."""
    paths = []
    for template in templates:
        groups = [group.split("|") for group in GROUP.findall(template)]
        counts = {len(group) for group in groups} or {1}
        if len(counts) > 1:
            raise ValueError(f"Template {template!r}: all [..|..] must offer the same number, not {sorted(counts)}.")
        for chosen in list(zip(*groups, strict=True)) or [()]:
            fill = iter(chosen)
            parts = tuple(GROUP.sub(lambda _, fill=fill: next(fill), template).split())
            for part in parts:
                if ("{" in part or "}" in part) and part[1:-1] not in slots:
                    raise ValueError(f"Template {template!r}: no word class for {part!r}. Known: {sorted(slots)}.")
            paths.append(Path(kind, parts, 1 / (len(templates) * max(counts))))
    return paths
