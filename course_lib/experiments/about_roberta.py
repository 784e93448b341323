"""Lesson 07's second look: what the first experiments on RoBERTa's recipe left open."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]

EXPERIMENTS = (
    Experiment(
        # Tried before on seed 100: FULL-SENTENCES alone, 5000 steps, to see that it learns and how long it takes.
        "formats-for-longer",
        "In input-formats FULL-SENTENCES was far behind DOC-SENTENCES. Is it worse, or did it start late?",
        "It started late: after twice as many tokens, on twice as much text, the lead of DOC-SENTENCES with three "
        "sentences in view has shrunk to less than half. Both are then better than SEGMENT-PAIR with NSP there.",
        "form", {
            "SEGMENT-PAIR + NSP": {"form": "segment-pair", "nsp": True},
            "FULL-SENTENCES": {"form": "full-sentences", "nsp": False},
            "DOC-SENTENCES": {"form": "doc-sentences", "nsp": False},
        },
        "SEGMENT-PAIR + NSP",
        {"documents": 20_000, "tokens_per_step": 512, "steps": 4000, "learning_rate": 2e-3},
        run=".formats:read_format",
    ),
    Experiment(
        "two-tokenizers",
        "The same real text in word pieces and in byte-level BPE: which reader needs fewer bits for new text?",
        "Close together: less than 5% of the bits apart, with byte-level BPE the one that needs more.",
        "tokenizer", {"word pieces": {"tokenizer": "word pieces"}, "byte-level BPE": {"tokenizer": "byte-level BPE"}},
        "word pieces", {"vocab_size": 2000, "words": 300_000, "epochs": 4, "steps": 1000, "learning_rate": 2e-3},
        run=".vocabularies:read_pieces",
    ),
)  # fmt: skip
