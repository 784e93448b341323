"""Lesson 08's experiments: what pre-training is good for, and what the mask costs after it.

Every seed has a text of its own to pre-train on, labelled stories of its own and held-out stories of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from course_lib import runtime
from course_lib.apply import fine_tuning
from course_lib.experiments import materials
from course_lib.experiments.materials import ASKED, HELD_OUT, LABELLED, labelled, town_words
from course_lib.model import bodies
from course_lib.town import tasks
from course_lib.town.oracle import Oracle
from course_lib.train import loop
from course_lib.train.evaluation import Score
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM

__all__ = ["TASKS", "Probe", "best", "body_of", "few_labels", "fresh_body", "masks", "summaries", "while_reading"]

TASKS = ("topic", *tasks.WORD_TASKS, "question first", "question last")
MOMENTS = 16  # of a pre-training, at which a copy is fine-tuned on the topic


# --- backbones
@dataclass(frozen=True)
class Probe:
    """Fine-tune copies of a backbone on the topic of 32 stories, whole and with the backbone frozen."""

    seed: int

    def __call__(self, model: PreTrainedModel) -> dict[str, float]:
        train, found = labelled("topic", 32, LABELLED + self.seed), {}
        for name, frozen in (("topic accuracy", False), ("topic frozen accuracy", True)):
            tuned = fine_tuning.fine_tune(model, train, frozen=frozen, pooling="mean", steps=100, seed=self.seed)
            found[name] = _asked(tuned, "topic", self.seed).accuracy
        return found


def body_of(seed: int, causal: bool = False, steps: int = 2048) -> tuple[PreTrainedModel, loop.History]:
    """Pre-train one backbone, or take it from the cache: (model, history). All experiments here start from the same.

    Masked words, or next words under the causal mask; ``history.evals`` has what :class:`Probe` found at MOMENTS.
    """
    data = materials.material(seed=seed)
    goal = CausalLM.of(data.tokenizer) if causal else MaskedLM(Masking.of(data.tokenizer))
    return loop.fit(
        functools.partial(_build, causal), data.rows, goal, steps, tokenizer=data.tokenizer, seed=seed, batch_size=32,
        learning_rate=2e-3, evaluate=Probe(seed), evaluations=MOMENTS, name="causal" if causal else "masked",
    )  # fmt: skip


def fresh_body(seed: int, causal: bool = False) -> PreTrainedModel:
    """Build the backbone that :func:`body_of` starts from: random weights."""
    runtime.seed_all(seed)
    return _build(causal)


def _build(causal: bool) -> PreTrainedModel:
    return (bodies.causal_bert if causal else bodies.tiny_bert)(town_words()[1])


def _asked(model: PreTrainedModel, task: str, seed: int) -> Score:
    return fine_tuning.score(model, labelled(task, ASKED, HELD_OUT + seed))


@functools.cache
def best(task: str, seed: int, left_only: bool = False) -> float:
    """Compute the exact reader's accuracy on a run's own held-out rows; ``left_only``, under a causal mask."""
    town, tokenizer = town_words()
    return fine_tuning.ceiling(Oracle(town), tokenizer, labelled(task, ASKED, HELD_OUT + seed), left_only).accuracy


# --- what is measured
def few_labels(seed: int, how: str, labels: Sequence[int], steps: int, longer: int) -> dict[str, float]:
    """Learn topic, mood and tags from few labels and from many, a text's label being read from [CLS].

    ``how``: 'from scratch', 'frozen' (the head alone), 'fine-tuned', or 'untrained, frozen', the head alone on random
    weights. Returns 'TASK, N labels' (accuracy on held-out rows) and 'TASK, N labels, own' (on the labelled rows
    themselves); for tags also 'tags, N labels, new words': on words with a label other than O that occur in none of the
    labelled rows, if there are twenty. The mood is also learned in ``longer`` steps from the two largest numbers of
    labels, as 'mood, N labels, 600 steps'; 'mood ceiling' is the exact reader's.
    """
    trained = how in ("frozen", "fine-tuned")
    body, found = body_of(seed)[0] if trained else fresh_body(seed), {}
    learn = functools.partial(fine_tuning.fine_tune, body, frozen=how.endswith("frozen"), seed=seed)
    for task in ("topic", "mood", "tags"):
        train = labelled(task, max(labels), LABELLED + seed)
        for n in labels:
            model = learn(train[:n], steps=steps)
            score = _asked(model, task, seed)
            found[f"{task}, {n} labels"] = score.accuracy
            found[f"{task}, {n} labels, own"] = fine_tuning.score(model, train[:n]).accuracy
            if task == "tags":
                new = tasks.new_words(train[:n], labelled(task, ASKED, HELD_OUT + seed)).numpy()
                if new.sum() >= 20:
                    found[f"tags, {n} labels, new words"] = score.at(new).accuracy
        if task == "mood":
            found["mood ceiling"] = best("mood", seed)
            for n in sorted(labels)[-2:]:
                patient = _asked(learn(train[:n], steps=longer), task, seed)
                found[f"mood, {n} labels, {longer} steps"] = patient.accuracy
    return found


def summaries(seed: int, read: str, labels: Sequence[int], steps: int) -> dict[str, float]:
    """Read a story's topic from one vector: '[CLS]' or 'mean' of a 'frozen', 'fine-tuned' or 'untrained' backbone.

    ``read`` is two of these words, 'frozen, mean'; an untrained backbone is frozen as well. Returns 'topic, N labels'.
    """
    state, vector = read.split(", ")
    pooling = {"[CLS]": "first", "mean": "mean"}[vector]
    body = fresh_body(seed) if state == "untrained" else body_of(seed)[0]
    found = {}
    for n in labels:
        train, frozen = labelled("topic", n, LABELLED + seed), state != "fine-tuned"
        model = fine_tuning.fine_tune(body, train, frozen=frozen, pooling=pooling, steps=steps, seed=seed)
        found[f"topic, {n} labels"] = _asked(model, "topic", seed).accuracy
    return found


def masks(seed: int, mask: str, labels: int, topic_labels: int, steps: int) -> dict[str, float]:
    """Pre-train and fine-tune 'bidirectional' or 'causal', or 'lifted': causal, and bidirectional for fine-tuning.

    'untrained' and 'untrained, causal' fine-tune random weights under either mask. The mean of the tokens stands for a
    text, as in arXiv:2507.00994; topics are learned from ``topic_labels`` only, since with more every score is 1.
    Returns each task's accuracy on held-out rows, and for 'kind at first word' also that of the exact reader,
    ' ceiling', and of the exact reader under a causal mask, ' causal ceiling'.
    """
    trained, causal_before, causal = {  # is the backbone trained; is it causal in pre-training; in fine-tuning?
        "bidirectional": (True, False, False), "causal": (True, True, True), "lifted": (True, True, False),
        "untrained": (False, False, False), "untrained, causal": (False, True, True),
    }[mask]  # fmt: skip
    body, found = body_of(seed, causal_before)[0] if trained else fresh_body(seed, causal_before), {}
    for task in TASKS:
        train = labelled(task, topic_labels if task == "topic" else labels, LABELLED + seed)
        model = fine_tuning.fine_tune(body, train, pooling="mean", causal=causal, steps=steps, seed=seed)
        found[task] = _asked(model, task, seed).accuracy
    for name, left_only in (("ceiling", False), ("causal ceiling", True)):
        found[f"kind at first word {name}"] = best("kind at first word", seed, left_only)
    return found


def while_reading(seed: int, causal: bool, steps: int) -> dict[str, list]:
    """Fine-tune a backbone on the topic before its pre-training and at MOMENTS moments of it: lists over training."""
    history, before = body_of(seed, causal, steps)[1], Probe(seed)(fresh_body(seed, causal))
    since = {name: [before[name], *values] for name, values in history.evals.items()}
    return {"tokens": [0, *history.eval_tokens]} | since
