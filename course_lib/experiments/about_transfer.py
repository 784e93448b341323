"""Lesson 08's experiments: what pre-training is good for, and what the mask costs after it."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]


EXPERIMENTS = (
    Experiment(
        # Peak rates of fine-tuning, 1e-3, and of the head alone, 5e-3: the best of those tried on seed 100 (1e-4, 3e-4
        # and 1e-3 for the pre-trained body, 3e-4 and 1e-3 from scratch; 2e-3 and 5e-3 for the head).
        "transfer-labels",
        "How many labels does a pre-trained body save?",
        "With few labels fine-tuning is ahead of training from scratch on all three tasks; with many the gap closes. "
        "The frozen body comes close to the fine-tuned one. Words that were never labelled get the right tag from a "
        "pre-trained body and not from one without pre-training.",
        "how", {"from scratch": {"how": "from scratch"}, "frozen": {"how": "frozen"},
                "fine-tuned": {"how": "fine-tuned"}},
        "from scratch", {"labels": [16, 64, 256, 1024], "steps": 150},
        run=".transfer:few_labels",
    ),
    Experiment(
        "cls-vector",
        "Does [CLS] sum up a text before it has been asked to?",
        "Frozen, [CLS] says less about the topic than the mean of the tokens (BERT, footnote 6). Fine-tuned, it says "
        "as much. An untrained body is far below all.",
        "read", {
            "untrained, mean": {"read": "untrained, mean"}, "frozen, [CLS]": {"read": "frozen, [CLS]"},
            "frozen, mean": {"read": "frozen, mean"}, "fine-tuned, [CLS]": {"read": "fine-tuned, [CLS]"},
        },
        "frozen, mean", {"labels": [64, 256], "steps": 150},
        run=".transfer:summaries",
    ),
    Experiment(
        "transfer-mask",
        "What does a causal mask cost after fine-tuning, task by task, and can it be lifted then?",
        "Where the evidence stands to the left, nothing. A sentence's kind at its first word: about as much as it "
        "costs the exact reader. A question after its passage: half of the answers. Lifting the mask for fine-tuning "
        "repairs a part of this, not all.",
        "mask", {"two-sided": {"mask": "two-sided"}, "causal": {"mask": "causal"},
                 "causal, then lifted": {"mask": "lifted"}},
        "causal", {"labels": 256, "steps": 150},
        run=".transfer:masks",
    ),
    Experiment(
        "early-transfer",
        "Which body is of more use after little pre-training?",
        "On topics, the causal one at the first moments, as in BERT's Figure 5; the two-sided one catches up.",
        "causal", {"two-sided": {"causal": False}, "causal": {"causal": True}}, "two-sided", {"steps": 2048},
        run=".transfer:while_reading",
    ),
)  # fmt: skip
