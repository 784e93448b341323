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

from course_lib.town.language import NO_LABEL, Story, TinyTown

__all__ = ["LENGTH", "WORD_TASKS", "Task", "answer", "classify", "new_words", "tag", "word_label_names", "word_labels"]

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


def classify(
    tokenizer: PreTrainedTokenizerBase, stories: Sequence[Story], variable: str = "topic", length: int = LENGTH
) -> Task:
    """Ask for a hidden variable of each story: 'topic', 'mood' or 'hero'. Labels are in the grammar's order.

    Stories that do not fill a row are left out, here and in :func:`tag`.
    """
    town = TinyTown.load()
    if variable not in town.variables:
        raise ValueError(f"variable={variable!r} is none of a story's: choose one of {', '.join(town.variables)}.")
    labels, stories = tuple(town.variables[variable]), _long(stories, length)
    targets = torch.tensor([labels.index(getattr(story, variable)) for story in stories])
    return Task(variable, "text", labels, _rows(tokenizer, [story.words for story in stories], length), targets)


def tag(
    tokenizer: PreTrainedTokenizerBase, stories: Sequence[Story], what: str = "tags", length: int = LENGTH
) -> Task:
    """Ask for a label of each word: 'tags' are the grammar's (PERSON, PLACE, OBJECT, or O for none).

    The two others ask, once per sentence, which kind of sentence it is: 'kind at first word' before it is told, so
    that the evidence stands to the right, 'kind at full stop' after it. A row may end within a sentence.
    """
    labels, stories = word_label_names(TinyTown.load(), what), _long(stories, length)
    rows = _rows(tokenizer, [story.words for story in stories], length)
    targets, town = torch.full_like(rows, IGNORE), TinyTown.load()
    for row, story in enumerate(stories):
        told = zip(story.kinds, story.slots, story.sentences, strict=True)
        found = [name for sentence in told for name in word_labels(town, what, *sentence)][: length - 2]
        targets[row, 1 : 1 + len(found)] = torch.tensor([labels.index(n) if n else IGNORE for n in found])
    return Task(what, "word", labels, rows, targets)


def word_label_names(town: TinyTown, what: str = "tags") -> tuple[str, ...]:
    """List the labels of a task about words: O and those of the grammar, or the kinds of sentences."""
    if what not in WORD_TASKS:
        raise ValueError(f"what={what!r} is unknown; choose one of {', '.join(map(repr, WORD_TASKS))}.")
    return (NO_LABEL, *dict.fromkeys(town.labels.values())) if what == "tags" else tuple(town.chain)


def word_labels(
    town: TinyTown, what: str, kind: str, slots: Sequence[str | None], words: Sequence[str]
) -> list[str]:  # fmt: skip
    """Label the words of one sentence, given its kind and the slot that wrote each word: '' where nothing is asked."""
    if what == "tags":
        return [town.labels.get(slot, NO_LABEL) for slot in slots]
    asked = 0 if what == "kind at first word" else len(words) - 1
    return [kind if at == asked else "" for at in range(len(words))]


def answer(
    tokenizer: PreTrainedTokenizerBase, town: TinyTown, stories: Sequence[Story], length: int = LENGTH,
    question_first: bool = True,
) -> Task:  # fmt: skip
    """Ask the grammar's questions about passages: where does the answer begin and end?

    [CLS] question [SEP] passage [SEP], segment 1 being the passage (BERT, section 4.2); or, with
    ``question_first=False``, [CLS] passage [SEP] question [SEP]. A passage begins with a story's second or third
    sentence and holds the answers of all questions, so that only the question says which one is meant. Stories
    without such a passage are left out (most are). Raises ValueError if none is left.
    """
    cls, sep = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
    rows, types, targets = [], [], []
    for story in stories:
        for first in (1, 2):
            rest = replace(
                story, sentences=story.sentences[first:], kinds=story.kinds[first:], slots=story.slots[first:],
                tags=story.tags[first:],
            )  # fmt: skip
            questions = town.questions(rest)
            asked = [tokenizer.convert_tokens_to_ids(q.text.split()) for q in questions]
            room = [length - 3 - len(ids) for ids in asked]  # words of the passage, by question
            fits = [q.end <= min(room) for q in questions] if len(rest.words) >= max(room, default=0) else []
            if len(questions) < len(town.question_templates) or not all(fits) or not fits:
                continue
            words = tokenizer.convert_tokens_to_ids(rest.words)
            for question, ids, size in zip(questions, asked, room, strict=True):
                passage = words[:size]
                if question_first:
                    row, before = [*cls, *ids, *sep, *passage, *sep], 2 + len(ids)
                    types.append([0] * before + [1] * (size + 1))
                else:
                    row, before = [*cls, *passage, *sep, *ids, *sep], 1
                    types.append([0] * (2 + size) + [1] * (len(ids) + 1))
                rows.append(row)
                targets.append([before + question.start, before + question.end - 1])
            break
    if not rows:
        raise ValueError(f"None of the {len(stories)} stories has a passage with every answer: give some hundreds.")
    return Task("answers", "span", (), torch.tensor(rows), torch.tensor(targets), torch.tensor(types))


def new_words(train: Task, held_out: Task) -> Tensor:
    """Mark the words asked about in ``held_out`` that have a label, not O, and occur nowhere in ``train``: bool [N].

    In the order of ``fine_tuning.score``'s entries.
    """
    asked = held_out.targets != IGNORE
    unseen = ~torch.isin(held_out.rows[asked], train.rows)
    return unseen & (held_out.targets[asked] != held_out.labels.index(NO_LABEL))


def _long(stories: Sequence[Story], length: int) -> list[Story]:
    """Leave out stories that do not fill a row."""
    long = [story for story in stories if len(story.words) >= length - 2]
    if not long:
        raise ValueError(f"None of the {len(stories)} stories has {length - 2} words, a full row: write longer ones.")
    return long


def _rows(tokenizer: PreTrainedTokenizerBase, texts: Sequence[list[str]], length: int) -> Tensor:
    """Cut a row from the beginning of each text: [CLS] words ... [SEP], int64 [N, length]."""
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    return torch.tensor([[cls, *tokenizer.convert_tokens_to_ids(words[: length - 2]), sep] for words in texts])
