"""Lesson 02's experiments: a pronoun and its name at growing distance, told apart by kind or by order."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]

_ATTENTION = ("bidirectional attention", "causal attention")
_COMMON = {"batch_size": 32}
_MADE_BY = {"run": ".distance:resolve", "revision": 2, "written": "2026-11-26", "own_text": True}


def _both_rates(readers: tuple[str, ...]) -> dict[str, dict]:
    """Give every reader the same two learning rates, so that none looks bad for want of a rate that suits it."""
    rates = (0.01, 0.003)
    return {f"{name}, rate {rate}": {"reader": name, "learning_rate": rate} for name in readers for rate in rates}


# The first edition's records (one forget bias, the better rate chosen on the rows that it reported) were known when
# these expectations were written. Seed 100 was tried to fix the numbers of steps (0.001 was worse for the LSTM and no
# better for causal attention).
EXPERIMENTS = (
    Experiment(
        "path-length",
        "A pronoun stands up to 63 words after its name, and its kind says which name is meant. Which reader learns "
        "it, how far, and how soon?",
        "Each at the rate that is better on other rows, mean over ten distances: both kinds of attention end above "
        "0.97 and are equivalent, less than 0.02 apart. The LSTM ends less than 0.02 below them, with a forget bias of "
        "0 as of 1, and later: 9 of 10 right at 60 words takes it at least 1.3 times the steps of bidirectional "
        "attention with bias 1, and more with bias 0. Convolutions end above 0.9 at 1 word and within 0.05 of 1/8 one "
        "word beyond their reach (4 words, dilated 40).",
        "reader", _both_rates((*_ATTENTION, "LSTM, forget bias 0", "LSTM, forget bias 1", "convolutions",
                               "dilated convolutions")),
        "bidirectional attention, rate 0.003", _COMMON | {"task": "kind", "steps": 500, "moments": 20}, **_MADE_BY,
        margins={"accuracy": 0.02, "accuracy at 60": 0.02},
    ),
    Experiment(
        "last-named",
        "Four names of one kind, and the pronoun means the last of them: does the shortest path still win?",
        "No: the LSTM reads in order and ends above 0.98, mean over ten distances at the rate that is better on other "
        "rows. Both kinds of attention have to build order from their position embeddings and end 0.005 to 0.08 below "
        "it, less than 0.03 from each other.",
        "reader", _both_rates((*_ATTENTION, "LSTM, forget bias 1")), "LSTM, forget bias 1, rate 0.01",
        _COMMON | {"task": "order", "steps": 700, "moments": 28}, **_MADE_BY, margins={"accuracy": 0.03},
    ),
)  # fmt: skip
