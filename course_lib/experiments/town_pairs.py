"""Pairs of segments from Tiny Town's stories, with each kind of negative: the material of lesson 06."""

from __future__ import annotations

import functools
import random
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from course_lib.experiments.materials import HELD_OUT_FROM, town_words
from course_lib.text import tokenization
from course_lib.text.packing import Pairs, balanced_pairs, doc_sentences
from course_lib.town.language import Story, TinyTown
from course_lib.town.oracle import Oracle
from course_lib.train.evaluation import Score, pair_ceiling

__all__ = ["KINDS", "LENGTH", "LOOKALIKE", "TownPairs", "town_pairs"]

LOOKALIKE = "look-alike document"  # another document with the same topic, hero and mood
KINDS = ("other document", LOOKALIKE, "same document", "swapped")
SENTENCES, LENGTH = 2, 52  # on each side of a pair; four sentences and three special tokens fit into a row
ASKED = 2000  # held-out pairs of each kind in a recorded run; a share of one half is then known to 0.02
HELD_OUT = 6000  # stories that these are made of
HIDDEN = ("topic", "hero", "mood")


@dataclass(frozen=True, eq=False)  # compared by identity, so that its pairs can be kept
class TownPairs:
    """Tiny Town's stories, to train on and held out, and pairs made of them."""

    town: TinyTown
    tokenizer: PreTrainedTokenizerBase
    stories: tuple[list[Story], list[Story]]  # to train on, held out

    def whole(self) -> torch.Tensor:
        """Pack the training stories, one in a row, two where it is long."""
        return doc_sentences(self.tokenizer, self.encoded(0), LENGTH)

    def training(self, kind: str, pairs: int | None = None) -> Pairs:
        """Make pairs of the training stories with one kind of negative: so many, or all that they give."""
        return self._pairs(0, kind, pairs)

    def held_out(self, kind: str, pairs: int = ASKED) -> Pairs:
        """Make so many pairs of held-out stories with one kind of negative."""
        return self._pairs(1, kind, pairs)

    def same_pronoun(self, pairs: Pairs) -> np.ndarray:
        """Say of held-out pairs whether the heroes of both documents are 'she', or both 'he': bool [N]."""
        pronoun, stories = self.town.slots["pron"][1], self.stories[1]
        documents = pairs.origins[:, :, 0].tolist()
        return np.array([pronoun[stories[a].hero] == pronoun[stories[b].hero] for a, b in documents])

    def texts(self, held_out: bool = True) -> list[list[str]]:
        """Return the stories as documents of sentences."""
        return [[" ".join(words) for words in story.sentences] for story in self.stories[held_out]]

    def exact(self, kind: str, pairs: Pairs) -> Score:
        """Score the exact reader on held-out pairs of one kind: no model can do better.

        Of look-alikes it is even told the topic, hero and mood, which both texts share: it is asked about the rest.
        """
        texts = self.texts()
        if kind != LOOKALIKE:
            return pair_ceiling(Oracle(self.town), texts, pairs)
        rows = defaultdict(list)
        for row, document in enumerate(pairs.origins[:, 0, 0].tolist()):
            rows[_hidden(self.stories[1][document])].append(row)
        nats, right = np.empty(len(pairs)), np.empty(len(pairs), dtype=bool)
        for hidden, members in rows.items():
            told = replace(self.town, variables={name: [value] for name, value in zip(HIDDEN, hidden, strict=True)})
            score = pair_ceiling(Oracle(told), texts, pairs[members])
            nats[members], right[members] = score.nats, score.right
        return Score(nats, right)

    @functools.lru_cache(maxsize=8)  # noqa: B019 (instances are few, made by town_pairs)
    def _pairs(self, part: int, kind: str, n: int | None) -> Pairs:
        documents = self.encoded(part)
        rng = random.Random(f"{kind} {part}")
        if kind == LOOKALIKE:
            return self._look_alikes(documents, self.stories[part], n, rng)
        matched = kind == "other document"
        return balanced_pairs(self.tokenizer, documents, LENGTH, rng, kind, SENTENCES, n, matched)

    def encoded(self, part: int) -> list[list[list[int]]]:
        """Return the stories as documents of sentences of ids: 0 to train on, 1 held out."""
        return tokenization.encode_documents(self.tokenizer, self.texts(bool(part)))

    def _look_alikes(self, documents: list, stories: list, n: int | None, rng: random.Random) -> Pairs:
        """Pair within each group of stories that share topic, hero and mood, then mix the groups."""
        groups = defaultdict(list)
        for d, story in enumerate(stories):
            groups[_hidden(story)].append(d)
        parts = []
        for members in groups.values():
            if len(members) > 1:
                own = [documents[d] for d in members]
                made = balanced_pairs(self.tokenizer, own, LENGTH, rng, "other document", SENTENCES, None, True)
                origins = made.origins.clone()
                origins[:, :, 0] = torch.tensor(members)[origins[:, :, 0]]
                parts.append(replace(made, origins=origins))
        whole = Pairs(*(torch.cat([getattr(part, name) for part in parts]) for name in
                        ("input_ids", "token_type_ids", "labels", "origins")), "other document", True)  # fmt: skip
        chosen = []
        for label in (0, 1):
            rows = (whole.labels == label).nonzero().flatten().tolist()
            chosen += rng.sample(rows, len(rows) if n is None else n // 2)
        rng.shuffle(chosen)
        return whole[chosen]


@functools.lru_cache(maxsize=2)
def town_pairs(stories: int = 8000, held_out: int = HELD_OUT, seed: int = 0) -> TownPairs:
    """Write Tiny Town's stories of six sentences, to train on and held out; ``seed`` draws both."""
    town, tokenizer = town_words()
    return TownPairs(town, tokenizer, (town.stories(stories, seed), town.stories(held_out, HELD_OUT_FROM + seed)))


def _hidden(story: Story) -> tuple[str, str, str]:
    return story.topic, story.hero, story.mood
