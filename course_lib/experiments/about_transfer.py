"""Lesson 08's experiments: what pre-training is good for, and what the mask costs after it."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]

_SIZES = [16, 64, 256, 1024]
_SAME = 0.02  # two answers in a hundred: less is no difference that matters
_OURS = {"revision": 2, "written": "2026-11-26", "own_text": True}

EXPERIMENTS = (
    Experiment(
        # Peak rates of fine-tuning, 1e-3, and of the head alone, 5e-3, were chosen on seed 100 of the first edition (of
        # 1e-4, 3e-4 and 1e-3 for the pre-trained backbone, 3e-4 and 1e-3 from scratch; 2e-3 and 5e-3 for the head).
        "transfer-labels",
        "How many labels does a pre-trained backbone save?",
        "Tags: from 16 labels fine-tuning is at least 0.05 ahead of training from scratch, from 256 equivalent within "
        "0.02; frozen and fine-tuned are equivalent at 64. Words never labelled: at least 0.8 right after "
        "pre-training, frozen or fine-tuned, less than 0.3 without, frozen or not. Topics, read at [CLS]: at 16 labels "
        "0 to 0.2 ahead, a sign that 5 seeds may not show; at 64 0 to 0.06; at 256 equivalent; frozen at 64 at least "
        "0.2 behind fine-tuned. Moods: after 150 steps from 256 labels fine-tuning is behind by 0.05 to 0.2, and this "
        "is mostly the budget: after 600 steps by 0.1 at most, and from 1,024 labels less than 0.05 either way.",
        "how", {"from scratch": {"how": "from scratch"}, "untrained, frozen": {"how": "untrained, frozen"},
                "frozen": {"how": "frozen"}, "fine-tuned": {"how": "fine-tuned"}},
        "from scratch", {"labels": _SIZES, "steps": 150, "longer": 600},
        run=".transfer:few_labels",
        margins={f"{task}, {n} labels": _SAME for task in ("topic", "mood", "tags") for n in _SIZES}
        | {f"mood, {n} labels, 600 steps": _SAME for n in (256, 1024)}, **_OURS,
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
        "transfer-mask",
        "What does a causal mask cost after fine-tuning, task by task, and can it be lifted then?",
        "Where the evidence stands to the left, nothing: tags and kinds at full stops are equivalent within 0.02, and "
        "topics from 32 labels, where not every score is 1, less than 0.05 apart; with the question first the causal "
        "backbone is 0 to 0.04 ahead. A sentence's kind at its first word: 0.25 to 0.35 behind, at or below the causal "
        "ceiling (0.7). A question after its passage: 0.45 to 0.5 behind. Lifting the mask for fine-tuning repairs "
        "most: at first words at least 0.15 above the causal ceiling and 0.01 to 0.07 behind the bidirectional "
        "backbone, with the question last at least 0.4 above causal. Untrained backbones are behind trained ones by "
        "0.02 or more at topics and at first words.",
        "mask", {"bidirectional": {"mask": "bidirectional"}, "causal": {"mask": "causal"},
                 "causal, then lifted": {"mask": "lifted"}, "untrained": {"mask": "untrained"},
                 "untrained, causal": {"mask": "untrained, causal"}},
        "causal", {"labels": 256, "topic_labels": 32, "steps": 150},
        run=".transfer:masks",
        margins=dict.fromkeys(
            ("topic", "tags", "kind at full stop", "kind at first word", "question first", "question last"), _SAME
        ), **_OURS,
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
