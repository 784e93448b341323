"""One BERT body trained under different corruptions, and what its head then says at each kind of place in a text."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course_lib import evaluation, models, training
from course_lib.experiments.texts import Material, material
from course_lib.masking import Masking
from course_lib.objectives import Batch, MaskedLM, Objective
from course_lib.oracle import Oracle

__all__ = ["LossEverywhere", "Places", "Probes", "corrupted", "pretrained"]

TEST_RATES = {"15%": 0.15, "40%": 0.4}  # every model is asked at both, all hidden words [MASK]


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
        with models.autocast(device):
            logits = models.logits_at(model, self.input_ids.to(device), self.ordinary.to(device))
        model.train(was_training)
        said[self.ordinary] = logits.argmax(dim=-1).cpu()
        return said

    def best_answers(self, oracle: Oracle, rate: float, random: float, keep: float) -> Tensor:
        """Take the exact reader's best guess everywhere, if it knows that the place was selected: int64 [B, T].

        ``rate``, ``random`` and ``keep`` are the corruption that the reader believes in (Oracle.restore). Where it
        never selects a visible word, random = keep = 0, there is no answer: only [MASK] is filled.
        """
        words = self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))
        ids = torch.tensor(self.tokenizer.convert_tokens_to_ids(oracle.vocabulary))
        said = self.rows.clone()
        for row, inputs in enumerate(self.input_ids[:, 1:-1].tolist()):
            seen = [None if t == self.tokenizer.mask_token_id else words[t] for t in inputs]
            at = [t for t, word in enumerate(seen) if word is None or random + keep > 0]
            p = oracle.restore(seen, at, rate=rate, random=random, keep=keep)
            said[row, torch.tensor(at) + 1] = ids[torch.from_numpy(p.argmax(axis=1))]
        return said

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

    @property
    def fingerprint(self) -> list:
        """What made these questions, for cache keys."""
        return [*(asked.fingerprint for asked in self.asked.values()), "places 80/10/10"]

    def __call__(self, model) -> dict[str, float]:
        scores = {name: asked.score(model) for name, asked in self.asked.items()}
        nats = {f"{name} nats": score.loss for name, score in scores.items()}
        right = {f"{name} accuracy": score.accuracy for name, score in scores.items()}
        return nats | right | self.places.shares(self.places.answers(model))


def pretrained(
    seed: int, rate: float = 0.15, mask: float = 0.8, random: float = 0.1, tied: bool = True, everywhere: bool = False,
    steps: int = 1000, batch_size: int = 32, learning_rate: float = 2e-3, rows: int = 32_000,
) -> tuple[object, training.History]:  # fmt: skip
    """Train a tiny BERT on Tiny Town under one corruption, or load it from the cache. Returns (model, history).

    ``rate`` of the words are selected; of these ``mask`` become [MASK], ``random`` another word, the rest stay.
    ``tied``: the head's output weights are the input embeddings, as in BERT. ``everywhere``: all words are asked for.
    """
    data = material(rows=rows)
    masking = Masking.of(data.tokenizer, rate=rate, mask=mask, random=random)
    goal = LossEverywhere(masking) if everywhere else MaskedLM(masking)
    build: Callable = functools.partial(models.tiny_bert, data.tokenizer, tie_word_embeddings=tied)
    return training.fit(
        build, data.rows, goal, steps, tokenizer=data.tokenizer, seed=seed, batch_size=batch_size,
        learning_rate=learning_rate, evaluate=Probes(data, goal),
    )  # fmt: skip


def corrupted(seeds: list[int], **corruption) -> list[dict]:
    """Train under one corruption, a model per seed; arguments as in :func:`pretrained`.

    Returns for each seed lists over training: tokens, and the numbers of :class:`Probes`.
    """
    histories = [pretrained(seed, **corruption)[1] for seed in seeds]
    if any(history.interrupted for history in histories):
        raise KeyboardInterrupt
    return [{"tokens": history.eval_tokens, **history.evals} for history in histories]
