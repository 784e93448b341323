"""Lesson 08's experiments: what pre-training is good for, and what the mask costs after it."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]

_SAME = 0.02  # two answers in a hundred: less is no difference that matters
_OURS = {"revision": 2, "written": "2026-11-26", "own_text": True}

EXPERIMENTS = (
    Experiment(
        # Recorded in the first edition: five seeds of training on one text and one set of 400 held-out rows.
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
        "From 64 labels, frozen, [CLS] names the topic at least 0.15 less often than the mean of the tokens (BERT, "
        "footnote 6), and by chance of the seed: its scores are spread over 0.4 or more. Fine-tuned, it is 0.03 to 0.2 "
        "ahead of the frozen mean. The mean of untrained vectors is at least 0.25 behind the frozen mean; whether "
        "frozen [CLS] beats untrained [CLS], 5 seeds may not show.",
        "read", {
            "untrained, [CLS]": {"read": "untrained, [CLS]"}, "untrained, mean": {"read": "untrained, mean"},
            "frozen, [CLS]": {"read": "frozen, [CLS]"}, "frozen, mean": {"read": "frozen, mean"},
            "fine-tuned, [CLS]": {"read": "fine-tuned, [CLS]"},
        },
        "frozen, mean", {"labels": [64, 256], "steps": 150},
        run=".transfer:summaries", margins={"topic, 64 labels": 0.05, "topic, 256 labels": 0.05}, **_OURS,
    ),
    Experiment(
        # Recorded in the first edition, as transfer-labels.
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
        "Which backbone is of more use after little pre-training, and how far were both before any?",
        "Untrained, fine-tuned from 32 labels, both name at least half of the topics, the causal one 0 to 0.06 more: "
        "most of its lead is there before it has read anything. Reading next words never takes it more than 0.03 below "
        "that; reading masked words first takes the other one at least 0.05 below its own start, and at the end they "
        "are less than 0.05 apart. Frozen, both start below 0.6 and gain at least 0.15 by the end.",
        "causal", {"bidirectional": {"causal": False}, "causal": {"causal": True}}, "bidirectional", {"steps": 2048},
        run=".transfer:while_reading",
        margins={"topic accuracy": _SAME, "topic frozen accuracy": _SAME}, **_OURS,
    ),
)  # fmt: skip
