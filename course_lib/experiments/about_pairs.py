"""Lesson 06's experiments: next-sentence prediction, its negatives, its direction, and what it adds."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]

# Found by trying on seed 100: from random weights a tiny BERT stays at chance on other documents for 0.7 million
# tokens, with and without masked words. After 1,000 steps of masked words alone it leaves chance within 0.4 million.
_RUN = {"steps": 800, "batch_size": 32, "learning_rate": 1e-3}
_BERT = {"causal": False, "judge_at": "first", "words_first": 1000}

EXPERIMENTS = (
    Experiment(
        "nsp-negatives",
        "A body that knows words learns to judge pairs with one kind of negative. Which other kinds can it then tell?",
        "Each model is best, or among the best, at its own kind. Trained on other documents: at chance on swapped "
        "pairs, as in ALBERT's Table 5, and on look-alikes. Trained on swapped pairs: clearly above chance there, and "
        "at chance on other documents.",
        "negative", {
            "other document": {"negative": "other document"},
            "look-alike document": {"negative": "look-alike document"},
            "same document": {"negative": "same document"}, "swapped": {"negative": "swapped"},
        },
        "other document", _RUN | _BERT, run=".pairs:judge_pairs",
    ),
    Experiment(
        "nsp-direction",
        "Does next sentence prediction need two-sided attention?",
        "No: judged from its last token, the body under the causal mask is clearly above chance. It may be behind the "
        "two-sided one.",
        "causal", {"two-sided": {"causal": False}, "left-only": {"causal": True}}, "two-sided",
        _RUN | {"negative": "other document", "judge_at": "last", "words_first": 1000},
        run=".pairs:judge_pairs",
    ),
    Experiment(
        "nsp-or-words-only",
        "The same pairs with and without the question whether B follows: what does it do to the words, and to [CLS]?",
        "Masked words are filled in about as well with the question as without. Two [CLS] vectors tell related texts "
        "from unrelated ones better with it.",
        "judge_at", {"words and pairs": {"judge_at": "first"}, "words only": {"judge_at": None}}, "words only",
        _RUN | {"negative": "other document", "causal": False, "words_first": 1000},
        run=".pairs:judge_pairs",
    ),
    Experiment(
        "nsp-from-the-start",
        "Words and pairs together from random weights, as BERT does it, with as many steps in all: any difference?",
        "From random weights the pairs stay at chance, with the same number of steps in all; after masked words alone "
        "they do not.",
        "words_first", {
            "words first": {"words_first": 1000, "steps": 800},
            "both from the start": {"words_first": 0, "steps": 1800},
        },
        "words first",
        {"batch_size": 32, "learning_rate": 1e-3, "negative": "other document", "causal": False, "judge_at": "first"},
        run=".pairs:judge_pairs",
    ),
)  # fmt: skip
