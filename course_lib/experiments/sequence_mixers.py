"""Ways to mix the words of a row, in networks of one size: attention, LSTMs, convolutions, dilated ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from course_lib.model.bodies import WIDE_START

__all__ = ["DILATIONS", "FORGET", "KERNEL", "MIXERS", "Convolutions", "SequenceMixer", "build", "reach"]

WIDTH = 64
KERNEL = 3  # words that one convolution sees: one to the left, itself, one to the right
DILATIONS = {"convolutions": (1, 1, 1, 1), "dilated convolutions": (1, 3, 9, 27)}
FORGET = {f"LSTM, forget bias {bias}": float(bias) for bias in (0, 1, 2)}  # 0: PyTorch's start, 1: the usual advice
MIXERS = ("bidirectional attention", "causal attention", *FORGET, *DILATIONS)


class SequenceMixer(nn.Module):
    """Word ids in, a score for each answer out: int64 [B, T] -> float [B, T, answers].

    Only ``mix`` (float [B, T, D] -> [B, T, W], or ids of its own embedding) lets positions talk to each other.
    """

    def __init__(self, embed: nn.Module, mix: nn.Module, width: int, answers: int):
        super().__init__()
        self.embed, self.mix, self.answer = embed, mix, nn.Linear(width, answers)

    def forward(self, ids: Tensor, at: Tensor | None = None) -> Tensor:
        """Score the answers at every position, or [B, answers] at one position of each row, ``at`` int64 [B]."""
        mixed = self.mix(self.embed(ids))
        mixed = mixed if isinstance(mixed, Tensor) else mixed[0]  # BertModel and nn.LSTM return more than this
        if at is not None:
            mixed = mixed[torch.arange(len(ids), device=ids.device), at]
        return self.answer(mixed)


class Convolutions(nn.Module):
    """A stack of convolutions over positions with residuals: float [B, T, D] -> [B, T, D].

    Layer n sees its own position and one at ``dilations[n]`` steps to either side: ``nn.Conv1d`` as one matrix product.
    """

    def __init__(self, width: int, dilations: tuple[int, ...]):
        super().__init__()
        self.dilations = dilations
        self.layers = nn.ModuleList(nn.Linear(KERNEL * width, width) for _ in dilations)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """Mix neighbours, layer by layer."""
        T = x.shape[1]
        for d, layer, norm in zip(self.dilations, self.layers, self.norms, strict=True):
            padded = F.pad(x, (0, 0, d, d))  # [B, T + 2 d, D]
            seen = torch.cat([padded[:, shift : shift + T] for shift in (0, d, 2 * d)], dim=-1)  # [B, T, 3 D]
            x = norm(x + layer(seen).relu())
        return x


def reach(name: str) -> float:
    """Return how many words to the left can move an answer at all, from the structure alone."""
    return sum(d * (KERNEL - 1) // 2 for d in DILATIONS[name]) if name in DILATIONS else float("inf")


def build(name: str, words: int, answers: int, length: int) -> SequenceMixer:
    """Build one of MIXERS with about 56,000 parameters; first weights come from torch's global generator.

    ``words`` is the size of the vocabulary, ``length`` the longest row.
    """
    if name.endswith("attention"):
        config = BertConfig(
            vocab_size=words, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=4, intermediate_size=256,
            max_position_embeddings=length, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            initializer_range=WIDE_START, is_decoder=name.startswith("causal"), use_cache=False,
        )  # fmt: skip
        return SequenceMixer(nn.Identity(), BertModel(config, add_pooling_layer=False), WIDTH, answers)
    if name in DILATIONS:
        return SequenceMixer(nn.Embedding(words, WIDTH), Convolutions(WIDTH, DILATIONS[name]), WIDTH, answers)
    hidden = 84  # then it has as many parameters as the others
    lstm = nn.LSTM(WIDTH, hidden, batch_first=True)
    with torch.no_grad():
        lstm.bias_ih_l0[hidden : 2 * hidden] += FORGET[name]  # the gates' order in PyTorch: input, forget, cell, output
    return SequenceMixer(nn.Embedding(words, WIDTH), lstm, hidden, answers)
