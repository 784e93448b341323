"""One state of the glass model, computed in Python: what the model answers, and the best possible answer beside it."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertForPreTraining,
    ModernBertForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from course_lib.experiments import town_pairs
from course_lib.model import attention
from course_lib.places import DATA
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle

__all__ = [
    "CHECKPOINT", "ENGLISH", "MASKS", "PAIR", "Reading", "counts", "grouped", "load", "pair_examples", "pieces", "read",
    "read_pair", "rounded",
]  # fmt: skip

CHECKPOINT = DATA / "checkpoints" / "town-both"
PAIR = CHECKPOINT.with_name("town-pair")
ENGLISH = CHECKPOINT.with_name("english-both")
CHECKPOINTS = {"town": CHECKPOINT, "english": ENGLISH}
LONGEST = 30  # words, or pieces of words, that the view takes
LONGEST_PAIR = 36  # words of two segments
FOLLOWS, APART = "B follows A", "B does not"  # the two answers about a pair
MASKS = {
    "bidirectional": lambda size, length: attention.bidirectional_mask(length),
    "causal": lambda size, length: attention.causal_mask(length),
    "prefix": attention.prefix_mask,
    "window": attention.sliding_window_mask,
}


@dataclass(frozen=True)
class Reading:
    """What the model and the exact reader say. T positions, L layers, H heads, V answers (the words of the town).

    English has no exact reader: ``best`` is None and ``floor`` stands in its place.
    """

    about: str  # what is looked at, for the alt text
    tokens: list[str]  # T of them, [CLS] and [SEP] included
    asked: int  # the position that is asked, from 0
    truth: str  # the right answer
    reaches: np.ndarray  # bool [T]: can anything of a position reach the asked one through the layers?
    attentions: np.ndarray  # [L, H, T, T], weights after the softmax, as transformers returns them
    model: dict[str, float]  # P(answer) at the asked position
    best: dict[str, float] | None  # the exact reader's, from what reaches the place; None: no story reads like this
    both: dict[str, float] | None  # the same with the whole sentence in view; in English, this model's answer
    left: dict[str, float] | None  # and with what stands to the left alone
    floor: dict[str, float] | None = None  # in English: how often a piece stands in the training text


@functools.lru_cache(maxsize=3)
def load(folder: Path = CHECKPOINT) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Open a checkpoint with eager attention, so that its weights can be seen, and its tokenizer.

    The weights are rounded as the page holds them, so that a picture and the live page say the same. Raises
    FileNotFoundError where there is no checkpoint.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"There is no checkpoint in {folder}. English is trained and shipped from a clone of the course: "
            "`python -m tools.bench.twins train --arm both --data FOLDER --to RUNS`, then "
            "`python -m tools.bench.twins ship --arm both --data FOLDER --runs RUNS`."
        )
    kind = BertForPreTraining if folder == PAIR else AutoModelForMaskedLM
    model = kind.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32,
        use_safetensors=True, trust_remote_code=False, local_files_only=True,
    )  # fmt: skip
    with torch.no_grad():
        own = {name: value.numpy() for name, value in model.named_parameters()}
        own = grouped(own) if isinstance(model, ModernBertForMaskedLM) else own
        for name, value in rounded(own)[1].items():
            (parameter := model.get_parameter(name)).copy_(torch.from_numpy(value).view_as(parameter))
    return model.eval(), AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def grouped(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Cut the English model's weights into rows of up to 32 numbers: rounded by these, the answers move half as far."""
    return {name: value.reshape(-1, math.gcd(value.size, 32)) for name, value in weights.items()}


def rounded(weights: dict[str, np.ndarray]) -> tuple[bytes, dict[str, np.ndarray]]:
    """Round weights to int8, one fp16 scale for each row; returns the bytes, as the page reads them, and what they say.

    A row is the last axis; a vector is one row. Raises nothing: a row of zeros keeps its zeros.
    """
    packed, said = [], {}
    for name, value in weights.items():
        rows = value.reshape(len(value) if value.ndim > 1 else 1, -1).astype(np.float32)
        scales = np.nextafter((np.abs(rows).max(axis=1) / 127).astype("<f2"), np.float16(np.inf))
        whole = np.round(rows / scales[:, None].astype(np.float32)).astype(np.int8)
        packed += [part for scale, row in zip(scales, whole, strict=True) for part in (scale.tobytes(), row.tobytes())]
        said[name] = (whole * scales[:, None].astype(np.float32)).reshape(value.shape)
    return b"".join(packed), said


@functools.cache
def _oracle() -> Oracle:
    return Oracle(TinyTown.load())


def read(
    text: str, hidden: int = 1, mask: str = "causal", size: int | None = None, checkpoint: str | Path = "town"
) -> Reading:
    """Ask the model and the exact reader which word of a sentence stands at the position ``hidden``.

    Positions count from 0, which is [CLS]: the first word stands at 1. ``size`` is the prefix's length or the window's
    width. ``checkpoint`` is 'town', 'english' or a folder with such a model.

    In English positions count :func:`pieces`, and the causal mask asks as the training did: the position before the
    gap, for the next piece. Raises ValueError for what the town or the view does not know.
    """
    if isinstance(checkpoint, str) and checkpoint not in CHECKPOINTS:
        raise ValueError(f"checkpoint={checkpoint!r} is unknown; choose one of {', '.join(CHECKPOINTS)}.")
    folder = CHECKPOINTS.get(checkpoint, checkpoint)
    words, (model, tokenizer) = text.split(), load(folder)
    if isinstance(model, ModernBertForMaskedLM):
        return _read_english(text, hidden, mask, size, folder)
    _check(words, hidden, mask, size)
    tokens = [tokenizer.cls_token, *words, tokenizer.sep_token]
    tokens[hidden] = tokenizer.mask_token
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(tokens)])
    output, reaches, weights = _look(model, ids, hidden, MASKS[mask](size, len(tokens)))
    town = _oracle().vocabulary  # the last rows of the vocabulary; the special tokens stand before them
    answer = output.logits[0, hidden].double().softmax(-1)[-len(town) :].tolist()
    blanked = " ".join(tokens[1:-1]).replace(tokenizer.mask_token, "___")
    about = f"The sentence '{blanked}' under the {mask} mask" + ("" if size is None else f" of {size}")
    best, both, left = (
        _best(words, hidden, seen)
        for seen in (reaches, np.ones(len(tokens), bool), np.arange(len(tokens)) < hidden)
    )  # fmt: skip
    model_says = dict(zip(town, answer, strict=True))
    return Reading(about, tokens, hidden, words[hidden - 1], reaches, weights, model_says, best, both, left)


def pieces(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Name a byte-level vocabulary as it is shown: a space as \u2423, the special tokens as BERT calls them."""
    kinds = ("cls", "pad", "sep", "unk", "mask")
    special = {getattr(tokenizer, f"{kind}_token"): f"[{kind.upper()}]" for kind in kinds}
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return [special.get(token) or token.replace("\u0120", "\u2423") for token in tokens]


@functools.cache
def counts(folder: Path) -> list[int]:
    """Return how often each piece stands in an English model's training text, from its recipe: V numbers."""
    return json.loads((folder / "recipe.json").read_text("utf-8"))["counts"]


def _read_english(text: str, hidden: int, mask: str, size: int | None, folder: Path) -> Reading:
    (model, tokenizer), both = load(folder), ("bidirectional", "causal")
    names, first = pieces(tokenizer), len(tokenizer.all_special_ids)
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    if not 1 <= len(ids) <= LONGEST:
        raise ValueError(f"The text has {len(ids)} pieces: from 1 to {LONGEST} fit into the view.")
    if hidden not in range(1, len(ids) + 1):
        listed = " ".join(f"{at}:{names[one]}" for at, one in enumerate(ids, 1))
        raise ValueError(f"hidden={hidden!r}: give the position of a piece, one of {listed}")
    if mask not in both or size is not None:
        raise ValueError(f"mask={mask!r}, size={size!r}: English was trained under the masks {both}, without a size.")
    row = [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]
    row[hidden] = tokenizer.mask_token_id
    looks, answers = {}, {}
    for each in both:
        asked = hidden - (each == "causal")
        looks[each] = _look(model, torch.tensor([row]), asked, MASKS[each](None, len(row)))
        shares = looks[each][0].logits[0, asked].double().softmax(-1)[first:].tolist()
        answers[each] = dict(zip(names[first:], shares, strict=True))
    _, reaches, weights = looks[mask]
    blanked = f"{tokenizer.decode(ids[: hidden - 1])} ___{tokenizer.decode(ids[hidden:])}"
    often = counts(folder)
    return Reading(
        f"The text '{blanked.strip()}' under the {mask} mask", [names[one] for one in row], hidden - (mask == "causal"),
        names[ids[hidden - 1]], reaches, weights, answers[mask], None, answers["bidirectional"], answers["causal"],
        floor={name: count / sum(often) for name, count in list(zip(names, often, strict=True))[first:]},
    )  # fmt: skip


def _check(words: list[str], hidden: int, mask: str, size: int | None) -> None:
    if not 1 <= len(words) <= LONGEST:
        raise ValueError(f"The sentence has {len(words)} words: from 1 to {LONGEST} fit into the view.")
    if unknown := [word for word in words if word not in _oracle().vocabulary]:
        raise ValueError(
            f"{unknown[0]!r} is not a word of Tiny Town. Its words: TinyTown.load().vocabulary; end with ' .'"
        )
    if hidden not in range(1, len(words) + 1):
        raise ValueError(f"hidden={hidden!r}: give a position from 1 (the first word) to {len(words)}.")
    if mask not in MASKS:
        raise ValueError(f"mask={mask!r} is unknown; choose one of {', '.join(MASKS)}.")
    sizes = {"prefix": range(len(words) + 3), "window": range(1, len(words) + 3)}.get(mask)
    if sizes and size not in sizes:
        raise ValueError(f"size={size!r}: a {mask} needs a number from {sizes[0]} to {sizes[-1]}.")
    if not sizes and size is not None:
        raise ValueError(f"size={size} is for a prefix or a window; the {mask} mask has none.")


@functools.cache
def pair_examples() -> tuple[dict, ...]:
    """List eight held-out pairs of segments, half of them true: a, b, follows, and the exact P(B follows A)."""
    data, examples = town_pairs.town_pairs(100, 400), []
    made, texts = data.held_out("other document", 60), [story.sentences for story in data.stories[1]]
    for row in range(len(made)):
        a, b = (texts[document][first:end] for document, first, end in made.origins[row].tolist())
        follows = int(made.labels[row]) == 0
        if sum(map(len, a + b)) <= LONGEST_PAIR and sum(one["follows"] == follows for one in examples) < 4:
            exact = _oracle().follows(a, b, made.negative, matched=made.matched)
            a, b = (" ".join(word for sentence in side for word in sentence) for side in (a, b))
            examples.append({"a": a, "b": b, "follows": follows, "exact": exact})
    return tuple(examples)


def read_pair(number: int, mask: str = "bidirectional") -> Reading:
    """Let the model and the exact reader judge one of :func:`pair_examples`, from [CLS]."""
    examples = pair_examples()
    if number not in range(len(examples)):
        raise ValueError(f"pair={number!r}: there are {len(examples)} pairs, numbered from 0.")
    if mask not in ("bidirectional", "causal"):
        raise ValueError(f"mask={mask!r}: a pair is read under the bidirectional or the causal mask.")
    example, (model, tokenizer) = examples[number], load(PAIR)
    first, second = ([*example[side].split(), tokenizer.sep_token] for side in "ab")
    tokens = [tokenizer.cls_token, *first, *second]
    segments = [0] * (len(first) + 1) + [1] * len(second)
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(tokens)])
    output, reaches, weights = _look(model, ids, 0, MASKS[mask](None, len(tokens)), segments)
    answer = output.seq_relationship_logits[0].double().softmax(-1).tolist()  # 0: B follows A
    both, blind = ({FOLLOWS: p, APART: 1 - p} for p in (example["exact"], 0.5))
    about = f"Two segments, '{example['a']}' and '{example['b']}', under the {mask} mask"
    truth, model_says = FOLLOWS if example["follows"] else APART, dict(zip((FOLLOWS, APART), answer, strict=True))
    best = both if reaches.all() else blind
    return Reading(about, tokens, 0, truth, reaches, weights, model_says, best, both, left=blind)


def _look(model, ids: torch.Tensor, asked: int, additive: torch.Tensor, segments: list[int] | None = None):
    """Run the model on ids int64 [1, T].

    Returns its output, which positions reach the asked one, bool [T], and the attention weights.
    """
    more = {} if segments is None else {"token_type_ids": torch.tensor([segments])}
    with torch.no_grad():
        output = model(ids, attention_mask=additive, output_attentions=True, **more)
    allowed = attention.visible(additive)[0, 0].numpy()
    reaches = np.arange(ids.shape[1]) == asked
    for _ in output.attentions:  # down through the layers
        reaches = reaches | allowed[reaches].any(axis=0)
    return output, reaches, torch.stack(output.attentions)[:, 0].numpy()


def _best(words: list[str], hidden: int, seen: np.ndarray) -> dict[str, float] | None:
    """Compute the exact reader's answer from the words that stand at the positions ``seen`` bool [T]."""
    observed = [word if seen[at] and at != hidden else None for at, word in enumerate(words, 1)]
    try:
        found = _oracle().restore(observed, [hidden - 1])[0]
    except ValueError:  # no story begins like this
        return None
    return None if np.isnan(found).any() else dict(zip(_oracle().vocabulary, found.tolist(), strict=True))
