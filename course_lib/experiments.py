"""Experiments over seeds: arms that differ in one thing, recorded with all that made them.

``python -m course_lib evidence`` runs them, one process per run with one thread each, and keeps every
finished run at once in ``data/evidence/NAME.json``: killed at any moment, it goes on where it was.
"""

from __future__ import annotations

import datetime
import functools
import inspect
import json
import os
import platform
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from course_lib import checkpoints, corpora, evaluation, models, packing, runtime, tokenization, training
from course_lib.masking import Masking
from course_lib.objectives import BothMasks, CausalLM, MaskedLM
from course_lib.oracle import Oracle
from course_lib.tinytown import GRAMMAR_FILE, TinyTown

__all__ = ["Experiment", "Record", "Material", "EXPERIMENTS", "material", "one_run", "record", "load", "evidence_dir"]

ROOT = Path(__file__).resolve().parent.parent
LENGTH = 32  # tokens per row, [CLS] and [SEP] included


@dataclass(frozen=True)
class Material:
    """What all runs on one corpus share: a tokenizer, rows to train on, held-out rows, the exact reader."""

    tokenizer: object
    rows: torch.Tensor  # int64 [N, 32]
    held_out: torch.Tensor  # int64 [n, 32]
    oracle: Oracle | None  # None for real text

    def fill(self) -> evaluation.HeldOut:
        """Ask for 15% of the held-out words, all of them replaced by [MASK]."""
        return evaluation.HeldOut(self.held_out, MaskedLM(Masking.of(self.tokenizer, mask=1.0, random=0.0)))

    def next_word(self) -> evaluation.HeldOut:
        """Ask for every next word of the held-out rows."""
        return evaluation.HeldOut(self.held_out, CausalLM.of(self.tokenizer))


@functools.cache
def material(corpus: str = "tiny town", rows: int = 40_000, held_out: int = 400) -> Material:
    """Prepare a corpus: 'tiny town', or 'python docs' (real English, cut to ``rows`` rows)."""
    if corpus == "tiny town":
        town = TinyTown.load()
        tokenizer = tokenization.word_tokenizer(town.vocabulary)
        parts = corpora.tiny_town(rows, seed=0), corpora.tiny_town(held_out, seed=1_000_003)
        cut, oracle = packing.blocks, Oracle(town)
    elif corpus == "python docs":
        parts = corpora.python_docs().split(0.9, seed=0)
        tokenizer = tokenization.train_wordpiece([parts[0].text()], vocab_size=4000)
        cut, oracle = packing.full_sentences, None
    else:
        raise ValueError(f"corpus={corpus!r} is unknown; choose 'tiny town' or 'python docs'.")
    made = [cut(tokenizer, tokenization.encode_documents(tokenizer, part), LENGTH) for part in parts]
    return Material(tokenizer, made[0][:rows], made[1][:held_out], oracle)


def one_run(
    seed: int, corpus: str = "tiny town", objective: str = "masked", causal: bool = False, share: float = 1.0,
    steps: int = 2048, batch_size: int = 32, learning_rate: float = 2e-3,
) -> dict:  # fmt: skip
    """Train one BERT body and measure it on the way: filling under each mask, and the next word.

    ``objective``: 'masked', 'causal' or 'both' (one body, the two in turn). ``causal`` chooses the mask, ``share``
    the positions in the causal loss. Returns lists over training: tokens, and for each measurement accuracy and nats.
    """
    data = material(corpus)
    masked, next_word = MaskedLM(Masking.of(data.tokenizer)), CausalLM.of(data.tokenizer, share)
    goal = {"masked": masked, "causal": next_word, "both": BothMasks(masked, next_word)}[objective]
    build = models.causal_bert if causal else models.tiny_bert
    fill, following = data.fill(), data.next_word()

    def measure(model) -> dict[str, float]:
        found = {}
        for name, questions, left in (
            ("fill two-sided", fill, False),
            ("fill left-only", fill, True),
            ("next word", following, True),
        ):
            score = questions.score(models.with_mask(model, causal=left))
            found |= {f"{name} accuracy": score.accuracy, f"{name} nats": score.loss}
        return found

    runtime.seed_all(seed)
    model = build(data.tokenizer)
    history = training.train(
        model, data.rows, goal, steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed, evaluate=measure
    )
    if history.interrupted:
        raise KeyboardInterrupt
    return {"tokens": history.eval_tokens, **history.evals}


@dataclass(frozen=True)
class Experiment:
    """A question, what we expect (written before the run), and arms that differ in the argument named ``vary``."""

    name: str
    question: str
    expectation: str
    vary: str
    arms: dict[str, dict]  # arm -> the arguments of `run` that it sets
    control: str
    common: dict  # arguments that all arms share
    run: Callable[..., dict] = one_run
    seeds: int = 3  # the fewest that a record needs; more may be recorded

    @property
    def definition(self) -> str:
        """Hash what makes the numbers: the arms, the grammar and the source of the measuring function."""
        grammar = GRAMMAR_FILE.read_text(encoding="utf-8")
        source = inspect.getsource(self.run) + inspect.getsource(material.__wrapped__)
        return checkpoints.fingerprint(arms=self.arms, common=self.common, grammar=grammar, source=source)


@dataclass(frozen=True)
class Record:
    """A recorded experiment: runs[arm][seed] is what the run returned."""

    name: str
    definition: str
    runs: dict[str, dict[str, dict]]
    made_with: dict

    def final(self, arm: str, metric: str) -> list[float]:
        """The last value of a metric for each seed of an arm."""
        return [run[metric][-1] for run in self.runs[arm].values()]

    def band(self, arm: str, metric: str) -> dict[str, list[float]]:
        """Over training, the 95% interval of the mean over seeds: lists tokens, low, mean, high."""
        runs = list(self.runs[arm].values())
        columns = [evaluation.t_interval(values) for values in zip(*(run[metric] for run in runs), strict=True)]
        mean, low, high = (list(column) for column in zip(*columns, strict=True))
        return {"tokens": runs[0]["tokens"], "low": low, "mean": mean, "high": high}

    def difference(self, metric: str, arm: str, control: str) -> tuple[float, float, float]:
        """Mean of arm minus control, seed by seed, with its 95% t interval."""
        pairs = [self.runs[arm][s][metric][-1] - self.runs[control][s][metric][-1] for s in self.runs[arm]]
        return evaluation.t_interval(pairs)


_TOWN = {"corpus": "tiny town", "steps": 2048, "batch_size": 32, "learning_rate": 2e-3}
_MASKED = {"objective": "masked", "causal": False}
_CAUSAL = {"objective": "causal", "causal": True}

EXPERIMENTS: dict[str, Experiment] = {
    e.name: e
    for e in (
        Experiment(
            "one-mask-apart",
            "Same body, same masked words: what does the causal mask cost?",
            "Two-sided above the left-only ceiling; left-only near, and never above, its own ceiling.",
            "causal", {"two-sided": {"causal": False}, "left-only": {"causal": True}}, "left-only",
            _TOWN | {"objective": "masked"},
        ),
        Experiment(
            "loss-density",
            "Does a causal model learn faster because of its direction, or because each word counts?",
            "All positions learn faster per token than 15%; causal at 15% is closer to masked at 15%.",
            "share", {"causal, all positions": {"share": 1.0}, "causal, 15%": {"share": 0.15}}, "causal, 15%",
            _TOWN | _CAUSAL,
        ),
        Experiment(
            "two-masks-one-model",
            "Can one set of weights work under both masks?",
            "Trained under both: close to each specialist. Specialists fall apart under the other mask.",
            "objective", {"masked": _MASKED, "causal": _CAUSAL, "both": {"objective": "both", "causal": False}},
            "both", _TOWN,
        ),
        Experiment(
            "one-mask-apart-english",
            "The same on real English, where no ceiling is known?",
            "Two-sided above left-only, by less of the way than in Tiny Town after so few tokens.",
            "causal", {"two-sided": {"causal": False}, "left-only": {"causal": True}}, "left-only",
            {"corpus": "python docs", "objective": "masked", "steps": 1600, "batch_size": 32, "learning_rate": 2e-3},
        ),
    )
}  # fmt: skip


def evidence_dir() -> Path:
    """Where records are kept: ``data/evidence`` of the checkout."""
    return ROOT / "data" / "evidence"


def load(name: str) -> Record:
    """Read a record; raises ValueError with the command to run if it is missing, partial or outdated."""
    experiment, path = _find(name), evidence_dir() / f"{name}.json"
    fix = f"Run: python -m course_lib evidence {name}"
    if not path.exists():
        raise ValueError(f"{name!r} has not been recorded yet. {fix}")
    data = json.loads(path.read_text(encoding="utf-8"))
    if data["definition"] != experiment.definition:
        raise ValueError(f"The record of {name!r} was made by another definition of the experiment. {fix}")
    short = [arm for arm in experiment.arms if len(data["runs"].get(arm, {})) < experiment.seeds]
    if short:
        raise ValueError(f"The record of {name!r} lacks seeds in {short}. {fix}")
    return Record(name, data["definition"], data["runs"], data["made_with"])


def record(name: str, seeds: int | None = None, jobs: int = 1, note: Callable[[str], None] = print) -> Path:
    """Run what is missing of an experiment and write it down after every run. Returns the record's path."""
    experiment = _find(name)
    path, seeds = evidence_dir() / f"{name}.json", seeds or experiment.seeds
    data = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if data.get("definition") != experiment.definition:
        data = {
            "name": name, "question": experiment.question, "expectation": experiment.expectation,
            "vary": experiment.vary, "control": experiment.control, "common": experiment.common,
            "arms": experiment.arms, "definition": experiment.definition, "runs": {},
        }  # fmt: skip
    data["made_with"] = _made_with()
    todo = [(arm, s) for s in range(seeds) for arm in experiment.arms if str(s) not in data["runs"].get(arm, {})]
    note(f"{name}: {len(todo)} runs to do, {jobs} at a time")
    os.environ["OMP_NUM_THREADS"] = "1"  # inherited by the workers: two threads in each of two processes collapse
    with ProcessPoolExecutor(jobs, mp_context=_spawn(), initializer=_quiet) as pool:
        waiting = {
            pool.submit(_run_once, experiment, s, experiment.common | experiment.arms[arm]): (arm, s)
            for arm, s in todo
        }
        for done, future in enumerate(as_completed(waiting), 1):
            arm, seed = waiting[future]
            data["runs"].setdefault(arm, {})[str(seed)] = future.result()
            _write(path, data)
            note(f"  {done}/{len(todo)}  {arm}, seed {seed}")
    return path


def _run_once(experiment: Experiment, seed: int, settings: dict) -> dict:
    """Run, or take the result that another experiment with the same arm has left in the cache."""
    entry = "run-" + checkpoints.fingerprint(
        seed=seed, settings=settings, source=inspect.getsource(experiment.run), grammar=GRAMMAR_FILE.read_text("utf-8"),
        library=checkpoints.source_hash(*training.MADE_BY, "experiments"), made_with=_made_with(),
    )  # fmt: skip
    folder = checkpoints.load(entry)
    if folder is None:
        result = _rounded(experiment.run(seed, **settings))
        checkpoints.save(entry, lambda draft: (draft / "run.json").write_text(json.dumps(result), "utf-8"))
        return result
    return json.loads((folder / "run.json").read_text("utf-8"))


def _find(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise ValueError(f"No experiment {name!r}. There are: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]


def _spawn():
    import multiprocessing

    return multiprocessing.get_context("spawn")


def _quiet() -> None:
    os.environ["COURSE_QUIET"] = "1"
    runtime.threads()


def _rounded(run: dict) -> dict:
    return {key: [round(v, 5) if isinstance(v, float) else v for v in values] for key, values in run.items()}


def _made_with() -> dict:
    return {
        "date": datetime.date.today().isoformat(), "python": platform.python_version(), "torch": torch.__version__,
        "transformers": transformers.__version__, "device": runtime.device().type,
        "precision": str(runtime.precision()), "machine": platform.machine(),
    }  # fmt: skip


def _write(path: Path, data: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = data | {"runs": {arm: dict(sorted(data["runs"][arm].items())) for arm in sorted(data["runs"])}}
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as draft:
        json.dump(ordered, draft, indent=1)
        draft.write("\n")
    os.chmod(draft.name, 0o644)  # a temporary file is private; a record is for everybody
    os.replace(draft.name, path)
