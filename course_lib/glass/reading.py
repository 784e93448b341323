"""One state of the glass model, computed in Python: what the model answers, and the best possible answer beside it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from transformers import BertForMaskedLM, PreTrainedTokenizerBase

from course_lib.model import attention
from course_lib.places import DATA
from course_lib.text import tokenization
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle

__all__ = ["CHECKPOINT", "LONGEST", "MASKS", "Reading", "View", "best_given", "load", "read", "rounded"]

CHECKPOINT = DATA / "checkpoints" / "town-both"
LONGEST = 30  # words that the view takes
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

    def allowed(self) -> torch.Tensor:
        """Say who may look at whom: bool [T, T]."""
        return attention.visible(MASKS[self.mask](self.size, len(self.words) + 2))[0, 0]


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

    @property
    def truth(self) -> str:
        """The word that is asked for."""
        return self.view.words[self.view.places[0]]


@functools.lru_cache(maxsize=1)
def load(folder: Path = CHECKPOINT) -> tuple[BertForMaskedLM, PreTrainedTokenizerBase]:
    """Open a checkpoint with eager attention, so that its weights can be seen, and its tokenizer.

    The weights are rounded as the page holds them, so that a picture and the live page say the same.
    """
    model = BertForMaskedLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32,
        use_safetensors=True, trust_remote_code=False, local_files_only=True,
    )  # fmt: skip
    with torch.no_grad():
        own = {name: value.numpy() for name, value in model.named_parameters()}
        for name, value in rounded(own)[1].items():
            model.get_parameter(name).copy_(torch.from_numpy(value))
    return model.eval(), tokenization.load_tokenizer(folder)


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
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(tokens)])
    allowed, at, layers = view.allowed(), view.places[0] + 1, model.config.num_hidden_layers
    with torch.no_grad():
        found = model(
            ids, attention_mask=MASKS[view.mask](view.size, len(tokens)), output_attentions=True, return_dict=True
        )
    town = _oracle().vocabulary
    special = len(tokenizer) - len(town)
    answer = found.logits[0, at].double().softmax(-1)[special:].tolist()
    reaches = _reaches(allowed, at, layers)
    return Reading(
        view, tokens, allowed.numpy(), reaches, torch.stack(found.attentions)[:, 0].numpy(),
        dict(zip(town, answer, strict=True)),
        best_given(view, reaches), best_given(view, np.ones(len(tokens), bool)),
        best_given(view, np.arange(len(tokens)) < at),
    )  # fmt: skip


def _reaches(allowed: torch.Tensor, at: int, layers: int) -> np.ndarray:
    """Follow the attention down through the layers: bool [T]."""
    seen = torch.zeros(len(allowed), dtype=torch.bool)
    seen[at] = True
    for _ in range(layers):
        seen = seen | allowed[seen].any(dim=0)
    return seen.numpy()


def best_given(view: View, seen: np.ndarray) -> dict[str, float] | None:
    """Compute the exact reader's answer from the words that stand at the positions ``seen`` bool [T]."""
    oracle = _oracle()
    observed = [
        None if place in view.places or not seen[place + 1] else word for place, word in enumerate(view.words)
    ]
    try:
        found = oracle.restore(observed, view.places[:1])[0]
    except ValueError:  # no story begins like this
        return None
    return None if np.isnan(found).any() else dict(zip(oracle.vocabulary, found.tolist(), strict=True))
