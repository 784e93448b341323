"""One BERT body trained under different corruptions, and what its head then says at each kind of place in a text."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course_lib.experiments.texts import ASKED, Material, material
from course_lib.model import bodies
from course_lib.town.oracle import Oracle
from course_lib.train import evaluation, loop
from course_lib.train.masking import Masking
from course_lib.train.objectives import Batch, MaskedLM, Objective

__all__ = ["LossEverywhere", "Places", "Probes", "corrupted", "pretrained"]

# Every model is asked at both, all hidden words [MASK]. The names are what is counted: BERT's fixed number per row,
# round(0.15 * 32 tokens), is 5 of the 30 words of such a row; of 0.4 it is 13.
TEST_RATES = {"17%": 0.15, "43%": 0.4}
EVALUATIONS = 4  # on the way; each costs a twentieth of the training
PERFECT_ROWS = 150  # rows with a wrong word that the exact reader answers, for each seed


@dataclass(frozen=True)
class LossEverywhere:
    """Corrupt as MaskedLM does, but ask for every word of the rows: what a mean taken before the mask amounts to."""

    masking: Masking

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Ask at all ordinary tokens of rows [B, T]."""
        everywhere = self.masking.ordinary(rows)
        return replace(MaskedLM(self.masking)(rows, generator), select=everywhere, targets=rows[everywhere])


class Places:
    """Held-out rows under 80/10/10, and the three kinds of places that a reader can meet in them.

    ``kinds`` marks them, bool [B, T]: 'hidden' is [MASK]; at 'wrong' another word stands; at 'right' the true word,
    whether it was selected and kept or not selected at all (nobody who sees only the text can tell these two apart).
    """

    def __init__(self, tokenizer, rows: Tensor, seed: int = 1234):
        masking = Masking.of(tokenizer)
        self.tokenizer, self.rows = tokenizer, rows
        self.input_ids = masking(rows, torch.Generator().manual_seed(seed)).input_ids
        hidden, self.ordinary = self.input_ids == tokenizer.mask_token_id, masking.ordinary(rows)
        same = self.input_ids == rows
        self.kinds = {"hidden": hidden, "wrong": ~hidden & ~same, "right": self.ordinary & same}

    @torch.no_grad()
    def answers(self, model) -> Tensor:
        """Take the head's best guess everywhere: int64 [B, T]; special tokens are left as they are."""
        was_training, device, said = model.training, model.device, self.rows.clone()
        model.eval()
        with bodies.autocast(device):
            logits = bodies.logits_at(model, self.input_ids.to(device), self.ordinary.to(device))
        model.train(was_training)
        said[self.ordinary] = logits.argmax(dim=-1).cpu()
        return said

    def best_answers(self, oracle: Oracle, rate: float, random: float, keep: float, at: Tensor | None = None) -> Tensor:
        """Take the exact reader's best guess, if it knows that the place was selected: int64 [B, T].

        ``rate``, ``random`` and ``keep`` are the corruption that the reader believes in (Oracle.restore). Where it
        never selects a visible word, random = keep = 0, there is no answer: only [MASK] is filled. ``at``, bool
        [B, T], are the places to answer, everywhere if left out; elsewhere the true word is left.
        """
        words = self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))
        ids = torch.tensor(self.tokenizer.convert_tokens_to_ids(oracle.vocabulary))
        asked, said = self.ordinary if at is None else at & self.ordinary, self.rows.clone()
        if not random + keep:
            asked = asked & self.kinds["hidden"]
        for row, inputs in enumerate(self.input_ids[:, 1:-1].tolist()):
            seen = [None if t == self.tokenizer.mask_token_id else words[t] for t in inputs]
            places = asked[row, 1:-1].nonzero().flatten()
            p = oracle.restore(seen, places.tolist(), rate=rate, random=random, keep=keep)
            said[row, places + 1] = ids[torch.from_numpy(p.argmax(axis=1))]
        return said

    def perfect(self, oracle: Oracle, rate: float, random: float, keep: float, rows: int = PERFECT_ROWS) -> dict:
        """Count the exact reader's answers, arguments as in :meth:`best_answers`: the four numbers of :meth:`shares`.

        In the first ``rows`` rows with a wrong word: at the hidden and the wrong words, and at one right word of each
        row (a reader who takes in the whole row is slow). A recipe that replaces nothing makes a text in which a word
        in view is always right: repeat it. Returns {} where nobody is ever asked about a word in view.
        """
        if not random + keep:
            return {}
        few = self._some(self.kinds["wrong"].any(dim=1).nonzero()[:rows, 0])
        if not random:
            return {name: share for name, share in few.shares(few.input_ids).items() if "hidden" not in name}
        draw = torch.rand(few.rows.shape, generator=torch.Generator().manual_seed(0))
        one = torch.zeros_like(few.ordinary).scatter_(1, (draw * few.kinds["right"]).argmax(dim=1, keepdim=True), True)
        few.kinds["right"] &= one
        at = few.kinds["hidden"] | few.kinds["wrong"] | one
        return few.shares(few.best_answers(oracle, rate, random, keep, at))

    def _some(self, rows: Tensor) -> Places:
        """Take some of the rows, with the corruption that they have."""
        some = copy.copy(self)
        some.rows, some.input_ids, some.ordinary = self.rows[rows], self.input_ids[rows], self.ordinary[rows]
        some.kinds = {kind: mark[rows] for kind, mark in self.kinds.items()}
        return some

    def shares(self, said: Tensor) -> dict[str, float]:
        """Count what the answers [B, T] are: the four numbers of the copy probe, each 0..1."""
        hidden, wrong, right = (self.kinds[kind] for kind in ("hidden", "wrong", "right"))
        true, shown = said == self.rows, said == self.input_ids
        found = {
            "names the hidden word": true[hidden], "repeats a right word": true[right],
            "repairs a wrong word": true[wrong], "repeats a wrong word": shown[wrong],
        }  # fmt: skip
        return {name: hit.float().mean().item() for name, hit in found.items()}


class Probes:
    """What is measured of every model, whatever it was trained on: named numbers of ``Places`` and of held-out rows.

    'fill' has all hidden words [MASK] at one fixed rate; 'own' asks what the model's training asks.
    """

    def __init__(self, data: Material, own: Objective):
        goals = {f"fill {name}": MaskedLM(Masking.of(data.tokenizer, rate=rate, mask=1.0, random=0.0))
                 for name, rate in TEST_RATES.items()}  # fmt: skip
        self.asked = {name: evaluation.HeldOut(data.held_out, goal) for name, goal in (goals | {"own": own}).items()}
        self.places = Places(data.tokenizer, data.held_out)

    def __call__(self, model) -> dict[str, float]:
        scores = {name: asked.score(model) for name, asked in self.asked.items()}
        nats = {f"{name} nats": score.loss for name, score in scores.items()}
        right = {f"{name} accuracy": score.accuracy for name, score in scores.items()}
        return nats | right | self.places.shares(self.places.answers(model))


def _text(seed: int, rows: int) -> Material:
    return material(rows=rows, held_out=ASKED, seed=seed)


def _goal(tokenizer, rate: float, mask: float, random: float, everywhere: bool) -> Objective:
    masking = Masking.of(tokenizer, rate=rate, mask=mask, random=random)
    return LossEverywhere(masking) if everywhere else MaskedLM(masking)


def pretrained(
    seed: int, rate: float = 0.15, mask: float = 0.8, random: float = 0.1, tied: bool = True, everywhere: bool = False,
    steps: int = 1000, batch_size: int = 32, learning_rate: float = 2e-3, rows: int = 32_000,
) -> tuple[object, loop.History]:  # fmt: skip
    """Train a tiny BERT on the seed's own stories of Tiny Town under one corruption, or load it from the cache.

    ``rate`` of the words are selected; of these ``mask`` become [MASK], ``random`` another word, the rest stay.
    ``tied``: the head's output weights are the input embeddings, as in BERT. ``everywhere``: all words are asked for.
    Returns (model, history).
    """
    data = _text(seed, rows)
    goal = _goal(data.tokenizer, rate, mask, random, everywhere)
    build: Callable = functools.partial(bodies.tiny_bert, data.tokenizer, tie_word_embeddings=tied)
    return loop.fit(
        build, data.rows, goal, steps, tokenizer=data.tokenizer, seed=seed, batch_size=batch_size,
        learning_rate=learning_rate, evaluate=Probes(data, goal), evaluations=EVALUATIONS,
    )  # fmt: skip


def corrupted(seeds: list[int], perfect: bool = False, rows: int = 32_000, **corruption) -> list[dict]:
    """Train under one corruption, a model per seed on a text of its own; arguments as in :func:`pretrained`.

    Returns for each seed lists over training: tokens, the numbers of :class:`Probes`, and constants of its text:
    'selected share', as counted, and floor and ceiling, e.g. 'ceiling fill 17% nats'. ``perfect`` adds what a perfect
    reader says who knows the recipe (its rate being BERT's), e.g. 'perfect: repeats a right word'.
    """

    def one(seed: int) -> dict:
        history = pretrained(seed, rows=rows, **corruption)[1]
        if history.interrupted:
            raise KeyboardInterrupt
        fixed = _limits(seed, rows) | _of_recipe(_text(seed, rows), perfect, **corruption)
        constant = {name: [value] * len(history.eval_tokens) for name, value in fixed.items()}
        return {"tokens": history.eval_tokens, **history.evals, **constant}

    return [one(seed) for seed in seeds]


def _of_recipe(
    data: Material, perfect: bool, rate: float = 0.15, mask: float = 0.8, random: float = 0.1,
    everywhere: bool = False, **_,
) -> dict[str, float]:  # fmt: skip
    """Count on the held-out rows what share of the words the recipe asks for, and what a perfect reader says."""
    goal = _goal(data.tokenizer, rate, mask, random, everywhere)
    places, select = Places(data.tokenizer, data.held_out), evaluation.HeldOut(data.held_out, goal).batch.select
    share = select.sum().item() / places.ordinary.sum().item()
    keep = max(0.0, round(1 - mask - random, 6))
    best = places.perfect(data.oracle, share, random, keep) if perfect else {}
    return {"selected share": share} | {f"perfect: {name}": value for name, value in best.items()}


@functools.lru_cache(maxsize=2)
def _limits(seed: int, rows: int) -> dict[str, float]:
    """Floor and ceiling of the seed's own held-out questions."""
    data = _text(seed, rows)
    asked = data.fill()
    best = evaluation.ceiling(data.oracle, data.tokenizer, asked)
    floor = evaluation.floor(data.rows, asked, data.tokenizer.all_special_ids)
    return {
        "floor fill 17% accuracy": floor.accuracy, "ceiling fill 17% accuracy": best.accuracy,
        "ceiling fill 17% nats": best.loss,
    }  # fmt: skip
