"""Lesson 06's experiments: next-sentence prediction, its negatives, its direction, and what it adds."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]

# Found by trying on seed 100: from random weights a tiny BERT stays at chance on other documents for 0.7 million
# tokens, with and without masked words. After 1,000 steps of masked words alone it leaves chance within 0.4 million.
_RUN = {"steps": 800, "batch_size": 32, "learning_rate": 1e-3}
_BERT = {"causal": False, "judge_at": "first", "words_first": 1000}

_KINDS = ("other document", "look-alike document", "same document", "swapped")
_STATED = {"written": "2026-11-26", "own_text": True}

EXPERIMENTS = (
    Experiment(
        "nsp-negatives",
        "A body that knows words learns to judge pairs with one kind of negative. Which other kinds can it then tell?",
        "Accuracies on fresh stories per seed (the first edition had one text and 400 pairs). At its own kind: other "
        "document 0.70 to 0.95, same document above 0.65, swapped above 0.82, look-alikes below 0.60. Trained on other "
        "documents: on swapped pairs within 0.03 of one half, as in ALBERT's Table 5, and on look-alikes too. Trained "
        "on swapped pairs: on other documents less than 0.10 above one half. Without a network: shared words are "
        "within 0.03 of one half on swapped pairs, but naive Bayes on the words of each segment gets more than 0.78 "
        "right, and B alone more than 0.68.",
        "negative", {kind: {"negative": kind} for kind in _KINDS}, "other document", _RUN | _BERT | {"beside": True},
        run=".pairs:judge_pairs", margins={f"{kind} accuracy": 0.03 for kind in _KINDS}, **_STATED,
    ),
    Experiment(
        "nsp-direction",
        "Does next sentence prediction need bidirectional attention?",
        "No: judged from its last token, the body under the causal mask gets at least 0.65 of the pairs right, chance "
        "being 0.50. Against the bidirectional one it is not told apart, or behind by less than 0.10.",
        "causal", {"bidirectional": {"causal": False}, "causal": {"causal": True}}, "bidirectional",
        _RUN | {"negative": "other document", "judge_at": "last", "words_first": 1000},
        run=".pairs:judge_pairs", margins={"other document accuracy": 0.03}, **_STATED,
    ),
    Experiment(
        "nsp-or-words-only",
        "The same pairs with and without the question whether B follows: what does it do to the words, and to [CLS]?",
        "The question costs the words a little: 0.00 to 0.06 nats more (in the first edition 0.012 to 0.039, on one "
        "text, where about as well had been expected). Two [CLS] vectors rank related texts above unrelated ones at "
        "least 0.10 more often with it.",
        "judge_at", {"words and pairs": {"judge_at": "first"}, "words only": {"judge_at": None}}, "words only",
        _RUN | {"negative": "other document", "causal": False, "words_first": 1000},
        run=".pairs:judge_pairs", margins={"word nats": 0.05, "word accuracy": 0.01}, **_STATED,
    ),
    Experiment(
        "nsp-from-the-start",
        "Words and pairs together from random weights, as BERT does it, with as many steps in all: any difference?",
        "With masked words first all seeds end above 0.70; from random weights at least one of five stays below 0.60 "
        "(in the first edition 0.5 to 0.75, where chance had been expected for all).",
        "words_first", {
            "words first": {"words_first": 1000, "steps": 800},
            "both from the start": {"words_first": 0, "steps": 1800},
        },
        "words first",
        {"batch_size": 32, "learning_rate": 1e-3, "negative": "other document", "causal": False, "judge_at": "first"},
        run=".pairs:judge_pairs", **_STATED,
    ),
)  # fmt: skip
