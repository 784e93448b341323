"""Lesson 06's experiments: next-sentence prediction, its negatives, its direction, and what it adds."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from course_lib.apply.pair_baseline import auc, best_threshold, idf, odds, overlap, word_odds
from course_lib.experiments import materials
from course_lib.experiments.town_pairs import KINDS, TownPairs, town_pairs
from course_lib.model import bodies
from course_lib.text.packing import Pairs
from course_lib.train import loop
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking
from course_lib.train.objectives import MaskedLM, PreTraining

__all__ = ["BASELINES", "baselines", "counted", "geometry", "judge_pairs", "reader", "vectors"]

BASELINES = {"A only": (0,), "B only": (1,), "by segment": (0, 1)}  # the segments that naive Bayes reads


def judge_pairs(
    seed: int, negative: str, causal: bool, judge_at: str | None, words_first: int, steps: int, batch_size: int,
    learning_rate: float, beside: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Train a tiny BERT on masked words and pairs of the seed's stories, with one kind of negative; measure all kinds.

    ``negative`` is one of KINDS, ``causal`` the body's mask, ``judge_at`` the token that pairs are judged from (None:
    masked words only, on the same pairs). The body has read whole stories before, ``words_first`` steps of masked words
    alone. Returns tokens; 'KIND accuracy', of held-out pairs without masks; 'other pronoun rejected' and 'same pronoun
    rejected', the shares of other documents that are seen through, by whether the heroes of both are 'she', or 'he';
    nats and accuracy of the 'word's; and :func:`geometry`. ``beside`` adds :func:`baselines` of the arm's own kind.
    """
    data = town_pairs(seed=seed)
    goal = PreTraining(data.tokenizer.pad_token_id, MaskedLM(Masking.of(data.tokenizer)), judge_at)
    model, history = loop.fit(
        functools.partial(reader, data, causal, words_first, seed), data.training(negative), goal, steps,
        tokenizer=data.tokenizer, seed=seed, batch_size=batch_size, learning_rate=learning_rate,
    )  # fmt: skip
    found = {"tokens": history.tokens[-1], **_measure(model, data, judge_at or "first")}
    if beside:
        found |= {f"{negative} {name}": share for name, share in baselines(data, negative).items()}
    return found


def reader(data: TownPairs, causal: bool, words_first: int, seed: int) -> PreTrainedModel:
    """Build a body with both heads and let it read whole stories, with masked words alone; kept for the next arm."""
    build = functools.partial(bodies.pair_bert, data.tokenizer, causal)
    if not words_first:
        return build()
    words = MaskedLM(Masking.of(data.tokenizer))
    settings = {"tokenizer": data.tokenizer, "seed": seed, "batch_size": 32, "learning_rate": 2e-3}
    return loop.fit(build, data.whole(), words, words_first, name="masked words first", **settings)[0]


def _measure(model: PreTrainedModel, data: TownPairs, judge_at: str) -> dict[str, float]:
    pad, found = data.tokenizer.pad_token_id, {}
    for kind in KINDS:
        asked = HeldOut(data.held_out(kind), PreTraining(pad, None, judge_at))
        score = asked.pair_score(model)
        found[f"{kind} accuracy"] = score.accuracy
        if kind == "other document":
            negatives, same = (asked.rows.labels == 1).numpy(), data.same_pronoun(asked.rows)
            for name, which in (("same", same), ("other", ~same)):
                found[f"{name} pronoun rejected"] = score.at(negatives & which).accuracy
    others = data.held_out("other document")
    words = PreTraining(pad, MaskedLM(Masking.of(data.tokenizer, mask=1.0, random=0.0)), None)
    found |= materials.measure({"word": HeldOut(others, words)}, model)
    return found | geometry(model, others, data.tokenizer)


def baselines(data: TownPairs, kind: str) -> dict[str, float]:
    """Score what needs no network on the held-out pairs of one kind, see :func:`counted`, and the exact 'ceiling'."""
    test = data.held_out(kind)
    found = counted(data.encoded(0), data.training(kind), test)
    return found | {"ceiling": data.exact(kind, test).accuracy}


def counted(text: list, known: Pairs, asked: Pairs) -> dict[str, float]:
    """Judge pairs by counting words: accuracies by name.

    'shared words' compares the weight that A and B share, by how rare words are in ``text`` (documents of sentences of
    ids), with a threshold; 'A only', 'B only' and 'by segment' are naive Bayes on the words of these segments. Counts
    and threshold are of the pairs ``known``.
    """
    (pairs, follows), (asked_pairs, labels) = (
        ([one.segments(row) for row in range(len(one))], (one.labels == 0).tolist()) for one in (known, asked)
    )
    rarity = idf(text)
    cut = best_threshold(*(
        [overlap(*pair, rarity) for pair, label in zip(pairs, follows, strict=True) if label == wanted]
        for wanted in (True, False)
    ))  # fmt: skip
    said = {"shared words": [overlap(*pair, rarity) > cut for pair in asked_pairs]}
    for name, sides in BASELINES.items():
        weights = word_odds(pairs, follows, sides)
        said[name] = [odds(*pair, weights) > 0 for pair in asked_pairs]
    return {name: float(np.mean(np.equal(answers, labels))) for name, answers in said.items()}


def vectors(
    model: PreTrainedModel, rows: list[list[int]], tokenizer: PreTrainedTokenizerBase
) -> dict[str, torch.Tensor]:
    """Read texts alone, [CLS] text [SEP]: float32 [N, D] by 'cls', at [CLS], and 'mean', over the words."""
    longest = max(map(len, rows)) + 2
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    ids = torch.tensor([[cls, *row, sep] + [pad] * (longest - 2 - len(row)) for row in rows], device=model.device)
    with torch.no_grad(), bodies.autocast(model.device):
        hidden = model.base_model(ids, attention_mask=ids != pad).last_hidden_state.float()  # [N, T, D]
    of_words = (ids != pad) & (ids != cls) & (ids != sep)
    mean = (hidden * of_words[..., None]).sum(dim=1) / of_words.sum(dim=1, keepdim=True)
    return {"cls": hidden[:, 0].cpu(), "mean": mean.cpu()}


def geometry(model: PreTrainedModel, pairs: Pairs, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """Measure what the cosine of two vectors tells: 'cls cosine', 'cls AUC', 'mean cosine', 'mean AUC'."""
    was_training = model.training
    model.eval()
    a, b = (vectors(model, list(side), tokenizer) for side in zip(*map(pairs.segments, range(len(pairs))), strict=True))
    model.train(was_training)
    found = {}
    for name in a:
        cosine = F.cosine_similarity(a[name], b[name], dim=1)
        follows = pairs.labels == 0
        found[f"{name} cosine"] = cosine[~follows].mean().item()
        found[f"{name} AUC"] = auc(cosine[follows].tolist(), cosine[~follows].tolist())
    return found
