"""Matched twins in real English: one backbone, the same text, order, first weights and settings; mask and task differ.

    python -m tools.bench.twins prepare --data FOLDER
    python -m tools.bench.twins train --arm causal --seed 0 1 2 --data FOLDER --to FOLDER
    python -m tools.bench.twins ship --arm both --data FOLDER --runs FOLDER     # a finished run, for the glass model
    python -m tools.bench.twins tell --data FOLDER --runs FOLDER                # the numbers of all that are finished

The first reads the docstrings of the installed packages and takes minutes. The second needs that folder and nothing
else: two hours a run on a processor's core, while nine runs at once took an H200 eight minutes. Stopped at any moment
it goes on where it was.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from course_lib import runtime
from course_lib.experiments import definition
from course_lib.experiments.world import under_causal_mask
from course_lib.intervals import t_interval
from course_lib.model import bodies
from course_lib.places import DATA
from course_lib.plots.findings import judged
from course_lib.train import loop
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking
from course_lib.train.objectives import Batch, BothMasks, CausalLM, MaskedLM, Objective
from tools import evidence

__all__ = [
    "ARMS", "EXPECTATION", "OVER_SEEDS", "Data", "by_seed", "measure", "prepare", "ship", "steadiness", "tell", "train",
    "verdicts",
]  # fmt: skip

# Written on 2026-11-26, before the first run with this backbone, after ten runs of BERT's (twins-first-try.json), which
# stayed at word frequencies, and the first seeds of english-masks. "Literature" marks what rests on papers.
EXPECTATION = """
After 30 million tokens, on 500 rows of held-out subpackages, one seed each:
1. Fill-in at 15%: bidirectional fills 0.30 to 0.45 of the hidden pieces (guess 0.37).
2. Next word: the causal arm is 0.5 to 1.1 nats better than the trigram floor of 5.09 nats (guess 0.8). Literature:
   neural models more than halve a trigram's perplexity (0.7 nats) on corpora of this size.
3. Trained under both masks in turn, the body is 0.01 to 0.06 behind bidirectional in filling, and 0.05 to 0.25 nats
   behind causal in the next word: it reads half of its batches under each.
4. Crossing: at the first moment the causal arm's next word (accuracy) is ahead of bidirectional's fill-in; they cross
   between 15% and 70% of the tokens (guess 35%). english-masks, with 2 million tokens, has no crossing so far.
5. A specialist under the other mask: bidirectional, read causally, fills at least 0.10 less than read as trained.
6. The text is read a dozen times or more. Held-out nats of the causal arm rise from their lowest by less than 0.1.
   Literature: up to four repetitions are as good as new text (2305.16264).
"""

# Written on 2026-11-27, before any run of a seed other than 0; known were the three runs of seed 0 on a processor.
OVER_SEEDS = """
Seeds 0 to 4 on a GPU, or at least 0 to 2, where time is short:
a. The same seed on the two devices: accuracies of the trained questions at the end differ by at most 0.015.
b. Standard deviation over the seeds, at the end: at most 0.01 in each of these accuracies, at most 0.15 nats in the
   causal arm's next word.
c. Every part of EXPECTATION keeps its verdict when the interval over the seeds is judged, except the third: filling,
   bidirectional minus both, is within 0.01 of zero (equivalent).
"""

FILL, CAUSALLY, NEXT = "fill two-sided accuracy", "fill left-only accuracy", "next word nats"
PARTS = (  # of EXPECTATION: what it says, the arms that it needs, a number of runs[arm][name] and floors, least, most
    ("1. bidirectional fills hidden pieces", ["bidirectional"],
     lambda runs, _: runs["bidirectional"][FILL][-1], 0.30, 0.45),
    ("2. next pieces, nats: trigrams minus causal", ["causal"],
     lambda runs, floors: floors["next word trigram nats"] - runs["causal"][NEXT][-1], 0.5, 1.1),
    ("3. filling: bidirectional minus both", ["bidirectional", "both"],
     lambda runs, _: runs["bidirectional"][FILL][-1] - runs["both"][FILL][-1], 0.01, 0.06),
    ("3. next pieces, nats: both minus causal", ["causal", "both"],
     lambda runs, _: runs["both"][NEXT][-1] - runs["causal"][NEXT][-1], 0.05, 0.25),
    ("4. share of the tokens after which bidirectional fills more than causal predicts", ["bidirectional", "causal"],
     lambda runs, _: crossing(runs["bidirectional"], runs["causal"]), 0.15, 0.70),
    ("5. filling by bidirectional: read as trained minus read causally", ["bidirectional"],
     lambda runs, _: runs["bidirectional"][FILL][-1] - runs["bidirectional"][CAUSALLY][-1], 0.10, None),
    ("6. next pieces, nats: causal's end minus its lowest", ["causal"],
     lambda runs, _: runs["causal"][NEXT][-1] - min(runs["causal"][NEXT]), None, 0.1),
)  # fmt: skip

TRAINED = {"bidirectional": ("fill two-sided",), "causal": ("next word",), "both": ("fill two-sided", "next word")}

BODY = dict(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=512, initializer_range=0.03)
LENGTH, VOCABULARY = 64, 8000
HELD_OUT_SHARE, HELD_OUT_ROWS = 0.05, 500
BATCH_SIZE, LEARNING_RATE, TOKENS = 32, 2e-3, 30_000_000
MOMENTS = 20  # of measuring, evenly over training; the run is kept at each of them, and in between
KEPT = 100  # times
ARMS = ("bidirectional", "causal", "both")
SHIPPED = DATA / "checkpoints" / "english-both"  # where the glass model looks for it
TOLD = Path(__file__).with_name("twins.json")  # what docs/town-world-paper.md tells of them


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
        """Each question as one batch: 15% of the held-out words behind [MASK], read each way, and every next word."""
        fill = MaskedLM(Masking.of(self.tokenizer, mask=1.0, random=0.0))
        asked = {"fill two-sided": fill, "fill left-only": under_causal_mask(fill, LENGTH),
                 "next word": under_causal_mask(CausalLM.of(self.tokenizer), LENGTH)}  # fmt: skip
        return {name: HeldOut(self.held_out, goal).batch for name, goal in asked.items()}


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


def _objective(arm: str, tokenizer: PreTrainedTokenizerBase) -> Objective:
    masked, next_word = MaskedLM(Masking.of(tokenizer)), CausalLM.of(tokenizer)
    causal = under_causal_mask(next_word, LENGTH)
    return {"bidirectional": masked, "causal": causal, "both": BothMasks(masked, next_word)}[arm]


def train(
    arm: str, seed: int, data: Data, to: Path, *, tokens: int = TOKENS, batch_size: int = BATCH_SIZE,
    learning_rate: float = LEARNING_RATE, moments: int = MOMENTS,
) -> Path:  # fmt: skip
    """Train one arm with one seed and write a folder: weights in fp16, tokenizer, run.json. Returns the folder.

    It appears when it is complete; if it is there already, nothing is done. ``from_pretrained`` opens it. Until then
    what is needed to go on lies beside it, in a hidden file.
    """
    folder = to / f"{arm}-{seed}"
    if folder.exists():
        return folder
    steps = max(1, round(tokens / (batch_size * LENGTH)))
    settings = BODY | {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate, "length": LENGTH}
    run = _Run(arm, seed, data, settings, to / f".{folder.name}.pt")
    ask = {round(steps * (n + 1) / moments) for n in range(moments)}
    keep = ask | {round(steps * (n + 1) / KEPT) for n in range(KEPT)}
    for step, loss in run.steps():
        if step in ask:
            run.note(step * batch_size * LENGTH, loss)
        if step in keep:
            run.keep(step)
    numbers = {
        "arm": arm, "seed": seed, "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "parameters": bodies.parameters(run.model), "settings": settings,
        "data": {key: data.facts[key] for key in ("corpus", "digest", "rows digest", "rows", "rows held out")},
        "environment": definition.environment(), "seconds": round(run.state["seconds"]),
        "numbers": evidence.rounded(run.state["numbers"]),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=to) as draft:  # cut off, it leaves nothing
        run.model.half().save_pretrained(f"{draft}/run")
        data.tokenizer.save_pretrained(f"{draft}/run")
        Path(draft, "run", "run.json").write_text(json.dumps(numbers, indent=1) + "\n", "utf-8")
        os.replace(f"{draft}/run", folder)
    run.kept.unlink()
    return folder


def ship(arm: str, seed: int, data: Data, runs: Path, to: Path = SHIPPED) -> Path:
    """Copy a finished run to a folder that the glass model opens, with a recipe.json; at most 10 MB. Returns it.

    The recipe tells text, tokens, versions, hashes and scores beside their floors, and how often each piece stands in
    the text. Raises FileNotFoundError for a run that is not finished, ValueError where it was trained on other data.
    """
    run = runs / f"{arm}-{seed}"
    if not run.exists():
        raise FileNotFoundError(f"{run} is not there, so that run is not finished: "
                                f"`python -m tools.bench.twins train --arm {arm} --seed {seed} --to {runs}` goes on.")
    told, facts = json.loads((run / "run.json").read_text("utf-8")), data.facts
    if (told["data"]["digest"], told["data"]["rows digest"]) != (facts["digest"], facts["rows digest"]):
        raise ValueError(f"{run} was trained on other data: name the folder that it was trained with.")
    final = {name: values[-1] for name, values in told["numbers"].items()}
    recipe = {"made by": f"tools.bench.twins, arm {arm}", "seed": seed, "date": told["date"],
              "tokens": final.pop("tokens"), "parameters": told["parameters"], "seconds": told["seconds"],
              **told["settings"], **told["environment"]}  # fmt: skip
    recipe["text"] = {name: facts[name] for name in (
        "corpus", "source", "documents", "words", "words to train on", "words held out", "rows held out")}  # fmt: skip
    recipe["sha256"] = {"text": facts["digest"], "rows": facts["rows digest"],
                        "weights": hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()}  # fmt: skip
    for name, scores in (("scores", final), ("floors", facts["floors"])):
        recipe[name] = {of: round(score, 4) for of, score in scores.items()}
    recipe["counts"] = torch.bincount(data.rows.flatten(), minlength=len(data.tokenizer)).tolist()
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as draft:  # cut off, it leaves nothing
        whole = Path(shutil.copytree(run, f"{draft}/whole", ignore=shutil.ignore_patterns("run.json")))
        tokenizer = json.loads((whole / "tokenizer.json").read_text("utf-8"))
        (whole / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), "utf-8")
        (whole / "recipe.json").write_text(json.dumps(recipe) + "\n", "utf-8")
        shutil.rmtree(to, ignore_errors=True)
        os.replace(whole, to)
    return to


def crossing(masked: dict[str, list], causal: dict[str, list]) -> float:
    """Return the share of the tokens, 0..1, from which on ``masked`` fills more often than ``causal`` predicts.

    Both are numbers over training, at the same moments; infinite where it is behind at the end.
    """
    behind = [fill <= following for fill, following in zip(masked[FILL], causal["next word accuracy"], strict=True)]
    if behind[-1]:
        return float("inf")
    first = len(behind) - behind[::-1].index(True) if any(behind) else 0
    return masked["tokens"][first] / masked["tokens"][-1]


def tell(data: Data, runs: Path, to: Path = TOLD) -> Path:
    """Keep the numbers of the finished runs, with the floors and what made them. Returns the file.

    A run that the file holds stays, where it was measured on the same held-out rows, unless ``runs`` has one of the
    same arm, seed and device: so several machines can add to it. Raises FileNotFoundError where no run is finished.
    """
    files = sorted(runs.glob("[a-z]*-*/run.json"))
    if not files:
        raise FileNotFoundError(f"No run in {runs} is finished: `twins train` makes one.")
    names = ("seed", "date", "seconds", "parameters", "settings", "environment", "numbers")
    earlier = json.loads(to.read_text("utf-8")) if to.exists() else {}
    known = earlier.get("runs", {}) if earlier.get("floors") == data.facts["floors"] else {}  # to the last digit
    kept = {arm: {(run["environment"]["device"], run["seed"]): run for run in known.get(arm, [])} for arm in ARMS}
    for file in files:
        run = json.loads(file.read_text("utf-8"))
        kept[run["arm"]][run["environment"]["device"], run["seed"]] = {name: run[name] for name in names}
    told = {arm: [run for _, run in sorted(found.items())] for arm, found in kept.items() if found}
    # before the first step there is no loss: NaN is no JSON
    to.write_text(json.dumps({"floors": data.facts["floors"], "runs": told}).replace("NaN", "null") + "\n", "utf-8")
    return to


def by_seed(told: dict, device: str | None = None) -> dict[int, dict[str, dict]]:
    """Return {seed: {arm: numbers}} of what a device trained, by default of the one that trained most seeds.

    told: what :func:`tell` writes. Only seeds that have every arm that is told at all.
    """
    devices = {run["environment"]["device"] for runs in told["runs"].values() for run in runs}
    found = {}
    for one in sorted(devices):
        arms = {arm: {run["seed"]: run["numbers"] for run in runs if run["environment"]["device"] == one}
                for arm, runs in told["runs"].items()}  # fmt: skip
        whole = set.intersection(*map(set, arms.values()))
        found[one] = {seed: {arm: runs[seed] for arm, runs in arms.items()} for seed in sorted(whole)}
    return found.get(device, {}) if device else max(found.values(), key=len)


def verdicts(seeds: dict[int, dict[str, dict]], floors: dict[str, float]) -> list[tuple]:
    """Hold what was expected against seeds: (says, limits in words, (mean, low, high), verdict) of each part.

    The interval is that of the mean over the seeds; of one seed it is its number. Parts whose arms are missing are left
    out.
    """
    held = []
    for says, arms, found, least, most in PARTS:
        if all(set(arms) <= set(runs) for runs in seeds.values()):
            values = [found(runs, floors) for runs in seeds.values()]
            held.append(_held(says, t_interval(values) if len(values) > 1 else values * 3, least, most))
    return held


def _held(says: str, span: Sequence[float], least: float | None, most: float | None) -> tuple:
    """Hold a span (mean, low, high) against what was expected: a row of :func:`verdicts`."""
    stated, verdict = judged(span[1:], least, most)
    return says, stated, span, verdict


def steadiness(told: dict) -> list[tuple]:
    """Hold OVER_SEEDS against all runs, as :func:`verdicts` does: two devices, seeds, and what kept its verdict."""
    seeds, here, floors = by_seed(told), by_seed(told, "cpu"), told["floors"]
    asked = [(arm, f"{name} accuracy") for arm in told["runs"] for name in TRAINED[arm]]
    apart = max(abs(seeds[seed][arm][name][-1] - here[seed][arm][name][-1])
                for seed in here.keys() & seeds.keys() for arm, name in asked)  # fmt: skip
    spread = max(stdev([runs[arm][name][-1] for runs in seeds.values()]) for arm, name in asked)
    nats = stdev([runs["causal"][NEXT][-1] for runs in seeds.values()])
    level = t_interval([runs["bidirectional"][FILL][-1] - runs["both"][FILL][-1] for runs in seeds.values()])
    before, after = ({says: verdict for says, *_, verdict in verdicts(some, floors)} for some in (here, seeds))
    changed = sum(before[says] != after[says] for says in before if not says.startswith("3. filling"))
    return [
        _held("a. one seed on two devices, accuracies apart", [apart] * 3, None, 0.015),
        _held("b. standard deviation over seeds, accuracies", [spread] * 3, None, 0.01),
        _held("b. standard deviation over seeds, next pieces of causal, nats", [nats] * 3, None, 0.15),
        _held("c. filling, bidirectional minus both: equivalent", level, -0.01, 0.01),
        _held("c. other parts whose verdict changes", [changed] * 3, None, 0),
    ]


class _Run:
    """A run that can be stopped: the plain loop of ``loop.train``, with all that changes in ``state``."""

    def __init__(self, arm: str, seed: int, data: Data, settings: dict, kept: Path):
        self.data, self.settings, self.kept, self.seed = data, settings, kept, seed
        self.objective = _objective(arm, data.tokenizer)
        runtime.seed_all(seed)
        device = runtime.device()
        self.model = bodies.modern_bert(data.tokenizer, **BODY).to(device)
        self.optimizer = loop.adamw(self.model.parameters(), device)
        self.draws = torch.Generator().manual_seed(seed)  # the objective's own: the order is then every arm's
        questions = data.questions.items()
        self.questions = {name: [part.to(device) for part in asked.split(100)] for name, asked in questions}
        self.state = {"step": 0, "seconds": 0.0, "settings": settings, "numbers": {}}
        if kept.exists():
            self._go_on(torch.load(kept, map_location=device, weights_only=True))
        else:
            self.note(0, float("nan"))

    def _go_on(self, found: dict) -> None:
        if found["state"]["settings"] != self.settings:
            raise ValueError(f"{self.kept} was begun with other settings: {found['state']['settings']}; delete it to "
                             "begin again.")  # fmt: skip
        self.state = found["state"]
        self.model.load_state_dict(found["model"])
        self.optimizer.load_state_dict(found["optimizer"])
        self.draws.set_state(found["draws"].cpu())

    def steps(self):
        """Train what is left, and yield the number and the loss of each step."""
        device, steps, began = self.model.device, self.settings["steps"], time.perf_counter()
        order = loop.order(len(self.data.rows), self.settings["batch_size"], steps,
                           torch.Generator().manual_seed(self.seed))  # fmt: skip
        spent, first = self.state["seconds"], self.state["step"]
        self.model.train()
        for step, take in enumerate(itertools.islice(order, first, None), first + 1):
            self.optimizer.param_groups[0]["lr"] = loop.one_cycle(step, steps, self.settings["learning_rate"])
            batch = self.objective(self.data.rows[take], self.draws).to(device)
            with bodies.autocast(device):
                loss = batch.loss(*batch.logits(self.model))
            self.optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.state |= {"step": step, "seconds": spent + time.perf_counter() - began}
            yield step, float(loss.detach())

    def note(self, tokens: int, loss: float) -> None:
        """Measure, and add to the numbers."""
        for name, value in {"tokens": tokens, "training nats": loss, **measure(self.model, self.questions)}.items():
            self.state["numbers"].setdefault(name, []).append(value)

    def keep(self, step: int) -> None:
        """Write all that is needed to go on after this step, in one move."""
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        parts = {"state": self.state, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                 "draws": self.draws.get_state()}  # fmt: skip
        torch.save(parts, self.kept.with_suffix(".new"))
        os.replace(self.kept.with_suffix(".new"), self.kept)
        numbers = {name: round(values[-1], 3) for name, values in self.state["numbers"].items()}
        print(f"{self.kept.stem[1:]}: step {step} of {self.settings['steps']}, {numbers}", flush=True)


def measure(model: PreTrainedModel, questions: dict[str, list[Batch]]) -> dict[str, float]:
    """Ask a model each question: accuracy and nats per word. questions: batches on its device, see ``Batch.split``."""
    was_training, found = model.training, {}
    model.eval()
    for name, batches in questions.items():
        nats, right = _score(model, batches)
        found |= {f"{name} accuracy": right, f"{name} nats": nats}
    model.train(was_training)
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
    """Run one of the four commands."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.twins", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("prepare", help="read the docstrings, train the tokenizer, cut the rows")
    second = commands.add_parser("train", help="train an arm with one or more seeds")
    third = commands.add_parser("ship", help="copy a finished run to where the glass model opens it")
    fourth = commands.add_parser("tell", help="keep the numbers of the finished runs in twins.json")
    for command in (second, third):
        command.add_argument("--arm", choices=ARMS, required=True)
    second.add_argument("--seed", type=int, nargs="+", default=[0])
    third.add_argument("--seed", type=int, default=0)
    for command in (third, fourth):
        command.add_argument("--runs", type=Path, required=True, help="folder that train writes to")
    third.add_argument("--to", type=Path, default=SHIPPED, help="folder of the checkpoint, replaced if it is there")
    for command in (first, second, third, fourth):
        command.add_argument("--data", type=Path, required=True, help="folder that prepare writes")
    second.add_argument("--to", type=Path, required=True, help="folder for the results, one folder a run")
    for name, usual in train.__kwdefaults__.items():
        second.add_argument(f"--{name.replace('_', '-')}", type=type(usual), default=usual)
    options = vars(parser.parse_args(arguments))
    command = options.pop("command")
    if command == "prepare":
        prepare(options["data"])
        return
    runtime.threads()
    data = Data.load(options.pop("data"))
    if command in ("ship", "tell"):
        print({"ship": ship, "tell": tell}[command](data=data, **options))
        return
    for seed in options.pop("seed"):
        run = json.loads((train(seed=seed, data=data, **options) / "run.json").read_text("utf-8"))
        final = {name: values[-1] for name, values in run["numbers"].items()}
        print(f"{run['arm']} {seed}: {run['seconds']} s, {final}", flush=True)


if __name__ == "__main__":
    main()
