"""The contenders of training_speed.py: each runs alone in a fresh process and prints one line of JSON.

    python -m tools.bench.contenders {peak,course,trainer,plain,d2l} {fp32,bf16} --steps 60

The same model, rows, batch and hyperparameters for all; README.md says what is counted and why.
"""

import argparse
import functools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import torch

from course_lib import runtime
from course_lib.model import bodies
from course_lib.text import corpora, packing, tokenization
from course_lib.town import language
from course_lib.train import loop, masking, objectives
from tools.bench import peers

__all__ = ["course", "d2l", "flops_per_token", "make_trainer", "peak", "plain", "trainer"]

LENGTH, LEARNING_RATE, WARM_UP_SHARE, STORIES = 32, 3e-3, 0.25, 4000


def peak(steps, batch_size, bf16):
    """Measure the best rate of large square matrix products, FLOP/s, in float32 and in native bfloat16."""
    device = runtime.device()
    size = 2048 if device.type == "cpu" else 8192
    native = runtime.precision(device) == torch.bfloat16
    rates = {}
    for name, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items():
        if name == "bf16" and not native:
            continue
        a = torch.randn(size, size, device=device).to(dtype)
        best, started = 0.0, time.perf_counter()
        while time.perf_counter() - started < 2.0:
            before = time.perf_counter()
            for _ in range(4):
                torch.mm(a, a)
            _finish(device)
            best = max(best, 4 * 2 * size**3 / (time.perf_counter() - before))
        rates[name] = best
    return {"peak": rates, "machine": _machine(device)}


def course(steps, batch_size, bf16):
    """Train with course_lib.train.loop.train; tokens/s after the first quarter of the steps."""
    tokenizer, rows = _data()
    objective = objectives.MaskedLM(masking.Masking.of(tokenizer))
    model = _model(tokenizer)
    history = loop.train(
        model, rows, objective, steps, batch_size=batch_size, learning_rate=LEARNING_RATE, seed=0
    )
    at = next(i for i, step in enumerate(history.steps) if step >= WARM_UP_SHARE * steps)
    rate = (history.tokens[-1] - history.tokens[at]) / (history.seconds[-1] - history.seconds[at])
    selected = objective(rows, torch.Generator().manual_seed(0)).select.float().mean().item()
    late = history.loss[at:]
    return {
        "tokens_per_second": rate,
        "flops_per_token": flops_per_token(model, LENGTH, selected),
        "loss": sum(late) / len(late),
        "memory_mb": _memory_mb(),
    }


def trainer(steps, batch_size, bf16):
    """Train with transformers.Trainer and DataCollatorForLanguageModeling, everything else the same."""
    from transformers import TrainerCallback

    tokenizer, rows = _data()
    model = _model(tokenizer, attn_implementation="sdpa")  # its default
    device, clock, first = runtime.device(), [], max(1, round(WARM_UP_SHARE * steps))

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step in (first, steps):
                _finish(device)
                clock.append(time.perf_counter())

    run = make_trainer(tokenizer, rows, model, steps, batch_size, LEARNING_RATE, bf16, Clock())
    run.train()
    late = [x["loss"] for x in run.state.log_history if x.get("step", 0) > first and "loss" in x]
    return {
        "tokens_per_second": (steps - first) * batch_size * LENGTH / (clock[1] - clock[0]),
        "flops_per_token": flops_per_token(model, LENGTH, 1.0),
        "loss": sum(late) / len(late),
        "memory_mb": _memory_mb(),
    }


def make_trainer(tokenizer, rows, model, steps, batch_size, learning_rate, bf16, callback, seed=0):
    """Set Trainer up as its documentation advises: special tokens marked beforehand, nothing saved or reported."""
    from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

    device, special = runtime.device(), torch.isin(rows, torch.tensor(sorted(set(tokenizer.all_special_ids))))
    dataset = [
        {"input_ids": row, "special_tokens_mask": mask}
        for row, mask in zip(rows.tolist(), special.int().tolist(), strict=True)
    ]
    folder = tempfile.TemporaryDirectory()
    settings = TrainingArguments(
        output_dir=folder.name, max_steps=steps, per_device_train_batch_size=batch_size, bf16=bf16, seed=seed,
        learning_rate=learning_rate, lr_scheduler_type="cosine", warmup_steps=round(0.1 * steps),
        optim="adamw_torch_fused", adam_beta2=0.98, weight_decay=0.01, max_grad_norm=1.0,
        logging_steps=max(1, round(WARM_UP_SHARE * steps)), save_strategy="no", report_to="none", disable_tqdm=True,
        dataloader_pin_memory=device.type == "cuda", use_cpu=device.type == "cpu",
    )  # fmt: skip
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    run = Trainer(model, settings, data_collator=collator, train_dataset=dataset, callbacks=[callback])
    run.folder = folder  # goes when the Trainer goes
    run.pop_callback(next(c for c in run.callback_handler.callbacks if "Printer" in type(c).__name__))
    return run


def plain(steps, batch_size, bf16):
    """Train in a plain loop, as a tutorial writes it."""
    data = _data()
    model = _model(data[0], attn_implementation="sdpa").to(runtime.device())
    rate, loss = peers.plain(data, model, steps, batch_size, LEARNING_RATE, WARM_UP_SHARE)
    return {
        "tokens_per_second": rate, "flops_per_token": flops_per_token(model, LENGTH, 1.0), "loss": loss,
        "memory_mb": _memory_mb(),
    }  # fmt: skip


def d2l(steps, batch_size, bf16):
    """Train the BERT of the d2l book."""
    data = _data()
    runtime.seed_all(0)
    net = peers.d2l_model(len(data[0]), LENGTH).to(runtime.device())
    rate, loss = peers.d2l(data, net, steps, batch_size, LEARNING_RATE, WARM_UP_SHARE)
    weights = {name: 0 for name in ("encoder", "mlm")}
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.Linear) and name.split(".")[0] in weights:
            weights[name.split(".")[0]] += module.weight.numel()
    selected = 5 / LENGTH  # of 32 tokens
    work = 6 * (weights["encoder"] + selected * weights["mlm"]) + 12 * LENGTH * 128 * 2
    return {"tokens_per_second": rate, "flops_per_token": work, "loss": loss, "memory_mb": _memory_mb()}


def flops_per_token(model, length, selected):
    """Count the matrix-product FLOPs that one token of training costs this model, as it is run.

    6 per weight of each linear layer: 2 forward (multiply, add), 4 backward (for inputs and weights). The
    head, and what follows the last attention, count only at the ``selected`` share of positions. Attention:
    12 x T x D per layer, from two products of 2 x T x D forward and twice that backward. Embeddings,
    LayerNorm, GELU and softmax are not counted.
    """
    last = model.bert.encoder.layer[-1]
    parts = (last.attention.output, last.intermediate, last.output, model.cls)
    per_position = {module for part in parts for module in part.modules()}
    weights = {True: 0, False: 0}
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            weights[module in per_position] += module.weight.numel()
    attention = 12 * length * model.config.hidden_size * model.config.num_hidden_layers
    return 6 * (weights[False] + selected * weights[True]) + attention


@functools.cache
def _data():
    """Build the tokenizer and the rows, int64 [N, 32]: Tiny Town, as the lessons use it."""
    corpus = corpora.tiny_town(STORIES, seed=0)
    tokenizer = tokenization.word_tokenizer(language.TinyTown.load().vocabulary)
    return tokenizer, packing.blocks(tokenizer, tokenization.encode_documents(tokenizer, corpus), LENGTH)


def _model(tokenizer, **overrides):
    runtime.seed_all(0)
    return bodies.tiny_bert(tokenizer, **overrides)


def _finish(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory_mb():
    """Return the largest memory this process has held, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _machine(device):
    """Describe what the figures belong to; only facts that cannot identify a person or a place."""
    import platform
    from importlib import metadata

    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
        cpu = found[0].split(":")[1].strip() if found else cpu
    versions = {found.name: found.version for found in metadata.distributions()}
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "features": [f for f in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if features.get(f)],
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": str(runtime.precision(device)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": {name: versions[name] for name in ("torch", "transformers", "accelerate") if name in versions},
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("contender", choices=["peak", "course", "trainer", "plain", "d2l"])
    parser.add_argument("precision", choices=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=128)
    options = parser.parse_args()
    runtime.setup()
    found = globals()[options.contender](options.steps, options.batch_size, options.precision == "bf16")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
