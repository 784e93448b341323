"""A twin in miniature: data as `twins.prepare` writes it, and a checkpoint as `twins.ship` does; not a test file."""

import json
from pathlib import Path
from unittest import mock

import safetensors.torch
import torch

from course_lib.text.tokenization import train_byte_bpe
from tools.bench import twins

SENTENCE = "If there is no such element, an error is raised."
README = Path(__file__).resolve().parent.parent / "README.md"
BODY = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=24, initializer_range=0.3)
FACTS = ("corpus", "source", "digest", "rows digest", "documents", "words", "words to train on", "words held out",
         "rows", "rows held out")  # fmt: skip


def data(folder, texts=("the cat sat on the mat and the dog ate the cat",), vocabulary=270):
    """Write data without a corpus: random rows of 64. Returns the folder."""
    tokenizer = train_byte_bpe(texts, vocab_size=vocabulary)
    rows = torch.randint(5, len(tokenizer), (24, 64), generator=torch.Generator().manual_seed(0))
    rows[:, 0], rows[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    tokenizer.save_pretrained(folder / "tokenizer")
    safetensors.torch.save_file(
        {"train": rows[:16].short().clone(), "held_out": rows[16:].short().clone()}, folder / "rows.safetensors"
    )
    floors = {"fill unigram accuracy": 0.0123456, "next word unigram accuracy": 0.25, "next word trigram accuracy": 0.5}
    (folder / "facts.json").write_text(json.dumps(dict.fromkeys(FACTS, "small") | {"floors": floors}))
    return folder


def checkpoint(folder):
    """Train a few steps from large random weights, so that every part of the model matters, and ship it."""
    text = [*README.read_text("utf-8").splitlines(), *[SENTENCE] * 20]  # whose words are whole pieces
    given = twins.Data.load(data(folder / "data", text, 700))
    with mock.patch.object(twins, "BODY", BODY):
        twins.train("both", 0, given, folder / "runs", tokens=2048, batch_size=8, moments=1, learning_rate=1e-3)
    return twins.ship("both", 0, given, folder / "runs", folder / "shipped")
