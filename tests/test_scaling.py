"""Seeds stacked on one device, and one run over two processes, both equal the plain loop."""

import json
import math
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass, fields, replace

import pytest
import torch
from torch import distributed

from course_lib import runtime
from course_lib.model.attention import causal_mask
from course_lib.model.bodies import causal_bert, tiny_bert, tiny_gpt
from course_lib.text.tokenization import word_tokenizer
from course_lib.train import scaling
from course_lib.train.evaluation import HeldOut
from course_lib.train.loop import Diverged, train
from course_lib.train.masking import Masking
from course_lib.train.objectives import Batch, BothMasks, CausalLM, MaskedLM
from course_lib.train.scaling import can_stack, train_seeds

WORDS = "one two three four five six seven eight".split()  # noqa: SIM905
TOKENIZER = word_tokenizer(WORDS)
SMALL = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2)
MASKED, CAUSAL = MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER)
BOTH = BothMasks(MASKED, CAUSAL)


def random_rows(n=60, length=10):
    """Rows of [CLS] words [SEP]; the last third ends in padding, so that rows are asked for different numbers."""
    ids = torch.randint(5, len(TOKENIZER), (n, length), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, -1] = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id
    ids[2 * n // 3 :, -3:] = torch.tensor([TOKENIZER.sep_token_id, *[TOKENIZER.pad_token_id] * 2])
    return ids


ROWS = random_rows()


@pytest.fixture(autouse=True)
def one_cpu_in_float32(monkeypatch):
    """What is compared exactly must not depend on the machine."""
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setenv("COURSE_PRECISION", "fp32")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def bert(**overrides):
    return tiny_bert(TOKENIZER, **SMALL | overrides)


def decoder():
    return causal_bert(TOKENIZER, **SMALL)


def gpt():
    return tiny_gpt(TOKENIZER, n_embd=32)


def alone(build, seed, objective, steps, **settings):
    runtime.seed_all(seed)
    model = build()
    return model, train(model, ROWS, objective, steps, seed=seed, **settings)


def apart(a, b):
    """The largest difference of two models' weights, keys' biases aside.

    Adding the same number to all of a query's scores changes no softmax: these biases have no gradient but rounding
    noise, which Adam scales up to whole steps.
    """
    return max(
        (p - q).abs().max().item()
        for (name, p), q in zip(a.named_parameters(), b.parameters(), strict=True)
        if not name.endswith("key.bias")
    )


# --- many seeds at once
@pytest.mark.parametrize(
    "build,objective",
    [
        (bert, MASKED), (bert, MaskedLM(Masking.of(TOKENIZER, exact=False, rate=0.4))), (decoder, CAUSAL),
        (gpt, CausalLM.of(TOKENIZER, 0.5)), (bert, BOTH),
    ],
    ids=["BERT", "BERT, each token for itself", "causal BERT", "GPT", "both masks"],
)  # fmt: skip
def test_stacked_seeds_learn_what_each_learns_alone(build, objective):
    seeds, settings = [0, 5, 2], dict(batch_size=16, learning_rate=2e-3)
    held_out = HeldOut(ROWS[:20], objective)
    stacked = train_seeds(build, ROWS, objective, 10, seeds, evaluate=held_out, evaluations=2, **settings)
    assert len(stacked) == 3
    for seed, (model, history) in zip(seeds, stacked, strict=True):
        one, expected = alone(build, seed, objective, 10, evaluate=held_out, evaluations=2, **settings)
        assert apart(model, one) < 1e-4
        assert history.loss == pytest.approx(expected.loss, abs=1e-5)
        assert history.accuracy == pytest.approx(expected.accuracy)
        assert (history.steps, history.tokens) == (expected.steps, expected.tokens)
        assert history.eval_tokens == expected.eval_tokens and history.evals.keys() == expected.evals.keys()
        for key, values in expected.evals.items():
            assert history.evals[key] == pytest.approx(values, abs=1e-4)
        assert not model.training and type(model) is type(one)
        assert model.config.to_dict() == one.config.to_dict()
        assert model.config._attn_implementation == one.config._attn_implementation
    assert apart(stacked[0][0], stacked[1][0]) > 0.1  # the seeds differ


def test_gradients_are_clipped_for_each_seed():
    """One seed's steep start must not shorten the steps of the others."""
    steep = lambda: bert(initializer_range=0.5 if torch.initial_seed() == 1 else 0.02)  # noqa: E731
    settings = dict(batch_size=16, learning_rate=1e-3)
    (gentle, _), (other, _) = train_seeds(steep, ROWS, MASKED, 6, [0, 1], **settings)
    assert apart(gentle, alone(steep, 0, MASKED, 6, **settings)[0]) < 1e-4  # 1e-3 if both were clipped as one
    assert apart(other, alone(steep, 1, MASKED, 6, **settings)[0]) < 2e-3  # Adam enlarges what processors round


def test_a_stack_in_bfloat16_learns_alike(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "bf16")
    for seed, (_, history) in enumerate(train_seeds(bert, ROWS, MASKED, 20, [0, 1], batch_size=16)):
        expected = alone(bert, seed, MASKED, 20, batch_size=16)[1]
        assert history.loss == pytest.approx(expected.loss, abs=0.02)


@dataclass(frozen=True)
class Paired(Batch):
    """A batch that asks for more than this module knows."""

    is_next: torch.Tensor | None = None


def test_what_cannot_be_stacked_is_said_before_training():
    assert can_stack(bert(), ROWS, MASKED) and can_stack(gpt(), ROWS, BOTH)
    with_dropout = lambda: bert(hidden_dropout_prob=0.1)  # noqa: E731
    paired = lambda rows, g: Paired(**parts(MASKED(rows, g)), is_next=torch.ones(len(rows)))  # noqa: E731
    assert not can_stack(with_dropout(), ROWS, MASKED) and not can_stack(bert(), ROWS, paired)
    for build, objective, seeds, message in (
        (with_dropout, MASKED, [0], "dropout of 0.1 .* one by one with loop.train"),
        (bert, paired, [0], "does not know the batch's is_next"),
        (bert, MASKED, [], r"seeds=\[\]"),
        (bert, MASKED, [3, 3], r"seeds=\[3, 3\].*only once"),
    ):
        with pytest.raises(ValueError, match=message):
            train_seeds(build, ROWS, objective, 3, seeds)
    with pytest.raises(ValueError, match="batch_size=0"):
        train_seeds(bert, ROWS, MASKED, 3, [0], batch_size=0)


def test_one_seed_that_diverges_is_named():
    broken = lambda: bert(initializer_range=math.inf if torch.initial_seed() == 7 else 0.02)  # noqa: E731
    with pytest.raises(ValueError, match="starts with NaN or infinity in 'bert"):
        train_seeds(broken, ROWS, MASKED, 5, [0, 7], batch_size=8, name="x")
    with pytest.raises(Diverged, match="'model, seed [01]' became .*Try a lower rate") as caught:
        train_seeds(bert, ROWS, MASKED, 30, [0, 1], batch_size=8, learning_rate=1e38)
    assert all(torch.isfinite(p).all() for p in caught.value.model.parameters())


def test_interrupted_stacks_keep_what_they_have():
    calls = []

    def stop(model):
        calls.append(parameters(model))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return {"x": 1.0}

    (first, history), (second, _) = train_seeds(bert, ROWS, MASKED, 20, [0, 1], batch_size=8, evaluate=stop)
    assert history.interrupted and history.steps[-1] == 4
    assert torch.equal(parameters(first), calls[2]) and torch.equal(parameters(second), calls[3])


def parameters(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# --- one run over several processes
@pytest.mark.parametrize("together", [2, 3, 7])
def test_shares_make_up_the_batch(together, monkeypatch):
    """With and without a mask for each row, also where rows do not divide evenly."""
    drawn = MASKED(ROWS[35:51], torch.Generator().manual_seed(0))
    monkeypatch.setattr(distributed, "get_world_size", lambda: together)
    for whole in (
        drawn, replace(drawn, attention_mask=causal_mask(10)),
        replace(drawn, attention_mask=torch.rand(16, 1, 10, 10)), Paired(**parts(drawn), is_next=torch.arange(16)),
    ):  # fmt: skip
        shares = []
        for rank in range(together):
            monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
            shares.append(scaling.Share(whole))
        assert {(share.asked, share.tokens) for share in shares} == {(whole.asked, whole.tokens)}
        shares = [share.batch for share in shares]
        assert {len(part.select) for part in shares} <= {16 // together, 16 // together + 1}
        for name, value in parts(whole).items():
            if value is not None and not (name == "attention_mask" and len(value) == 1):
                assert torch.equal(torch.cat([getattr(part, name) for part in shares]), value)
        for part in shares:
            assert int(part.select.sum()) == len(part.targets)
            if whole.attention_mask is not None and len(whole.attention_mask) == 1:
                assert part.attention_mask is whole.attention_mask


def parts(batch):
    return {field.name: getattr(batch, field.name) for field in fields(batch)}


def test_alone_it_is_the_plain_loop():
    runtime.seed_all(0)
    model = bert()
    with scaling.joined() as (rank, together):
        assert (rank, together) == (0, 1)
        history = scaling.train_together(model, ROWS, MASKED, 4, batch_size=8)
    one, expected = alone(bert, 0, MASKED, 4, batch_size=8)
    assert apart(model, one) == 0 and history.loss == expected.loss


TOGETHER = """
    import json, sys
    from test_scaling import *

    found = {}
    lonely = ROWS.clone()
    lonely[0, 1:-1] = TOKENIZER.sep_token_id  # a row that is asked for nothing
    with scaling.joined() as (rank, together):
        for name, (build, objective, settings) in RUNS.items():
            runtime.seed_all(3 if rank == 0 else 4)  # whatever the others began with
            model = build()
            history = scaling.train_together(model, ROWS, objective, 12, seed=3, **settings)
            torch.save(model.state_dict(), f"{sys.argv[1]}/{name} {rank}.pt")
            found[name] = history.loss, history.accuracy, history.tokens
        runtime.seed_all(0)
        found["lonely"] = scaling.train_together(bert(), lonely[:2], MASKED, 4, batch_size=2).loss
        for name, settings in (("batch", dict(batch_size=1)), ("rate", dict(batch_size=8, learning_rate=1e38))):
            try:
                scaling.train_together(bert(), ROWS, MASKED, 30, **settings)
            except (ValueError, Diverged) as error:
                found[name] = str(error)
        with open(f"{sys.argv[1]}/{rank}.json", "w") as file:
            json.dump([together, found], file)
"""
RUNS = {
    "masked": (bert, MASKED, dict(batch_size=16)),
    "uneven": (decoder, CAUSAL, dict(batch_size=7)),
    "both": (bert, BOTH, dict(batch_size=5)),
    "gpt": (gpt, CausalLM.of(TOKENIZER, 0.5), dict(batch_size=16)),
}


def torchrun(*arguments, processes=2):
    here = os.path.dirname(__file__)
    path = os.pathsep.join([here, os.path.dirname(here), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}, text=True, capture_output=True, timeout=240,
    )  # fmt: skip


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    (folder / "script.py").write_text(textwrap.dedent(TOGETHER), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DEVICE", "cpu")
        patch.setenv("COURSE_PRECISION", "fp32")
        done = torchrun(str(folder / "script.py"), str(folder))
    assert done.returncode == 0, done.stderr
    return folder, [json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_as_one(together, name):
    folder, ((count, first), (_, second)) = together
    build, objective, settings = RUNS[name]
    one, history = alone(build, 3, objective, 12, **settings)
    states = [torch.load(folder / f"{name} {rank}.pt") for rank in range(2)]
    assert count == 2
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key
    other = build()
    other.load_state_dict(states[0])
    assert apart(one, other) < 1e-5
    loss, accuracy, tokens = first[name]
    assert first[name] == second[name]
    assert loss == pytest.approx(history.loss, abs=1e-5)
    assert accuracy == pytest.approx(history.accuracy) and tokens == history.tokens


def test_two_processes_stop_together(together):
    """A share without anything to predict is no harm; what cannot go on ends in both with the same message."""
    (_, first), (_, second) = together[1]
    assert first == second
    assert len(first["lonely"]) == 4 and all(map(math.isfinite, first["lonely"]))
    assert "batch_size=1 cannot be shared by 2 processes" in first["batch"] and "batch_size=2" in first["batch"]
    assert "Try a lower rate" in first["rate"]


def test_the_command_trains_and_says_how_fast(capsys):
    scaling.main(["--steps", "2", "--batch-size", "4"])
    out = capsys.readouterr().out
    assert "1 process(es) on cpu" in out and "tokens/s, loss" in out and "after 256 tokens" in out
    done = torchrun("-m", "course_lib.train.scaling", "--steps", "2", "--batch-size", "4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("tokens/s") == 1 and "2 process(es) on cpu" in done.stdout


def test_a_device_that_cannot_be_shared_is_refused(monkeypatch):
    for key, value in dict(TORCHELASTIC_RUN_ID="x", LOCAL_RANK="0", LOCAL_WORLD_SIZE="2").items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(runtime, "device", lambda: torch.device("mps"))
    with pytest.raises(ValueError, match="'mps'; set COURSE_DEVICE=cpu"), scaling.joined():
        pass
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for device in ("cuda", "cuda:0"):
        monkeypatch.setattr(runtime, "device", lambda device=device: torch.device(device))
        with pytest.raises(ValueError, match="2 processes .* a GPU each: there are 1"), scaling.joined():
            pass
