"""Ask any checkpoint the same five questions, whether the course trained it or the world did.

What does it put into a gap? Does it see the future? Which tensors does its file hold? Does it say that B follows A?
Was its pooler ever trained? Answers about tensors come from the *file*: a class that needs a tensor which the file
lacks makes a random one, and says so only in a log that nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)  # fmt: skip
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import cached_file

from course_lib.apply import real
from course_lib.model import attention

__all__ = ["GAP", "Checkpoint", "choose", "cross_attention", "examine", "fill_in", "follows", "open_checkpoint",
           "pooler", "probability"]

GAP = "____"  # stands for the hidden word in a text, whatever a model's own mask token is
KINDS = (AutoModelForPreTraining, AutoModelForMaskedLM, AutoModelForCausalLM)  # all heads of pre-training first
CROSS = ("cross", "encdecattention", "encoder_attn")  # what BERT and GPT-2, T5, and BART call it


@dataclass(frozen=True)
class Checkpoint:
    """A model, its tokenizer, and what its file holds."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    file: Path  # of the tensors
    random: tuple[str, ...] = ()  # tensors that the class needs and the file lacks: random numbers stand there

    @cached_property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors in the file, by name; tied ones are stored, and listed, once."""
        with safe_open(self.file, framework="pt") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118

    @property
    def writes(self) -> bool:
        """Tell whether the class is one that predicts next words (GPT-2), not hidden ones (BERT, RoBERTa)."""
        return type(self.model).__name__ in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()

    @cached_property
    def words(self) -> list[str]:
        """Each token of the vocabulary as text, without the space before it."""
        size = self.model.config.vocab_size
        return [self.tokenizer.decode([i]).strip() if i < len(self.tokenizer) else "" for i in range(size)]


def open_checkpoint(place: str | Path, *, download: bool = False) -> Checkpoint:
    """Open a folder, or a name on the Hub: from this disk, with ``download`` also over the network.

    Raises OSError, in one line, where it cannot be had.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, local_files_only=not download)
        if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):  # transformers 5 does not say so itself
            raise ValueError("its tokenizer holds special tokens only")
        config = AutoConfig.from_pretrained(place, trust_remote_code=False, local_files_only=not download)
        kind = next((kind for kind in KINDS if type(config) in kind._model_mapping), None)
        if kind is None:
            raise ValueError(f"a {config.model_type} has no head for words")
        model, told = kind.from_pretrained(place, use_safetensors=True, output_loading_info=True, dtype=torch.float32,
                                           trust_remote_code=False, local_files_only=not download)  # fmt: skip
    except Exception as error:  # a damaged file makes tokenizers raise a bare Exception
        why = str(error).strip().splitlines() or [type(error).__name__]  # transformers says it in ten lines
        raise OSError(f"the model {str(place)!r} cannot be opened: {why[0].strip(' :.')}") from None
    file = Path(cached_file(place, "model.safetensors", local_files_only=True))
    return Checkpoint(Path(place).name, model.eval(), tokenizer, file, tuple(sorted(told["missing_keys"])))


def choose(own: Mapping[str, Checkpoint], published: bool = False) -> dict[str, Checkpoint]:
    """Open the published checkpoints if asked to, keep the course's own where they cannot be had; say which.

    own: published name -> the course's stand-in for it.
    """
    chosen = {}
    for name, stand_in in own.items():
        found, why = None, "not asked for"
        if published:
            try:
                place = real.folder(name) if name in real.available() else name
                found = open_checkpoint(place, download=True)
            except (OSError, ValueError) as error:
                why = str(error)
        kept = found or stand_in
        print(f"{name}: opened." if found else f"{name}: {why}. In its place: {stand_in.name}.")
        chosen[kept.name] = kept
    return chosen


@torch.no_grad()
def fill_in(checkpoint: Checkpoint, text: str) -> dict[str, float]:
    """Fill the gap ____ of a text: {word: probability}, the likeliest first; pieces that read alike are added up.

    A masked language model reads both sides, a causal one what stands before the gap. Raises ValueError unless the text
    has exactly one gap and the file holds the head that answers.
    """
    lacking = [name for name in checkpoint.random if "pooler." not in name and "seq_relationship" not in name]
    if lacking:
        raise ValueError(f"the file of {checkpoint.name!r} has no trained head for words (it lacks {lacking[0]!r}), so "
                         "that random numbers would answer: save the model with its head, or open another checkpoint")
    if text.count(GAP) != 1:
        raise ValueError(f"the text {text!r} has {text.count(GAP)} gaps: mark exactly one word by {GAP}")
    tokenizer, model = checkpoint.tokenizer, checkpoint.model
    if checkpoint.writes:
        left = tokenizer(text.split(GAP)[0].rstrip(), add_special_tokens=False)["input_ids"]
        ids, at = torch.tensor([[model.config.bos_token_id, *left]]), -1
    else:
        ids = tokenizer(text.replace(GAP, tokenizer.mask_token), return_tensors="pt")["input_ids"]  # [1, T]
        at = (ids[0] == tokenizer.mask_token_id).nonzero().item()
    out = model(input_ids=ids.to(model.device))
    words = out.prediction_logits if hasattr(out, "prediction_logits") else out.logits  # [1, T, V]
    p = words[0, at].float().softmax(dim=-1).tolist()  # [V]
    added: dict[str, float] = {}
    for word, share in zip(checkpoint.words, p, strict=True):
        added[word] = added.get(word, 0.0) + share
    return dict(sorted(added.items(), key=lambda item: -item[1]))


def probability(checkpoint: Checkpoint, text: str, word: str) -> float:
    """Compute the probability that the gap of a text is this word, in capitals or not (some models know none)."""
    return sum(p for guess, p in fill_in(checkpoint, text).items() if guess.casefold() == word.casefold())


def cross_attention(names: Iterable[str]) -> list[str]:
    """List the tensors of cross-attention among names of a state dict, in any of the usual spellings."""
    return [name for name in names if any(part in name.lower() for part in CROSS)]


@torch.no_grad()
def follows(checkpoint: Checkpoint, a: str, b: str) -> float | None:
    """Compute the probability that b follows a, from the pair head; None if the file holds no such head.

    Label 0 is "b follows a" (google-research/bert, run_pretraining.py; transformers: BertForPreTraining).
    """
    if not _has_pair_head(checkpoint):
        return None
    pair = checkpoint.tokenizer(a, b, return_tensors="pt").to(checkpoint.model.device)  # [CLS] a [SEP] b [SEP]
    return checkpoint.model(**pair).seq_relationship_logits[0].float().softmax(dim=-1)[0].item()


def pooler(checkpoint: Checkpoint) -> str:
    """Tell whether the file has a pooler (dense + tanh over [CLS]) and whether any training ever moved it.

    'absent', 'trained', or 'never trained': its bias starts at exactly zero and moves with the first gradient.
    """
    found = [name for name in checkpoint.tensors if name.endswith("pooler.dense.bias")]
    if not found:
        return "absent"
    with safe_open(checkpoint.file, framework="pt") as opened:
        return "trained" if opened.get_tensor(found[0]).any() else "never trained"


def examine(checkpoint: Checkpoint, text: str) -> dict[str, object]:
    """Ask for everything that needs no judgement: one row of a table, by column."""
    ids = checkpoint.tokenizer(text, return_tensors="pt")["input_ids"]  # [1, T]
    return {
        "checkpoint": checkpoint.name,
        "class": type(checkpoint.model).__name__,
        "sees the future": attention.sees_future(attention.leakage(checkpoint.model, ids)),
        "cross-attention tensors": len(cross_attention(checkpoint.tensors)),
        "pair head": _has_pair_head(checkpoint),
        "pooler": pooler(checkpoint),
    }


def _has_pair_head(checkpoint: Checkpoint) -> bool:
    return any("seq_relationship" in name for name in checkpoint.tensors)
