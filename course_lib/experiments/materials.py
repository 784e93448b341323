"""What the lessons' experiments share: the text that they read, the labels, and how a model is trained and measured."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from course_lib import runtime
from course_lib.experiments import docstrings
from course_lib.text import corpora, packing, tokenization
from course_lib.text.packing import Pairs
from course_lib.town import tasks
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle
from course_lib.train import loop
from course_lib.train.evaluation import HeldOut, Score
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM, Objective

__all__ = [
    "ASKED", "HELD_OUT", "HELD_OUT_FROM", "HELD_OUT_SHARE", "LABELLED", "LENGTH", "Material", "Plan", "labelled",
    "material", "measure", "named", "text", "town_words",
]  # fmt: skip

LENGTH = 32  # tokens per row, [CLS] and [SEP] included
HELD_OUT_SHARE = 0.1  # of the documents of real text
ASKED = 1000  # held-out rows of a recorded run, each seed's own
# A run's training stories are told by its seed, its others by its seed plus one of these.
HELD_OUT_FROM = 1_000_003  # held-out text
LABELLED, HELD_OUT = 2_000_003, 3_000_017  # labelled stories, to learn from and held out


# --- text
@dataclass(frozen=True)
class Material:
    """What all runs on one corpus share."""

    tokenizer: PreTrainedTokenizerBase
    rows: Tensor  # int64 [N, 32]
    held_out: Tensor  # int64 [n, 32]
    oracle: Oracle | None  # the exact reader; none for real text and for word pieces

    def fill(self) -> HeldOut:
        """Ask for 15% of the held-out words, all of them replaced by [MASK]."""
        return HeldOut(self.held_out, MaskedLM(Masking.of(self.tokenizer, mask=1.0, random=0.0)))

    def next_word(self) -> HeldOut:
        """Ask for every next word of the held-out rows."""
        return HeldOut(self.held_out, CausalLM.of(self.tokenizer))


@functools.lru_cache(maxsize=4)
def material(
    corpus: str = "tiny town", rows: int = 40_000, held_out: int = 400, seed: int = 0, pieces: int | None = None
) -> Material:
    """Prepare a corpus: 'tiny town', or 'python docs' (real English, cut to ``rows`` rows).

    ``seed`` draws the text, training and held out: other stories of the town, or another split of the documents. With
    ``pieces``, the size of a WordPiece vocabulary that all seeds share, Tiny Town's words are split.
    """
    if corpus == "tiny town":
        town, tokenizer = town_words()
        if pieces:
            tokenizer = tokenization.train_wordpiece([corpora.tiny_town(2000, seed=0).text()], pieces)
        parts = corpora.tiny_town(rows, seed=seed), corpora.tiny_town(held_out, seed=HELD_OUT_FROM + seed)
        cut, oracle = packing.blocks, None if pieces else Oracle(town)
    elif corpus == "python docs":
        parts = text(corpus).split(HELD_OUT_SHARE, seed=seed)
        tokenizer = tokenization.train_wordpiece([parts[0].text()], vocab_size=4000)
        cut, oracle = packing.full_sentences, None
    else:
        raise ValueError(f"corpus={corpus!r} is unknown; choose 'tiny town' or 'python docs'.")
    made = [cut(tokenizer, tokenization.encode_documents(tokenizer, part), LENGTH) for part in parts]
    return Material(tokenizer, made[0][:rows], made[1][:held_out], oracle)


@functools.cache
def text(corpus: str) -> corpora.Corpus:
    """Bring real text: 'docstrings', of the pinned packages; 'python docs'; or a file or folder of your own."""
    known = {"docstrings": docstrings.docstrings, "python docs": corpora.python_docs}
    return known[corpus]() if corpus in known else corpora.text_files(corpus)


@functools.cache
def town_words() -> tuple[TinyTown, PreTrainedTokenizerBase]:
    """Return Tiny Town and the tokenizer of its words."""
    town = TinyTown.load()
    return town, tokenization.word_tokenizer(town.vocabulary)


@functools.cache
def labelled(task: str, rows: int, seed: int) -> tasks.Task:
    """Write stories and label them, or ask about them.

    ``task``: 'topic', 'mood' or 'hero' of a story, one of tasks.WORD_TASKS, 'question first' or 'question last'.
    ``seed`` says which stories: LABELLED or HELD_OUT plus a run's own.
    """
    town, tokenizer = town_words()
    if task.startswith("question"):  # few stories have a passage with both answers; each then gives two rows
        made = tasks.answer(tokenizer, town.stories(8 * rows, seed), question_first=task == "question first")
    else:
        label = tasks.classify if task in town.variables else tasks.tag
        made = label(tokenizer, town.stories(rows + rows // 10 + 9, seed), task)
    if len(made) < rows:
        raise ValueError(f"Only {len(made)} of {rows} rows could be made of {task!r}: write more stories.")
    return made[:rows]


# --- training and measuring
@dataclass(frozen=True)
class Plan:
    """What a seed of an arm trains, on which text, and what is measured of it."""

    build: Callable[[], PreTrainedModel]  # draws the first weights from torch's global generator
    rows: Tensor | Pairs  # int64 [N, T]
    objective: Objective
    measure: Callable[[PreTrainedModel], dict[str, float]]  # named numbers, taken ten times on the way
    steps: int
    batch_size: int = 32
    learning_rate: float = 2e-3
    constants: dict[str, float] = field(default_factory=dict)  # of its text: repeated along the lists of numbers

    def train(self, seed: int) -> dict[str, list]:
        """Train and measure; returns lists over training: tokens, each number of ``measure``, and the constants."""
        runtime.seed_all(seed)
        history = loop.train(
            self.build(), self.rows, self.objective, self.steps, batch_size=self.batch_size,
            learning_rate=self.learning_rate, seed=seed, evaluate=self.measure,
        )  # fmt: skip
        return self.numbers(history)

    def numbers(self, history: loop.History) -> dict[str, list]:
        """Collect what was measured on the way."""
        constants = {name: [value] * len(history.eval_tokens) for name, value in self.constants.items()}
        return {"tokens": history.eval_tokens, **history.evals, **constants}


def named(name: str, score: Score) -> dict[str, float]:
    """Return {'NAME nats': mean cross-entropy, 'NAME accuracy': 0..1}."""
    return {f"{name} nats": score.loss, f"{name} accuracy": score.accuracy}


def measure(questions: dict[str, HeldOut], model: PreTrainedModel) -> dict[str, float]:
    """Ask a model each question: nats and accuracy by the question's name, see :func:`named`."""
    return {key: value for name, asked in questions.items() for key, value in named(name, asked.score(model)).items()}
