"""Is the course right on a GPU, and how fast? One script of under ten minutes.

    make gpu-check                                    or: python -m tools.gpu_check
    python -m tools.gpu_check --reduced          # on any machine, in a minute or two: does this script work?
    python -m tools.gpu_check --only speed,lessons

Every part is a process of its own with a time limit, so that none can stop the others. What is known is written after
each: tools/bench/gpu.json (all figures) and tools/bench/GPU.md (to be read). With --reduced nothing is written unless
--to names a folder.
"""

import argparse
import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.bench import training_speed

__all__ = ["PARTS", "main"]

ROOT = Path(__file__).resolve().parent.parent
BUDGET = 570  # seconds for everything
TOLERANCE = {"logits": 1e-3, "loss": 0.01}  # float32 on two devices: the largest difference, the second in nats
LESSONS = ("04", "05", "07", "08", "06", "09", "10", "02", "00", "03", "01", "11")  # those that train most come first


def agreement(reduced, seconds):
    """Hold the device against the processor in float32: logits under every mask, the losses of 50 steps."""
    import torch

    from course_lib import runtime
    from course_lib.model import bodies
    from course_lib.train import loop, masking, objectives
    from tools.bench import contenders

    os.environ["COURSE_PRECISION"] = "fp32"
    chosen, steps = runtime.device(), 10 if reduced else 50
    tokenizer, rows = contenders._data()
    ids, padding, found = rows[:64], torch.ones_like(rows[:64]), {"logits apart": 0.0}
    padding[::2, 20:] = 0
    for build in (bodies.tiny_bert, bodies.causal_bert, bodies.tiny_gpt):
        runtime.seed_all(0)
        model = build(tokenizer).eval()
        with torch.no_grad():
            given = {"input_ids": ids, "attention_mask": padding}
            here = model(**given).logits
            there = model.to(chosen)(**{name: x.to(chosen) for name, x in given.items()}).logits.cpu()
        found["logits apart"] = max(found["logits apart"], (here - there)[padding.bool()].abs().max().item())
    goal, losses = objectives.MaskedLM(masking.Masking.of(tokenizer)), []
    for device in ("cpu", str(chosen)):
        os.environ["COURSE_DEVICE"] = device
        torch.set_num_threads(1 + len(losses))  # on a machine without a GPU, at least another order of summation
        model = contenders._model(tokenizer)
        losses.append(loop.train(model, rows, goal, steps, batch_size=32, learning_rate=2e-3).loss)
    apart = [abs(a - b) for a, b in zip(*losses, strict=True)]
    found |= {"loss apart": max(apart), "at step": apart.index(max(apart)) + 1, "losses": losses, "steps": steps}
    found["good"] = found["logits apart"] <= TOLERANCE["logits"] and found["loss apart"] <= TOLERANCE["loss"]
    found["text"] = (
        f"Against the processor, in float32: logits of three models differ by at most {found['logits apart']:.1e} "
        f"(allowed {TOLERANCE['logits']:.0e}), the losses of {steps} steps by at most {found['loss apart']:.1e} nats "
        f"(at step {found['at step']}; allowed {TOLERANCE['loss']:.0e}). Last losses: "
        + " and ".join(f"{loss[-1]:.4f}" for loss in losses) + "."
    )  # fmt: skip
    return found


def stacking(reduced, seconds):
    """Run an experiment's plan for one seed, and for 32 as one stack: what do 31 more seeds cost?"""
    from course_lib import experiments, runtime
    from course_lib.experiments import materials
    from course_lib.model import bodies
    from course_lib.train import masking, objectives
    from tools import evidence

    if not reduced and runtime.device().type != "cuda":
        return {"good": True, "text": "Not measured: seeds are stacked on CUDA alone."}
    many, steps, rows = (3, 10, 500) if reduced else (32, 512, 20_000)
    data = experiments.material(rows=rows)
    fill = data.fill()
    if reduced:
        evidence._stacks = lambda each: len(each) > 1  # a stack is for GPUs, and works on a processor
    build = functools.partial(bodies.tiny_bert, data.tokenizer)
    goal = objectives.MaskedLM(masking.Masking.of(data.tokenizer))

    def run(seed, **settings):
        return materials.Plan(build, data.rows, goal, lambda model: {"nats": fill.score(model).loss}, **settings)

    took, made = {}, {}
    for seeds in (1, many):
        few = {"steps": 10, "batch_size": 4}  # the first call of each kind pays for what is made once
        evidence.train_arm(run, range(seeds), few)
        started = time.perf_counter()
        made[seeds] = evidence.train_arm(run, range(seeds), {"steps": steps})
        took[seeds] = time.perf_counter() - started
    apart = abs(made[1][0]["nats"][-1] - made[many][0]["nats"][-1])
    gain = many * took[1] / took[many]
    return {
        "seeds": many, "seconds of one": took[1], "seconds of all": took[many], "gain": gain, "apart": apart,
        "good": apart < 0.1 and (reduced or gain > 1),
        "text": f"{steps} steps, measured ten times on the way: one seed {took[1]:.1f} s, {many} seeds as one stack "
        f"{took[many]:.1f} s: {gain:.1f} times as much work in the same time. Seed 0 ends {apart:.4f} nats apart.",
    }  # fmt: skip


def speed(reduced, seconds):
    """Run the training table of `make bench` once: the course next to Trainer."""
    found = training_speed.measure(1, *((8, 8) if reduced else (240, 128)))
    ratio = _rate(found, "course") / _rate(found, "Trainer")
    text = f"The course's best format is {ratio:.2f} times as fast as Trainer's best."
    text += f"\n\n```text\n{training_speed.report(found)}\n```"
    return {"table": found, "ratio": ratio, "good": reduced or ratio >= 1, "text": text}


def _rate(found, who):
    runs = [run for label, runs in found["runs"].items() if label.startswith(who) for run in runs]
    return max(run["tokens_per_second"] for run in runs)


def lessons(reduced, seconds):
    """Run the lessons under strict nbval on this device, with an empty cache: everything in them is trained live."""
    deadline, wanted = time.time() + seconds - 15, LESSONS[8:9] if reduced else LESSONS
    together = max(1, min(4, (os.cpu_count() or 1) // 3))
    with ThreadPoolExecutor(together) as pool:
        rows = list(pool.map(lambda number: _lesson(number, deadline), wanted))
    good = all(row["cells"] and not row["failed"] for row in rows)
    lines = ["| lesson | seconds | cells | failed | the first failure |", "|---|---:|---:|---:|---|"]
    lines += ["| {lesson} | {seconds:.0f} | {cells} | {failed} | {first} |".format(**row) for row in rows]
    return {"rows": rows, "together": together, "good": good, "text": f"{together} at a time.\n\n" + "\n".join(lines)}


def _lesson(number, deadline):
    """Run one lesson until it ends or time is up; cells counts those that were compared."""
    path, left = next((ROOT / "notebooks").glob(f"{number}_*.ipynb")), deadline - time.time()
    row = {"lesson": path.stem, "seconds": 0.0, "cells": 0, "failed": 0, "first": ""}
    if left < 10:
        return row | {"first": "not begun: no time left"}
    print(f"    {path.stem} ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report, started = Path(folder) / "report.xml", time.time()
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--nbval", "--nbval-current-env",
            "--nbval-sanitize-with", "tests/nbval_sanitize.cfg", "--nbval-cell-timeout", "240",
            f"--junitxml={report}", str(path),
        ]  # fmt: skip
        ended = _run(command, left, output=subprocess.DEVNULL)
        row["seconds"] = time.time() - started
        if not report.exists():
            return row | {"first": "no report (pytest ended early)" if ended else f"stopped after {left:.0f} s"}
        cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
    failures = [(case, bad) for case in cases for bad in (*case.findall("failure"), *case.findall("error"))]
    skipped = sum(case.find("skipped") is not None for case in cases)
    first = f"{failures[0][0].get('name')}: {failures[0][1].get('message', '')}" if failures else ""
    first = re.sub(r"(#x1B|\x1b)\[\d+m|Notebook cell execution failed", "", first)  # colours, as XML writes them
    first = " ".join(first.split()).replace("|", "/")[:160]
    print(f"    {path.stem}: {row['seconds']:.0f} s, {len(failures)} failed", flush=True)
    whole = "\n".join(bad.text or "" for _, bad in failures)[:20_000]  # for gpu.json: what came, and what was stored
    return row | {"cells": len(cases) - skipped, "failed": len(failures), "first": first, "whole": whole}


PARTS = {"agreement": (agreement, 90), "stacking": (stacking, 120), "speed": (speed, 160), "lessons": (lessons, BUDGET)}


def _run(command, seconds, output=None):
    """Run a command in the checkout for at most so many seconds, with all that it starts; tell if it ended itself."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
        start_new_session=os.name == "posix",
    )  # fmt: skip
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()


def _part(name, reduced, seconds):
    """Run one part in a process of its own; returns its figures, or what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "tools.gpu_check", "--part", name, "--seconds", str(seconds)]
        ended = _run([*command, "--to", str(answer), *(["--reduced"] if reduced else [])], seconds)
        if answer.exists():
            return json.loads(answer.read_text(encoding="utf-8"))
    problem = "its process died" if ended else f"it was stopped after {seconds:.0f} s"
    return {"good": False, "text": f"Not measured: {problem}."}


def _answer(options):
    """Be the process of one part: leave its figures, or its exception, in a file."""
    from course_lib import runtime

    os.environ["COURSE_QUIET"] = "1"
    try:
        runtime.threads()
        found = PARTS[options.part][0](options.reduced, options.seconds)
    except Exception as problem:  # whatever it is: it is told, and the other parts go on
        found = {"good": False, "text": f"Failed: {type(problem).__name__}: {problem}"}
    draft = options.to.with_suffix(".part")
    draft.write_text(json.dumps(found), encoding="utf-8")
    draft.replace(options.to)


def _page(found):
    machine = found["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    lines = ["# What `make gpu-check` found", "", f"{found['date']}, {machine['device']}, {machine['precision']}; "
             f"{machine['system']}; {packages}. {found['seconds']} s in all."]  # fmt: skip
    lines += ["", "**A reduced run: its figures mean nothing.**"] if found["reduced"] else []
    for name, part in found["parts"].items():
        what = PARTS[name][0].__doc__.splitlines()[0]
        lines += ["", f"## {name}: {'good' if part['good'] else 'LOOK HERE'}", "", what, "", part["text"]]
    return "\n".join(lines) + "\n"


def main(arguments=None):
    """Run the parts that are wanted; returns 0 if all is well, 1 if a part needs a look, 2 without a GPU."""
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_check", description=__doc__.splitlines()[0])
    parser.add_argument("--reduced", action="store_true", help="a small form on any machine: does this script work?")
    parser.add_argument("--only", metavar="PARTS", default=",".join(PARTS), help=f"some of: {','.join(PARTS)}")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to write gpu.json and GPU.md (tools/bench/)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=BUDGET, help="time for everything (%(default)s)")
    options = parser.parse_args(arguments)
    if options.part:
        return _answer(options)
    wanted = options.only.split(",")
    if unknown := [name for name in wanted if name not in PARTS]:
        parser.error(f"--only {','.join(unknown)}: choose from {', '.join(PARTS)}")
    from course_lib import runtime
    from tools.bench import contenders

    device = runtime.device()
    if device.type == "cpu" and not options.reduced:
        print("No GPU is here, or COURSE_DEVICE hides it. --reduced tries the script without one.", file=sys.stderr)
        return 2
    folder, started = options.to or (None if options.reduced else ROOT / "tools" / "bench"), time.time()
    found = {"date": time.strftime("%Y-%m-%d"), "machine": contenders._machine(device), "reduced": options.reduced}
    found["parts"] = {}
    for number, name in enumerate(wanted, 1):
        left = options.seconds - (time.time() - started)
        print(f"[{number}/{len(wanted)}] {name}: {PARTS[name][0].__doc__} ({left:.0f} s left)", flush=True)
        found["parts"][name] = _part(name, options.reduced, min(PARTS[name][1], left)) if left > 20 else {
            "good": False, "text": "Not begun: no time left."}  # fmt: skip
        found["seconds"] = round(time.time() - started)
        print(found["parts"][name]["text"] + "\n", flush=True)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "gpu.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            (folder / "GPU.md").write_text(_page(found), encoding="utf-8")
    bad = [name for name, part in found["parts"].items() if not part["good"]]
    print(f"{found['seconds']} s. " + (f"Look at: {', '.join(bad)}." if bad else "All is well."))
    print(f"written: {folder / 'GPU.md'}, {folder / 'gpu.json'}" if folder else "Not written: --to FOLDER does it.")
    return 1 if bad else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stopped from outside: what it started ends with it
    sys.exit(main())
