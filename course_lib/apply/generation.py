"""Write text with a model, word by word or by filling masks, and hold what was written against the grammar.

Three questions about a written text, each stricter than the one before: is every sentence one of the language, is
it possible as a whole story, and do such texts come up as often as they should?
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES  # BERT, RoBERTa: not GPT-2

from course_lib.model.bodies import check_rows, logits_at
from course_lib.town.language import Sentence, TinyTown
from course_lib.town.oracle import Oracle
from course_lib.train.batch import Batch
from course_lib.train.masking import Masking

__all__ = ["AnyRate", "ORDERS", "Verdict", "divergence", "fill", "first_impossible", "is_sentence", "judge",
           "next_words", "words_of", "write"]  # fmt: skip

ORDERS = ("left to right", "random")


def _draw(logits: Tensor, temperature: float | str, generator: torch.Generator | None) -> Tensor:
    """Choose one word per row: logits [B, V] -> int64 [B]. On the CPU, so that a seed means the same everywhere."""
    if temperature == "greedy":
        return logits.argmax(-1)
    if isinstance(temperature, str) or not temperature > 0:
        raise ValueError(f"temperature={temperature} must be a number above 0; use 'greedy' for its limit.")
    p = (logits.float().cpu() / temperature).softmax(-1)
    return torch.multinomial(p, 1, generator=generator)[:, 0].to(logits.device)


@torch.no_grad()
def next_words(model: PreTrainedModel, rows: Tensor, mask: Tensor, one_by_one: bool = False) -> Tensor:
    """Return what a model takes for the likeliest next token after each but the last of rows [B, T]: int64 [B, T - 1].

    mask: additive [1, 1, T, T]. All at once, in one pass with the whole row in view, or ``one_by_one``, the row cut off
    after each token in turn. Always in the weights' own precision, so that an honest mask gives the same either way.
    """
    rows, mask, was_training = rows.to(model.device), mask.to(model.device), model.training
    model.eval()
    if one_by_one:
        cut = (model(rows[:, :t], attention_mask=mask[..., :t, :t]).logits[:, -1:] for t in range(1, rows.shape[1]))
        logits = torch.cat([*cut], dim=1)
    else:
        logits = model(rows, attention_mask=mask).logits[:, :-1]
    model.train(was_training)
    return logits.argmax(dim=-1).cpu()


@torch.no_grad()
def write(
    model: PreTrainedModel, prompt: Tensor, words: int, temperature: float | str = 1.0,
    generator: torch.Generator | None = None, *, cache: bool = True,
) -> Tensor:  # fmt: skip
    """Continue each row of a prompt by ``words`` tokens, one at a time: int64 [B, T] -> [B, T + words].

    ``temperature`` is a number or 'greedy'. With ``cache`` a step reads only the newest token: a causal model's keys
    and values of the past never change. Raises TypeError for a bidirectional model, ValueError for padded prompts.
    """
    if model.config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not model.config.is_decoder:
        raise TypeError(f"write() needs an autoregressive model, and this {type(model).__name__} is none: it is "
                        "bidirectional. Use bodies.tiny_gpt or bodies.causal_bert; fill() is for masks.")  # fmt: skip
    check_rows(model, prompt)
    if rows := _padded_rows(model, prompt):
        raise ValueError(f"{rows} of {len(prompt)} prompts hold padding, and the next word would follow it: give "
                         "prompts of one length, one length at a time, or use model.generate with padding_side='left' "
                         "and attention_mask.")  # fmt: skip
    longest = model.config.max_position_embeddings
    if prompt.shape[1] + words > longest:
        raise ValueError(f"{prompt.shape[1]} + {words} tokens do not fit a model with {longest} positions.")
    ids, past, new = prompt, None, prompt
    for _ in range(words):
        out = model(new if cache else ids, past_key_values=past, use_cache=cache)
        past = out.past_key_values if cache else None
        new = _draw(out.logits[:, -1], temperature, generator)[:, None]  # [B, 1]
        ids = torch.cat([ids, new], dim=1)
    return ids


@torch.no_grad()
def fill(
    model: PreTrainedModel, ids: Tensor, mask_id: int, order: str = "random", temperature: float | str = 1.0,
    generator: torch.Generator | None = None, *, sweeps: int = 0,
) -> Tensor:  # fmt: skip
    """Replace the masks of each row one after the other, reading the whole row anew each time: int64 [B, T] -> [B, T].

    ``order`` is one of ORDERS; 'random' draws one for each row. Each of the ``sweeps`` afterwards hides and draws each
    of these places once more, in random order (Wang & Cho, arXiv:1902.04094, whose erratum says what this is not:
    sampling from a known distribution). Padding is not read.
    """
    if order not in ORDERS:
        raise ValueError(f"order={order!r} is unknown; choose one of {ORDERS}.")
    check_rows(model, ids)
    if model.config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise TypeError(f"{type(model).__name__} says what comes next, not what a mask hides: use write(), or a BERT.")
    ids, masked = ids.clone(), ids == mask_id
    real = ids != model.config.pad_token_id if _padded_rows(model, ids) else None
    counts = set(masked.sum(dim=1).tolist())
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"Rows have {sorted(counts)} masks, id {mask_id}: each must have the same number, 1 or more.")
    places = masked.nonzero()[:, 1].view(len(ids), -1)  # [B, N]
    rows = torch.arange(len(ids), device=ids.device)
    for sweep in range(sweeps + 1):
        turns = places
        if sweep or order == "random":
            turns = places.gather(1, torch.rand(places.shape, generator=generator).to(ids.device).argsort(dim=1))
        for at in turns.T:  # [B]: one place of each row
            ids[rows, at] = mask_id
            logits = logits_at(model, ids, at[:, None], real)[:, 0]  # [B, V]
            ids[rows, at] = _draw(logits, temperature, generator)
    return ids


def _padded_rows(model: PreTrainedModel, ids: Tensor) -> int:
    pad = model.config.pad_token_id
    return 0 if pad is None else int((ids == pad).any(dim=1).sum())


@dataclass(frozen=True)
class AnyRate:
    """Mask each row at a rate of its own, drawn anew between 0 and 1: a text of masks alone becomes familiar, too.

    Masked diffusion models are trained so (arXiv:2406.07524, 2502.09992), up to the weights of the terms.
    """

    masking: Masking  # says which tokens are words

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> AnyRate:
        """Take the special tokens from a tokenizer."""
        return cls(Masking.of(tokenizer))

    def __call__(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Hide 1 to all words of each row [B, T], every number equally likely."""
        words = self.masking.ordinary(rows)
        draw = torch.rand(rows.shape, generator=generator, device=generator.device).to(rows.device)
        rank = draw.masked_fill(~words, 2.0).argsort(dim=1).argsort(dim=1)  # special tokens come last
        share = torch.rand((len(rows), 1), generator=generator, device=generator.device).to(rows.device)
        select = (rank < (share * words.sum(dim=1, keepdim=True)).floor() + 1) & words
        return Batch(rows.masked_fill(select, self.masking.mask_id), select, rows[select])


def words_of(tokenizer: PreTrainedTokenizerBase, ids: Tensor) -> list[Sentence]:
    """Turn rows [B, T] into lists of words, without [CLS] in front and [SEP] at the end."""
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    kept = [row[row[0] == cls : len(row) - (row[-1] == sep)] for row in ids.tolist()]
    return [tokenizer.convert_ids_to_tokens(row) for row in kept]


def is_sentence(town: TinyTown, sentence: Sentence) -> bool:
    """Tell whether some template writes this sentence: its words agree, 'Anna' with 'she', 'kitchen' with 'cook'."""
    return any(_fits(town, path.parts, sentence) for path in town.paths if len(path.parts) == len(sentence))


def _fits(town: TinyTown, parts: Sequence[str], sentence: Sentence) -> bool:
    left = {name: set(values) for name, values in town.variables.items()}  # hidden values not yet ruled out
    for part, word in zip(parts, sentence, strict=True):
        variable, choices = town.slots[part[1:-1]] if part.startswith("{") else (None, {None: [part]})
        fitting = {value for value, words in choices.items() if word in words}
        if not fitting:
            return False
        if variable:
            left[variable] &= fitting
    return all(left.values())


def first_impossible(oracle: Oracle, words: Sentence) -> int | None:
    """Find the first word after which no story of the town can go on like this; None if there is none."""

    def impossible(n: int) -> bool:
        try:
            oracle.log_prob(words[:n])
        except ValueError:
            return True
        return False

    at = bisect.bisect_left(range(1, len(words) + 1), True, key=impossible)
    return None if at == len(words) else at


@dataclass(frozen=True)
class Verdict:
    """What the grammar says of some written texts, each from the start of a story."""

    sentences: float  # share of the finished sentences that some template writes
    stories: float  # share of the texts that are possible as they stand: same topic, hero and mood throughout
    distinct: float  # share of the finished sentences that are different from all others
    surprise: float  # -log P of a word in nats, by the exact reader, up to the first impossible word


def judge(oracle: Oracle, texts: Sequence[Sentence]) -> Verdict:
    """Hold texts against the grammar of the oracle's town; raises ValueError if not one sentence is finished."""
    finished = []
    for words in texts:
        ends = [at + 1 for at, word in enumerate(words) if word == "."]  # what stands after the last is not finished
        finished += [words[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    if not finished:
        raise ValueError(f"None of the {len(texts)} texts holds a finished sentence: write more words.")
    valid = [is_sentence(oracle.town, sentence) for sentence in finished]
    stops = [first_impossible(oracle, words) for words in texts]
    possible = [words[:stop] for words, stop in zip(texts, stops, strict=True)]
    nats = -sum(oracle.log_prob(words) for words in possible if words)
    return Verdict(
        float(np.mean(valid)), stops.count(None) / len(texts), len({*map(tuple, finished)}) / len(finished),
        nats / max(1, sum(map(len, possible))),
    )  # fmt: skip


@torch.no_grad()
def divergence(
    model: PreTrainedModel, oracle: Oracle, tokenizer: PreTrainedTokenizerBase, rows: Tensor, temperature: float = 1.0
) -> float:
    """Compute how far a writer's next word is from the language's: mean KL(language || writer) in nats per word.

    rows int64 [N, T]: [CLS] and words from the start of a story, [SEP]. Exact at every position, since the language's
    own distribution is known; 0 only for the perfect writer.
    """
    texts = words_of(tokenizer, rows)
    logits = model(rows.to(model.device)).logits.float().cpu()[:, : len(texts[0])]  # position t asks for word t
    log_q = F.log_softmax(logits / temperature, dim=-1)
    log_q = log_q[..., tokenizer.convert_tokens_to_ids(oracle.vocabulary)].double()  # [N, T, V] in the oracle's order
    p = torch.from_numpy(np.stack([oracle.next_word(words) for words in texts]))  # [N, T, V]
    return (torch.xlogy(p, p) - torch.where(p > 0, p * log_q, 0.0)).sum(-1).mean().item()
