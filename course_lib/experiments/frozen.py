"""BERT's Table 8 in small: bodies trained under different corruptions, tagged frozen and fine-tuned."""

from __future__ import annotations

from course_lib.apply import fine_tuning
from course_lib.experiments.corruption import pretrained
from course_lib.experiments.texts import ASKED
from course_lib.text import tokenization
from course_lib.town import tasks
from course_lib.town.language import TinyTown

__all__ = ["tagged"]

# Stories that no body was trained on or asked about: seeds far from those of corruption's texts.
TRAINING_SEED, TEST_SEED = 2_000_003, 3_000_017
WAYS = {"frozen": True, "fine-tuned": False}


def tagged(seeds: list[int], labelled: int = 16, **corruption) -> list[dict]:
    """Train a body under one corruption, then tag words with it: frozen, under a new head, and fine-tuned as a whole.

    ``labelled`` rows, drawn for each seed, are all that either has to learn the tags from; ``corruption`` as in
    ``corruption.pretrained``. Returns for each seed lists of one number: tokens, and the accuracy and nats of the tags
    of held-out stories, the seed's own; 'new words' are the persons, places and objects that the labelled rows do not
    hold; 'frozen minus fine-tuned', how much better the frozen body is: whether a corruption matters more under a
    frozen body is a question about this number.
    """
    return [_one(seed, labelled, corruption) for seed in seeds]


def _one(seed: int, labelled: int, corruption: dict) -> dict:
    town = TinyTown.load()
    tokenizer = tokenization.word_tokenizer(town.vocabulary)
    train = tasks.tag(tokenizer, town.stories(2 * labelled, seed=TRAINING_SEED + seed))[:labelled]
    asked = tasks.tag(tokenizer, town.stories(2 * ASKED, seed=TEST_SEED + seed))[:ASKED]
    new = tasks.new_words(train, asked).numpy()
    body, history = pretrained(seed, **corruption)
    found = {"tokens": history.eval_tokens[-1]}
    for name, frozen in WAYS.items():
        score = fine_tuning.score(fine_tuning.fine_tune(body, train, seed=seed, frozen=frozen), asked)
        found |= {f"{name} accuracy": score.accuracy, f"{name} nats": score.loss}
        found[f"{name}, new words accuracy"] = score.at(new).accuracy
    for words in ("", ", new words"):
        first, second = (found[f"{name}{words} accuracy"] for name in WAYS)
        found[f"frozen minus fine-tuned{words} accuracy"] = first - second
    return {name: [value] for name, value in found.items()}
