"""Check this machine and train for five seconds: `python -m course_lib doctor`.

Every line is one fact. A line that starts with '!' is wrong; the fix follows it, and the exit status is 1.
"""

import os
import platform
import re
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import psutil

from course_lib import places, runtime

__all__ = ["MACHINE", "report", "run", "train", "train_briefly"]

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "matplotlib", "jupyterlab")  # nothing of the tests
SET_UP = "make setup (or python tools/bootstrap.py setup)"
LEAST_DISK_GB = 0.5  # trained models of every lesson, twice over
LEAST_MEMORY_GB = 1.5  # a kernel with torch and transformers, JupyterLab, and one small model in training
SLOW_TOKENS_PER_SECOND = 10_000  # below it a lesson of a minute and a half takes several


def run(training=True):
    """Print the report, one check at a time, and return the exit status: 0 when nothing needs mending."""
    os.environ["COURSE_QUIET"] = "1"  # the report's own lines are enough
    wrong = report(*MACHINE, *([train] if training else []))
    print(f"\n{wrong} to mend: see the lines marked with '!'." if wrong else "\nAll is well. Enjoy the course.")
    return 1 if wrong else 0


def report(*checks):
    """Print what each check (or functools.partial of one) yields, (name, value[, fix]); return how many are to mend."""
    wrong = 0
    green, red, plain = ("\33[32m", "\33[31m", "\33[0m") if _coloured() else ("", "", "")
    for check in checks:
        try:
            lines = list(check())
        except Exception as error:  # the doctor reports what is broken; it does not break with it
            fix = f"do what the message says; if a package is missing: {SET_UP}"
            if isinstance(error, OSError):
                fix = "set COURSE_CACHE to a folder that can be written"
            name = getattr(check, "func", check).__name__.strip("_")
            lines = [(name, f"{type(error).__name__}: {error}", fix)]
        for name, value, *fix in lines:
            print(f"{red if fix else green}{'!' if fix else ' '} {name:<13} {value}{plain}",
                  *(f"  {'':<13} -> {text}" for text in fix), sep="\n", flush=True)  # fmt: skip
            wrong += bool(fix)
    return wrong


def _coloured():
    """Tell whether the output is a terminal that shows colours, and its owner has nothing against them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def _packages():
    """Yield (name, value[, fix]) for Python, and for each package beside its pin in constraints.txt."""
    where = "in .venv" if Path(sys.prefix).name == ".venv" else sys.prefix
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()} ({where})"
    file = places.DATA.parent / "constraints.txt"  # not there in an installed wheel
    pins = dict(re.findall(r"^(\S+)==(\S+)", file.read_text(encoding="utf-8"), re.M)) if file.is_file() else {}
    other = False
    for name in PACKAGES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "missing", SET_UP
            continue
        differs = version.split("+")[0] != pins.get(name, version.split("+")[0])
        other |= differs
        yield name, version + (f" (the lessons were run with {pins[name]})" if differs else "")
    if other:
        yield "note", "other versions than the pinned ones: small numbers may differ in the lessons"


def _device():
    import torch

    device = runtime.device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    yield "device", f"{device} ({name})"
    yield "precision", str(runtime.precision(device)).removeprefix("torch.")
    yield "threads", f"{runtime.threads()} of {os.cpu_count()} processors"


def _cache():
    folder = runtime.cache_dir()
    tempfile.TemporaryFile(dir=folder).close()  # permission bits do not tell of a read-only disk
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    yield "cache", f"{folder} ({size / 1e6:.1f} MB; safe to delete)"
    free = shutil.disk_usage(folder).free / 1e9
    fix = f"free some space: at least {LEAST_DISK_GB} GB, or set COURSE_CACHE to a folder on a larger disk"
    yield "free disk", f"{free:.1f} GB", *([fix] if free < LEAST_DISK_GB else [])


def _memory():
    free = psutil.virtual_memory().available / 1e9
    fix = f"close other programs: the lessons need about {LEAST_MEMORY_GB} GB"
    yield "free memory", f"{free:.1f} GB", *([fix] if free < LEAST_MEMORY_GB else [])


MACHINE = (_packages, _device, _cache, _memory)


def train():
    """Yield how fast a tiny model trains here, and whether it learns."""
    tokens, seconds, losses = train_briefly(5.0)
    stuck = [] if losses[-1] < losses[0] else ["the loss does not fall: run make test to find out why"]
    yield ("training", f"{tokens / seconds:,.0f} tokens/s (a tiny BERT on Tiny Town, loss {losses[0]:.2f} -> "
           f"{losses[-1]:.2f})", *stuck)  # fmt: skip
    if tokens / seconds < SLOW_TOKENS_PER_SECOND:  # not wrong, and perhaps only busy: a note, not a failure
        yield "note", "slow: close other programs; OMP_NUM_THREADS and COURSE_THREADS may be too low or too high"


def train_briefly(seconds):
    """Train a tiny BERT on Tiny Town for about `seconds`; return (tokens, seconds, [first, last loss])."""
    from course_lib.model import bodies
    from course_lib.text import corpora, packing, tokenization
    from course_lib.town import language
    from course_lib.train import loop, masking, objectives

    runtime.seed_all(0)
    tokenizer = tokenization.word_tokenizer(language.TinyTown.load().vocabulary)
    documents = tokenization.encode_documents(tokenizer, corpora.tiny_town(400, seed=0))
    rows, goal = packing.blocks(tokenizer, documents, length=32), objectives.MaskedLM(masking.Masking.of(tokenizer))

    def train(steps):
        return loop.train(bodies.tiny_bert(tokenizer), rows, goal, steps=steps, seed=0)

    train(2)  # pays for the first allocations
    history = train(max(10, round(seconds * 5 / train(5).seconds[-1])))
    return history.tokens[-1], history.seconds[-1], [history.loss[0], history.loss[-1]]
