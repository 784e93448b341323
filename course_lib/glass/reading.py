"""One state of the glass model, computed in Python: what the model answers, and the best possible answer beside it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, BertForMaskedLM, BertForPreTraining, PreTrainedTokenizerBase

from course_lib.experiments import town_pairs
from course_lib.model import attention
from course_lib.places import DATA
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle

__all__ = [
    "CHECKPOINT", "LONGEST", "MASKS", "PAIR", "PairView", "Reading", "View", "best_given", "load", "pair_examples",
    "read", "read_pair", "rounded",
]  # fmt: skip

CHECKPOINT = DATA / "checkpoints" / "town-both"
PAIR = CHECKPOINT.with_name("town-pair")
LONGEST = 30  # words that the view takes
LONGEST_PAIR = 36  # words of two segments
FOLLOWS, APART = "B follows A", "B does not"  # the two answers about a pair
MASKS = {
    "bidirectional": lambda size, length: attention.bidirectional_mask(length),
    "causal": lambda size, length: attention.causal_mask(length),
    "prefix": attention.prefix_mask,
    "window": attention.sliding_window_mask,
}


@dataclass(frozen=True)
class View:
    """What is looked at: a sentence in Tiny Town's words, the positions that are hidden, a mask.

    Positions count from 0, which is [CLS]: the first word stands at 1. The first of ``hidden`` is asked for. ``size``
    is the prefix's length or the window's width. Raises ValueError for what the town or the view does not know.
    """

    text: str
    hidden: int | Iterable[int] = 1
    mask: str = "causal"
    size: int | None = None
    words: tuple[str, ...] = field(init=False)
    places: tuple[int, ...] = field(init=False)  # of the hidden words, from 0

    def __post_init__(self):
        words = tuple(self.text.split())
        hidden = (self.hidden,) if isinstance(self.hidden, int) else tuple(self.hidden)
        known = TinyTown.load().vocabulary
        if not 1 <= len(words) <= LONGEST:
            raise ValueError(f"The sentence has {len(words)} words: from 1 to {LONGEST} fit into the view.")
        if unknown := [word for word in words if word not in known]:
            raise ValueError(
                f"{unknown[0]!r} is not a word of Tiny Town. Its words: TinyTown.load().vocabulary; end with ' .'"
            )
        if not hidden or not all(isinstance(at, int) and 1 <= at <= len(words) for at in hidden):
            raise ValueError(f"hidden={self.hidden!r}: give positions from 1 (the first word) to {len(words)}.")
        if self.mask not in MASKS:
            raise ValueError(f"mask={self.mask!r} is unknown; choose one of {', '.join(MASKS)}.")
        if self.mask in ("prefix", "window"):
            least = 0 if self.mask == "prefix" else 1
            if not isinstance(self.size, int) or not least <= self.size <= len(words) + 2:
                raise ValueError(f"size={self.size!r}: a {self.mask} needs a number from {least} to {len(words) + 2}.")
        elif self.size is not None:
            raise ValueError(f"size={self.size} is for a prefix or a window; the {self.mask} mask has none.")
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "places", tuple(at - 1 for at in hidden))

    @property
    def asked(self) -> int:
        """The position that is asked for, from 0."""
        return self.places[0] + 1

    @property
    def truth(self) -> str:
        """The word that is asked for."""
        return self.words[self.places[0]]


@dataclass(frozen=True)
class PairView:
    """What is looked at when B is judged: one of :func:`pair_examples`, read from [CLS] without a mask or under one."""

    example: dict
    mask: str = "bidirectional"
    size: None = None
    places: tuple[int, ...] = ()  # nothing is hidden
    asked: int = 0  # [CLS]

    @property
    def truth(self) -> str:
        """What B does."""
        return FOLLOWS if self.example["follows"] else APART


@dataclass(frozen=True)
class Reading:
    """What the model and the exact reader say. T positions, L layers, H heads, V words of the town."""

    view: View
    tokens: list[str]  # T of them, [CLS] and [SEP] included
    allowed: np.ndarray  # bool [T, T]
    reaches: np.ndarray  # bool [T]: can anything of a position reach the asked one through the layers?
    attentions: np.ndarray  # [L, H, T, T], weights after the softmax, as transformers returns them
    model: dict[str, float]  # P(word) at the asked place
    best: dict[str, float] | None  # the exact reader's, from what reaches the place; None: no story reads like this
    both: dict[str, float] | None  # the same with the whole sentence in view
    left: dict[str, float] | None  # and with what stands to the left alone


@functools.lru_cache(maxsize=2)
def load(folder: Path = CHECKPOINT) -> tuple[BertForMaskedLM | BertForPreTraining, PreTrainedTokenizerBase]:
    """Open a checkpoint with eager attention, so that its weights can be seen, and its tokenizer.

    The weights are rounded as the page holds them, so that a picture and the live page say the same.
    """
    kind = BertForPreTraining if folder == PAIR else BertForMaskedLM
    model = kind.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32,
        use_safetensors=True, trust_remote_code=False, local_files_only=True,
    )  # fmt: skip
    with torch.no_grad():
        own = {name: value.numpy() for name, value in model.named_parameters()}
        for name, value in rounded(own)[1].items():
            model.get_parameter(name).copy_(torch.from_numpy(value))
    return model.eval(), AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


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


def read(view: View, folder: Path = CHECKPOINT) -> Reading:
    """Let the model and the exact reader answer one view."""
    model, tokenizer = load(folder)
    tokens = [tokenizer.mask_token if place in view.places else word for place, word in enumerate(view.words)]
    tokens = [tokenizer.cls_token, *tokens, tokenizer.sep_token]
    found, seen = _look(model, tokenizer, tokens, view)
    town = _oracle().vocabulary
    answer = found.logits[0, view.asked].double().softmax(-1)[len(tokenizer) - len(town) :].tolist()  # no special ones
    return Reading(
        view, tokens, **seen, model=dict(zip(town, answer, strict=True)),
        best=best_given(view, seen["reaches"]), both=best_given(view, np.ones(len(tokens), bool)),
        left=best_given(view, np.arange(len(tokens)) < view.asked),
    )  # fmt: skip


@functools.cache
def pair_examples(wanted: int = 8) -> tuple[dict, ...]:
    """List held-out pairs of segments, half of them true: a, b, follows, and the exact reader's P(B follows A)."""
    data, examples = town_pairs.town_pairs(100, 400), []
    made, texts = data.held_out("other document", 60), [story.sentences for story in data.stories[1]]
    for row in range(len(made)):
        a, b = (texts[document][first:end] for document, first, end in made.origins[row].tolist())
        p = _oracle().follows(a, b, made.negative, matched=made.matched)
        follows, words = int(made.labels[row]) == 0, sum(map(len, a + b))
        if words <= LONGEST_PAIR and sum(one["follows"] == follows for one in examples) < wanted // 2:
            a, b = (" ".join(word for sentence in side for word in sentence) for side in (a, b))
            examples.append({"a": a, "b": b, "follows": follows, "exact": p})
    return tuple(examples)


def read_pair(number: int, mask: str = "bidirectional") -> Reading:
    """Let the model and the exact reader judge one of :func:`pair_examples`, from [CLS]."""
    examples = pair_examples()
    if not isinstance(number, int) or not 0 <= number < len(examples):
        raise ValueError(f"pair={number!r}: there are {len(examples)} pairs, numbered from 0.")
    if mask not in ("bidirectional", "causal"):
        raise ValueError(f"mask={mask!r}: a pair is read under the bidirectional or the causal mask.")
    view, (model, tokenizer) = PairView(examples[number], mask), load(PAIR)
    first, second = ([*view.example[side].split(), tokenizer.sep_token] for side in "ab")
    tokens = [tokenizer.cls_token, *first, *second]
    found, seen = _look(model, tokenizer, tokens, view, [0] * (len(first) + 1) + [1] * len(second))
    answer = found.seq_relationship_logits[0].double().softmax(-1).tolist()  # 0: B follows A
    both, blind = ({FOLLOWS: p, APART: 1 - p} for p in (view.example["exact"], 0.5))
    return Reading(
        view, tokens, **seen, model=dict(zip((FOLLOWS, APART), answer, strict=True)),
        best=both if seen["reaches"].all() else blind, both=both, left=blind,
    )  # fmt: skip


def _look(model, tokenizer, tokens: list[str], view: View | PairView, segments: list[int] | None = None):
    """Run the model; returns its output, and who may look at whom, what reaches the asked position, and the weights."""
    ids, additive = tokenizer.convert_tokens_to_ids(tokens), MASKS[view.mask](view.size, len(tokens))
    with torch.no_grad():
        found = model(
            torch.tensor([ids]), attention_mask=additive, output_attentions=True, return_dict=True,
            token_type_ids=None if segments is None else torch.tensor([segments]),
        )  # fmt: skip
    allowed = attention.visible(additive)[0, 0].numpy()
    reaches = np.arange(len(tokens)) == view.asked
    for _ in found.attentions:  # down through the layers
        reaches = reaches | allowed[reaches].any(axis=0)
    weights = torch.stack(found.attentions)[:, 0].numpy()
    return found, {"allowed": allowed, "reaches": reaches, "attentions": weights}


def best_given(view: View, seen: np.ndarray) -> dict[str, float] | None:
    """Compute the exact reader's answer from the words that stand at the positions ``seen`` bool [T]."""
    oracle, hidden = _oracle(), set(view.places)
    observed = [word if seen[place + 1] and place not in hidden else None for place, word in enumerate(view.words)]
    try:
        found = oracle.restore(observed, view.places[:1])[0]
    except ValueError:  # no story begins like this
        return None
    return None if np.isnan(found).any() else dict(zip(oracle.vocabulary, found.tolist(), strict=True))
