"""Lesson 07's second look: what the first experiments on RoBERTa's recipe left open."""

from course_lib.experiments.design import Experiment

__all__ = ["EXPERIMENTS"]

_STATED = {"written": "2026-11-26", "own_text": True}

EXPERIMENTS = (  # their numbers repeat the first edition's, on one text: do they hold on others?
    Experiment(
        "formats-for-longer",
        "In input-formats FULL-SENTENCES was far behind DOC-SENTENCES. Is it worse, or did it start late?",
        "It started late: after twice as many tokens, on twice as much text, the lead of DOC-SENTENCES with three "
        "sentences in view has shrunk to 0.1 to 0.3 nats. Both are then at least 0.2 below SEGMENT-PAIR with NSP.",
        "form", {
            "SEGMENT-PAIR + NSP": {"form": "segment-pair", "nsp": True},
            "FULL-SENTENCES": {"form": "full-sentences", "nsp": False},
            "DOC-SENTENCES": {"form": "doc-sentences", "nsp": False},
        },
        "SEGMENT-PAIR + NSP",
        {"documents": 20_000, "tokens_per_step": 512, "steps": 4000, "learning_rate": 2e-3},
        run=".formats:read_format", margins={f"context {n} nats": 0.1 for n in range(4)}, **_STATED,
    ),
    Experiment(
        "two-tokenizers",
        "The same real text in word pieces and in byte-level BPE: which reader needs fewer bits for new text?",
        "Close together: byte-level BPE needs 0.01 to 0.07 bits per character more, which is equivalent within 0.09, "
        "a twentieth of what either needs.",
        "tokenizer", {"word pieces": {"tokenizer": "word pieces"}, "byte-level BPE": {"tokenizer": "byte-level BPE"}},
        "word pieces", {"vocab_size": 2000, "words": 300_000, "epochs": 4, "steps": 1000, "learning_rate": 2e-3},
        run=".vocabularies:read_pieces", margins={"bits per character": 0.09}, **_STATED,
    ),
)  # fmt: skip
