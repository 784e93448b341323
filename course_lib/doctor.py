"""Check this machine and train for five seconds: `python -m course_lib doctor`.

Every line is one fact. A line that starts with '!' is wrong; the fix follows it, and the exit status is 1.
"""

import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = ["Check", "arguments", "run", "train_briefly"]

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "matplotlib", "jupyterlab")  # nothing of the tests
LEAST_DISK_GB = 0.5  # trained models of every lesson, twice over
LEAST_MEMORY_GB = 1.5  # a kernel with torch and transformers, JupyterLab, and one small model in training
SLOW_TOKENS_PER_SECOND = 10_000  # below it a lesson of a minute and a half takes several


@dataclass(frozen=True)
class Check:
    """Hold one line of the report; `fix` is empty when all is well."""

    name: str
    value: str
    fix: str = ""


def arguments(parser):
    """Declare the options of `python -m course_lib doctor`."""
    parser.add_argument("--no-training", action="store_true", help="leave out the five-second training run")


def run(options):
    """Print the report, one check at a time, and return the exit status: 0 when nothing needs mending."""
    checks = [_python, _packages, _device, _threads, _cache, _disk, _memory, _network]
    if not options.no_training:
        checks.append(_training)
    os.environ["COURSE_QUIET"] = "1"  # the report's own lines are enough
    wrong = 0
    for check in checks:
        try:
            lines = check()
        except Exception as error:  # the doctor reports what is broken; it does not break with it
            lines = [Check(check.__name__.strip("_"), f"{type(error).__name__}: {error}", _fix_of(error))]
        for line in lines:
            wrong += bool(line.fix)
            print(f"{'!' if line.fix else ' '} {line.name:<13} {line.value}", flush=True)
            if line.fix:
                print(f"  {'':<13} -> {line.fix}", flush=True)
    print(
        f"\n{wrong} to mend: see the lines marked with '!'." if wrong else "\nAll is well. Enjoy the course."
    )
    return 1 if wrong else 0


def _fix_of(error):
    if isinstance(error, ImportError):
        return "install the course's packages: make setup (or python scripts/bootstrap.py setup)"
    if isinstance(error, ValueError | OSError):
        return "the message says what to change; then run this again"
    return "this is a defect of the course: please report this line and the versions above"


def _python():
    old = sys.version_info < (3, 11)
    where = "in .venv" if Path(sys.prefix).name == ".venv" else sys.prefix
    value = f"{platform.python_version()} on {platform.system()} {platform.machine()} ({where})"
    return [Check("python", value, "use Python 3.11 or newer: see README.md" if old else "")]


def _packages():
    """Compare each installed package with its pin in constraints.txt."""
    pins = _pins()
    lines, other = [], []
    for name in PACKAGES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            lines.append(Check(name, "missing", "make setup (or python scripts/bootstrap.py setup)"))
            continue
        pin = pins.get(name, version)
        if version.split("+")[0] != pin:
            other.append(name)
        lines.append(
            Check(name, version + ("" if name not in other else f" (the lessons were run with {pin})"))
        )
    if other:
        lines.append(
            Check("note", "other versions than the pinned ones: small numbers may differ in the lessons")
        )
    return lines


def _pins():
    """Read constraints.txt into {name: version}; {} when the course is installed without its checkout."""
    path = Path(__file__).resolve().parent.parent / "constraints.txt"
    if not path.is_file():
        return {}
    pins = (
        line.strip().split("==") for line in path.read_text(encoding="utf-8").splitlines() if "==" in line
    )
    return {name.lower(): version for name, version in pins}


def _device():
    import torch

    from course_lib import runtime

    device = runtime.device()
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or platform.machine()
    )
    precision = str(runtime.precision(device)).removeprefix("torch.")
    return [Check("device", f"{device} ({name})"), Check("precision", precision)]


def _threads():
    from course_lib import runtime

    return [Check("threads", f"{runtime.threads()} of {os.cpu_count()} processors")]


def _cache():
    from course_lib import runtime

    folder = runtime.cache_dir()
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return [Check("cache", f"{folder} ({size / 1e6:.1f} MB; safe to delete)")]


def _disk():
    from course_lib import runtime

    free = shutil.disk_usage(runtime.cache_dir()).free / 1e9
    fix = f"free some space: at least {LEAST_DISK_GB} GB, or set COURSE_CACHE to a folder on a larger disk"
    return [Check("free disk", f"{free:.1f} GB", fix if free < LEAST_DISK_GB else "")]


def _memory():
    free = _free_memory()
    if free is None:
        return [Check("free memory", "unknown on this system")]
    fix = f"close other programs: the lessons need about {LEAST_MEMORY_GB} GB"
    return [Check("free memory", f"{free / 1e9:.1f} GB", fix if free / 1e9 < LEAST_MEMORY_GB else "")]


def _free_memory():
    """Return the bytes of memory that a new program may have, or None where that cannot be told."""
    try:
        import psutil  # comes with ipykernel

        return psutil.virtual_memory().available
    except ImportError:
        try:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            return None


def _network():
    return [Check("network", "needed: no (every lesson runs offline)")]


def _training():
    if sys.stdout.isatty():
        print("  training      ... five seconds", end="\r", flush=True)
    tokens, seconds, losses = train_briefly(5.0)
    rate = tokens / seconds
    stuck = "" if losses[-1] < losses[0] else "the loss does not fall: run make test to find out why"
    value = f"{rate:,.0f} tokens/s (a tiny BERT on Tiny Town, loss {losses[0]:.2f} -> {losses[-1]:.2f})"
    lines = [Check("training", value, stuck)]
    if rate < SLOW_TOKENS_PER_SECOND:  # not wrong, and perhaps only busy: a note, not a failure
        advice = "slow: close other programs; OMP_NUM_THREADS and COURSE_THREADS may be too low or too high"
        lines.append(Check("note", advice))
    return lines


def train_briefly(seconds):
    """Train a tiny BERT on Tiny Town for about `seconds`; return (tokens, seconds, [first, last loss]).

    A few steps go first: they pay for the imports and the first allocations, and tell how many steps fit.
    """
    from course_lib import runtime
    from course_lib.model import bodies
    from course_lib.text import corpora, packing, tokenization
    from course_lib.town import language
    from course_lib.train import loop, masking, objectives

    runtime.seed_all(0)
    corpus = corpora.tiny_town(400, seed=0)
    tokenizer = tokenization.word_tokenizer(language.TinyTown.load().vocabulary)
    objective = objectives.MaskedLM(masking.Masking.of(tokenizer))
    rows = packing.blocks(tokenizer, tokenization.encode_documents(tokenizer, corpus), length=32)

    def train(steps):
        model = bodies.tiny_bert(tokenizer)
        started = time.perf_counter()
        history = loop.train(model, rows, objective, steps=steps, seed=0)
        return history, time.perf_counter() - started

    train(2)
    _, taken = train(5)
    steps = max(10, int(seconds * 5 / taken))
    history, taken = train(steps)
    return history.tokens[-1], taken, [history.loss[0], history.loss[-1]]
