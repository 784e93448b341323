"""A task to fine-tune on in real English: which package is a passage from? Asked of a backbone while it still reads.

The label is known by construction. Passages that are asked about come from subpackages that nobody has read.
"""

from __future__ import annotations

import copy
import functools
import random
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from course_lib import runtime
from course_lib.apply.fine_tuning import RATES, descend
from course_lib.experiments import materials
from course_lib.experiments.materials import HELD_OUT_SHARE, LENGTH, Plan
from course_lib.experiments.world import encoded, english, under_causal_mask
from course_lib.model import bodies
from course_lib.model.attention import causal_mask
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM

__all__ = ["Topics", "passages", "topics_while_reading"]

TOPICS = ("torch", "transformers", "sympy", "matplotlib")  # the packages with most documents
LABELLED, ASKED = 64, 100  # passages of each: to learn from, and held out
STEPS = 200


@functools.lru_cache(maxsize=2)
def passages(corpus: str, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Cut documents into passages and label each with its package: [(rows [N, 32], labels [N])], to learn and held out.

    As many of each package, drawn by ``seed``. A passage is 30 tokens of one document between [CLS] and [SEP].
    Raises ValueError where a package has too few.
    """
    tokenizer, *parts = encoded(corpus, seed)
    groups = [part.groups for part in materials.text(corpus).split(HELD_OUT_SHARE, seed=seed)]
    made, inner = [], LENGTH - 2
    for documents, names, wanted in zip(parts, groups, (LABELLED, ASKED), strict=True):
        rows, labels = [], []
        for label, topic in enumerate(TOPICS):
            texts = [sum(document, []) for document, name in zip(documents, names, strict=True)
                     if name.split("/")[0] == topic]  # fmt: skip
            cut = [text[at : at + inner] for text in texts for at in range(0, len(text) - inner + 1, inner)]
            if len(cut) < wanted:
                raise ValueError(f"{topic} has {len(cut)} passages in this split, not {wanted}: take another seed.")
            rows += random.Random(f"{topic} {seed}").sample(cut, wanted)
            labels += [label] * wanted
        ends = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
        made.append((torch.tensor([ends[0] + row + ends[1] for row in rows]), torch.tensor(labels)))
    return made


@dataclass(frozen=True)
class Topics:
    """Fine-tune copies of a ModernBERT on the topics, whole and with the backbone frozen; ask about held-out passages.

    The mean of the outputs stands for a passage, under either mask (as in 2507.00994); the head is one linear layer.
    """

    corpus: str
    causal: bool
    seed: int

    def __call__(self, model: PreTrainedModel) -> dict[str, float]:
        """Return 'topic accuracy' and 'topic frozen accuracy', 0..1; the model is left alone."""
        with torch.random.fork_rng():
            return {"topic accuracy": self._learn(model, False), "topic frozen accuracy": self._learn(model, True)}

    def _learn(self, model: PreTrainedModel, frozen: bool) -> float:
        (rows, labels), (asked, right) = passages(self.corpus, self.seed)
        torch.manual_seed(self.seed)
        body, head = copy.deepcopy(model.model), nn.Linear(model.config.hidden_size, len(TOPICS)).to(model.device)
        body.train(not frozen)
        known = self._summary(body, rows).detach() if frozen else None
        trained = [*head.parameters(), *([] if frozen else body.parameters())]

        def loss(take: Tensor) -> Tensor:
            summary = known[take] if frozen else self._summary(body, rows[take])
            return F.cross_entropy(head(summary), labels[take].to(model.device))

        descend(trained, loss, len(rows), STEPS, RATES[frozen], torch.default_generator)
        with torch.no_grad():
            return (head(self._summary(body.eval(), asked)).argmax(1).cpu() == right).float().mean().item()

    def _summary(self, body: nn.Module, rows: Tensor) -> Tensor:
        """Run the backbone under its mask and take the mean: float32 [N, D]."""
        device = next(body.parameters()).device
        mask = causal_mask(LENGTH).to(device) if self.causal else None
        with bodies.autocast(device):
            return body(rows.to(device), attention_mask=mask).last_hidden_state.mean(1).float()


def topics_while_reading(
    seed: int, corpus: str, causal: bool, steps: int, batch_size: int, learning_rate: float, share: float = 1.0
) -> Plan:
    """Fine-tune a backbone on the topics at ten moments of its reading, and before it has read anything.

    It reads masked words, or next words under the causal mask, at a ``share`` of the places. Numbers: what
    :class:`Topics` measures; constants: the same 'untrained', before the first step.
    """
    data, measure = english(corpus, seed), Topics(corpus, causal, seed)
    masked, next_word = MaskedLM(Masking.of(data.tokenizer)), under_causal_mask(CausalLM.of(data.tokenizer, share))
    build = functools.partial(bodies.modern_bert, data.tokenizer)
    runtime.seed_all(seed)  # the very weights that the training starts from
    before = {f"untrained {name}": value for name, value in measure(build().to(runtime.device())).items()}
    return Plan(build, data.rows, next_word if causal else masked, measure, steps, batch_size, learning_rate, before)
