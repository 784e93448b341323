"""Lesson 10's experiments: who reads the source, how much of it the decoder may look at, and a BERT as encoder."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]

_MANY = {"pairs": 16_000, "steps": 300, "batch_size": 64, "learning_rate": 2e-3}
_FEW = {"pairs": 800, "steps": 400, "batch_size": 32, "learning_rate": 2e-3}
_MADE_BY = {"run": ".translating:translate"}

EXPERIMENTS = (
    Experiment(
        "who-reads-the-source",
        "The same pairs and the same questions: does it help to read the source from both sides, and to have an "
        "encoder for it?",
        "The prefix mask is ahead of the causal mask, as in T5; the encoder-decoder, with about twice the weights, is "
        "ahead of both.",
        "reader", {
            "encoder-decoder": {"reader": "encoder-decoder"}, "prefix mask": {"reader": "prefix"},
            "causal mask": {"reader": "causal"},
        },
        "causal mask", _MANY | {"view": "every position"}, **_MADE_BY,
    ),
    Experiment(
        # Asked after the first recording of the one above, in which the two masks did not differ. (It was made again
        # since two of its held-out sentences had a word that no training pair shows.)
        "far-agreement",
        "A dialect in which all endings of a clause depend on its last word: does the prefix mask help there?",
        "Yes. Where the next word decides, the causal position after a word knows both the word and its ending; where "
        "the last word decides, none but the last position can.",
        "reader", {"prefix mask": {"reader": "prefix"}, "causal mask": {"reader": "causal"}}, "causal mask",
        _MANY | {"view": "every position", "agreement": "last word"}, **_MADE_BY,
    ),
    Experiment(
        "one-context-vector",
        "May the decoder look at all source positions, or at one vector alone?",
        "With one vector fewer than half as many sentences are right, and long ones lose more than short ones, as in "
        "the recurrent translators before attention.",
        "view", {"every position": {"view": "every position"}, "[CLS] alone": {"view": "[CLS] alone"}},
        "[CLS] alone", _MANY | {"reader": "encoder-decoder"}, **_MADE_BY,
    ),
    Experiment(
        "warm-encoder",
        "Few pairs: does it help if the encoder starts from a BERT that has read Tiny Town?",
        "Yes: more right words than from random numbers.",
        "bert_steps", {"from BERT": {"bert_steps": 1000}, "from random": {"bert_steps": 0}}, "from random",
        _FEW | {"reader": "encoder-decoder"}, **_MADE_BY,
    ),
)  # fmt: skip
