"""Labelled tasks out of Tiny Town's gold annotation: a label per text, a label per word, an answer in the text.

The three kinds of task that BERT is fine-tuned on (BERT, section 4 and Figure 4). Rows have no padding: each is
the beginning of a story, or a question and a passage, cut to one length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from course_lib.town.language import NO_LABEL, Question, Story, TinyTown

__all__ = ["LENGTH", "WORD_TASKS", "Task", "answer", "classify", "new_words", "tag", "word_labels"]

IGNORE = -100  # the label that the losses of transformers leave out

LENGTH = 32  # tokens per row, [CLS] and [SEP] included: as in the pre-training of the course
WORD_TASKS = ("tags", "kind at first word", "kind at full stop")


@dataclass(frozen=True)
class Task:
    """Labelled rows of one task."""

    name: str  # 'topic', 'tags', 'answers', ...
    kind: str  # 'text': a label per row; 'word': a label per token; 'span': the first and last token of an answer
    labels: tuple[str, ...]  # the names of the classes; empty for a span
    rows: Tensor  # int64 [N, T]
    targets: Tensor  # int64 [N], or [N, T] with -100 where nothing is asked, or [N, 2]
    token_type_ids: Tensor | None = None  # int64 [N, T]: 1 in the passage of a question; None: a single text

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice | Tensor) -> Task:
        """Take some of the rows: a slice or indices."""
        types = None if self.token_type_ids is None else self.token_type_ids[rows]
        return replace(self, rows=self.rows[rows], targets=self.targets[rows], token_type_ids=types)


def classify(tokenizer: PreTrainedTokenizerBase, stories: Sequence[Story], variable: str = "topic") -> Task:
    """Ask for a hidden variable of each story: 'topic', 'mood' or 'hero'. Labels are in the grammar's order.

    Stories that do not fill a row are left out, here and in :func:`tag`.
    """
    labels = tuple(TinyTown.load().variables[variable])
    stories, rows = _rows(tokenizer, stories)
    targets = torch.tensor([labels.index(getattr(story, variable)) for story in stories])
    return Task(variable, "text", labels, rows, targets)


def tag(tokenizer: PreTrainedTokenizerBase, stories: Sequence[Story], what: str = "tags") -> Task:
    """Ask for a label of each word: 'tags' are the grammar's (PERSON, PLACE, OBJECT, or O for none).

    The two others ask, once per sentence, which kind of sentence it is: 'kind at first word' before it is told, so
    that the evidence stands to the right, 'kind at full stop' after it. A row may end within a sentence.
    """
    town = TinyTown.load()
    if what not in WORD_TASKS:
        raise ValueError(f"what={what!r} is unknown; choose one of {', '.join(map(repr, WORD_TASKS))}.")
    labels = (NO_LABEL, *dict.fromkeys(town.labels.values())) if what == "tags" else tuple(town.chain)
    stories, rows = _rows(tokenizer, stories)
    targets = torch.full_like(rows, IGNORE)
    for row, story in enumerate(stories):
        told = zip(story.kinds, story.slots, story.sentences, strict=True)
        found = [name for sentence in told for name in word_labels(town, what, *sentence)][: LENGTH - 2]
        targets[row, 1 : 1 + len(found)] = torch.tensor([labels.index(n) if n else IGNORE for n in found])
    return Task(what, "word", labels, rows, targets)


def word_labels(town: TinyTown, what: str, kind: str, slots: Sequence[str | None], words: Sequence[str]) -> list[str]:
    """Label the words of one sentence, given its kind and the slot that wrote each word: '' where nothing is asked."""
    if what == "tags":
        return [town.labels.get(slot, NO_LABEL) for slot in slots]
    asked = 0 if what == "kind at first word" else len(words) - 1
    return [kind if at == asked else "" for at in range(len(words))]


def answer(tokenizer: PreTrainedTokenizerBase, stories: Sequence[Story], question_first: bool = True) -> Task:
    """Ask the grammar's questions about passages: where does the answer begin and end?

    [CLS] question [SEP] passage [SEP], segment 1 being the passage (BERT, section 4.2); or, with
    ``question_first=False``, [CLS] passage [SEP] question [SEP]. A passage begins with a story's second or third
    sentence and holds the answers of all questions, so that only the question says which one is meant. Stories
    without such a passage are left out (most are). Raises ValueError if none is left.
    """
    town = TinyTown.load()
    cls, sep = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
    rows, types, targets = [], [], []
    for story in stories:
        found = (_asked(tokenizer, town, story.since(first)) for first in (1, 2))
        for question, ids, passage in next(filter(None, found), []):
            first, second = (ids, passage) if question_first else (passage, ids)
            rows.append([*cls, *first, *sep, *second, *sep])
            types.append([0] * (len(first) + 2) + [1] * (len(second) + 1))
            before = len(ids) + 2 if question_first else 1
            targets.append([before + question.place] * 2)
    if not rows:
        raise ValueError(f"None of the {len(stories)} stories has a passage with every answer: give some hundreds.")
    return Task("answers", "span", (), torch.tensor(rows), torch.tensor(targets), torch.tensor(types))


def _asked(tokenizer, town: TinyTown, passage: Story) -> list[tuple[Question, list[int], list[int]]]:
    """Return each question, its ids and as much of the passage as fits beside it; [] where an answer is missing."""
    questions, words = town.questions(passage), tokenizer.convert_tokens_to_ids(passage.words)
    asked = [tokenizer.convert_tokens_to_ids(question.text.split()) for question in questions]
    room = [LENGTH - 3 - len(ids) for ids in asked]
    if len(questions) < len(town.question_templates) or len(words) < max(room):
        return []
    if any(question.place >= min(room) for question in questions):
        return []
    return [(question, ids, words[:size]) for question, ids, size in zip(questions, asked, room, strict=True)]


def new_words(train: Task, held_out: Task) -> Tensor:
    """Mark the words asked about in ``held_out`` that have a label, not O, and occur nowhere in ``train``: bool [N].

    In the order of ``fine_tuning.score``'s entries.
    """
    asked = held_out.targets != IGNORE
    unseen = ~torch.isin(held_out.rows[asked], train.rows)
    return unseen & (held_out.targets[asked] != held_out.labels.index(NO_LABEL))


def _rows(tokenizer, stories: Sequence[Story]) -> tuple[list[Story], Tensor]:
    """Cut a row from the beginning of each story that fills one: [CLS] words ... [SEP], int64 [N, LENGTH]."""
    long = [story for story in stories if len(story.words) >= LENGTH - 2]
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    rows = [[cls, *tokenizer.convert_tokens_to_ids(story.words[: LENGTH - 2]), sep] for story in long]
    return long, torch.tensor(rows)
