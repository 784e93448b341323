"""Choose the word of a gap among candidates, and a label for a text, by what a causal language model gives them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from course_lib.apply.probes import GAP, Checkpoint

__all__ = ["after", "sentence_scores"]


@torch.no_grad()
def sentence_scores(checkpoint: Checkpoint, text: str, candidates: Sequence[str]) -> Tensor:
    """Score a text with each candidate in its gap: float [C, 2], log P(candidate | left) and log P(right | left, it).

    The first column is all that one left-to-right pass up to the gap has to say: the prior. Their sum, less the same
    constant for all, is the whole sentence: by Bayes' rule the posterior. Raises ValueError unless the text has exactly
    one gap and the checkpoint predicts next words.
    """
    if text.count(GAP) != 1 or not checkpoint.writes:
        raise ValueError(f"give one {GAP} (the text is {text!r}) and a model that predicts next words (this is "
                         f"{checkpoint.name!r}, a {type(checkpoint.model).__name__})")  # fmt: skip
    left, right = text.split(GAP)
    encoded = checkpoint.tokenizer([left + word + right for word in candidates], add_special_tokens=False,
                                   return_offsets_mapping=True)  # fmt: skip
    first = checkpoint.model.config.bos_token_id
    ids = pad_sequence([torch.tensor([first, *row]) for row in encoded["input_ids"]], True, first)  # [C, T]
    logits = checkpoint.model(ids.to(checkpoint.model.device)).logits.float().cpu()[:, :-1]  # [C, T-1, V]
    log_p = logits.gather(2, ids[:, 1:, None])[..., 0] - logits.logsumexp(-1)  # [C, T-1]; padding stands at the right
    scores = torch.zeros(len(candidates), 2)
    for row, (word, places) in enumerate(zip(candidates, encoded["offset_mapping"], strict=True)):
        for at, (begin, end) in enumerate(places):
            if end > len(left.rstrip()):  # the space before a word is the word's
                scores[row, int(begin >= len(left + word))] += log_p[row, at]
    return scores


@torch.no_grad()
def after(checkpoint: Checkpoint, shared: str, texts: Sequence[str], words: Sequence[str], at_once: int = 20) -> Tensor:
    """Compute the log-probability of words, each one token, after shared + text: float [texts, words].

    The shared beginning (examples in the context) is read once, and its keys and values are kept for all texts.
    """
    tokenizer, model = checkpoint.tokenizer, checkpoint.model
    tokens = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    if long := [word for word, token in zip(words, tokens, strict=True) if len(token) != 1]:
        raise ValueError(f"{long} are not one token each for {checkpoint.name!r}: choose other label words")
    first = [model.config.bos_token_id, *tokenizer(shared, add_special_tokens=False)["input_ids"]]
    found = []
    for start in range(0, len(texts), at_once):
        rows = [torch.tensor(row) for row in tokenizer(list(texts[start : start + at_once]), add_special_tokens=False)
                ["input_ids"]]  # fmt: skip
        kept = model(torch.tensor([first]), use_cache=True).past_key_values
        kept.batch_repeat_interleave(len(rows))
        logits = model(pad_sequence(rows, True, 0), past_key_values=kept).logits  # [n, T, V]; padding at the right
        last = logits[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])]
        found.append(last.log_softmax(-1)[:, [token for [token] in tokens]])
    return torch.cat(found)
