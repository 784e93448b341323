"""How fast does the course's loop train, next to transformers' Trainer and to the machine's own limit?

    python -m tools.bench --only training --json speed.json

Every contender runs alone, in a fresh process, with the same number of threads; rounds go through all of
them in turn, so that a busy minute hits everyone. Medians over rounds are reported, and the ratio is the
median of the ratios within a round. README.md explains the method.
"""

import importlib.util
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

__all__ = ["alone", "arguments", "measure", "problem", "report"]

ROOT = Path(__file__).resolve().parents[2]
CONTENDERS = {  # label: (function in contenders.py, precision)
    "course, bf16": ("course", "bf16"),
    "course, fp32": ("course", "fp32"),
    "Trainer, fp32": ("trainer", "fp32"),
    "Trainer, bf16": ("trainer", "bf16"),
    "plain loop, fp32": ("plain", "fp32"),
    "d2l book, fp32": ("d2l", "fp32"),
}
REFERENCE = "Trainer, fp32"
BUSY = 0.3  # share of the processors that others use: threads that wait for one another lose far more


def arguments(parser):
    """Declare the options of `python -m tools.bench`."""
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (3)")
    parser.add_argument("--steps", type=int, default=60, help="steps of one run, a quarter of them warm-up")
    parser.add_argument("--batch-size", type=int, default=128, help="rows of 32 tokens per step (128)")
    parser.add_argument("--threads", type=int, default=None, help="threads of every process (physical cores)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure to this file")


def problem(options):
    """Say what is wrong with the options, or ''."""
    for name in ("rounds", "steps", "batch_size", "threads"):
        value, least = getattr(options, name), 8 if name == "steps" else 1
        if value is not None and value < least:
            return f"--{name.replace('_', '-')} {value}: must be at least {least}."
    return ""


def measure(rounds, steps, batch_size, threads=None):
    """Run every contender once per round, each in a process of its own; return all figures, JSON-like."""
    started, load, peaks, machine = time.time(), _load(), [], {}
    runs = {label: [] for label in CONTENDERS}
    for number in range(rounds):
        first = _in_a_process("peak", "bf16", steps, batch_size, threads)
        peaks.append(first["peak"])
        machine = first["machine"]
        labels = [x for x in CONTENDERS if CONTENDERS[x][1] == "fp32" or "bf16" in first["peak"]]
        labels = [x for x in labels if CONTENDERS[x][0] != "d2l" or peers_has_d2l()]
        turn = number % len(labels)  # nobody always runs on a machine that the same neighbour has warmed up
        for label in labels[turn:] + labels[:turn]:
            _say(f"round {number + 1} of {rounds}: {label}")
            runs[label].append(_in_a_process(*CONTENDERS[label], steps, batch_size, threads))
    _say("")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine | {"load_before": load},
        "settings": {"rounds": rounds, "steps": steps, "batch_size": batch_size, "length": 32},
        "seconds": round(time.time() - started, 1),
        "peak_flops": peaks,
        "runs": {label: found for label, found in runs.items() if found},
    }


def report(found):
    """Lay the figures out as plain text: one line per contender, medians over rounds."""
    machine, settings, peaks = found["machine"], found["settings"], found["peak_flops"]
    top = "bf16" if "bf16" in peaks[0] else "fp32"
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    described = f"{machine['cpu']} ({', '.join(machine['features']) or 'no vector units known'})"
    device = "" if machine["device"] == "cpu" else f"; trained on {machine['device']}"
    best = ", ".join(f"{k} {median(p[k] for p in peaks) / 1e9:,.0f} GFLOP/s" for k in peaks[0])
    load = machine["load_before"]
    lines = [
        f"Tiny BERT on Tiny Town, masked-LM training, batch {settings['batch_size']} x {settings['length']}",
        f"machine   {described}, {machine['threads']} threads of {machine['cores']} processors{device}",
        f"software  {machine['system']}; {packages}",
        f"peak      {best} (large matrix products)",
        f"method    {settings['rounds']} rounds of {settings['steps']} steps, each alone in a fresh process"
        + (f"; load before: {load}" if load is not None else ""),
        "",
        f"{'':<15}{'tokens/s':>10}{'  lowest - highest':<20}{'x ' + REFERENCE:>15}"
        f"{'% of ' + top + ' peak':>15}{'MFLOP/token':>13}{'loss':>7}{'memory':>9}",
    ]
    for label, runs in found["runs"].items():
        rates = [r["tokens_per_second"] for r in runs]
        ratio = median(
            a / b["tokens_per_second"] for a, b in zip(rates, found["runs"][REFERENCE], strict=True)
        )
        work = runs[0]["flops_per_token"]
        share = median(rate * work / p[top] for rate, p in zip(rates, peaks, strict=True))
        memory = f"{runs[0]['memory_mb']:,.0f} MB" if runs[0]["memory_mb"] else "?"
        spread = f"  {min(rates):,.0f} - {max(rates):,.0f}"
        loss = median(r["loss"] for r in runs)
        lines.append(
            f"{label:<15}{median(rates):>10,.0f}{spread:<20}{ratio:>15.2f}{share:>15.1%}"
            f"{work / 1e6:>13.2f}{loss:>7.2f}{memory:>9}"
        )
    if load is not None and load > BUSY * machine["cores"]:
        lines += ["", "The machine was busy with other work: repeat this when it is idle."]
    if "d2l book, fp32" not in found["runs"]:
        lines.append("d2l book       not installed: pip install --no-deps d2l (nothing but its model's source is read)")
    return "\n".join(lines)


def peers_has_d2l():
    """Tell whether the d2l package is installed, without importing it."""
    return importlib.util.find_spec("d2l") is not None


def _in_a_process(contender, precision, steps, batch_size, threads):
    command = ["contenders", contender, precision, "--steps", str(steps)]
    forced = precision if contender == "course" else None
    return alone([*command, "--batch-size", str(batch_size)], forced, threads)


def alone(command, precision=None, threads=None):
    """Run a module of this folder in a fresh process, with nothing to inherit; return the JSON of its last line."""
    module, *arguments = command
    environment = os.environ | {"COURSE_QUIET": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if precision:
        environment["COURSE_PRECISION"] = precision
    if threads:
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "COURSE_THREADS")
        environment |= dict.fromkeys(names, str(threads))
    command = [sys.executable, "-m", f"tools.bench.{module}", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _load():
    """Return the load average of the last minute: neighbours at work make every figure smaller."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _say(text):
    if sys.stderr.isatty():
        print(f"\r{text:<60}", end="\r" if not text else "", file=sys.stderr, flush=True)

