"""Fine-tune a pre-trained body on a labelled task: a fresh head, the whole model or the head alone.

The heads are those of ``transformers``: one linear layer on [CLS] (after the pooler), on each token, or two vectors
that score each token as the start and the end of an answer (BERT, section 4 and Figure 4).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from course_lib import runtime
from course_lib.model.bodies import autocast
from course_lib.town.oracle import Oracle
from course_lib.town.tasks import Task, word_labels
from course_lib.train.evaluation import Score
from course_lib.train.masking import IGNORE

__all__ = ["RATES", "Pooler", "best_spans", "ceiling", "descend", "fine_tune", "floor", "hidden_states", "logits",
           "score", "with_head"]  # fmt: skip

HEADS = {"text": BertForSequenceClassification, "word": BertForTokenClassification, "span": BertForQuestionAnswering}
BATCH_SIZE = 16
RATES = {False: 1e-3, True: 5e-3}  # frozen -> peak learning rate; found by trying, on seed 100
LONGEST = 4  # tokens of an answer, at most


class Pooler(nn.Module):
    """BERT's pooler (dense, then tanh) on another summary of the row than [CLS]."""

    def __init__(self, pooler: nn.Module, pooling: str):
        super().__init__()
        self.dense, self.activation, self.pooling = pooler.dense, pooler.activation, pooling

    def forward(self, hidden: Tensor) -> Tensor:
        """Pool [B, T, D] to [B, D]; rows without padding."""
        summary = {"first": hidden[:, 0], "last": hidden[:, -1], "mean": hidden.mean(dim=1)}[self.pooling]
        return self.activation(self.dense(summary))


def with_head(body: PreTrainedModel, task: Task, pooling: str = "first", causal: bool | None = None) -> PreTrainedModel:
    """Copy the weights of a BERT into the ``transformers`` class for the task, under a fresh head.

    ``pooling`` is what a label per text is read from: 'first' ([CLS]), 'mean' or 'last'. ``causal`` keeps (None) or
    changes the mask. The first weights of the head, and of the pooler if the body has none, are random.
    """
    causal = body.config.is_decoder if causal is None else causal
    if causal and task.kind == "text" and pooling == "first":
        raise ValueError("Under a causal mask [CLS] sees nothing but itself: use pooling='last' or 'mean'.")
    changes = {"use_cache": False, "classifier_dropout": 0.0, "is_decoder": causal}
    if task.labels:
        changes |= {"id2label": dict(enumerate(task.labels)), "label2id": {n: i for i, n in enumerate(task.labels)}}
    config = type(body.config).from_dict(body.config.to_dict() | changes)
    config._attn_implementation = body.config._attn_implementation
    model = HEADS[task.kind](config)
    model.bert.load_state_dict(body.bert.state_dict(), strict=False)  # a body may lack the pooler
    if task.kind == "text" and pooling != "first":
        model.bert.pooler = Pooler(model.bert.pooler, pooling)
    return model.to(body.device)


def logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Apply a model's head to its body's last hidden states [B, T, D]: [B, labels], [B, T, labels] or [B, T, 2].

    Apart from the body, so that a frozen body has to run only once.
    """
    if hasattr(model, "qa_outputs"):
        return model.qa_outputs(hidden)
    return model.classifier(hidden if model.bert.pooler is None else model.bert.pooler(hidden))


def fine_tune(
    body: PreTrainedModel, task: Task, *, frozen: bool = False, pooling: str = "first", causal: bool | None = None,
    steps: int = 200, seed: int = 0,
) -> PreTrainedModel:  # fmt: skip
    """Train a copy of a body with a fresh head on a task; the body itself is left alone. Returns the model.

    ``frozen`` trains the head alone, its pooler included. AdamW; the rate rises over the first tenth of the steps and
    falls in a line to zero (BERT, appendix A.3). Options as in :func:`with_head`.
    """
    runtime.seed_all(seed)
    model = with_head(body, task, pooling, causal)
    device = model.device
    inner = {id(p) for name, p in model.bert.named_parameters() if not name.startswith("pooler.")}
    trained = [p for p in model.parameters() if not (frozen and id(p) in inner)]
    fixed = hidden_states(model, task) if frozen else None

    def loss(take: Tensor) -> Tensor:
        with autocast(device):
            hidden = fixed[take].to(device) if frozen else _hidden(model, task[take])
            return _loss(task.kind, logits(model, hidden), task.targets[take].to(device))

    model.train()
    descend(trained, loss, len(task), steps, RATES[frozen], torch.Generator().manual_seed(seed))
    return model.eval()


def descend(
    trained: Sequence[nn.Parameter], loss: Callable[[Tensor], Tensor], rows: int, steps: int, rate: float,
    generator: torch.Generator,
) -> None:  # fmt: skip
    """Take the steps of a fine-tuning: ``loss`` gives a scalar for the numbers of 16 of the ``rows`` (int64 [16]).

    All rows come in random order, then again in another. AdamW at a peak ``rate``, see :func:`fine_tune`.
    """
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01, fused=trained[0].device.type != "mps")
    up = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / up, (steps - step) / max(1, steps - up))
    )
    rounds = -(-steps * BATCH_SIZE // rows)
    order = torch.cat([torch.randperm(rows, generator=generator) for _ in range(rounds)])
    for take in order[: steps * BATCH_SIZE].view(steps, BATCH_SIZE):
        value = loss(take)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()


def score(model: PreTrainedModel, task: Task) -> Score:
    """Score a model on a task: one entry per row, per word that is asked about, or per question.

    An answer counts as right if its first and its last token are (exact match).
    """
    model.eval()
    with torch.no_grad():
        found = logits(model, hidden_states(model, task).to(model.device)).float().cpu()
    if task.kind != "span":
        asked = task.targets != IGNORE  # [N], or [N, T]
        return _score(found[asked].log_softmax(dim=-1), task.targets[asked])
    log_p = found.log_softmax(dim=1)  # over the tokens: [N, T, 2]
    nats = -log_p.gather(1, task.targets[:, None]).sum(dim=(1, 2))
    return Score(nats.double().numpy(), (best_spans(found) == task.targets).all(dim=1).numpy())


def best_spans(logits: Tensor) -> Tensor:
    """Choose the best answer of at most LONGEST tokens by start score plus end score (BERT, section 4.2).

    logits [N, T, 2]. Returns int64 [N, 2]: first and last token, first <= last.
    """
    T = logits.shape[1]
    sums = logits[:, :, 0, None] + logits[:, None, :, 1]  # [N, start, end]
    allowed = torch.ones(T, T, dtype=torch.bool, device=logits.device).triu().tril(LONGEST - 1)
    best = sums.masked_fill(~allowed, -torch.inf).flatten(1).argmax(dim=1)
    return torch.stack([best // T, best % T], dim=1)


def floor(train: Task, held_out: Task) -> Score:
    """Score the reader that knows nothing but the labels' frequencies in ``train``."""
    known, asked = (task.targets[task.targets != IGNORE] for task in (train, held_out))
    counts = torch.bincount(known, minlength=len(train.labels)).double() + 1e-3  # unseen is improbable, not impossible
    return _score((counts / counts.sum()).log().expand(len(asked), -1), asked)


def ceiling(oracle: Oracle, tokenizer: PreTrainedTokenizerBase, task: Task, left_only: bool = False) -> Score:
    """Score the exact reader on a labelled task's rows: no model can do better on average.

    ``left_only`` is the reader under a causal mask; of a whole text it knows as much at the end.
    """
    words = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    log_p, targets = [], []
    for row, wanted in zip(task.rows[:, 1:-1].tolist(), task.targets, strict=True):
        text = [words[token] for token in row]
        if task.kind == "text":
            found = oracle.posterior(text, task.name)[None]
        else:
            label = functools.partial(word_labels, oracle.town, task.name)
            known = oracle.word_labels(text, label, left_only)
            found = np.array([[p.get(name, 0.0) for name in task.labels] for p in known])
            asked = wanted[1:-1] != IGNORE
            wanted, found = wanted[1:-1][asked], found[asked.numpy()]
        log_p.append(torch.tensor(np.log(np.maximum(found, 1e-12))))
        targets.append(wanted.reshape(-1))
    return _score(torch.cat(log_p), torch.cat(targets))


@torch.no_grad()
def hidden_states(model: PreTrainedModel, task: Task) -> Tensor:
    """Run the body over all rows of a task: float32 [N, T, D] on the CPU."""
    model.eval()
    with autocast(model.device):
        return torch.cat([_hidden(model, task[at : at + 256]).float().cpu() for at in range(0, len(task), 256)])


def _hidden(model: PreTrainedModel, task: Task) -> Tensor:
    """Run the body: [B, T, D]. Raises ValueError for padding, which the heads would read."""
    if (task.rows == model.config.pad_token_id).any():
        raise ValueError(f"Rows of {task.name!r} hold padding, which these heads would read: cut them to one length.")
    types = None if task.token_type_ids is None else task.token_type_ids.to(model.device)
    return model.bert(task.rows.to(model.device), token_type_ids=types).last_hidden_state


def _loss(kind: str, found: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy; of an answer, of its start and its end (BERT, section 4.2)."""
    if kind == "span":
        return sum(F.cross_entropy(found[:, :, i].float(), targets[:, i]) for i in (0, 1)) / 2
    return F.cross_entropy(found.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORE)


def _score(log_p: Tensor, targets: Tensor) -> Score:
    nats = -log_p.gather(1, targets[:, None])[:, 0]
    return Score(nats.double().numpy(), (log_p.argmax(dim=1) == targets).numpy())
