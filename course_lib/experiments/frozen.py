"""BERT's Table 8 in small: bodies trained under different corruptions, tagged frozen and fine-tuned."""

from __future__ import annotations

from course_lib import fine_tuning, tasks
from course_lib.experiments.corruption import pretrained
from course_lib.experiments.texts import material
from course_lib.tinytown import TinyTown

__all__ = ["tagged"]

TRAINING_SEED, TEST_SEED = 2_000_003, 3_000_017  # stories that no body was trained on


def tagged(seeds: list[int], labelled: int = 16, **corruption) -> list[dict]:
    """Train a body under one corruption, then tag words with it: frozen, under a new head, and fine-tuned as a whole.

    ``labelled`` rows are all that either has to learn the tags from; ``corruption`` as in ``corruption.pretrained``.
    Returns for each seed lists of one number: tokens, and the accuracy and nats of the tags of held-out stories; 'new
    words' are the persons, places and objects that the labelled rows do not hold.
    """
    data, town = material(rows=32_000), TinyTown.load()
    train = tasks.tag(data.tokenizer, town.stories(2 * labelled, seed=TRAINING_SEED))[:labelled]
    asked = tasks.tag(data.tokenizer, town.stories(400, seed=TEST_SEED))
    new = tasks.new_words(train, asked).numpy()

    def run(seed: int) -> dict:
        body, history = pretrained(seed, **corruption)
        found = {"tokens": [history.eval_tokens[-1]]}
        for name, frozen in (("frozen", True), ("fine-tuned", False)):
            score = fine_tuning.score(fine_tuning.fine_tune(body, train, seed=seed, frozen=frozen), asked)
            found |= {f"{name} accuracy": [score.accuracy], f"{name} nats": [score.loss]}
            found[f"{name}, new words accuracy"] = [score.at(new).accuracy]
        return found

    return [run(seed) for seed in seeds]
