"""Translate with an encoder-decoder, or with one stack under a prefix or a causal mask: same rows, same questions.

A row holds a pair: [CLS] source [SEP] target [SEP], then padding. What is asked are the target words and the [SEP]
that ends them, each from the position before it (teacher forcing). Sources: Attention Is All You Need (1706.03762) §3;
T5 (1910.10683) §3.2 for the comparison; Rothe et al. (1907.12461) for BERT as an encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import EncoderDecoderConfig, EncoderDecoderModel, PreTrainedModel, PreTrainedTokenizerBase

from course_lib.model import bodies
from course_lib.model.attention import prefix_mask
from course_lib.text.tokenization import word_tokenizer
from course_lib.town.sister_language import SisterLanguage
from course_lib.train.batch import Batch

__all__ = ["HeldOutPairs", "PairScore", "Translation", "TranslationBatch", "bilingual_tokenizer", "head_alignment",
           "pair_rows", "source_weights", "tiny_encoder_decoder"]

READERS = ("encoder-decoder", "prefix", "causal")
VIEWS = ("every position", "[CLS] alone")


def bilingual_tokenizer(language: SisterLanguage) -> PreTrainedTokenizerBase:
    """Make a tokenizer with one token for each word of the town and of its sister language."""
    return word_tokenizer([*language.town.vocabulary, *language.vocabulary])


def pair_rows(tokenizer: PreTrainedTokenizerBase, language: SisterLanguage, texts: Sequence[Sequence[str]]) -> Tensor:
    """Pack sentences with their translations, [CLS] source [SEP] target [SEP] and padding: int64 [N, T]."""
    cls, sep, pad = tokenizer.cls_token, tokenizer.sep_token, tokenizer.pad_token
    rows = [[cls, *text, sep, *language.translate(text), sep] for text in texts]
    length = max(map(len, rows))
    return torch.tensor([tokenizer.convert_tokens_to_ids(row + [pad] * (length - len(row))) for row in rows])


def tiny_encoder_decoder(tokenizer: PreTrainedTokenizerBase, **overrides) -> EncoderDecoderModel:
    """Join a tiny BERT body and a tiny causal BERT with cross-attention; ``overrides`` go to both configurations.

    The decoder starts from [SEP], as BART's starts from its end token; [SEP] ends the target.
    """
    encoder = bodies.tiny_bert(tokenizer, **overrides).bert
    decoder = bodies.causal_bert(tokenizer, add_cross_attention=True, **overrides)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        encoder.config, decoder.config, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.sep_token_id,
        decoder_start_token_id=tokenizer.sep_token_id, vocab_size=len(tokenizer),
        max_position_embeddings=encoder.config.max_position_embeddings,
    )  # fmt: skip
    config._attn_implementation = encoder.config._attn_implementation
    return EncoderDecoderModel(config, encoder, decoder)


@dataclass(frozen=True)
class TranslationBatch(Batch):
    """A batch whose source is read apart from the target, or together with it where ``source_ids`` is None."""

    source_ids: Tensor | None = None  # int64 [B, S]
    source_mask: Tensor | None = None  # bool [B, S], False at padding
    view: Tensor | None = None  # bool [B, S]: the source positions that cross-attention may look at
    real: Tensor | None = None  # bool [B, T]: the tokens of source and target, False at padding

    @cached_property
    def tokens(self) -> int:
        """Count the tokens of source and target, without padding."""
        return int(self.real.sum())

    def logits(self, model: PreTrainedModel) -> tuple[Tensor, None]:
        """Ask a model: its logits at the positions asked for [N, V]; there are no pairs to judge."""
        if self.source_ids is None:
            return super().logits(model)
        states = model.encoder(self.source_ids, attention_mask=self.source_mask).last_hidden_state  # [B, S, D]
        out = model(encoder_outputs=(states,), attention_mask=self.view, decoder_input_ids=self.input_ids)
        return out.logits.flatten(0, 1)[self.positions], None


@dataclass(frozen=True)
class Translation:
    """Ask for the target of each row, given its source.

    ``reader`` is 'encoder-decoder', or 'prefix' or 'causal' for a single stack (a BERT body) under that mask. ``view``
    is what the decoder's cross-attention may look at: 'every position' of the source, or '[CLS] alone', one vector.
    """

    pad_id: int
    sep_id: int
    reader: str = "encoder-decoder"
    view: str = "every position"

    def __post_init__(self):
        if self.reader not in READERS or self.view not in VIEWS:
            raise ValueError(f"reader={self.reader!r}, view={self.view!r}: choose one of {READERS} and of {VIEWS}.")

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, **settings) -> Translation:
        """Take the special tokens from a tokenizer."""
        return cls(tokenizer.pad_token_id, tokenizer.sep_token_id, **settings)

    def __call__(self, rows: Tensor, generator: torch.Generator | None = None) -> TranslationBatch:
        """Turn rows [B, T] into questions; nothing is drawn at random."""
        rows = rows[:, : int((rows != self.pad_id).sum(dim=1).max())]
        ends = (rows == self.sep_id).int()
        if (ends.sum(dim=1) != 2).any():
            raise ValueError("Each row must hold two [SEP]: one ends the source, one the target. See pair_rows.")
        source = ends.argmax(dim=1) + 1  # [B]: tokens of the source with [CLS] and [SEP]
        at = torch.arange(rows.shape[1], device=rows.device)  # [T]
        real = rows != self.pad_id
        asked = (at >= source[:, None] - 1) & real.roll(-1, dims=1)  # the next token is a target token ...
        asked[:, -1] = False  # ... but after the last position there is none
        targets = rows.roll(-1, dims=1)[asked]
        if self.reader != "encoder-decoder":
            mask = prefix_mask(source if self.reader == "prefix" else 0, rows.shape[1]).to(rows.device)
            return TranslationBatch(rows, asked, targets, mask, real=real)
        mask = at[: int(source.max())] < source[:, None]  # [B, S]
        view = mask if self.view == "every position" else (at[: mask.shape[1]] == 0).expand_as(mask)
        n = asked.sum(dim=1)  # [B]: tokens to write
        step = torch.arange(int(n.max()), device=rows.device)
        written = rows.gather(1, (source[:, None] - 1 + step).clamp(max=rows.shape[1] - 1))  # [B, T']
        inside = step < n[:, None]
        return TranslationBatch(
            written.masked_fill(~inside, self.pad_id), inside, targets, source_mask=mask, view=view, real=real,
            source_ids=rows[:, : mask.shape[1]].masked_fill(~mask, self.pad_id),
        )  # fmt: skip


@dataclass(frozen=True)
class PairScore:
    """Predictions of the target tokens of B held-out pairs, kept one by one: N in all, row by row."""

    right: Tensor  # bool [N]: was the most probable token the right one?
    nats: Tensor  # float [N]: -log P(right token)
    ends: Tensor  # bool [N]: True at the [SEP] that closes a target
    asked: Tensor  # int64 [B]: how many tokens each pair asks for

    @property
    def sentences(self) -> Tensor:
        """Tell which sentences are right in all their tokens, so that greedy decoding writes them: bool [B]."""
        return torch.stack([part.all() for part in self.right.split(self.asked.tolist())])

    def numbers(self) -> dict[str, float]:
        """Count the shares of right sentences and of right words, without the closing [SEP], and the nats per token."""
        found = {"sentence accuracy": self.sentences, "word accuracy": self.right[~self.ends], "nats": self.nats}
        return {name: values.float().mean().item() for name, values in found.items()}


@dataclass(frozen=True)
class HeldOutPairs:
    """Held-out pairs; calling it with a model gives the shares of right sentences and words, and nats per token."""

    rows: Tensor  # int64 [B, T], as pair_rows packs them
    objective: Translation

    def __call__(self, model: PreTrainedModel) -> dict[str, float]:
        return self.score(model).numbers()

    @torch.no_grad()
    def score(self, model: PreTrainedModel) -> PairScore:
        """Score a model on all target tokens."""
        was_training, parts = model.training, []
        model.eval()
        for rows in self.rows.split(200):
            batch = self.objective(rows).to(model.device)
            with bodies.autocast(model.device):
                logits = batch.logits(model)[0].float()
            nats = F.cross_entropy(logits, batch.targets, reduction="none")
            right, ends = logits.argmax(dim=1) == batch.targets, batch.targets == self.objective.sep_id
            parts.append((right, nats, ends, batch.select.sum(dim=1)))
        model.train(was_training)
        return PairScore(*(torch.cat(found).cpu() for found in zip(*parts, strict=True)))


# ------------------------------------------------------------------------------------------------- alignment
@torch.no_grad()
def source_weights(model: PreTrainedModel, batch: TranslationBatch) -> Tensor:
    """Compute the attention that the writing positions pay to the source, in float32: [B, L, H, T, S] for L layers.

    Row t belongs to the position that *writes* target token t; column 0 is [CLS], column s + 1 source word s. These
    are the weights of cross-attention, or in a single stack a part of those of self-attention, as "eager" gives them.
    """
    was_training, apart = model.training, batch.source_ids is not None
    before = (model.decoder if apart else model).config._attn_implementation
    model.eval().set_attn_implementation("eager")
    try:
        if apart:
            out = model(batch.source_ids, attention_mask=batch.source_mask, decoder_input_ids=batch.input_ids,
                        output_attentions=True)  # fmt: skip
        else:
            out = model(batch.input_ids, attention_mask=batch.attention_mask, output_attentions=True)
    finally:
        model.train(was_training).set_attn_implementation(before)
    weights = torch.stack(out.cross_attentions if apart else out.attentions, dim=1)
    if apart:
        return weights
    first = batch.select.int().argmax(dim=1)  # [B]: the [SEP] that ends the source writes the first target word
    rows = first[:, None] + torch.arange(int(batch.select.sum(dim=1).max()), device=first.device)  # [B, T]
    rows = rows.clamp(max=weights.shape[3] - 1)[:, None, None, :, None].expand(-1, *weights.shape[1:3], -1, -1)
    weights = weights.take_along_dim(rows, dim=3)[..., : int(first.max()) + 1]
    target = torch.arange(weights.shape[4], device=first.device) > first[:, None]  # [B, S]: no longer the source
    return weights.masked_fill(target[:, None, None, None], 0.0)


def head_alignment(model: PreTrainedModel, held_out: HeldOutPairs, gold: Sequence[Sequence[int]]) -> Tensor:
    """Share of target words for which a head looks, of all source tokens, most at the given one: [L, H].

    gold: for each held-out pair a source position per target word, as ``SisterLanguage.alignment`` gives it.
    """
    weights = source_weights(model, held_out.objective(held_out.rows).to(model.device))  # [B, L, H, T, S]
    strongest = weights.argmax(dim=4).cpu() - 1  # the source word; -1 is [CLS]
    right = [strongest[row, :, :, : len(places)] == torch.tensor(places) for row, places in enumerate(gold)]
    return torch.cat(right, dim=2).float().mean(dim=2)
