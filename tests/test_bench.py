"""The benchmark: everybody runs, the table can be read, and the shortcut behind the speed changes nothing."""

import importlib.util
import json

import pytest
import torch

from course_lib import runtime
from course_lib.model import bodies, fast
from course_lib.model.attention import causal_mask
from course_lib.text import tokenization
from course_lib.town import language
from tools.bench import __main__ as bench
from tools.bench import contenders, results, training_speed


@pytest.fixture(scope="module")
def tokenizer():
    return tokenization.word_tokenizer(language.TinyTown.load().vocabulary)


# --- the shortcut ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [bodies.tiny_bert, bodies.causal_bert, bodies.tiny_gpt])
@pytest.mark.parametrize("mask", ["none", "padding", "causal"])
def test_selected_positions_get_the_same_logits_and_gradients(tokenizer, build, mask):
    """The reference is transformers' own forward pass on all positions, with its eager attention."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(5, len(tokenizer), (6, 16), generator=draw)
    select = torch.rand(ids.shape, generator=draw) < 0.2
    padding = torch.ones_like(ids)
    padding[:3, 10:] = 0
    given = {"none": None, "padding": padding, "causal": causal_mask(16)}[mask]
    found = []
    for attention in (bodies.ATTENTION, "eager"):
        runtime.seed_all(0)
        model = build(tokenizer, attn_implementation=attention)
        if attention == "eager":
            logits = model(input_ids=ids, attention_mask=given).logits[select]
        else:
            logits = bodies.logits_at(model, ids, select, given)
        torch.nn.functional.cross_entropy(logits, ids[select]).backward()
        found.append((logits, [p.grad for p in model.parameters()]))
    (ours, our_gradients), (theirs, their_gradients) = found
    assert torch.allclose(ours, theirs, atol=2e-6)
    for mine, other in zip(our_gradients, their_gradients, strict=True):
        assert torch.allclose(mine, other, atol=2e-6)


def test_the_hook_leaves_the_model_as_it_was(tokenizer):
    model = bodies.tiny_bert(tokenizer)
    ids = torch.randint(5, len(tokenizer), (2, 8))
    with pytest.raises(IndexError):  # a selection of the wrong shape fails inside the hook
        bodies.logits_at(model, ids, torch.ones(3, 9, dtype=torch.bool))
    assert model(input_ids=ids).logits.shape == (2, 8, len(tokenizer))


@pytest.mark.parametrize("mask", [None, "bool", "additive"])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_in_bfloat16_is_the_same_mathematics(mask, causal):
    draw = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 2, 2, 6, 8, generator=draw)
    allowed = torch.rand(2, 1, 6, 6, generator=draw) < 0.6
    allowed |= torch.eye(6, dtype=torch.bool)
    given = {None: None, "bool": allowed, "additive": (~allowed) * torch.finfo(torch.float32).min}[mask]
    arguments = dict(scaling=8**-0.5, is_causal=causal)
    exact, _ = fast.course_attention(None, query, key, value, given, **arguments)
    rough, _ = fast.course_attention(None, *(x.bfloat16() for x in (query, key, value)), given, **arguments)
    assert rough.dtype == torch.bfloat16
    assert torch.allclose(exact, rough.float(), atol=0.05)


# --- the benchmark -----------------------------------------------------------------------------------------


def test_counts_the_matrix_products(tokenizer):
    """Checked against PyTorch's own counter of a real step, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    model = bodies.tiny_bert(tokenizer, attn_implementation="eager")
    ids = torch.randint(5, len(tokenizer), (4, 32))
    count = contenders.flops_per_token
    for select in (torch.ones_like(ids, dtype=torch.bool), torch.arange(32).expand(4, 32) % 8 == 0):
        with FlopCounterMode(display=False) as counter:
            bodies.logits_at(model, ids, select).sum().backward()
        counted = counter.get_total_flops() / ids.numel()
        assert count(model, 32, select.float().mean().item()) == pytest.approx(counted, rel=0.01)


@pytest.mark.slow
def test_prints_a_table_and_writes_json(monkeypatch, tmp_path, capsys):
    """Without Trainer, which needs a package of its own: .ci/run measures it by `make bench`."""
    file, found = tmp_path / "speed.json", {label: who for label, who in training_speed.CONTENDERS.items()
                                            if who[0] in ("course", "plain")}  # fmt: skip
    monkeypatch.setattr(training_speed, "CONTENDERS", found)
    monkeypatch.setattr(training_speed, "REFERENCE", "plain loop, fp32")
    monkeypatch.setattr(bench, "missing", lambda: "")
    small = ["--rounds", "1", "--steps", "8", "--batch-size", "8", "--threads", "1", "--json", str(file)]
    assert bench.main(["--only", "training", *small]) == 0
    text, found = capsys.readouterr().out, json.loads(file.read_text(encoding="utf-8"))["training"]
    for label, runs in found["runs"].items():
        assert f"\n{label} " in text
        assert len(runs) == 1 and runs[0]["tokens_per_second"] > 0 and 4 < runs[0]["loss"] < 7
    assert {"course, fp32", "plain loop, fp32"} <= set(found["runs"])
    assert found["machine"]["threads"] == 1 and found["peak_flops"][0]["fp32"] > 1e8


def test_the_page_holds_the_goals_against_the_run():
    """Whatever was measured is judged: a goal that was missed is called so, and its reason stands below."""
    rate = {"course, fp32": 14.0, "Trainer, fp32": 10.0, "course, bf16": 31.0}
    runs = {name: [{"tokens_per_second": x, "flops_per_token": 1e6}] for name, x in rate.items()}
    found = {
        "training": {"runs": runs, "peak_flops": [{"fp32": 2.8e7, "bf16": 1.24e8}], "machine": {"cores": 2}},
        "where": {"rows": [["time of a step: matrix products", "50%"]]},
        "learning": {"rows": [["course", "2 of 2", 31.0, 40.0, "", ""]]},
        "masking": {"rows": [[32, "course, each token for itself", 1.0, 12.0],
                             [128, "course, each token for itself", 1.0, 22.0]]},
    }  # fmt: skip
    page = results._goals(found)
    verdict = {line.split("|")[1].strip(): line.split("|")[-2].strip() for line in page if line.startswith("| ")}
    assert verdict["training with bfloat16, x Trainer in float32"] == "met"
    assert verdict["training in float32, x Trainer"] == "not met"
    assert verdict["share of the matrix-product peak"] == "not met"  # 31e6 / 124e6
    assert verdict["seconds of training to 97% of the ceiling"] == "not met"
    assert verdict["masking, x collator, drawn in its way"] == "met from 128 rows up"
    reasons = "\n".join(line for line in page if line.startswith("- "))
    assert "products take 50% of what this machine gives" in reasons and "matrix products are 50% of" in reasons


def test_the_page_says_what_the_run_left_out():
    machine = {"cpu": "X", "features": [], "threads": 1, "cores": 1, "device": "cpu", "precision": "bfloat16",
               "system": "Linux", "packages": {}}  # fmt: skip
    whole = {part: {"title": part, "header": ["", "n"], "rows": [["a", 1]]} for part in bench.PARTS}
    del whole["training"]
    assert "**Not part of this run:** training.\n" in results._page(whole, machine, False)
    del whole["start"]
    assert "**Not part of this run:** training, start." in results._page(whole, machine, False)


def test_says_what_is_missing_or_wrong(monkeypatch, capsys):
    assert bench.main(["--steps", "3"]) == 2
    assert "--steps 3: must be at least 8" in capsys.readouterr().err
    find = importlib.util.find_spec
    without = {"accelerate": None}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: without.get(name, name) and find(name, *a))
    assert bench.main([]) == 1
    assert "accelerate" in capsys.readouterr().err
