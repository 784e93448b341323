"""Lesson 11's experiments: real checkpoints on real English. ``python -m course_lib real`` fetches them."""

from __future__ import annotations

import functools
from random import Random

import torch
import yaml
from safetensors import safe_open

from course_lib import places, runtime
from course_lib.apply import choosing, probes, real
from course_lib.apply.probes import GAP, Checkpoint

__all__ = ["FREE", "LABELS", "WAYS", "capital", "english", "fill_gap", "label_reviews", "move_earlier", "opened",
           "spectrum"]  # fmt: skip

WAYS = {"one pass": (1.0, 0.0), "whole sentence": (1.0, 1.0), "what follows": (0.0, 1.0)}  # of prior and likelihood
LABELS = [("positive", "negative"), ("good", "bad"), ("great", "terrible"), ("happy", "sad"), ("love", "hate"),
          ("fantastic", "horrible"), ("satisfied", "disappointed"), ("praise", "criticism"), ("success", "failure"),
          ("pleased", "angry")]  # fmt: skip
FREE = ["N/A", "", "[MASK]"]  # texts without content: what a model says of them is its bias (arXiv 2102.09690, §4)


@functools.cache
def english() -> dict:
    """Read data/real_english.yaml: 'capitals', 'gaps', 'reviews' and 'shown'."""
    return yaml.safe_load((places.DATA / "real_english.yaml").read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=3)
def opened(name: str, untrained: int | None = None) -> Checkpoint:
    """Open a fetched checkpoint; with a seed, ``untrained``, the same shape with weights drawn anew."""
    if untrained is None:
        return probes.open_checkpoint(real.folder(name))
    found = opened(name)
    runtime.seed_all(untrained)
    model = type(found.model)(found.model.config)
    return Checkpoint(f"{name}, untrained", model.float().eval(), found.tokenizer, found.file)


# --- one left-to-right pass against whole sentences
def capital(seed: int, model: str, way: str, trained: bool) -> dict[str, float]:
    """Ask for the countries of three capitals, its seed's own, among all sixty.

    ``way``: one of WAYS, on "The capital of ____ is Paris."; or 'moved question', one pass on "Paris is the capital of
    ____." Returns 'accuracy', and the 'probability' of the right country among the sixty.
    """
    known, moved = english()["capitals"], way == "moved question"
    text = "{} is the capital of " + GAP + "." if moved else "The capital of " + GAP + " is {}."
    asked = [(text.format(city), country) for country, city in list(known.items())[3 * seed : 3 * seed + 3]]
    return _choose(asked, tuple(known), model, None if trained else seed, "one pass" if moved else way)


def fill_gap(seed: int, model: str, way: str, trained: bool) -> dict[str, float]:
    """Fill the gap of four sentences that begin alike from four words, each right once. See :func:`capital`."""
    item = english()["gaps"][seed]
    asked = [(f"{item['begins']} {GAP} {end}", word) for word, end in item["ends"].items()]
    return _choose(asked, tuple(item["ends"]), model, None if trained else seed, way)


def _choose(asked, candidates, model, untrained, way) -> dict[str, float]:
    right, p = [], []
    for text, word in asked:
        shares = (_scores(model, untrained, text, candidates) @ torch.tensor(WAYS[way])).softmax(0)  # [C]
        right.append(float(candidates[shares.argmax()] == word))
        p.append(shares[candidates.index(word)].item())
    return {"accuracy": sum(right) / len(right), "probability": sum(p) / len(p)}


@functools.lru_cache(maxsize=32)  # the ways of a seed differ in what they add up, not in what they run
def _scores(model: str, untrained: int | None, text: str, candidates: tuple[str, ...]) -> torch.Tensor:
    return choosing.sentence_scores(opened(model, untrained), text, candidates)


# --- labels learned from the context
def label_reviews(seed: int, model: str, shots: int, labels: str) -> dict[str, float]:
    """Label sixty reviews after ``shots`` examples, half of each kind; the seed draws them, their order and the words.

    ``labels``: 'right', or 'shuffled' among the examples. Returns 'accuracy' and 'share positive', and both
    'calibrated': each word's probability divided by what it gets for texts without content.
    """
    draw, data, words = Random(seed), english(), LABELS[seed % len(LABELS)]
    shown = [(text, words[kind]) for kind, texts in enumerate(data["shown"].values())
             for text in draw.sample(texts, shots // 2)]  # fmt: skip
    draw.shuffle(shown)
    if labels == "shuffled":
        shown = list(zip(*(draw.sample(part, shots) for part in zip(*shown, strict=True)), strict=True))
    shared = "".join(f"{_question(text)} {word}\n" for text, word in shown)
    texts = [text for kind in data["reviews"].values() for text in kind]
    truth = torch.arange(len(texts)) // len(data["reviews"]["positive"])  # 0 positive, 1 negative
    log_p = choosing.after(opened(model), shared, [*map(_question, texts + FREE)], [f" {word}" for word in words])
    p, found = log_p.softmax(-1), {}  # [63, 2], of the two words alone
    for name, bias in (("", torch.ones(2)), ("calibrated ", p[len(texts) :].mean(0))):
        said = (p[: len(texts)] / bias).argmax(-1)
        found[f"{name}accuracy"] = (said == truth).double().mean().item()
        found[f"{name}share positive"] = (said == 0).double().mean().item()
    return found


def _question(text: str) -> str:
    return f"Review: {text}\nSentiment:"


# --- who sees what comes later
@torch.no_grad()
def move_earlier(seed: int, model: str, mask: str, trained: bool) -> dict[str, float]:
    """Change how a sentence ends and measure how far the last layer's vectors of its beginning move.

    ``mask``: 'bidirectional' or 'causal', whatever the model was made for. As shares of the vectors' lengths: the
    'largest move' and the 'mean move' over the beginning, and 'moved, 1 back' to 'moved, 3 back' from where it ends.
    """
    item, checkpoint = english()["gaps"][seed], opened(model, None if trained else seed)
    word, *ends = next(iter(item["ends"])), *list(item["ends"].values())[:2]
    ids = [checkpoint.tokenizer(f"{item['begins']} {word} {end}")["input_ids"] for end in ends]
    alike = next(at for at, (one, other) in enumerate(zip(*ids, strict=False)) if one != other)
    vectors = []
    for row in map(torch.tensor, ids):
        hide = torch.zeros(len(row), len(row))  # added to the scores
        if mask == "causal":
            hide = hide.fill_(torch.finfo(hide.dtype).min).triu(1)
        out = checkpoint.model(row[None], attention_mask=hide[None, None], output_hidden_states=True)
        vectors.append(out.hidden_states[-1][0, :alike])  # [t, D]
    moved = (vectors[0] - vectors[1]).norm(dim=-1) / vectors[0].norm(dim=-1)
    found = {"largest move": moved.max().item(), "mean move": moved.mean().item()}
    return found | {f"moved, {n} back": moved[-n].item() for n in (1, 2, 3)}


# --- was this matrix ever trained?
def spectrum(seed: int, matrix: str) -> dict[str, float]:
    """Hold 64 rows of a 384 x 384 matrix of MiniLM's file against independent normal numbers.

    ``matrix``: its name, or 'fresh': normal numbers as BERT starts from. Returns the 'standard deviation', the 'largest
    direction' (singular value; 1 is the edge for independent numbers, the sum of the roots of both sides times their
    standard deviation) and the 'largest bias' of those rows.
    """
    weight, bias = torch.randn(64, 384, generator=torch.Generator().manual_seed(seed)) * 0.02, torch.zeros(64)
    if matrix != "fresh":
        rows = slice(64 * seed, 64 * seed + 64)
        with safe_open(real.folder("minilm") / "model.safetensors", framework="pt") as file:
            weight, bias = (file.get_slice(f"{matrix}.{kind}")[rows] for kind in ("weight", "bias"))
    edge = weight.std() * (64**0.5 + 384**0.5)
    top = torch.linalg.matrix_norm(weight, 2) / edge
    return {"standard deviation": weight.std().item(), "largest direction": top.item(),
            "largest bias": bias.abs().max().item()}  # fmt: skip
