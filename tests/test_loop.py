"""The training loop learns, repeats itself, stops well, and its cache never costs a result."""

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from course_lib import kernel, runtime
from course_lib.model.bodies import causal_bert, tiny_bert, tiny_gpt
from course_lib.text.packing import Pairs
from course_lib.text.tokenization import word_tokenizer
from course_lib.train import loop, watch
from course_lib.train.evaluation import HeldOut
from course_lib.train.loop import Diverged, History, Stopped, stopped, train
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM

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
PAIRS = Pairs(ROWS[:8], torch.zeros_like(ROWS[:8]), torch.zeros(8).long(), torch.zeros(8, 2, 3).long(), "swapped")


pytestmark = pytest.mark.usefixtures("one_cold_cpu")


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
    from course_lib.model.bodies import logits_at

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
        generator = torch.Generator().manual_seed(0)
        batches = [rows[take] for take in loop.order(n, batch_size, steps, generator)]
        assert [batch.shape for batch in batches] == [(batch_size, 3)] * steps
        order = torch.cat(batches)[:, 0].tolist()
        rounds = [order[i : i + n] for i in range(0, len(order) - n + 1, n)]
        assert len(rounds) >= 3 and all(sorted(r) == list(range(n)) for r in rounds)
        assert rounds[0] != rounds[1]


def test_the_learning_rate_goes_up_and_down_once():
    rates = [loop.one_cycle(step, 100, 2.0) for step in range(1, 101)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == 2.0 == max(rates)
    assert rates[:10] == sorted(rates[:10]) and rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[54] == pytest.approx(0.02 + 1.98 / 2) and rates[-1] == pytest.approx(0.02)
    assert loop.one_cycle(1, 1, 2.0) == 2.0


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
def halted(*args, **settings):
    """Train until the user stops it; returns what is raised."""
    with pytest.raises(Stopped) as caught:
        train(*args, **settings)
    assert caught.value._render_traceback_() == [str(caught.value)], "a notebook shows one line"
    model, history = stopped()
    assert (model, history) == (caught.value.model, caught.value.history) and model is args[0]
    assert kernel.cut_short() == (history.name if history.interrupted else None)
    return caught.value


def test_stopped_by_the_user_it_keeps_what_it_has_until_the_next_run():
    calls = []

    def stop(model):
        calls.append(weights(model))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {"score": 1.0}

    model = bert()
    error = halted(model, ROWS, MASKED, 40, batch_size=16, evaluate=stop, evaluations=4, name="mine")
    history = error.history
    assert history.interrupted and history.steps[-1] == 20
    assert history.evals == {"score": [1.0]} and len(history.eval_tokens) == 1
    assert same(weights(model), calls[1]) and not same(calls[0], calls[1])
    assert not model.training
    assert "mine: stopped by you after 20 of 40 steps (3,200 tokens)." in str(error)
    assert "loop.stopped()" in str(error)
    train(bert(), ROWS, MASKED, 1, batch_size=16)
    assert stopped() is None and kernel.cut_short() is None


def test_stopped_in_the_first_step_it_says_so_and_so_does_what_is_asked_for():
    def stop(rows, generator):
        raise KeyboardInterrupt

    error = halted(bert(), ROWS, stop, 40, batch_size=16, evaluate=HeldOut(ROWS[:8], MASKED))
    assert "after 0 of 40 steps" in str(error) and error.history.interrupted and error.history.loss == []
    with pytest.raises(LookupError, match="'held-out loss' was not measured; there is nothing yet") as caught:
        error.history.evals["held-out loss"]
    assert not isinstance(caught.value, KeyError) and hasattr(caught.value, "_render_traceback_")


def lines_until(stop, run):
    """Run with a stop at the nth line of watch.py; returns what it raises."""
    left = [stop]

    def trace(frame, event, argument):
        if frame.f_code.co_filename != watch.__file__ or frame.f_code.co_name in ("__exit__", "_stopped", "_level"):
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(before)


def test_wherever_a_stop_comes_the_lists_are_of_one_length():
    seen = set()
    for stop in range(1, 400):
        ask = HeldOut(ROWS[:4], MASKED)
        error = lines_until(stop, lambda ask=ask: train(bert(), ROWS, MASKED, 2, batch_size=2, evaluate=ask,
                                                        evaluations=2))  # fmt: skip
        if error is None:
            break
        if not isinstance(error, Stopped):
            assert not seen, "only before the first step is there nothing to keep"
            continue
        h = error.history
        lengths = {len(numbers) for numbers in (h.steps, h.tokens, h.seconds, h.loss, h.accuracy)}
        assert len(lengths) == 1 and {len(h.eval_tokens)} == {len(h.eval_tokens), *map(len, h.evals.values())}, stop
        assert h.steps == sorted(set(h.steps)) and all(map(math.isfinite, h.loss)) and not error.model.training
        seen |= lengths
    assert seen == {0, 1, 2} and 100 < stop < 399


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
        with pytest.raises(ValueError, match="No token of the batch is to be predicted"):
            train(bert(), empty, objective, 3)


# --- no trained model is lost
def test_stopped_within_a_step_the_last_whole_steps_are_noted():
    """Notes are taken every second step here; the third step is finished when the stop comes in the fourth."""
    calls = []

    def spy(rows, generator):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return MASKED(rows, generator)

    history = halted(bert(), ROWS, spy, 100, batch_size=16).history
    assert history.interrupted and history.steps == [2, 3] and history.tokens == [320, 480]
    assert all(math.isfinite(loss) for loss in history.loss)


def test_stopped_after_the_last_step_nothing_is_missing(monkeypatch):
    class Bar:
        n = 0

        def set_postfix_str(self, text):
            pass

        def update(self):
            self.n += 1
            if self.n == 5:
                raise KeyboardInterrupt

        def close(self):
            pass

    monkeypatch.setattr(runtime, "bar", lambda *args, **settings: Bar())
    error = halted(bert(), ROWS, MASKED, 5, batch_size=16, evaluate=HeldOut(ROWS[:8], MASKED), evaluations=1)
    history = error.history
    assert "stopped by you after its end" in str(error)
    assert not history.interrupted and history.steps == [1, 2, 3, 4, 5] and len(history.eval_tokens) == 1


def test_stopped_in_the_last_evaluation_the_last_step_is_kept():
    def stop(model):
        raise KeyboardInterrupt

    model = bert()
    history = halted(model, ROWS, MASKED, 5, batch_size=16, evaluate=stop, evaluations=1).history
    assert history.interrupted and history.steps == [1, 2, 3, 4, 5] and history.evals == {}
    alone = bert()
    train(alone, ROWS, MASKED, 5, batch_size=16)
    assert same(weights(model), weights(alone))


@pytest.mark.parametrize(
    "found,message",
    [
        ({"x": "0.5 or so"}, "each value must be one number, e.g. x.mean"),
        ({"x": torch.zeros(3)}, "each value must be one number"),
        ({"x": [1.0]}, "each value must be one number"),
        ({"x": None}, "each value must be one number"),
        (0.5, "evaluate returned 0.5: it must return numbers by name"),
        (None, "evaluate returned None"),
    ],
)
def test_an_evaluation_that_gives_no_numbers_says_so_and_loses_nothing(found, message):
    model, alone = bert(), bert()
    with pytest.raises(TypeError, match=message) as caught:
        train(model, ROWS, MASKED, 4, batch_size=16, evaluate=lambda model: found, evaluations=1)
    assert caught.value.model is model and caught.value.history.steps == [1, 2, 3, 4]
    assert "trained for 4 of 4 steps, is in this exception's .model" in caught.value.__notes__[0]
    train(alone, ROWS, MASKED, 4, batch_size=16)
    assert same(weights(model), weights(alone)) and not model.training


def test_out_of_memory_loses_nothing():
    def full(model):
        raise MemoryError

    with pytest.raises(MemoryError) as caught:
        train(model := bert(), ROWS, MASKED, 4, batch_size=16, evaluate=full, evaluations=2)
    assert caught.value.model is model and caught.value.history.steps == [1, 2]


def test_numbers_of_numpy_and_torch_are_plain_in_the_history():
    found = {"a": np.float32(0.5), "b": np.int64(3), "c": True, "d": torch.tensor([0.25]), "e": np.array(2)}
    history = train(bert(), ROWS, MASKED, np.int64(2), batch_size=np.int32(4), seed=np.int64(3),
                    learning_rate=np.float32(1e-3), evaluate=lambda model: found, evaluations=1)  # fmt: skip
    assert history.evals == {"a": [0.5], "b": [3.0], "c": [1.0], "d": [0.25], "e": [2.0]}
    assert json.loads(json.dumps(history.evals)) == history.evals


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_model_that_starts_with_nan_is_told_so(value):
    model = bert()
    with torch.no_grad():
        model.bert.embeddings.LayerNorm.weight[3] = value
    with pytest.raises(ValueError, match=r"starts with NaN or infinity in 'bert.embeddings.LayerNorm.weight'.*anew"):
        train(model, ROWS, MASKED, 3)


def test_a_loss_that_is_none_from_the_first_step_is_not_blamed_on_the_rate():
    def blind(rows, generator):
        batch = MASKED(rows, generator)
        return replace(batch, attention_mask=torch.full((1, 1, 10, 10), math.nan))

    with pytest.raises(Diverged, match="at step 1 .*No weight had been changed yet.* not to blame") as caught:
        train(bert(), ROWS, blind, 3, batch_size=4)
    assert "last good state" not in str(caught.value)


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
        (dict(rows=ROWS.int()), r"token ids .int64. of shape \[N, T\], not torch.int32"),
        (dict(rows=ROWS[:, :0]), r"\(200, 0\)"),
        (dict(steps=1e3), "steps=1000.0 must be a whole number, at least 1"),
        (dict(batch_size=2.0), "batch_size=2.0 must be a whole number"),
        (dict(evaluations=0, evaluate=len), "evaluations=0 must be a whole number, at least 1"),
        (dict(rows=ROWS.tolist()), r"of shape \[N, T\], not list"),
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


@pytest.mark.parametrize(
    "change,message",
    [
        (dict(model=torch.nn.Linear(2, 2)), "model is a Linear: give a model of transformers"),
        (dict(model=BertModel(BertConfig(vocab_size=20, **SMALL, num_attention_heads=2))),
         "BertModel has no head for words: use bodies.tiny_bert"),
    ],
)
def test_what_is_of_another_kind_is_named(change, message):
    settings = dict(rows=ROWS, objective=MASKED, steps=2, batch_size=4) | change
    with pytest.raises(TypeError, match=message):
        train(settings.pop("model", None) or bert(), **settings)


def test_gpt_s_length_is_checked_too():
    with pytest.raises(ValueError, match="Rows of 40 .* 32 positions.*n_positions for GPT-2"):
        train(tiny_gpt(TOKENIZER, n_embd=32, n_positions=32), torch.full((4, 40), 6), CAUSAL, 2)


def test_history_survives_json():
    history = History("x", [1], [2], [0.5], [1.0], [0.25], {"a": [1.0]}, [2], True)
    from dataclasses import asdict

    assert History(**json.loads(json.dumps(asdict(history)))) == history
    assert History("x").tokens_per_second == 0.0
