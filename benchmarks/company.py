"""How fast does a training run go that is not alone on the machine?

    python benchmarks/company.py [--quick]

Each contender trains alone, then two of it at once, then one beside busy processes that take a core each. All
processes are started once and asked in turn, many short runs each: what a busy minute costs, it costs everybody.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
NATIVE = {  # how OpenMP waits if nobody says anything: libgomp's default, and that of LLVM's and Intel's
    "GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200",
}  # fmt: skip
CONTENDERS = {  # label: (function in contenders.py, variables)
    "course": ("course", {}),
    "course, threads as OpenMP ships": ("course", NATIVE),
    "course, one thread": ("course", dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "COURSE_THREADS"), "1")),
    "Trainer, fp32": ("trainer", {}),
}
PLACES = "alone", "two at once", "beside other work"

__all__ = ["measure"]


class Busy:
    """A process that takes a core for itself."""

    def __init__(self):
        work = "import time; end = time.time() + 600\nwhile time.time() < end: pass"  # it ends even if nobody stops it
        self.process = subprocess.Popen([sys.executable, "-c", work])

    def end(self):
        self.process.kill()
        self.process.communicate()


class Run(Busy):
    """A process that trains as often as it is asked."""

    def __init__(self, label):
        self.contender, variables = CONTENDERS[label]
        command = [sys.executable, __file__, "--serve", self.contender]
        environment = os.environ | {"COURSE_QUIET": "1", "TOKENIZERS_PARALLELISM": "false"} | variables
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def ask(self, steps, batch):
        self.process.stdin.write(f"{steps} {batch}\n")
        self.process.stdin.flush()

    def answer(self):
        """Wait for the run to end; returns its tokens per second."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {self.contender} process of benchmarks/company.py ended; its message is above")
        return float(line)


def measure(quick=False):
    """Return the table: tokens per second alone, of each of two at once, and beside one busy process per core."""
    batch, (steps, rounds), (fewer, times) = (16, (8, 1), (8, 1)) if quick else (128, (24, 7), (8, 3))
    rates = {(label, where): [] for label in CONTENDERS for where in PLACES}
    runs, others = {label: Run(label) for label in CONTENDERS}, []

    def ask(label, where, *together):
        for run in together:
            run.ask(steps if where == "alone" else fewer, batch)
        found = [run.answer() for run in together]
        rates[label, where].append(sum(found) / len(found))

    try:
        for run in runs.values():  # the first run pays for imports, data and memory
            run.ask(8, batch)
            run.answer()
        for number in range(rounds):
            for label in _turned(list(runs), number):
                ask(label, "alone", runs[label])
        for label, run in runs.items():
            others = [Run(label)]  # one at a time, to spare memory
            others[0].ask(8, batch)
            others[0].answer()
            for _ in range(times):
                ask(label, "two at once", run, others[0])
            others.pop().end()
        others = [Busy() for _ in range(_cores())]
        for number in range(times):
            for label in _turned(list(runs), number):
                ask(label, "beside other work", runs[label])
    finally:
        for process in [*others, *runs.values()]:
            process.end()
    return _table(rates, batch)


def _table(rates, batch):
    course, native = (rates[label, "alone"] for label in list(CONTENDERS)[:2])
    kept = median(ours / theirs for ours, theirs in zip(course, native, strict=True))
    return {
        "title": f"In company (batch {batch} x 32, tokens/s of one run)",
        "header": ["", "alone", "each of two at once", f"beside {_cores()} busy processes"],
        "rows": [[label, *(median(rates[label, where]) for where in PLACES)] for label in CONTENDERS],
        "kept": kept, "rates": {f"{label}, {where}": found for (label, where), found in rates.items()},
        "note": f"Medians. Alone, the course keeps {kept:.0%} of its speed with idle threads that wait as OpenMP ships "
        f"(median of the ratios within each of {len(course)} rounds).",
    }  # fmt: skip


def _turned(labels, number):
    at = number % len(labels)
    return labels[at:] + labels[:at]


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def serve(contender):
    """Train so many steps of so many rows as each line of the standard input says; print tokens per second."""
    import contenders

    from course_lib import runtime

    with open(os.devnull, "w") as nowhere:
        answers, sys.stdout = sys.stdout, nowhere  # what a library prints is no answer
        runtime.setup()
        bf16 = False  # Trainer in float32; the course takes its own format
        for line in sys.stdin:
            found = getattr(contenders, contender)(*map(int, line.split()), bf16)
            print(found["tokens_per_second"], file=answers, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", choices=["course", "trainer"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    else:
        print(json.dumps(measure(options.quick)))


if __name__ == "__main__":
    main()
