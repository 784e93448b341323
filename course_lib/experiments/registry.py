"""The recorded experiments of the course: what each asks, expects and varies."""

from __future__ import annotations

from course_lib.experiments.about_corruption import EXPERIMENTS as CORRUPTION
from course_lib.experiments.about_distance import EXPERIMENTS as DISTANCE
from course_lib.experiments.about_generation import EXPERIMENTS as GENERATION
from course_lib.experiments.about_pairs import EXPERIMENTS as PAIRS
from course_lib.experiments.about_recipes import EXPERIMENTS as RECIPES
from course_lib.experiments.about_roberta import EXPERIMENTS as ROBERTA
from course_lib.experiments.about_transfer import EXPERIMENTS as TRANSFER
from course_lib.experiments.about_translation import EXPERIMENTS as TRANSLATION
from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS", "find"]

_TOWN = {"corpus": "tiny town", "steps": 2048, "batch_size": 32, "learning_rate": 2e-3, "own_text": True}
_CAUSAL = {"objective": "causal", "causal": True}
_STATED = {"written": "2026-11-26", "own_text": True}

EXPERIMENTS: dict[str, Experiment] = {
    e.name: e
    for e in (
        Experiment(
            "one-mask-apart",
            "Same body, same masked words: what does the causal mask cost?",
            "Of 100 hidden words the two-sided reader fills 16 to 22 more than the left-only one. It ends at least 10 "
            "above the left-only ceiling and at most 4 below its own; the left-only reader ends 2 to 6 below its own, "
            "and never above it. Before training both are below the word-frequency floor of 14.",
            "causal", {"two-sided": {"causal": False}, "left-only": {"causal": True}}, "left-only",
            _TOWN | {"objective": "masked"},
            seeds=20, margins={"fill two-sided accuracy": 0.02, "fill left-only accuracy": 0.02}, **_STATED,
        ),
        Experiment(
            "two-masks-one-model",
            "Can one set of weights work under both masks? And what does a causal model owe to a loss at every word?",
            "Trained under both: at least 0.9 of the way from floor to ceiling under each mask, and behind each "
            "specialist by no more than 0.1 nats. Specialists fall apart under the other mask: worse than the floor. "
            "After a tenth of the text the causal model asked everywhere has gone 0.9 of the way, asked at 15% 0.7 "
            "(one-mask-apart's masked models then stand at 0.45 left-only and 0.35 two-sided); at the end the two "
            "causal models are within 0.05 nats of each other.",
            "objective", {  # the masked specialist is one-mask-apart's two-sided arm, seed by seed on the same text
                "causal": _CAUSAL | {"share": 1.0}, "causal, 15%": _CAUSAL | {"share": 0.15},
                "both": {"objective": "both", "causal": False},
            },
            "both", _TOWN, margins={"fill two-sided nats": 0.1, "next word nats": 0.05}, **_STATED,
        ),
        Experiment(
            "one-mask-apart-english",
            "The same on real English, where no ceiling is known?",
            "Two-sided above left-only, by less of the way than in Tiny Town after so few tokens.",
            "causal", {"two-sided": {"causal": False}, "left-only": {"causal": True}}, "left-only",
            {"corpus": "python docs", "objective": "masked", "steps": 6000, "batch_size": 32, "learning_rate": 2e-3},
        ),
        *DISTANCE,
        *GENERATION,
        *PAIRS,
        *RECIPES,
        *ROBERTA,
        *CORRUPTION,
        *TRANSFER,
        *TRANSLATION,
    )
}  # fmt: skip


def find(name: str) -> Experiment:
    """Return an experiment by its name; raises ValueError with the list of names."""
    if name not in EXPERIMENTS:
        raise ValueError(f"No experiment {name!r}. There are: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]
