"""One BERT body and next-sentence prediction: what it learns from each kind of negative, from where it is judged."""

from __future__ import annotations

import functools
import random
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F
from transformers import PreTrainedModel

from course_lib.experiments.texts import HELD_OUT_FROM
from course_lib.model import bodies
from course_lib.model.bodies import autocast
from course_lib.text import tokenization
from course_lib.text.packing import Pairs, balanced_pairs, doc_sentences
from course_lib.text.pair_baseline import auc, best_threshold, idf, odds, overlap, word_odds
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle
from course_lib.train import evaluation, loop
from course_lib.train.masking import Masking
from course_lib.train.objectives import MaskedLM, PreTraining

__all__ = [
    "BASELINES", "KINDS", "LOOKALIKE", "TownPairs", "baselines", "geometry", "judge_pairs", "reader", "town_pairs",
    "vectors",
]  # fmt: skip

LOOKALIKE = "look-alike document"  # another document with the same topic, hero and mood
KINDS = ("other document", LOOKALIKE, "same document", "swapped")
BASELINES = {"A only": (0,), "B only": (1,), "by segment": (0, 1)}  # the segments that naive Bayes reads
SENTENCES, LENGTH = 2, 52  # on each side of a pair; four sentences and three special tokens fit into a row
ASKED = 2000  # held-out pairs of each kind in a recorded run; a share of one half is then known to 0.02
HELD_OUT = 6000  # stories that these are made of
HIDDEN = ("topic", "hero", "mood")


def judge_pairs(
    seeds: list[int], negative: str = "other document", causal: bool = False, judge_at: str | None = "first",
    words_first: int = 1000, steps: int = 800, batch_size: int = 32, learning_rate: float = 1e-3,
    beside: bool = False,
) -> list[dict]:  # fmt: skip
    """Train a tiny BERT per seed on masked words and pairs of its own stories, with one kind of negative; measure all.

    ``negative`` is one of KINDS, ``causal`` the body's mask, ``judge_at`` the token that pairs are judged from (None:
    masked words only, on the same pairs). The body has read whole stories before, ``words_first`` steps of masked words
    alone. Returns for each seed lists of one number, after the training on pairs: tokens; 'KIND accuracy', of 2,000
    held-out pairs without masks (an untrained head's, where nothing is asked about pairs); 'other pronoun rejected' and
    'same pronoun rejected', the shares of other documents that are seen through, by whether the heroes of both are
    'she', or 'he'; 'word nats' and 'word accuracy', of held-out masked words; and of the vectors of A and of B, each
    read alone, 'cls cosine' and 'mean cosine' between unrelated texts, 'cls AUC' and 'mean AUC', how well the cosine
    tells neighbours. ``beside`` adds :func:`baselines` on the same pairs of the arm's own kind.
    """

    def one(seed: int) -> dict:
        data = town_pairs(seed=seed)
        goal = PreTraining(data.tokenizer.pad_token_id, MaskedLM(Masking.of(data.tokenizer)), judge_at)
        model, history = loop.fit(
            functools.partial(reader, data, causal, words_first, seed), data.training(negative), goal, steps,
            tokenizer=data.tokenizer, seed=seed, batch_size=batch_size, learning_rate=learning_rate,
        )  # fmt: skip
        if history.interrupted:
            raise KeyboardInterrupt
        found = {"tokens": history.tokens[-1], **_measure(model, data, judge_at)}
        if beside:
            found |= {f"{negative} {name}": share for name, share in baselines(data, negative).items()}
        return {name: [value] for name, value in found.items()}

    return [one(seed) for seed in seeds]


def _measure(model: PreTrainedModel, data: TownPairs, judge_at: str | None) -> dict[str, float]:
    pad, found = data.tokenizer.pad_token_id, {}
    for kind in KINDS:
        asked = evaluation.HeldOut(data.held_out(kind), PreTraining(pad, None, judge_at or "first"))
        score = asked.pair_score(model)
        found[f"{kind} accuracy"] = score.accuracy
        if kind == "other document":
            negatives, same = (asked.rows.labels == 1).numpy(), data.same_pronoun(asked.rows)
            for name, which in (("same", same), ("other", ~same)):
                found[f"{name} pronoun rejected"] = score.at(negatives & which).accuracy
    others = data.held_out("other document")
    hidden = MaskedLM(Masking.of(data.tokenizer, mask=1.0, random=0.0))
    score = evaluation.HeldOut(others, PreTraining(pad, hidden, None)).score(model)
    return found | {"word nats": score.loss, "word accuracy": score.accuracy} | geometry(model, others, data.tokenizer)


def baselines(data: TownPairs, kind: str, trained_on: int | None = None, asked: int = ASKED) -> dict[str, float]:
    """Score what needs no network on the held-out pairs of one kind: accuracies by name.

    'shared words' compares the weight that A and B share with a threshold; 'A only', 'B only' and 'by segment' are
    naive Bayes on the words of these segments. Threshold and counts are learned on the training pairs, the first
    ``trained_on`` or all. 'ceiling' is the exact reader's.
    """
    train, test = data.training(kind)[:trained_on], data.held_out(kind, asked)
    (pairs, follows), (asked_pairs, labels) = (
        ([one.segments(row) for row in range(len(one))], (one.labels == 0).tolist()) for one in (train, test)
    )
    rarity = idf(data.encoded(0))
    cut = best_threshold(*(
        [overlap(*pair, rarity) for pair, label in zip(pairs, follows, strict=True) if label == wanted]
        for wanted in (True, False)
    ))  # fmt: skip
    said = {"shared words": [overlap(*pair, rarity) > cut for pair in asked_pairs]}
    for name, sides in BASELINES.items():
        weights = word_odds(pairs, follows, sides)
        said[name] = [odds(*pair, weights) > 0 for pair in asked_pairs]
    right = {name: float(np.mean(np.equal(answers, labels))) for name, answers in said.items()}
    return right | {"ceiling": data.exact(kind, test).accuracy}


def reader(data: TownPairs, causal: bool, words_first: int, seed: int) -> PreTrainedModel:
    """Build a body with both heads and let it read whole stories, with masked words alone; kept for the next arm."""
    build = functools.partial(bodies.pair_bert, data.tokenizer, causal)
    if not words_first:
        return build()
    words = MaskedLM(Masking.of(data.tokenizer))
    settings = {"tokenizer": data.tokenizer, "seed": seed, "batch_size": 32, "learning_rate": 2e-3}
    return loop.fit(build, data.whole(), words, words_first, name="masked words first", **settings)[0]


@dataclass(frozen=True, eq=False)  # compared by identity, so that its pairs can be kept
class TownPairs:
    """Tiny Town's stories, to train on and held out, and pairs of two segments from them with each kind of negative."""

    town: TinyTown
    tokenizer: object
    stories: tuple[list, list]  # language.Story: to train on, held out

    def whole(self) -> torch.Tensor:
        """Pack the training stories, one in a row, two where it is long."""
        return doc_sentences(self.tokenizer, self.encoded(0), LENGTH)

    def training(self, kind: str, pairs: int | None = None) -> Pairs:
        """Make pairs of the training stories with one kind of negative: all, or that many."""
        return self._pairs(0, kind, pairs)

    def held_out(self, kind: str, pairs: int = ASKED) -> Pairs:
        """Make so many pairs of held-out stories with one kind of negative."""
        return self._pairs(1, kind, pairs)

    def same_pronoun(self, pairs: Pairs) -> np.ndarray:
        """Say of held-out pairs whether the heroes of both documents are 'she', or both 'he': bool [N]."""
        pronoun = self.town.slots["pron"][1]
        documents = pairs.origins[:, :, 0].tolist()
        a, b = ([pronoun[self.stories[1][d].hero] for d in side] for side in zip(*documents, strict=True))
        return np.array([one == other for one, other in zip(a, b, strict=True)])

    def texts(self, held_out: bool = True) -> list[list[str]]:
        """Return the stories as documents of sentences."""
        return [[" ".join(words) for words in story.sentences] for story in self.stories[held_out]]

    def exact(self, kind: str, pairs: Pairs) -> evaluation.Score:
        """Score the exact reader on held-out pairs of one kind: no model can do better.

        Of look-alikes it is even told the topic, hero and mood, which both texts share: it is asked about the rest.
        """
        texts = self.texts()
        if kind != LOOKALIKE:
            return evaluation.pair_ceiling(Oracle(self.town), texts, pairs)
        rows = defaultdict(list)
        for row, document in enumerate(pairs.origins[:, 0, 0].tolist()):
            rows[_hidden(self.stories[1][document])].append(row)
        scores = []
        for hidden, members in rows.items():
            told = replace(self.town, variables={name: [value] for name, value in zip(HIDDEN, hidden, strict=True)})
            scores.append((members, evaluation.pair_ceiling(Oracle(told), texts, pairs[members])))
        order = np.argsort(np.concatenate([members for members, _ in scores]))
        return evaluation.Score(
            np.concatenate([score.nats for _, score in scores])[order],
            np.concatenate([score.right for _, score in scores])[order],
        )

    @functools.lru_cache(maxsize=8)  # noqa: B019 (instances are few, made by town_pairs)
    def _pairs(self, part: int, kind: str, n: int | None) -> Pairs:
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r} is unknown; choose one of {KINDS}.")
        documents = self.encoded(part)
        rng = random.Random(f"{kind} {part}")
        if kind == LOOKALIKE:
            return self._look_alikes(documents, self.stories[part], n, rng)
        matched = kind == "other document"
        return balanced_pairs(self.tokenizer, documents, LENGTH, rng, kind, SENTENCES, n, matched)

    def encoded(self, part: int) -> list[list[list[int]]]:
        """Return the stories as documents of sentences of ids: 0 to train on, 1 held out."""
        return tokenization.encode_documents(self.tokenizer, self.texts(bool(part)))

    def _look_alikes(self, documents: list, stories: list, n: int | None, rng: random.Random) -> Pairs:
        """Pair within each group of stories that share topic, hero and mood, then mix the groups."""
        groups = defaultdict(list)
        for d, story in enumerate(stories):
            groups[_hidden(story)].append(d)
        parts = []
        for members in groups.values():
            if len(members) > 1:
                own = [documents[d] for d in members]
                made = balanced_pairs(self.tokenizer, own, LENGTH, rng, "other document", SENTENCES, None, True)
                origins = made.origins.clone()
                origins[:, :, 0] = torch.tensor(members)[origins[:, :, 0]]
                parts.append(replace(made, origins=origins))
        whole = Pairs(*(torch.cat([getattr(part, name) for part in parts]) for name in
                        ("input_ids", "token_type_ids", "labels", "origins")), "other document", True)  # fmt: skip
        chosen = []
        for label in (0, 1):
            rows = (whole.labels == label).nonzero().flatten().tolist()
            chosen += rng.sample(rows, len(rows) if n is None else n // 2)
        rng.shuffle(chosen)
        return whole[chosen]


def vectors(model: PreTrainedModel, rows: list[list[int]], tokenizer) -> dict[str, torch.Tensor]:
    """Read texts alone, [CLS] text [SEP], and return float32 [N, D]: 'cls', at [CLS], and 'mean', over its words."""
    longest = max(map(len, rows)) + 2
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    ids = torch.tensor([[cls, *row, sep] + [pad] * (longest - 2 - len(row)) for row in rows], device=model.device)
    with torch.no_grad(), autocast(model.device):
        hidden = model.base_model(ids, attention_mask=ids != pad).last_hidden_state.float()  # [N, T, D]
    of_words = (ids != pad) & (ids != cls) & (ids != sep)
    mean = (hidden * of_words[..., None]).sum(dim=1) / of_words.sum(dim=1, keepdim=True)
    return {"cls": hidden[:, 0].cpu(), "mean": mean.cpu()}


def geometry(model: PreTrainedModel, pairs: Pairs, tokenizer) -> dict[str, float]:
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


@functools.lru_cache(maxsize=2)
def town_pairs(stories: int = 8000, held_out: int = HELD_OUT, seed: int = 0) -> TownPairs:
    """Write Tiny Town's stories of six sentences, to train on and held out; ``seed`` draws both."""
    town = TinyTown.load()
    parts = town.stories(stories, seed=seed), town.stories(held_out, seed=HELD_OUT_FROM + seed)
    return TownPairs(town, tokenization.word_tokenizer(town.vocabulary), parts)


def _hidden(story) -> tuple[str, str, str]:
    return tuple(getattr(story, name) for name in HIDDEN)
