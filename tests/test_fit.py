"""The cache of trained models: never another recipe's model, never at the cost of a model."""

import functools
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_loop import CAUSAL, MASKED, ROWS, SMALL, TOKENIZER, bert, same, weights
from torch import nn
from torch.nn.utils import parametrize
from transformers import BertForMaskedLM, RobertaConfig, RobertaForMaskedLM, pipeline
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.bert import modeling_bert

from course_lib import kernel, runtime
from course_lib.apply import generation, translation
from course_lib.experiments import lesson_05, lesson_08
from course_lib.model import attention, fast
from course_lib.model.bodies import causal_bert, pair_bert, tiny_bert, tiny_gpt
from course_lib.text.packing import Pairs
from course_lib.train import checkpoints, loop, masking, objectives, provenance, whole_words
from course_lib.train.evaluation import HeldOut
from course_lib.train.loop import Diverged, Stopped, fit, stopped
from course_lib.train.masking import Masking, StaticMasking
from course_lib.train.objectives import BothMasks, CausalLM, MaskedLM, PreTraining

pytestmark = pytest.mark.usefixtures("one_cold_cpu")


def trained(steps=3, build=bert, objective=MASKED, rows=ROWS, seed=0, **settings):
    """What ``fitted`` gives, without the cache."""
    runtime.seed_all(seed)
    model = build()
    return model, loop.train(model, rows, objective, steps, seed=seed, **({"batch_size": 8} | settings))


def fitted(steps=3, build=bert, objective=MASKED, rows=ROWS, **settings):
    return fit(build, rows, objective, steps, tokenizer=TOKENIZER, **({"batch_size": 8} | settings))


def seconds(run):
    """Two runs never take the same time to the last digit: equal lists come from one training."""
    return run[1].seconds


def entries():
    return sorted(p for p in runtime.cache_dir().iterdir())


def cell(code, **names):
    """Run code as a notebook's cell does, and return what it defines."""
    space = {"__name__": "__main__", "torch": torch, "replace": replace, "objectives": objectives, **names}
    exec(textwrap.dedent(code), space)
    return space


# --- what is the same is trained once
@pytest.mark.parametrize(
    "build,objective",
    [
        (lambda: tiny_bert(TOKENIZER, **SMALL), MASKED),
        (lambda: tiny_bert(TOKENIZER, **SMALL, tie_word_embeddings=False), MASKED),
        (lambda: causal_bert(TOKENIZER, **SMALL), BothMasks(MASKED, CAUSAL)),
        (lambda: pair_bert(TOKENIZER, **SMALL), MaskedLM(StaticMasking(MASKED.masking))),
        (lambda: tiny_gpt(TOKENIZER, n_embd=32, n_layer=1), CAUSAL),
        (lambda: RobertaForMaskedLM(RobertaConfig(
            vocab_size=len(TOKENIZER), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=40, pad_token_id=0)), MASKED),
    ],
    ids=["BERT", "untied BERT", "causal BERT", "pair BERT", "GPT", "RoBERTa"],
)  # fmt: skip
def test_the_same_thing_is_trained_once(build, objective):
    held_out = HeldOut(ROWS[:20], MASKED)
    model, history = fitted(build=build, objective=objective, evaluate=held_out, name="first")
    again, remembered = fitted(build=build, objective=objective, evaluate=held_out, name="second")
    assert remembered == replace(history, name="second")  # the name is a label, not part of the result
    assert same(weights(model), weights(again)) and type(again) is type(model)
    assert not again.training and again.config._attn_implementation == model.config._attn_implementation
    assert held_out.score(again).loss == held_out.score(model).loss
    fitted(build=build, objective=objective, evaluate=HeldOut(ROWS[:20], MASKED))  # another object, the same questions
    assert len(entries()) == 1


def test_an_encoder_decoder_is_trained_once():
    rows = torch.tensor([[2, 6, 7, 3, 8, 9, 3, 0], [2, 6, 3, 9, 3, 0, 0, 0]] * 8)
    goal, held = translation.Translation.of(TOKENIZER), None
    held = translation.HeldOutPairs(rows[:4], goal)
    runs = [fitted(build=lambda: translation.tiny_encoder_decoder(TOKENIZER, **SMALL), rows=rows, objective=goal,
                   evaluate=held) for _ in range(2)]  # fmt: skip
    assert seconds(runs[0]) == seconds(runs[1]) and same(*(weights(model) for model, _ in runs))


PAIRS = Pairs(ROWS[:16], torch.zeros_like(ROWS[:16]), torch.arange(16) % 2, torch.zeros(16, 2, 3).long(), "swapped")
COURSE_OBJECTIVES = {
    "masked": MASKED, "static": MaskedLM(StaticMasking(MASKED.masking, 2)), "causal": CAUSAL,
    "both": BothMasks(MASKED, CAUSAL), "pairs": PreTraining(0, MASKED), "pairs alone": PreTraining(0),
    "any rate": generation.AnyRate.of(TOKENIZER), "translation": translation.Translation.of(TOKENIZER),
    "whole words": MaskedLM(whole_words.WholeWordMasking(**vars(Masking.of(TOKENIZER)) | {"continuations": (7,)})),
    "loss everywhere": lesson_05.LossEverywhere(MASKED.masking),
}  # fmt: skip
ASKING = {"held out": HeldOut(ROWS, MASKED), "pairs": HeldOut(PAIRS, PreTraining(0)),
          "translation": translation.HeldOutPairs(ROWS, translation.Translation.of(TOKENIZER)),
          "probe": lesson_08.Probe(0)}  # fmt: skip


@pytest.mark.parametrize("name", [*COURSE_OBJECTIVES, *(f"evaluate: {name}" for name in ASKING)])
def test_what_the_course_defines_can_be_described_before_and_after_its_use(name):
    value = COURSE_OBJECTIVES.get(name) or ASKING[name.removeprefix("evaluate: ")]
    before = provenance.describe(value)
    if name in ("masked", "static", "whole words", "loss everywhere"):
        value(ROWS[:4], torch.Generator())  # tables that it makes for itself are no other recipe
    runtime.cache_dir()  # nor is what the course notes of the machine
    assert provenance.describe(value) == before


def test_a_description_sees_content_shape_and_type():
    rows = torch.arange(12).reshape(3, 4)
    changed = rows.clone()
    changed[2, 1] += 1
    every = [rows, changed, rows.reshape(4, 3), rows.int(), rows.T, rows[:2], rows.double(), rows.bfloat16(), [rows],
             (rows,), {"x": rows}, "rows", 1, 1.0, True, None, b"x", {1, 2}, [1, 2], np.int8(3), PAIRS]  # fmt: skip
    assert len({provenance.describe(x) for x in every}) == len(every)
    assert provenance.describe(rows) == provenance.describe(rows.clone())
    assert provenance.describe(rows.T) == provenance.describe(rows.T.contiguous())
    assert provenance.describe(np.int64(3)) == provenance.describe(3)


@pytest.mark.parametrize("value", [
    lambda: 0, torch.Generator(), np.random.default_rng(0), [].append, sys.stdout, [lambda: 0],
    {"x": torch.Generator()}, torch.eye(3).to_sparse(), np.array([len], dtype=object), fitted,
], ids=range(10))  # fmt: skip
def test_what_may_be_anything_is_not_described(value):
    with pytest.raises(provenance.Unknown):
        provenance.describe(value)


def test_a_description_is_the_same_in_every_process():
    process = script("""
        from test_fit import ASKING, COURSE_OBJECTIVES, provenance
        print(*map(provenance.describe, [*COURSE_OBJECTIVES.values(), *ASKING.values()]))
    """, PYTHONHASHSEED="12345")  # fmt: skip
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert out.split() == [provenance.describe(value) for value in [*COURSE_OBJECTIVES.values(), *ASKING.values()]]


# --- what was changed is seen: each of these got another recipe's model, or could have
MINE = {
    "class": "class Mine:\n    def __call__(self, rows, generator):\n        batch = causal(rows, generator)\n"
             "        return {change}\nmine = Mine()",
    "function": "def helper(batch):\n    return {change}\n\ndef mine(rows, generator):\n"
                "    return helper(causal(rows, generator))",
    "subclass": "class Mine(objectives.CausalLM):\n    def __call__(self, rows, generator):\n"
                "        batch = super().__call__(rows, generator)\n        return {change}\n"
                "mine = Mine((0, 1, 2, 3, 4))",
}  # fmt: skip


def own(kind):
    """An objective of one's own, and edited as a cell is that is run again."""
    return lambda m: [dict(objective=cell(MINE[kind].format(change=change), causal=CAUSAL)["mine"]) for change in
                      ("batch", "replace(batch, targets=(batch.targets - 4) % 8 + 5)")]  # fmt: skip


def a_field(m):
    """A lambda in a field of a dataclass of the course."""
    words = cell("one = objectives.CausalLM((0, 1, 2, 3, 4))\n"
                 "words = [lambda r, g: one(r, g), lambda r, g: replace(one(r, g), targets=one(r, g).targets * 0 + 5)]")
    build = lambda: pair_bert(TOKENIZER, **SMALL)  # noqa: E731
    return [dict(objective=PreTraining(0, word), rows=PAIRS, build=build) for word in words["words"]]


def an_objective_with_memory(m):
    mine = cell("class Mine(list):\n    def __call__(self, r, g):\n        self.append(0)\n"
                "        return objectives.CausalLM((0, 1, 2, 3, 4), 1 / len(self))(r, g)")["Mine"]()  # fmt: skip
    return [dict(objective=mine)] * 2


def built(change):
    """Change the model that build() returns, the second time."""

    def both(m):
        def build():
            model = bert()
            change(model)
            return model

        return [dict(), dict(build=build)]

    return both


def layer(model):
    return model.bert.encoder.layer[0]


def weight(model):
    return model.bert.embeddings.word_embeddings.weight


def parametrized(model):
    class Half(nn.Module):
        def forward(self, weight):
            return weight / 2

    parametrize.register_parametrization(layer(model).output.dense, "weight", Half())


def of_a_cell(code, put):
    """Put what a cell defines into the model, and the same under the same name again, edited."""

    def both(m):
        for change in ("x", "x * 0"):
            made = cell(code.format(change=change), nn=nn)["mine"]

            def build(made=made):
                put(model := bert(), made)
                return model

            yield dict(build=build)

    return both


OWN_PART = """
    class mine(nn.Linear):
        def forward(self, x):
            return super().forward({change})
"""
OWN_FORWARD = """
    def mine(x):
        return {change}
"""


def same_sum(model):
    weight(model).data[[6, 7]] = weight(model).data[[7, 6]]


def subclass_of_the_model(m):
    class Mine(BertForMaskedLM):
        def forward(self, *args, **kwargs):
            return super().forward(*args, **kwargs | {"attention_mask": None})

    def build():
        model = bert()
        model.__class__ = Mine
        return model

    return [dict(), dict(build=build)]


def own_attention(m):
    def build():
        return tiny_bert(TOKENIZER, **SMALL, attn_implementation="mine")

    def uniform(module, q, k, v, mask, **_):
        return v.mean(dim=2, keepdim=True).expand_as(q).transpose(1, 2), None

    m.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "mine", fast.course_attention)
    yield dict(build=build)
    m.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "mine", uniform)
    yield dict(build=build)


def patched(place, name, change, **settings):
    """Put a function of one's own in the place of a library's, between the two runs."""

    def both(m):
        yield settings
        m.setattr(place, name, change(getattr(place, name)))
        yield settings

    return both


def around(old):
    return lambda *args, **kwargs: old(*args, **kwargs)


def own_evaluation(m):
    class Mine(HeldOut):
        def __call__(self, model):
            return {"one": 1.0}

    return [dict(evaluate=HeldOut(ROWS[:8], MASKED)), dict(evaluate=Mine(ROWS[:8], MASKED))]


def lambda_evaluations(m):
    return [dict(evaluate=lambda model: {"one": 1.0}), dict(evaluate=lambda model: {"two": 2.0})]


def on_the_instance(m):
    yield dict(objective=(mine := MaskedLM(Masking.of(TOKENIZER))))
    object.__setattr__(mine.masking, "select", lambda ids, generator: mine.masking.ordinary(ids))
    yield dict(objective=mine)


def a_hook_on_everything(m):
    yield dict()
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    m.callback = handle.remove
    yield dict()


BOTH = BothMasks(MASKED, CAUSAL)
EDITS = {
    "an objective of one's own, edited": own("class"),
    "a function that an objective of one's own calls, edited": own("function"),
    "a subclass of the course's objective, edited": own("subclass"),
    "a lambda in a field of the course's objective": a_field,
    "an objective that remembers": an_objective_with_memory,
    "a method put on an instance": on_the_instance,
    "the body frozen": built(lambda model: model.bert.requires_grad_(False)),
    "one bias frozen": built(lambda model: model.cls.predictions.bias.requires_grad_(False)),
    "a forward hook": built(lambda model: layer(model).register_forward_hook(lambda module, inputs, out: out * 0.5)),
    "a hook on backward": built(lambda model: layer(model).output.dense.register_full_backward_hook(lambda *_: None)),
    "a hook on a gradient": built(lambda model: weight(model).register_hook(lambda gradient: gradient * 0)),
    "a hook on every module": a_hook_on_everything,
    "a parametrization": built(parametrized),
    "forward of one instance": of_a_cell(
        OWN_FORWARD, lambda model, mine: setattr(layer(model).output.dropout, "forward", mine)),
    "a part of one's own class": of_a_cell(
        OWN_PART, lambda model, mine: setattr(layer(model).output, "dense", mine(64, 32))),
    "the model's class": subclass_of_the_model,
    "dropout switched on afterwards": built(lambda model: setattr(model.bert.embeddings.dropout, "p", 0.5)),
    "another epsilon": built(lambda model: setattr(model.bert.embeddings.LayerNorm, "eps", 1.0)),
    "weights with the same sum": built(same_sum),
    "another buffer": built(lambda model: model.bert.embeddings.position_ids.add_(1).clamp_(max=9)),
    "an attention function of one's own": own_attention,
    "an evaluation of one's own": own_evaluation,
    "lambdas for evaluate": lambda_evaluations,
    "a method of the course": patched(masking.Masking, "select", around),
    "a method of an evaluation": patched(HeldOut, "__call__", around, evaluate=HeldOut(ROWS[:8], MASKED)),
    "objectives.MaskedLM.__call__": patched(objectives.MaskedLM, "__call__", around),
    "a function that an objective calls": patched(objectives, "causal_mask", around, objective=BOTH),
    "one function of the course for another": patched(
        objectives, "causal_mask", lambda old: attention.bidirectional_mask, objective=BOTH),
    "a constant of the course": patched(masking, "IGNORE", lambda old: -7),
    "loop.one_cycle": patched(loop, "one_cycle", around),
    "loop.train": patched(loop, "train", around),
    "another default of the optimizer": patched(
        torch.optim, "AdamW", lambda old: functools.partial(old, eps=1e-3)),
    "torch's cross-entropy": patched(nn.functional, "cross_entropy", around),
    "the optimizer's step": patched(torch.optim.AdamW, "step", around),
    "a class of transformers": patched(modeling_bert.BertSelfOutput, "forward", around),
    "a function of transformers": patched(modeling_bert, "eager_attention_forward", around),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_who_changes_one_thing_sees_that_thing(edit, monkeypatch):
    monkeypatch.callback = lambda: None
    try:
        runs = [(fitted(**settings), settings) for settings in edit(monkeypatch)]
        (first, _), (second, settings) = runs
        assert seconds(first) != seconds(second), "the model of another recipe was taken from the cache"
        if settings.get("objective") is not runs[0][1].get("objective") or "evaluate" in settings or not settings:
            truth = trained(**settings)
            assert same(weights(second[0]), weights(truth[0])) and second[1].evals == truth[1].evals
    finally:
        monkeypatch.callback()


def test_another_optimizer_of_torch_beside_it_costs_no_training(monkeypatch):
    """torch wraps Adam.step when the first Adam is made, as lesson 02 makes one; AdamW inherits from Adam."""
    step = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", getattr(step, "__wrapped__", step))
    monkeypatch.setattr(provenance, "_loaded", {})
    provenance.remember()
    first = fitted()
    torch.optim.Adam([torch.ones(1, requires_grad=True)])
    assert torch.optim.Adam.step.hooked
    assert seconds(fitted()) == seconds(first)
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self, closure=None: None)
    assert seconds(fitted()) != seconds(first), "but a step of somebody's own is noticed"


def test_an_edited_file_of_the_course_is_in_the_key(tmp_path, monkeypatch):
    """Another process that loads the edited file has another key; this one, which has not, keeps and serves nothing."""
    copied = shutil.copytree(provenance.HERE, tmp_path / "course_lib", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "HERE", copied)
    assert provenance._sources() == provenance.SOURCES
    first = fitted()
    assert seconds(fitted()) == seconds(first)
    file = copied / "model" / "attention.py"
    file.write_text(file.read_text(encoding="utf-8") + "\n# edited", encoding="utf-8")
    assert seconds(fitted()) != seconds(first)
    monkeypatch.setattr(provenance, "SOURCES", provenance._sources())
    assert seconds(fitted()) != seconds(first) and len(entries()) == 2


def test_each_setting_makes_another_key(monkeypatch):
    def held_out(**change):
        return HeldOut(**(dict(rows=ROWS[:20], objective=MASKED, seed=1) | change))

    changed = ROWS.clone()
    changed[7, 3] = changed[7, 4]
    edits = [
        dict(), dict(steps=4), dict(seed=1), dict(batch_size=9), dict(learning_rate=1e-3), dict(rows=changed),
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


def test_what_build_drew_beside_the_weights_is_in_the_key():
    """Dropout goes on with the generator that drew the first weights."""

    def build(more):
        model = bert()
        torch.rand(more)
        return model

    runs = [fitted(build=lambda more=more: build(more)) for more in (0, 1)]
    assert seconds(runs[0]) != seconds(runs[1])


def test_a_kept_model_is_what_build_made_with_other_weights():
    """Flags that make no difference to the training are the caller's, not the first caller's."""

    def build(flag):
        model = tiny_gpt(TOKENIZER, n_embd=32, n_layer=1)
        model.generation_config.max_length = flag
        return model

    runs = [fitted(build=lambda flag=flag: build(flag), objective=CAUSAL) for flag in (11, 12)]
    assert seconds(runs[0]) == seconds(runs[1]) and runs[1][0].generation_config.max_length == 12


# --- no model is lost
def later(monkeypatch, change):
    """Make a change when the key has been made: as if it came from outside."""

    def load(name, model):
        change()

    monkeypatch.setattr(checkpoints, "load", load)


def test_what_was_interrupted_or_diverged_is_not_kept(monkeypatch):
    def stop(self, model):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        later(m, lambda: m.setattr(HeldOut, "__call__", stop))
        with pytest.raises(Stopped) as caught:
            fitted(evaluate=HeldOut(ROWS[:20], MASKED))
        assert caught.value.history.interrupted and entries() == []
    assert not fitted(evaluate=HeldOut(ROWS[:20], MASKED))[1].interrupted and len(entries()) == 1
    with pytest.raises(Diverged) as caught:
        fitted(learning_rate=1e38, steps=20)
    assert all(torch.isfinite(p).all() for p in caught.value.model.parameters())
    assert len(entries()) == 1


@pytest.mark.parametrize("error", [MemoryError(), TypeError("not JSON"), RuntimeError("torn")])
def test_whatever_happens_while_it_is_kept_the_model_is_returned(error, monkeypatch, capsys):
    def fail(self, folder):
        raise error

    monkeypatch.setattr(BertForMaskedLM, "save_pretrained", fail)
    monkeypatch.setattr(provenance, "_require_unchanged", lambda: None)
    model, history = fitted()
    assert history.steps == [1, 2, 3] and not model.training
    assert f"trained, but not kept for next time ({type(error).__name__}" in capsys.readouterr().out
    assert entries() == []


def test_stopped_while_it_is_kept_the_model_is_there_and_whole(monkeypatch):
    def fail(self, folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(BertForMaskedLM, "save_pretrained", fail)
        m.setattr(provenance, "_require_unchanged", lambda: None)
        with pytest.raises(Stopped, match="trained to its end.*loop.stopped()"):
            fitted()
    model, history = stopped()
    assert history.steps == [1, 2, 3] and not history.interrupted and not model.training and entries() == []
    fitted()
    assert stopped() is None and len(entries()) == 1


def test_what_is_kept_is_told_where_somebody_watches_and_ends_the_last_stop(monkeypatch, capsys):
    kept = fitted()[1]
    assert capsys.readouterr().out == ""
    kernel.unfinished[:] = [(None, kept)]
    monkeypatch.setenv("COURSE_QUIET", "0")
    fitted()
    assert "trained already, taken from the disk (3 steps)" in capsys.readouterr().out and stopped() is None


def script(body, **variables):
    """Run Python in another process with this test's settings."""
    head = f"""
        import sys, torch
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        torch.set_num_threads(1)
        from test_fit import *
        from test_fit import checkpoints, entries, fitted, runtime
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(body)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("change", ["", "masking.IGNORE = -7"])
def test_what_is_changed_before_the_first_fit_is_seen(change):
    kept = seconds(fitted())
    process = script(f"from course_lib.train import masking\n{change}\nprint(fitted()[1].seconds)")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert (str(kept) in out) == (not change)


@pytest.mark.slow
def test_a_disk_that_is_really_full_loses_no_model():
    """No file may grow beyond 50 kB in the other process: the operating system itself refuses the write."""
    pytest.importorskip("resource", reason="this system cannot limit the size of files")
    process = script("""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        model, history = fitted()
        print(len(history.steps), [p.name for p in runtime.cache_dir().iterdir()])
    """)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "not kept for next time" in out and "3 []" in out


@pytest.mark.slow
def test_two_processes_that_train_the_same_thing_both_succeed(tmp_path):
    """They meet: each waits until the other has its model, and both write. A third one is served."""
    body = """
        import os, pathlib, time
        here = pathlib.Path(os.environ["MEET"])
        save = checkpoints.save
        def meet(*made):
            (here / str(os.getpid())).touch()
            while len(list(here.iterdir())) < 2:
                time.sleep(0.01)
            return save(*made)
        checkpoints.save = meet
        model, history = fitted()
        print(history.seconds, float(sum(p.double().sum() for p in model.parameters())))
    """
    (tmp_path / "meet").mkdir()
    pair = [script(body, MEET=str(tmp_path / "meet")) for _ in range(2)]
    told = [process.communicate(timeout=600) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], told
    assert len({out.split("] ")[1] for out, _ in told}) == 1
    assert len(entries()) == 1
    assert str(seconds(fitted())) in told[0][0] + told[1][0]


# --- the checkpoint elsewhere
def test_a_checkpoint_opens_in_the_pipelines():
    fit(lambda: tiny_bert(TOKENIZER, **SMALL), ROWS, MASKED, 120, tokenizer=TOKENIZER, batch_size=32,
        learning_rate=1e-2)  # fmt: skip
    fit(lambda: tiny_gpt(TOKENIZER, n_embd=32, n_layer=1), ROWS, CAUSAL, 120, tokenizer=TOKENIZER, batch_size=32,
        learning_rate=1e-2)  # fmt: skip
    folders = {entry.name.split("-")[0]: str(entry) for entry in entries()}
    safe = dict(trust_remote_code=False, model_kwargs={"use_safetensors": True})
    fill = pipeline("fill-mask", model=folders["BertForMaskedLM"], **safe)
    best = fill("three four five [MASK] seven eight one two")[0]
    assert best["token_str"] == "six" and best["score"] > 0.5
    write = pipeline("text-generation", model=folders["GPT2LMHeadModel"], **safe)
    assert write.tokenizer.convert_ids_to_tokens(write.tokenizer("one two")["input_ids"]) == ["[CLS]", "one", "two"]
    written = write("three four five", max_new_tokens=3, do_sample=False, return_full_text=False)
    assert written[0]["generated_text"] == "six seven eight"


def test_a_cache_folder_that_vanished_is_made_again():
    runtime.cache_dir().rmdir()
    assert fitted(steps=1)[1].steps == [1]
