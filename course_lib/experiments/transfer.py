"""What pre-training is good for: backbones fine-tuned on Tiny Town's gold labels, from few labels to many.

Every seed has a text of its own to pre-train on, labelled stories of its own and held-out stories of its own.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from course_lib import runtime
from course_lib.apply import fine_tuning
from course_lib.experiments.texts import ASKED, material
from course_lib.model import bodies
from course_lib.text import tokenization
from course_lib.town import tasks
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle
from course_lib.town.tasks import Task
from course_lib.train import loop
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM

__all__ = [
    "LABELLED",
    "TASKS",
    "Probe",
    "best",
    "body_of",
    "few_labels",
    "fresh_body",
    "labelled",
    "masks",
    "summaries",
    "while_reading",
]

TASKS = ("topic", *tasks.WORD_TASKS, "question first", "question last")
LABELLED, HELD_OUT = 2_000_003, 3_000_017  # seeds of the stories, plus a run's own; none is in a pre-training text
MOMENTS = 16  # of a pre-training, at which a copy is fine-tuned


@functools.cache
def _town() -> tuple[TinyTown, object]:
    town = TinyTown.load()
    return town, tokenization.word_tokenizer(town.vocabulary)


@functools.cache
def labelled(task: str, rows: int, seed: int) -> Task:
    """Write stories and label them for one of TASKS, or for the mood or the hero; ``seed`` says which stories."""
    town, tokenizer = _town()
    if task.startswith("question"):  # few stories have a passage with both answers; each then gives two rows
        made = tasks.answer(tokenizer, town, town.stories(8 * rows, seed), question_first=task == "question first")
    elif task in town.variables:
        made = tasks.classify(tokenizer, town.stories(rows + rows // 10 + 9, seed), task)
    else:
        made = tasks.tag(tokenizer, town.stories(rows + rows // 10 + 9, seed), task)
    if len(made) < rows:
        raise ValueError(f"Only {len(made)} of {rows} rows could be made of {task!r}: write more stories.")
    return made[:rows]


@functools.cache
def best(task: str, rows: int, seed: int, left_only: bool = False) -> float:
    """Compute the exact reader's accuracy on a run's own held-out rows; ``left_only``, under a causal mask."""
    town, tokenizer = _town()
    return fine_tuning.ceiling(Oracle(town), tokenizer, labelled(task, rows, HELD_OUT + seed), left_only).accuracy


@dataclass(frozen=True)
class Probe:
    """Fine-tune copies of a backbone on its way through pre-training, whole and with the backbone frozen."""

    task: str
    labels: int
    seed: int
    steps: int = 100
    held_out: int = ASKED

    def __call__(self, model) -> dict[str, float]:
        train = labelled(self.task, self.labels, LABELLED + self.seed)
        asked, found = labelled(self.task, self.held_out, HELD_OUT + self.seed), {}
        for name, frozen in (("accuracy", False), ("frozen accuracy", True)):
            settings = {"frozen": frozen, "pooling": "mean", "steps": self.steps, "seed": self.seed}
            found[f"{self.task} {name}"] = fine_tuning.score(
                fine_tuning.fine_tune(model, train, **settings), asked
            ).accuracy
        return found


def probe_of(seed: int) -> Probe:
    """Make the probe of :func:`body_of`."""
    return Probe("topic", 32, seed)


def body_of(seed: int, causal: bool = False, steps: int = 2048):
    """Pre-train one backbone, or take it from the cache: (model, history). All experiments here start from the same.

    Masked words, or next words under the causal mask, of the seed's own text; 32 rows per step, as in lesson 04. On the
    way, MOMENTS times, a copy is fine-tuned on the topic; ``history.evals`` says with what success, see Probe.
    """
    data = material(seed=seed)
    goal = CausalLM.of(data.tokenizer) if causal else MaskedLM(Masking.of(data.tokenizer))
    return loop.fit(
        lambda: _build(causal), data.rows, goal, steps, tokenizer=data.tokenizer, seed=seed, batch_size=32,
        learning_rate=2e-3, evaluate=probe_of(seed), evaluations=MOMENTS, name="causal" if causal else "masked",
    )  # fmt: skip


def fresh_body(seed: int, causal: bool = False):
    """Build the backbone that :func:`body_of` starts from: random weights."""
    runtime.seed_all(seed)
    return _build(causal)


def _build(causal: bool):
    return (bodies.causal_bert if causal else bodies.tiny_bert)(_town()[1])


def few_labels(
    seeds: list[int], how: str = "fine-tuned", labels: tuple[int, ...] = (16, 64, 256, 1024), steps: int = 150,
    longer: int = 600, on: tuple[str, ...] = ("topic", "mood", "tags"), held_out: int = ASKED,
) -> list[dict]:  # fmt: skip
    """Learn tasks from few labels and from many: 'from scratch', 'frozen' (the head alone) or 'fine-tuned'.

    'untrained, frozen' trains the head alone on random weights. A text's label is read from [CLS]. Returns for each
    seed 'TASK, N labels' (accuracy on ``held_out`` rows) and 'TASK, N labels, own' (on the labelled rows themselves),
    one number each; for tags also 'tags, N labels, new words': on words with a label other than O that occur in none of
    the labelled rows, if there are twenty. The mood is also learned in ``longer`` steps from the two largest
    numbers of labels, as 'mood, N labels, 600 steps'; 'mood ceiling' is the exact reader's.
    """
    starts = {"from scratch": False, "untrained, frozen": False, "frozen": True, "fine-tuned": True}
    if how not in starts:
        raise ValueError(f"how={how!r} is unknown; choose one of {', '.join(map(repr, starts))}.")

    def run(seed: int) -> dict:
        body, found = body_of(seed)[0] if starts[how] else fresh_body(seed), {}
        for task in on:
            train, asked = labelled(task, max(labels), LABELLED + seed), labelled(task, held_out, HELD_OUT + seed)
            learn = functools.partial(fine_tuning.fine_tune, body, frozen=how.endswith("frozen"), seed=seed)
            for n in labels:
                model = learn(train[:n], steps=steps)
                score = fine_tuning.score(model, asked)
                found[f"{task}, {n} labels"] = [score.accuracy]
                found[f"{task}, {n} labels, own"] = [fine_tuning.score(model, train[:n]).accuracy]
                if task == "tags" and (new := tasks.new_words(train[:n], asked).numpy()).sum() >= 20:
                    found[f"tags, {n} labels, new words"] = [score.at(new).accuracy]
            if task == "mood":
                found["mood ceiling"] = [best("mood", held_out, seed)]
                for n in sorted(labels)[-2:]:
                    patient = fine_tuning.score(learn(train[:n], steps=longer), asked)
                    found[f"mood, {n} labels, {longer} steps"] = [patient.accuracy]
        return found

    return [run(seed) for seed in seeds]


def summaries(
    seeds: list[int], read: str = "frozen, [CLS]", labels: tuple[int, ...] = (64, 256), steps: int = 150,
    held_out: int = ASKED,
) -> list[dict]:  # fmt: skip
    """Read a story's topic from one vector: '[CLS]' or 'mean' of a 'frozen', 'fine-tuned' or 'untrained' backbone.

    ``read`` is two of these words, 'frozen, mean'; an untrained backbone is frozen as well. Returns for each seed
    'topic, N labels', one number each.
    """
    state, _, vector = read.partition(", ")
    if state not in ("frozen", "fine-tuned", "untrained") or vector not in ("[CLS]", "mean"):
        raise ValueError(f"read={read!r} is unknown; e.g. 'frozen, [CLS]', 'fine-tuned, mean' or 'untrained, mean'.")

    def run(seed: int) -> dict:
        body, found = fresh_body(seed) if state == "untrained" else body_of(seed)[0], {}
        for n in labels:
            model = fine_tuning.fine_tune(
                body, labelled("topic", n, LABELLED + seed), frozen=state != "fine-tuned",
                pooling="mean" if vector == "mean" else "first", steps=steps, seed=seed,
            )  # fmt: skip
            score = fine_tuning.score(model, labelled("topic", held_out, HELD_OUT + seed))
            found[f"topic, {n} labels"] = [score.accuracy]
        return found

    return [run(seed) for seed in seeds]


def masks(
    seeds: list[int], mask: str = "bidirectional", labels: int = 256, topic_labels: int = 32, steps: int = 150,
    on: tuple[str, ...] = TASKS, held_out: int = ASKED,
) -> list[dict]:  # fmt: skip
    """Pre-train and fine-tune 'bidirectional' or 'causal', or 'lifted': causal, and bidirectional for fine-tuning.

    'untrained' and 'untrained, causal' fine-tune random weights under either mask. The mean of the tokens stands for a
    text, as in arXiv:2507.00994; topics are learned from ``topic_labels`` only, since with more every score is 1.
    Returns for each seed each task's accuracy on ``held_out`` rows, one number each, and for 'kind at first word' also
    that of the exact reader, ' ceiling', and of the exact reader under a causal mask, ' causal ceiling'.
    """
    # mask -> is the backbone trained, is it causal in pre-training, is it causal in fine-tuning
    ways = {"bidirectional": (True, False, False), "causal": (True, True, True), "lifted": (True, True, False),
            "untrained": (False, False, False), "untrained, causal": (False, True, True)}  # fmt: skip
    if mask not in ways:
        raise ValueError(f"mask={mask!r} is unknown; choose one of {', '.join(map(repr, ways))}.")
    trained, causal_before, causal = ways[mask]

    def run(seed: int) -> dict:
        body, found = body_of(seed, causal_before)[0] if trained else fresh_body(seed, causal_before), {}
        for task in on:
            train = labelled(task, topic_labels if task == "topic" else labels, LABELLED + seed)
            model = fine_tuning.fine_tune(body, train, pooling="mean", causal=causal, steps=steps, seed=seed)
            found[task] = [fine_tuning.score(model, labelled(task, held_out, HELD_OUT + seed)).accuracy]
        for name, left_only in (("ceiling", False), ("causal ceiling", True)):
            found[f"kind at first word {name}"] = [best("kind at first word", held_out, seed, left_only)]
        return found

    return [run(seed) for seed in seeds]


def while_reading(seeds: list[int], causal: bool = False, steps: int = 2048) -> list[dict]:
    """Fine-tune a backbone on the topic before its pre-training and at MOMENTS moments of it.

    Returns for each seed lists: 'tokens', 'topic accuracy' and 'topic frozen accuracy'.
    """

    def run(seed: int) -> dict:
        history, before = body_of(seed, causal, steps)[1], probe_of(seed)(fresh_body(seed, causal))
        since = {name: [before[name], *values] for name, values in history.evals.items()}
        return {"tokens": [0, *history.eval_tokens]} | since

    return [run(seed) for seed in seeds]
