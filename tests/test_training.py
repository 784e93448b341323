"""The training loop learns, repeats itself, stops well, and its cache never costs a result."""

import errno
import json
import math
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
import torch
from transformers import pipeline

from course_lib import checkpoints, runtime, training
from course_lib.evaluation import HeldOut
from course_lib.masking import Masking
from course_lib.models import causal_bert, tiny_bert, tiny_gpt
from course_lib.objectives import CausalLM, MaskedLM
from course_lib.tokenization import word_tokenizer
from course_lib.training import Diverged, History, fit, train

WORDS = "one two three four five six seven eight".split()  # noqa: SIM905
TOKENIZER = word_tokenizer(WORDS)
SMALL = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=1)
MASKED, CAUSAL = MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER)


def counting_rows(n=200, length=10):
    """Rows that count on from a random number: [CLS] three four five ... [SEP]."""
    start = torch.randint(8, (n, 1), generator=torch.Generator().manual_seed(0))
    ids = torch.tensor(TOKENIZER.convert_tokens_to_ids(WORDS))[(start + torch.arange(length - 2)) % 8]
    edge = torch.ones(n, 1, dtype=torch.long)
    return torch.cat([TOKENIZER.cls_token_id * edge, ids, TOKENIZER.sep_token_id * edge], dim=1)


ROWS = counting_rows()


@pytest.fixture(autouse=True)
def one_cold_cpu(tmp_path, monkeypatch):
    """One thread, float32, an empty cache: what is compared exactly must not depend on the machine."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setenv("COURSE_PRECISION", "fp32")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def bert():
    runtime.seed_all(0)
    return tiny_bert(TOKENIZER, **SMALL)


def weights(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# --- it learns
@pytest.mark.parametrize(
    "build,objective",
    [
        (lambda: tiny_bert(TOKENIZER, **SMALL), MASKED),
        (lambda: causal_bert(TOKENIZER, **SMALL), CAUSAL),
        (lambda: tiny_gpt(TOKENIZER, n_embd=32, n_layer=1), CAUSAL),
    ],
    ids=["BERT", "causal BERT", "GPT"],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_falls_and_what_was_learnt_holds(build, objective, precision, monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", precision)
    runtime.seed_all(0)
    model = build()
    history = train(model, ROWS, objective, 150, batch_size=64, learning_rate=1e-2, name="counting")
    assert history.loss[0] > 1.5 > 0.8 > history.loss[-1]  # ln 8 = 2.08 to begin with
    assert HeldOut(ROWS, objective).score(model).accuracy > 0.75  # 7/8 is possible to the left-only reader
    assert not model.training  # ready to be used


def test_history_tells_what_happened():
    held_out = HeldOut(ROWS[:20], MASKED)
    history = train(bert(), ROWS, MASKED, 60, batch_size=16, name="mine", evaluate=held_out, evaluations=4)
    assert history.name == "mine" and not history.interrupted
    assert history.steps == list(range(1, 61))
    assert history.tokens == [step * 16 * 10 for step in history.steps]
    lengths = {len(x) for x in (history.seconds, history.loss, history.accuracy)}
    assert lengths == {60}
    assert history.seconds == sorted(history.seconds) and history.seconds[0] > 0
    assert history.tokens_per_second == pytest.approx(9600 / history.seconds[-1])
    assert set(history.evals) == {"held-out loss", "held-out accuracy"}
    assert [len(x) for x in history.evals.values()] == [4, 4]
    assert history.eval_tokens == [15 * 160, 30 * 160, 45 * 160, 60 * 160]
    long = train(bert(), ROWS, MASKED, 130, batch_size=2)
    assert 50 <= len(long.steps) <= 66 and long.steps[-1] == 130


def test_the_noted_loss_is_the_mean_since_the_last_note(monkeypatch):
    """With a learning rate of nothing, each note must be the loss of its own batches."""
    seen = []

    def spy(rows, generator):
        batch = MASKED(rows, generator)
        seen.append(batch)
        return batch

    model = bert()
    history = train(model, ROWS, spy, 120, batch_size=4, learning_rate=1e-30)
    assert history.steps[:2] == [2, 4]
    from course_lib.models import logits_at

    nats, right, n = 0.0, 0, 0
    for batch in seen[2:4]:
        logits = logits_at(model, batch.input_ids, batch.select)
        nats += torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum").item()
        right, n = right + int((logits.argmax(1) == batch.targets).sum()), n + len(batch.targets)
    assert history.loss[1] == pytest.approx(nats / n, rel=1e-4)
    assert history.accuracy[1] == pytest.approx(right / n)


# --- it repeats itself
def test_the_seed_decides_everything():
    runs = []
    for seed in (0, 0, 1):
        model = bert()
        history = train(model, ROWS, MASKED, 20, batch_size=16, seed=seed)
        runs.append((weights(model), history.loss))
    assert same(runs[0][0], runs[1][0]) and runs[0][1] == runs[1][1]
    assert not same(runs[0][0], runs[2][0])


def test_looking_on_changes_nothing():
    """Evaluations in between do not move the training: not its masks, not its dropout, not its order."""
    alone, watched = bert(), bert()
    train(alone, ROWS, MASKED, 20, batch_size=16)
    train(watched, ROWS, MASKED, 20, batch_size=16, evaluate=HeldOut(ROWS[:20], MASKED), evaluations=5)
    assert same(weights(alone), weights(watched))


def test_an_evaluation_that_forgets_eval_mode_does_not_switch_dropout_off():
    modes = []

    def spy(rows, generator):
        modes.append(model.training)
        return MASKED(rows, generator)

    model = bert()
    train(model, ROWS, spy, 6, batch_size=4, evaluate=lambda m: {"x": float(m.eval().training)}, evaluations=3)
    assert modes == [True] * 6


def test_every_row_is_read_once_before_any_is_read_twice():
    rows, n = torch.arange(10)[:, None].expand(10, 3), 10
    for batch_size, steps in ((3, 20), (10, 3), (25, 4), (1, 30)):
        batches = list(training._batches(rows, batch_size, steps, torch.Generator().manual_seed(0)))
        assert [batch.shape for batch in batches] == [(batch_size, 3)] * steps
        order = torch.cat(batches)[:, 0].tolist()
        rounds = [order[i : i + n] for i in range(0, len(order) - n + 1, n)]
        assert len(rounds) >= 3 and all(sorted(r) == list(range(n)) for r in rounds)
        assert rounds[0] != rounds[1]


def test_the_learning_rate_goes_up_and_down_once():
    rates = [training._one_cycle(step, 100, 2.0) for step in range(1, 101)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == 2.0 == max(rates)
    assert rates[:10] == sorted(rates[:10]) and rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[54] == pytest.approx(0.02 + 1.98 / 2) and rates[-1] == pytest.approx(0.02)
    assert training._one_cycle(1, 1, 2.0) == 2.0


@pytest.mark.parametrize("build,objective", [(tiny_bert, MASKED), (causal_bert, CAUSAL), (tiny_gpt, CAUSAL)])
def test_bfloat16_learns_as_float32_does(build, objective, monkeypatch):
    """At the lessons' size and learning rate: 30 losses, each within 0.02 nats, while they fall by more than 0.3."""
    losses = {}
    for precision in ("fp32", "bf16"):
        monkeypatch.setenv("COURSE_PRECISION", precision)
        runtime.seed_all(0)
        losses[precision] = train(build(TOKENIZER), ROWS, objective, 30, batch_size=32, learning_rate=2e-3).loss
    assert losses["fp32"] != losses["bf16"]
    assert max(abs(a - b) for a, b in zip(*losses.values(), strict=True)) < 0.02
    assert losses["fp32"][0] - losses["fp32"][-1] > 0.3


# --- it stops well
def test_stopped_by_the_user_it_keeps_what_it_has(capsys):
    calls = []

    def stop(model):
        calls.append(weights(model))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {"score": 1.0}

    model = bert()
    history = train(model, ROWS, MASKED, 40, batch_size=16, evaluate=stop, evaluations=4, name="mine")
    assert history.interrupted and history.steps[-1] == 20
    assert history.evals == {"score": [1.0]} and len(history.eval_tokens) == 1
    assert same(weights(model), calls[1]) and not same(calls[0], calls[1])
    assert not model.training
    assert "mine: stopped by you after 3,200 tokens" in capsys.readouterr().out


class Poison:
    """An objective that spoils one of the model's weights before a given step, as a bad update would."""

    def __init__(self, model, step, value=math.nan):
        self.model, self.step, self.value, self.steps, self.states = model, step, value, 0, []

    def __call__(self, rows, generator):
        self.steps += 1
        self.states.append(weights(self.model))
        if self.steps == self.step:
            with torch.no_grad():
                next(self.model.parameters()).fill_(self.value)
        return MASKED(rows, generator)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_and_goes_back(value):
    model = bert()
    poison = Poison(model, 7, value)
    with pytest.raises(Diverged, match=r"loss of 'mine' became nan at step 7 .learning rate 0\.0\d+.*lower") as caught:
        train(model, ROWS, poison, 40, batch_size=16, name="mine", learning_rate=1e-2)
    assert "e.g. 0.003" in str(caught.value)
    assert caught.value.model is model and not model.training
    assert caught.value.history.steps == [1, 2, 3, 4, 5, 6]
    assert same(weights(model), poison.states[5])  # the weights that gave the last finite loss
    assert math.isfinite(HeldOut(ROWS[:20], MASKED).score(model).loss)


@pytest.mark.parametrize("steps", [12, 150])
def test_a_learning_rate_far_too_high_leaves_usable_weights(steps):
    """The update, not the loss, breaks the weights: what is kept must be from before it."""
    model = bert()
    with pytest.raises(Diverged, match="Try a lower"):
        train(model, ROWS, MASKED, steps, batch_size=16, learning_rate=1e38)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert math.isfinite(HeldOut(ROWS[:20], MASKED).score(model).loss)


def test_a_gradient_that_is_no_number_stops_before_it_spoils_the_weights():
    model = bert()
    states = []

    def spoil(gradient):
        states.append(weights(model))
        return gradient * math.inf if len(states) == 5 else gradient

    next(model.parameters()).register_hook(spoil)
    with pytest.raises(Diverged, match="gradient of 'model' became (nan|inf) at step 5 "):
        train(model, ROWS, MASKED, 5, batch_size=16)
    assert same(weights(model), states[3])


def test_nothing_to_predict_is_not_called_divergence():
    empty = torch.tensor([[TOKENIZER.cls_token_id, TOKENIZER.sep_token_id]] * 4)
    for objective in (MASKED, CAUSAL):
        with pytest.raises(ValueError, match="Step 1: no token of the batch is to be predicted"):
            train(bert(), empty, objective, 3)


# --- bad input
@pytest.mark.parametrize(
    "change,message",
    [
        (dict(steps=0), "steps=0"),
        (dict(batch_size=0), "batch_size=0"),
        (dict(learning_rate=0.0), "learning_rate=0.0 must be a positive number"),
        (dict(learning_rate=-1.0), "learning_rate=-1.0"),
        (dict(learning_rate=math.nan), "learning_rate=nan"),
        (dict(learning_rate=math.inf), "learning_rate=inf"),
        (dict(rows=ROWS[:0]), r"shape \[N, T\], not torch.int64 \(0, 10\)"),
        (dict(rows=ROWS[0]), r"\(10,\)"),
        (dict(rows=ROWS.float()), "torch.float32"),
        (dict(rows=torch.full((4, 129), 6)), "Rows of 129 tokens do not fit a model with 128 positions: cut the rows"),
        (dict(rows=torch.full((4, 9), 13)), "Token id 13 is outside the model's vocabulary of 13"),
        (dict(rows=torch.full((4, 9), -100)), "Token id -100 is outside"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_training(change, message):
    settings = dict(rows=ROWS, steps=5) | change
    model = bert()
    before = weights(model)
    with pytest.raises(ValueError, match=message):
        train(model, objective=MASKED, **settings)
    assert same(weights(model), before)


def test_gpt_s_length_is_checked_too():
    with pytest.raises(ValueError, match="Rows of 40 .* 32 positions.*n_positions for GPT-2"):
        train(tiny_gpt(TOKENIZER, n_embd=32, n_positions=32), torch.full((4, 40), 6), CAUSAL, 2)


# --- the cache
def fitted(steps=6, build=bert, objective=MASKED, rows=ROWS, **settings):
    return fit(build, rows, objective, steps, tokenizer=TOKENIZER, **({"batch_size": 8} | settings))


@pytest.fixture
def no_training(monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("trained again")

    def switch(off=True):
        monkeypatch.setattr(training, "train", forbidden if off else TRAIN)

    return switch


TRAIN = training.train


def entries():
    return sorted(p for p in runtime.cache_dir().iterdir())


def test_the_same_thing_is_trained_once(no_training):
    held_out = HeldOut(ROWS[:20], MASKED)
    model, history = fitted(evaluate=held_out, name="first")
    no_training()
    again, remembered = fitted(evaluate=held_out, name="second")
    assert same(weights(model), weights(again)) and type(again) is type(model)
    assert remembered == replace(history, name="second")  # the name is a label, not part of the result
    assert not again.training and again.config._attn_implementation == model.config._attn_implementation
    assert held_out.score(again).loss == pytest.approx(held_out.score(model).loss, abs=1e-6)
    fitted(evaluate=HeldOut(ROWS[:20], MASKED))  # another object that asks the same questions
    assert len(entries()) == 1


def test_each_edit_makes_another_key(monkeypatch):
    def held_out(**change):
        return HeldOut(**(dict(rows=ROWS[:20], objective=MASKED, seed=1) | change))

    changed = ROWS.clone()
    changed[7, 3] = changed[7, 4]
    edits = [
        dict(), dict(steps=7), dict(seed=1), dict(batch_size=9), dict(learning_rate=1e-3), dict(rows=changed),
        dict(rows=ROWS[:-1]), dict(objective=MaskedLM(Masking.of(TOKENIZER, rate=0.2))),
        dict(build=lambda: causal_bert(TOKENIZER, **SMALL)), dict(objective=CausalLM.of(TOKENIZER)),
        dict(objective=CausalLM.of(TOKENIZER, 0.5)),
        dict(build=lambda: tiny_bert(TOKENIZER, **SMALL | {"hidden_size": 16})),
        dict(build=lambda: tiny_bert(TOKENIZER, **SMALL, initializer_range=0.3)),
        dict(build=lambda: tiny_bert(TOKENIZER, **SMALL, attn_implementation="eager")),
        dict(evaluate=held_out()), dict(evaluate=held_out(seed=2)), dict(evaluate=held_out(rows=ROWS[:21])),
        dict(evaluate=held_out(objective=CAUSAL)), dict(evaluate=held_out(), evaluations=2),
    ]  # fmt: skip
    for n, edit in enumerate(edits, 1):
        fitted(**{"build": lambda: tiny_bert(TOKENIZER, **SMALL)} | edit)
        assert len(entries()) == n, edit
    for n, seed in enumerate((8, 9), len(edits) + 1):
        fitted(build=bert, seed=seed)  # bert() seeds itself: the same first weights, other batches
        assert len(entries()) == n
    monkeypatch.setenv("COURSE_PRECISION", "bf16")
    fitted()
    assert len(entries()) == len(edits) + 3
    monkeypatch.setattr(checkpoints, "source_hash", lambda *modules: "edited")
    fitted()
    assert len(entries()) == len(edits) + 4


def test_the_course_s_own_modules_are_in_the_key(monkeypatch):
    """Everything that training calls: an edit there must not meet an old model."""
    asked = []
    monkeypatch.setattr(checkpoints, "source_hash", lambda *modules: asked.append(modules) or "x")
    fitted(steps=1, evaluate=HeldOut(ROWS[:4], MASKED))
    named = {name for modules in asked for name in modules}
    assert {"attention", "masking", "models", "objectives", "training", "evaluation"} <= named


def test_an_evaluation_without_a_fingerprint_is_not_taken_for_another():
    fitted()
    history = fitted(evaluate=lambda model: {"one": 1.0}, evaluations=2)[1]
    assert history.evals == {"one": [1.0, 1.0]}
    history = fitted(evaluate=lambda model: {"two": 2.0}, evaluations=2)[1]
    assert history.evals == {"two": [2.0, 2.0]}
    assert fitted()[1].evals == {}


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "history.json", "checksums.json"])
def test_a_damaged_checkpoint_is_made_again_with_a_message(file, capsys, no_training):
    model, _ = fitted()
    [entry] = entries()
    content = (entry / file).read_bytes()
    (entry / file).write_bytes(content[: len(content) // 2])
    again, _ = fitted()
    assert "is damaged; it is made again" in capsys.readouterr().out
    assert same(weights(model), weights(again))
    no_training()
    fitted()
    assert capsys.readouterr().out == ""


def test_cache_false_neither_reads_nor_writes(no_training):
    fitted(cache=False)
    assert entries() == []
    fitted()
    no_training()
    with pytest.raises(AssertionError, match="trained again"):
        fitted(cache=False)


def test_what_was_interrupted_or_diverged_is_not_kept():
    calls = []

    class Stop(HeldOut):
        def __call__(self, model):
            calls.append(1)
            if len(calls) == 1:
                raise KeyboardInterrupt
            return super().__call__(model)

    history = fitted(evaluate=Stop(ROWS[:20], MASKED))[1]
    assert history.interrupted and entries() == []
    assert not fitted(evaluate=Stop(ROWS[:20], MASKED))[1].interrupted and len(entries()) == 1
    with pytest.raises(Diverged) as caught:
        fitted(learning_rate=1e38, steps=20)
    assert all(torch.isfinite(p).all() for p in caught.value.model.parameters())
    assert len(entries()) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_cache_loses_no_model(number, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoints.tempfile, "mkdtemp", fail)
    model, history = fitted()
    assert len(history.steps) == 6 and HeldOut(ROWS[:20], MASKED).score(model).loss > 0
    assert os.strerror(number) in capsys.readouterr().out


def script(body, **variables):
    """Run Python in another process with this test's settings."""
    head = f"""
        import sys, torch
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        torch.set_num_threads(1)
        from test_training import *
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(body)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_disk_that_is_really_full_loses_no_model():
    """No file may grow beyond 50 kB in the other process: the operating system itself refuses the write."""
    pytest.importorskip("resource", reason="this system cannot limit the size of files")
    process = script("""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        model, history = fitted()
        print(len(history.steps), [p.name for p in runtime.cache_dir().iterdir()])
    """)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Not kept for next time" in out and "6 []" in out


def test_two_processes_that_train_the_same_thing_both_succeed(tmp_path):
    """They meet: each waits until the other has its model, and both write."""
    body = """
        import os, pathlib, time
        here = pathlib.Path(os.environ["MEET"])
        save = checkpoints.save
        def meet(name, write):
            def slow(folder):
                write(folder)
                (here / str(os.getpid())).touch()
                while len(list(here.iterdir())) < 2:
                    time.sleep(0.01)
            return save(name, slow)
        checkpoints.save = meet
        model, history = fitted()
        print(float(sum(p.double().sum() for p in model.parameters())))
    """
    (tmp_path / "meet").mkdir()
    pair = [script(body, MEET=str(tmp_path / "meet")) for _ in range(2)]
    told = [process.communicate(timeout=120) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], told
    assert told[0][0] == told[1][0]
    assert len(entries()) == 1 and checkpoints.load(entries()[0].name)


# --- the checkpoint elsewhere
def test_a_checkpoint_opens_in_the_pipelines():
    fit(lambda: tiny_bert(TOKENIZER, **SMALL), ROWS, MASKED, 120, tokenizer=TOKENIZER, batch_size=32,
        learning_rate=1e-2)  # fmt: skip
    fit(lambda: tiny_gpt(TOKENIZER, n_embd=32, n_layer=1), ROWS, CAUSAL, 120, tokenizer=TOKENIZER, batch_size=32,
        learning_rate=1e-2)  # fmt: skip
    folders = {entry.name.split("-")[0]: str(entry) for entry in entries()}
    fill = pipeline("fill-mask", model=folders["BertForMaskedLM"])
    best = fill("three four five [MASK] seven eight one two")[0]
    assert best["token_str"] == "six" and best["score"] > 0.5
    write = pipeline("text-generation", model=folders["GPT2LMHeadModel"])
    assert write.tokenizer.convert_ids_to_tokens(write.tokenizer("one two")["input_ids"]) == ["[CLS]", "one", "two"]
    written = write("three four five", max_new_tokens=3, do_sample=False, return_full_text=False)
    assert written[0]["generated_text"] == "six seven eight"


def test_history_survives_json():
    history = History("x", [1], [2], [0.5], [1.0], [0.25], {"a": [1.0]}, [2], True)
    from dataclasses import asdict

    assert History(**json.loads(json.dumps(asdict(history)))) == history
    assert History("x").tokens_per_second == 0.0


def test_a_cache_folder_that_vanished_is_made_again():
    shutil.rmtree(runtime.cache_dir())
    assert fitted(steps=1)[1].steps == [1]
