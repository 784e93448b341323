"""Everything that `make bench` measures, its tables, and the page and plot that are kept of it.

    make bench                                              or: python -m tools.bench
    python -m tools.bench --only training,masking --quick
    python -m tools.bench --save                            # writes RESULTS.md and results.png here
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tools.bench import training_speed

__all__ = ["PARTS", "main"]

HERE = Path(__file__).resolve().parent

PARTS = {  # name: about how many seconds on two idle cores
    "training": 220, "learning": 165, "masking": 20, "pairs": 15, "tokens": 20, "scaling": 25,
    "where": 15, "start": 30, "memory": 15,
}  # fmt: skip
LEARNERS = {"course": ("course", "native"), "Trainer, fp32": ("trainer", "fp32")}


def main(arguments=None):
    """Measure what is asked for, print the tables and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__.splitlines()[0])
    training_speed.arguments(parser)
    parser.add_argument("--only", metavar="PARTS", help=f"some of: {','.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a minute or two: is everything in order? (rough numbers)")
    parser.add_argument("--save", action="store_true", help="write tools/bench/RESULTS.md and tools/bench/results.png")
    options = parser.parse_args(arguments)
    wanted = [part.strip() for part in (options.only or ",".join(PARTS)).split(",") if part.strip()]
    if unknown := [part for part in wanted if part not in PARTS]:
        print(f"--only {','.join(unknown)}: choose from {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    if problem := training_speed.problem(options):
        print(problem, file=sys.stderr)
        return 2
    if problem := missing():
        print(problem, file=sys.stderr)
        return 1
    if options.quick:
        options.rounds, options.steps = 1, 12
    expected = sum(PARTS[part] for part in wanted) / 60
    print("A minute or two." if options.quick else f"About {expected:.0f} minutes on two idle cores.", flush=True)
    started, found = time.time(), {}
    try:
        for part in wanted:
            found[part] = _measure(part, options)
            print("\n" + _text(part, found[part]), flush=True)
    except subprocess.CalledProcessError as error:
        print(f"A measurement failed: {' '.join(error.cmd[1:])}\n{error.stderr}", file=sys.stderr)
        return 1
    print(f"\nTook {time.time() - started:.0f} s. What is counted, and how: tools/bench/README.md")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.save:
        from tools.bench import results

        machine = found.get("training") or in_a_process("contenders", "peak", "bf16")
        print("written:", *results.save(found, machine["machine"], HERE))
    return 0


def missing():
    """Say what is not installed and how to install it, or ''."""
    return "" if importlib.util.find_spec("accelerate") else (
        "transformers.Trainer needs the package accelerate, which is not installed.\n"
        "`make bench` installs it; or: pip install -e '.[bench]' -c constraints.txt"
    )  # fmt: skip


def in_a_process(module, *arguments, precision=None, threads=None):
    """Run a module of this folder alone; return the JSON of its last line."""
    return training_speed.alone([module, *arguments], precision, threads)


def _measure(part, options):
    """Return the part's figures: training_speed's own, or {'title', 'header', 'rows', 'note'}."""
    if part == "training":
        return training_speed.measure(options.rounds, options.steps, options.batch_size, options.threads)
    if part == "learning":
        return _learning(options)
    training_speed._say(part)
    more = ["--quick"] if options.quick else []
    return in_a_process("parts", part, *more, threads=options.threads)


def _learning(options):
    """How long each contender needs to 97% of the ceiling, and where it ends, over several seeds."""
    table, curves, steps, seeds = [], {}, *((40, 1) if options.quick else (2048, 2))
    for name, (contender, precision) in LEARNERS.items():
        runs = []
        for seed in range(seeds):
            training_speed._say(f"learning: {name}, seed {seed}")
            arguments = (contender, "fp32", "--steps", str(steps), "--seed", str(seed))
            forced = None if precision == "native" else precision
            runs.append(in_a_process("learning", *arguments, precision=forced, threads=options.threads))
        reached = [run["reached"] for run in runs if run["reached"] is not None]
        table.append([
            name, f"{len(reached)} of {seeds}", median(reached) if reached else "not reached",
            median(run["seconds"][-1] for run in runs), *(_range([run[what][-1] for run in runs])
                                                         for what in ("accuracy", "nats")),
        ])  # fmt: skip
        curves[name] = runs
    top = curves["course"][0]["ceiling"], curves["course"][0]["least"]
    return {
        "title": "Time to 97% of the ceiling (Tiny Town, filling in hidden words, batch 32)",
        "header": ["", "seeds that reach it", "seconds to 97%", "seconds in all", "accuracy at the end",
                   "nats at the end"], "rows": table, "curves": curves,
        "note": f"The best that any reader could reach is {top[0]:.3f} ({top[1]:.3f} nats); 97% of it is "
        f"{0.97 * top[0]:.3f}. Seconds of training alone, looked up at twenty moments; medians over seeds. Held-out "
        "words, equal tokens; lowest to highest seed.",
    }  # fmt: skip


def _range(values):
    return f"{min(values):.3f} - {max(values):.3f}"


def _text(part, found):
    if part == "training":
        return training_speed.report(found)
    return "\n".join([found["title"], *_lines(found), *([found["note"]] if "note" in found else [])])


def _lines(found):
    """Lay a table out as plain text."""
    cells = [[str(x) for x in found["header"]], *([_shown(x) for x in row] for row in found["rows"])]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return ["  ".join(f"{x:<{w}}" if i == 0 else f"{x:>{w}}" for i, (x, w) in enumerate(zip(row, widths, strict=True)))
            for row in cells]  # fmt: skip


def _shown(value):
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def medians(training):
    """Return {contender: (median tokens/s, median ratio to the reference)} of the training part."""
    reference = training["runs"][training_speed.REFERENCE]
    return {
        label: (
            median(r["tokens_per_second"] for r in runs),
            median(a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(runs, reference, strict=True)),
        )
        for label, runs in training["runs"].items()
    }


if __name__ == "__main__":
    sys.exit(main())
