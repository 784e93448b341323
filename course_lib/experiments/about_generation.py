"""Lesson 09's experiments: writing at a temperature, writing by filling masks, learning from the context alone."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]

_STEPS = 1250  # with 32 rows per step: every training row once

EXPERIMENTS = (
    Experiment(
        "temperature",
        "A GPT writes colder or hotter: what happens to the errors, to the variety and to the distance from the "
        "language?",
        "The colder, the more valid and the less varied. Closest to the language is temperature 1, although colder "
        "text has fewer errors.",
        "temperature", {f"T = {t}": {"temperature": t} for t in (0.3, 0.7, 1.0, 1.3)}, "T = 1.0",
        {"steps": _STEPS, "stories": 200},
        run=".writing:by_temperature",
    ),
    Experiment(
        "mask-and-fill",
        "Can a BERT write by filling masks, and what decides how well?",
        # Tried on seed 100 before this was written, as was the length of the training.
        "After equally many words of training no BERT comes near GPT. Left to right is better than a random order, "
        "resampling repairs a part, and training at every rate from 0 to 100% masks helps in either order.",
        "objective", {
            "GPT, left to right": {"objective": "causal", "order": "left to right", "sweeps": 0},
            "BERT, left to right": {"objective": "masked", "order": "left to right", "sweeps": 0},
            "BERT, random order": {"objective": "masked", "order": "random", "sweeps": 0},
            "BERT, random order, 2 sweeps": {"objective": "masked", "order": "random", "sweeps": 2},
            "any rate, left to right": {"objective": "any rate", "order": "left to right", "sweeps": 0},
            "any rate, random order": {"objective": "any rate", "order": "random", "sweeps": 0},
        },
        "GPT, left to right", {"steps": _STEPS, "stories": 100},
        run=".writing:by_filling",
    ),
    Experiment(
        "in-context",
        "Can a small GPT learn a mapping that no training episode had, from its context and without a gradient step?",
        # How many letters, pairs and steps a model of this size needs was tried on seed 100 before.
        "Trained on episodes with ever new mappings, two layers answer three of four letters that were shown, or more, "
        "and the accuracy rises with the pairs towards the best possible. Trained on one mapping they know that one by "
        "heart and fail on new ones. One layer names a digit that was shown, but not the letter's own.",
        "mappings", {
            "ever new mappings": {"mappings": "anew", "layers": 2},
            "one mapping": {"mappings": "one", "layers": 2},
            "ever new mappings, one layer": {"mappings": "anew", "layers": 1},
        },
        "one mapping", {"steps": 1250, "pairs": 10},
        run=".in_context:learn",
    ),
)  # fmt: skip
