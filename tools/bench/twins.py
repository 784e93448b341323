"""Matched twins in real English: one body, the same text, order, first weights and settings; the mask and task differ.

    python -m tools.bench.twins prepare --data FOLDER
    python -m tools.bench.twins train --arm causal --seed 0 --data FOLDER --to FOLDER

The first reads the docstrings of the installed packages and takes minutes. The second needs that folder and nothing
else: about an hour an arm on two CPU cores, about a minute on a GPU. What is finished is not done again.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from course_lib import runtime
from course_lib.experiments import definition
from course_lib.experiments.every_mask import EveryMask
from course_lib.experiments.lesson_04 import LEFT
from course_lib.model import bodies
from course_lib.train import loop
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking
from course_lib.train.objectives import Batch, CausalLM, MaskedLM, Objective
from tools import evidence

__all__ = ["ARMS", "EXPECTATION", "Data", "measure", "prepare", "train"]

# Written on 2026-11-26, before the first run. "Literature" marks what rests on papers; the rest is our guess.
EXPECTATION = """
At the end of training, on 2,000 rows of held-out subpackages, mean over the seeds:
1. Fill-in at 15%: bidirectional beats left-only by 15 to 25 points of accuracy (guess 20; in town it is 19).
2. Next word: the causal arm is 0.6 to 1.2 nats better than the trigram floor of 5.09 nats (guess 0.9). Literature:
   neural models more than halve a trigram's perplexity (0.7 nats) on corpora of this size.
3. The body trained under every mask is 2 to 6 points behind bidirectional in two-sided fill-in (guess 4), and 0.05 to
   0.20 nats behind causal in the next word (guess 0.12): it reads two fifths of its batches under each. Literature:
   GPT-BERT (2410.24159) loses nothing by mixing, with far more text.
4. Crossing early: after a twentieth and after a tenth of the tokens the causal arm's next word (accuracy) is ahead of
   bidirectional's fill-in, and of left-only's; at the end bidirectional's fill-in is ahead by more than 15 points. The
   crossing of causal and bidirectional lies between 10% and 40% of the tokens (guess 20%).
5. The arm "bidirectional", read under the causal mask that it has never seen, fills at least 10 points worse than
   "left-only"; the arm "both" fills there within 3 points of "left-only", and perhaps better, for it learns from more
   places.
6. Bidirectional stays longest at the level of word frequencies (unigram, 6.98 nats): 500 to 2,000 steps (our recorded
   run on Python's documentation: 1,500 smaller steps); left-only leaves it sooner, causal and "both" at once.
7. The text is read a dozen times or more. Held-out nats of the causal arm rise from their lowest by less than 0.05
   (guess: not at all, with dropout 0.1). Literature: up to four repetitions are as good as new text (2305.16264).
"""

BODY = dict(
    hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=768, max_position_embeddings=128,
    hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0, initializer_range=0.06,
)  # fmt: skip; the first weights are as wide for this width as bodies.WIDE_START is for 128
LENGTH, VOCABULARY = 64, 8000
HELD_OUT_SHARE, HELD_OUT_ROWS = 0.05, 2000
BATCH_SIZE, LEARNING_RATE, TOKENS = 128, 2e-3, 30_000_000
TRAINING = ("steps", "tokens", "seconds", "loss", "accuracy")  # of the history, kept in run.json
MOMENTS = 20  # of measuring, evenly over training
ARMS = ("bidirectional", "left-only", "causal", "both")


@dataclass(frozen=True)
class Data:
    """What all arms share: a tokenizer, rows to train on, held-out rows, and facts about the text and its floors."""

    tokenizer: PreTrainedTokenizerBase
    rows: Tensor  # int64 [N, 64]
    held_out: Tensor  # int64 [n, 64]
    facts: dict

    @classmethod
    def load(cls, folder: Path) -> Data:
        """Open what :func:`prepare` wrote."""
        rows = safetensors.torch.load_file(folder / "rows.safetensors")
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        tokenizer = AutoTokenizer.from_pretrained(
            folder / "tokenizer", local_files_only=True, trust_remote_code=False
        )
        return cls(tokenizer, rows["train"].long(), rows["held_out"].long(), facts)

    @functools.cached_property
    def questions(self) -> dict[str, Batch]:
        """Each question as one batch: 15% of the held-out words behind [MASK], and every next word."""
        fill = HeldOut(self.held_out, MaskedLM(Masking.of(self.tokenizer, mask=1.0, random=0.0))).batch
        return dict(zip(LEFT, (fill, fill, HeldOut(self.held_out, CausalLM.of(self.tokenizer)).batch), strict=True))


def prepare(folder: Path) -> None:
    """Write tokenizer, rows and facts of the docstring corpus to a folder, 6 MB; floors included."""
    from course_lib.experiments import docstrings
    from course_lib.text import packing, tokenization
    from course_lib.train import evaluation
    from tools.bench import ngrams

    corpus = docstrings.docstrings()
    parts = corpus.split(HELD_OUT_SHARE, seed=0)
    tokenizer = tokenization.train_byte_bpe(parts[0], vocab_size=VOCABULARY)
    rows, held_out = (
        packing.full_sentences(tokenizer, tokenization.encode_documents(tokenizer, part), LENGTH) for part in parts
    )
    held_out = held_out[torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0))[:HELD_OUT_ROWS]]
    specials = tokenizer.all_special_ids
    fill = HeldOut(held_out, MaskedLM(Masking.of(tokenizer, mask=1.0, random=0.0)))
    following = HeldOut(held_out, CausalLM.of(tokenizer))
    floors = {
        "fill unigram": evaluation.floor(rows, fill, specials),
        "next word unigram": evaluation.floor(rows, following, specials),
        "next word trigram": ngrams.trigram_floor(rows, following, specials, len(tokenizer)),
    }
    tensors = {"train": rows.short(), "held_out": held_out.short()}
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder / "tokenizer")
    safetensors.torch.save_file(tensors, folder / "rows.safetensors")
    digest = hashlib.sha256(json.dumps(corpus.documents, ensure_ascii=False).encode()).hexdigest()
    facts = {
        "corpus": corpus.name, "source": corpus.source, "digest": digest, "documents": len(corpus),
        "words": corpus.words, "words to train on": parts[0].words, "words held out": parts[1].words,
        "groups": len(set(corpus.groups)), "groups held out": sorted(set(parts[1].groups)),
        "rows": len(rows), "rows held out": len(held_out), "length": LENGTH, "vocabulary": len(tokenizer),
        "floors": {f"{name} {what}": getattr(score, attribute) for name, score in floors.items()
                   for what, attribute in (("accuracy", "accuracy"), ("nats", "loss"))},
        "rows digest": hashlib.sha256(safetensors.torch.save(tensors)).hexdigest(),
    }  # fmt: skip
    (folder / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def _objective(arm: str, tokenizer: PreTrainedTokenizerBase) -> tuple[bool, Objective]:
    """Say whether an arm's body has the causal mask, and what it is asked."""
    masking = Masking.of(tokenizer)
    return {
        "bidirectional": (False, MaskedLM(masking)),
        "left-only": (True, MaskedLM(masking)),
        "causal": (True, CausalLM.of(tokenizer)),
        "both": (False, EveryMask.of(tokenizer, shares=(0.4, 0.4, 0.2, 0.0))),
    }[arm]


def train(
    arm: str, seed: int, data: Data, to: Path, *, tokens: int = TOKENS, batch_size: int = BATCH_SIZE,
    learning_rate: float = LEARNING_RATE, moments: int = MOMENTS,
) -> Path:  # fmt: skip
    """Train one arm with one seed and write a folder: weights in fp16, tokenizer, run.json. Returns the folder.

    It appears when it is complete; if it is there already, nothing is done. ``from_pretrained`` opens it.
    """
    folder = to / f"{arm}-{seed}"
    if folder.exists():
        return folder
    steps = max(1, round(tokens / (batch_size * LENGTH)))
    causal, objective = _objective(arm, data.tokenizer)
    runtime.seed_all(seed)
    model = (bodies.causal_bert if causal else bodies.tiny_bert)(data.tokenizer, **BODY)
    device = runtime.device()
    model.to(device)
    questions = {name: [part.to(device) for part in asked.split(256)] for name, asked in data.questions.items()}
    started, untrained = time.perf_counter(), measure(model, questions)
    draws = torch.Generator().manual_seed(seed)  # the objective's own: the order of the rows is then every arm's
    history = loop.train(
        model, data.rows, lambda rows, _: objective(rows, draws), steps, batch_size=batch_size,
        learning_rate=learning_rate, seed=seed, name=f"{arm} {seed}",
        evaluate=lambda trained: measure(trained, questions), evaluations=moments,
    )  # fmt: skip
    run = {
        "arm": arm, "seed": seed, "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "parameters": bodies.parameters(model),
        "settings": BODY | {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate, "length": LENGTH},
        "data": {key: data.facts[key] for key in ("corpus", "digest", "rows digest", "rows", "rows held out")},
        "environment": definition.environment(), "seconds": round(time.perf_counter() - started, 1),
        "tokens_per_second": round(history.tokens_per_second),
        "untrained": {name: round(value, 5) for name, value in untrained.items()},
        "numbers": evidence.rounded({"tokens": history.eval_tokens, **history.evals}),
        "training": evidence.rounded({key: asdict(history)[key] for key in TRAINING}),
    }  # fmt: skip
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=to) as draft:  # cut off, it leaves nothing
        model.half().save_pretrained(f"{draft}/run")
        data.tokenizer.save_pretrained(f"{draft}/run")
        Path(draft, "run", "run.json").write_text(json.dumps(run, indent=1) + "\n", "utf-8")
        os.replace(f"{draft}/run", folder)
    return folder


def measure(model: PreTrainedModel, questions: dict[str, list[Batch]]) -> dict[str, float]:
    """Ask a model each question, under that question's mask: accuracy and nats per word.

    questions: batches on the model's device, see :attr:`Data.questions` and ``Batch.split``.
    """
    twins = {causal: bodies.with_mask(model, causal).eval() for causal in (False, True)}
    found = {}
    for name, batches in questions.items():
        nats, right = _score(twins[LEFT[name]], batches)
        found |= {f"{name} accuracy": right, f"{name} nats": nats}
    return found


@torch.no_grad()
def _score(model: PreTrainedModel, batches: list[Batch]) -> tuple[float, float]:
    """Mean nats and accuracy over batches; one wait for the device in all."""
    device = model.device
    nats, right = torch.zeros((), dtype=torch.float64, device=device), torch.zeros((), device=device)
    for batch in batches:
        with bodies.autocast(device):
            words, _ = batch.logits(model)
        nats += F.cross_entropy(words.float(), batch.targets, reduction="sum")
        right += batch.hits(words, None)[0]
    n = sum(len(batch.targets) for batch in batches)
    return float(nats) / n, float(right) / n


def main(arguments: list[str] | None = None) -> None:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.twins", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("prepare", help="read the docstrings, train the tokenizer, cut the rows")
    second = commands.add_parser("train", help="train an arm with one or more seeds")
    second.add_argument("--arm", choices=ARMS, required=True)
    second.add_argument("--seed", type=int, nargs="+", default=[0])
    for command in (first, second):
        command.add_argument("--data", type=Path, required=True, help="folder that prepare writes")
    second.add_argument("--to", type=Path, required=True, help="folder for the results, one folder a run")
    for name, usual in train.__kwdefaults__.items():
        second.add_argument(f"--{name.replace('_', '-')}", type=type(usual), default=usual)
    options = vars(parser.parse_args(arguments))
    if options.pop("command") == "prepare":
        prepare(options["data"])
        return
    runtime.threads()
    data = Data.load(options.pop("data"))
    for seed in options.pop("seed"):
        run = json.loads((train(seed=seed, data=data, **options) / "run.json").read_text("utf-8"))
        final = {name: values[-1] for name, values in run["numbers"].items()}
        print(f"{run['arm']} {seed}: {run['seconds']} s, {run['tokens_per_second']:,} tokens/s, {final}", flush=True)


if __name__ == "__main__":
    main()
