"""The smaller measurements of `make bench`: each function returns a table, measured in this process.

    python -m tools.bench.parts {masking,pairs,tokens,scaling,where,start,memory} [--quick]

Every rate is the median over repetitions in which the candidates take turns. README.md explains what is compared.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from statistics import median

import torch

from course_lib import runtime
from course_lib.model import bodies
from course_lib.text import corpora, packing, tokenization
from course_lib.town import language
from course_lib.train import loop, masking, objectives, scaling
from tools.bench import contenders, original_pairs

__all__ = ["cost", "masking_speed", "memory", "pairs", "start", "tokens", "where"]


def in_turn(candidates, seconds):
    """Call each of {name: function} in turn for so many seconds; return {name: median seconds of a call}."""
    found = {name: [] for name in candidates}
    for function in candidates.values():
        function()  # the first call pays for what is made once
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(next(iter(found.values()))) < 3:
        for name, function in candidates.items():
            before = time.perf_counter()
            function()
            found[name].append(time.perf_counter() - before)
    return {name: median(times) for name, times in found.items()}


def masking_speed(quick):
    """Tokens per second of masking a batch, next to DataCollatorForLanguageModeling."""
    from transformers import DataCollatorForLanguageModeling

    torch.set_num_threads(1)
    tokenizer, rows = contenders._data()
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    exact, bernoulli = (masking.Masking.of(tokenizer, exact=flag) for flag in (True, False))
    special = torch.isin(rows, torch.tensor(sorted(set(tokenizer.all_special_ids)))).int()
    draw, table = torch.Generator().manual_seed(0), []
    for size in (32, 128, 1024):
        ids = rows[:size]
        told = [{"input_ids": r, "special_tokens_mask": s}
                for r, s in zip(ids.tolist(), special[:size].tolist(), strict=True)]  # fmt: skip
        untold = [{"input_ids": r} for r in ids.tolist()]
        cost = in_turn({
            "collator, specials marked": lambda told=told: collator([dict(row) for row in told]),
            "collator": lambda untold=untold: collator([dict(row) for row in untold]),
            "course, each token for itself": lambda ids=ids: bernoulli(ids, draw),
            "course, fixed count": lambda ids=ids: exact(ids, draw),
        }, 1 if quick else 4)  # fmt: skip
        for name, seconds in cost.items():
            table.append([size, name, ids.numel() / seconds, cost["collator, specials marked"] / seconds])
    return {"title": "Masking, one thread", "header": ["rows of 32", "", "tokens/s", "x collator"], "rows": table}


def pairs(quick):
    """Next-sentence pairs per second, next to a straightforward version of the original algorithm."""
    tokenizer = tokenization.word_tokenizer(language.TinyTown.load().vocabulary)
    documents = tokenization.encode_documents(tokenizer, corpora.tiny_town(500 if quick else 2000, seed=0))
    made = {}

    def course():
        made["course"] = packing.segment_pairs(tokenizer, documents, 64, random.Random(0))

    def original():
        made["original"] = original_pairs.pairs(tokenizer, documents, 64, random.Random(0))

    cost = in_turn({"straightforward original": original, "course": course}, 2 if quick else 8)
    table = []
    for name, key in (("straightforward original", "original"), ("course", "course")):
        labels = made[key].labels.float()
        share = f"{labels.mean().item():.0%} random"
        table.append([name, len(labels) / cost[name], cost["straightforward original"] / cost[name], share])
    return {"title": "NSP pairs, rows of 64 tokens", "header": ["", "pairs/s", "ratio", "second segments"],
            "rows": table}  # fmt: skip


def tokens(quick):
    """Tokens per second of encoding Python's documentation, next to one call of the tokenizer per sentence."""
    docs = corpora.python_docs(limit_words=50_000 if quick else 200_000)
    sentences = [sentence for document in docs.documents for sentence in document]
    table = []
    for name, train in (("WordPiece", tokenization.train_wordpiece), ("byte BPE", tokenization.train_byte_bpe)):
        tokenizer = train([docs.text()], vocab_size=4000)
        count = sum(len(s) for d in tokenization.encode_documents(tokenizer, docs) for s in d)
        cost = in_turn({
            f"{name}, sentence by sentence": lambda t=tokenizer: [t(s)["input_ids"] for s in sentences],
            f"{name}, course": lambda t=tokenizer: tokenization.encode_documents(t, docs),
        }, 2 if quick else 5)  # fmt: skip
        first = next(iter(cost.values()))
        table += [[label, count / seconds, first / seconds] for label, seconds in cost.items()]
    return {"title": "Tokenization of Python's documentation", "header": ["", "tokens/s", "ratio"], "rows": table}


def cost(quick):
    """How the cost of a training step grows with length, width, batch and the number of seeds in one stack."""
    tokenizer, _ = contenders._data()
    goal = objectives.MaskedLM(masking.Masking.of(tokenizer))
    stories = tokenization.encode_documents(tokenizer, corpora.tiny_town(3000, seed=0))
    rows = {length: packing.full_sentences(tokenizer, stories, length) for length in (16, 32, 64, 128)}
    steps, base = 12 if quick else 40, {"length": 32, "width": 128, "batch": 32, "seeds": 1}
    grid = {"length": (16, 64, 128), "width": (64, 256), "batch": (8, 128, 512), "seeds": (4, 16)}

    def rate(length, width, batch, seeds):
        def build():
            return bodies.tiny_bert(tokenizer, hidden_size=width, intermediate_size=4 * width)

        settings = {"batch_size": batch, "learning_rate": 1e-3}
        if seeds == 1:
            runtime.seed_all(0)
            history = loop.train(build(), rows[length], goal, steps, **settings)
        else:
            many, asking = ([one] * seeds for one in (build, rows[length], goal)), [lambda model: {}] * seeds
            made = scaling.train_seeds(*many, steps, range(seeds), evaluate=asking, **settings)
            history = made[0][1]
        at = len(history.steps) // 4
        ms = (history.seconds[-1] - history.seconds[at]) / (history.steps[-1] - history.steps[at]) * 1000
        return ms, seeds * batch * length / ms * 1000

    table = [["(all as below)", "", *rate(**base)]]
    for what, values in grid.items():
        table += [[what, value, *rate(**base | {what: value})] for value in values]
    note = "Base: length 32, width 128, batch 32, one seed; one thing changes in each row."
    return {"title": "How cost grows", "header": ["changed", "to", "ms per step", "tokens/s"], "rows": table,
            "note": note}  # fmt: skip


KINDS = {  # what a step spends its time on: the names of PyTorch's operators, in the order in which they are looked up
    "matrix products": ("mm", "addmm", "bmm", "matmul", "linear"),
    "casts and copies between formats": ("copy_", "clone", "contiguous", "to"),
    "GELU, softmax, LayerNorm and their gradients": ("gelu", "softmax", "layer_norm"),
    "optimizer and clipping": ("adam", "_foreach", "norm", "div_"),
    "embeddings, selection, loss": ("embedding", "index", "gather", "nll", "cross_entropy", "sort", "topk"),
}


def where(quick):
    """Where a training step's time goes, and how fast the machine multiplies matrices of the model's own shapes."""
    from torch.profiler import ProfilerActivity, profile

    tokenizer, rows = contenders._data()
    goal = objectives.MaskedLM(masking.Masking.of(tokenizer))
    runtime.seed_all(0)
    model = bodies.tiny_bert(tokenizer)
    loop.train(model, rows, goal, 10, batch_size=128)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        loop.train(model, rows, goal, 4 if quick else 20, batch_size=128)
    spent, total = dict.fromkeys([*KINDS, "the rest"], 0.0), 0.0
    for event in seen.key_averages():
        name = event.key.removeprefix("aten::").lower()
        kind = next((k for k, names in KINDS.items() if any(n == name or len(n) > 3 and n in name for n in names)),
                    "the rest")  # fmt: skip
        spent[kind] += event.self_cpu_time_total
        total += event.self_cpu_time_total
    table = [[f"time of a step: {kind}", f"{part / total:.0%}"] for kind, part in spent.items()]
    device, tokens = runtime.device(), 128 * 32
    dtype = torch.bfloat16 if runtime.precision(device) == torch.bfloat16 else torch.float32
    for rows_, inner, columns in ((tokens, 128, 128), (tokens, 128, 512), (tokens, 512, 128), (128, tokens, 512),
                                  (4096, 4096, 4096)):  # fmt: skip
        a, b = torch.randn(rows_, inner, dtype=dtype, device=device), torch.randn(
            inner, columns, dtype=dtype, device=device)  # fmt: skip
        cost = in_turn({"product": lambda a=a, b=b: (a @ b, contenders._finish(device))}, 0.3 if quick else 1.5)
        rate = 2 * rows_ * inner * columns / cost["product"] / 1e9
        table.append([f"GFLOP/s of [{rows_}, {inner}] x [{inner}, {columns}]", rate])
    return {"title": "Where the time goes (batch 128 x 32)", "header": ["", ""], "rows": table,
            "note": "Shares of the operators' own time, from PyTorch's profiler; the last row is the peak's shape."}


def start(quick):
    """Seconds of starting: imports, and from the command to the end of the first training steps."""
    small = ["--steps", "4", "--batch-size", "8"]
    commands = {
        "import course_lib": ["-c", "import course_lib"],
        "python -m course_lib --help": ["-m", "course_lib", "--help"],
        "import torch, transformers": ["-c", "import torch, transformers; transformers.BertForMaskedLM"],
        "course: from the command to 4 small steps": ["-m", "tools.bench.contenders", "course", "fp32", *small],
        "Trainer: from the command to 4 small steps": ["-m", "tools.bench.contenders", "trainer", "fp32", *small],
    }

    def launch(arguments):
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    cost = in_turn({name: lambda a=a: launch(a) for name, a in commands.items()}, 1)
    return {"title": "Starting", "header": ["", "seconds"], "rows": [list(row) for row in cost.items()]}


def memory(quick):
    """Megabytes that a process holds at most after a lesson's work: Tiny Town, its oracle, one trained BERT."""
    from course_lib import experiments
    from course_lib.train import evaluation

    data = experiments.material(rows=2000 if quick else 20_000)
    fill = data.fill()
    evaluation.ceiling(data.oracle, data.tokenizer, fill)
    goal = objectives.MaskedLM(masking.Masking.of(data.tokenizer))
    steps = 20 if quick else 200
    loop.train(bodies.tiny_bert(data.tokenizer), data.rows, goal, steps, evaluate=fill, batch_size=32)
    table = [["a lesson's work", contenders._memory_mb()]]
    return {"title": "Memory of one process", "header": ["", "MB"], "rows": table}


PARTS = {"masking": masking_speed, "pairs": pairs, "tokens": tokens, "scaling": cost, "where": where,
         "start": start, "memory": memory}  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    runtime.setup()
    print(json.dumps(PARTS[options.part](options.quick)))


if __name__ == "__main__":
    main()
