"""Records of experiments: complete, made by today's definition, resumable after any kill, and never damaged."""

import contextlib
import dataclasses
import inspect
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy_experiment
from filelock import FileLock

from course_lib import experiments
from course_lib.experiments import EXPERIMENTS, definition, lesson_04
from course_lib.experiments.materials import Plan
from course_lib.model import bodies
from course_lib.train import loop
from course_lib.train.masking import Masking
from course_lib.train.objectives import MaskedLM
from tools import evidence

ASKED = ("fill two-sided", "fill left-only", "next word")
METRICS = {f"{asked} {unit}" for asked in ASKED for unit in ("accuracy", "nats")}
HERE = Path(__file__).parent


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """Register the toy experiment; its record and its cache lie in a temporary folder."""
    monkeypatch.setitem(EXPERIMENTS, "toy", toy_experiment.TOY)
    (tmp_path / "evidence").mkdir()
    monkeypatch.setenv("COURSE_EVIDENCE", str(tmp_path / "evidence"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return toy_experiment.TOY


def recorded(toy, **settings):
    return json.loads(evidence.record(toy, **settings).read_text("utf-8"))


def numbers(data):
    """Keep what must not depend on how often the recording was interrupted."""
    return {arm: {seed: run["numbers"] for seed, run in runs.items()} for arm, runs in data["runs"].items()}


def expected(seeds):
    return {
        arm: {str(s): {"tokens": [10, 20], "score": [offset, offset + s + 1]} for s in range(seeds)}
        for arm, offset in {"a": 0.0, "b": 5.0}.items()
    }


def calls():
    return (definition.evidence_dir() / "calls.log").read_text("utf-8").split("\n")[:-1]


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_every_record_is_complete_and_fresh(name):
    """The lessons render these numbers: a missing, partial or outdated record fails here, with the command to run."""
    record, experiment = experiments.load(name), EXPERIMENTS[name]
    assert list(record.runs) == list(experiment.arms)
    seeds = {arm: set(runs) for arm, runs in record.runs.items()}
    assert len({frozenset(s) for s in seeds.values()}) == 1, f"the arms have different seeds: {seeds}"
    assert min(len(runs) for runs in record.runs.values()) >= 5
    for runs in record.runs.values():
        for run in runs.values():
            assert len({len(values) for values in run.values()}) == 1
            if "tokens" in run:
                assert run["tokens"] == sorted(run["tokens"])
            else:  # measured once, at the end
                assert {len(values) for values in run.values()} == {1}
            least = {metric: -1 if " minus " in metric else 0 for metric in run if "accuracy" in metric}
            assert all(low <= x <= 1 for metric, low in least.items() for x in run[metric])
    for made in record.made_with:
        assert {"torch", "transformers", "device", "python", "precision"} <= set(made)


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_the_file_says_what_the_definition_says(name):
    """A reader of the file alone must find the question, the expectation and the settings that made the numbers."""
    data, experiment = definition.read(name), EXPERIMENTS[name]
    for key in ("question", "expectation", "vary", "control", "common", "arms", "written", "margins", "definition"):
        assert data[key] == getattr(experiment, key), key


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_an_entry_compares_what_it_says_and_fits_its_function(name):
    experiment = EXPERIMENTS[name]
    assert experiment.control in experiment.arms
    assert experiment.expectation.rstrip(")").endswith(".")  # a sentence in brackets may come last
    assert isinstance(experiment.written, str), "put the day in quotes"
    for name, arm in experiment.arms.items():
        assert experiment.vary in arm and not set(arm) & set(experiment.common)
        inspect.signature(experiment.run).bind(0, **experiment.settings(name))


def test_a_record_is_written_and_read(toy):
    data = recorded(toy)
    assert numbers(data) == expected(5)
    assert data["environments"][0]["python"] and {run["environment"] for run in data["runs"]["a"].values()} == {0}
    record = experiments.load("toy")
    assert record.final("b", "score") == [6.0, 7.0, 8.0, 9.0, 10.0]
    assert record.difference("score", "b", "a") == (5.0, 5.0, 5.0)
    assert record.band("a", "score")["mean"] == [0.0, 3.0]


def test_arms_with_unequal_seeds_are_refused_with_the_command_that_mends_it(toy):
    recorded(toy)
    path = definition.evidence_dir() / "toy.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["runs"]["a"]["5"] = data["runs"]["a"]["4"]
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ValueError, match=r"unequal seeds: \{'a': 6, 'b': 5\}. .*evidence toy --seeds 6"):
        experiments.load("toy")


def test_a_failure_keeps_what_was_finished_and_nothing_is_run_twice(toy):
    stop = definition.evidence_dir() / "stop"
    stop.touch()
    with pytest.raises(RuntimeError, match="stopped"):
        recorded(toy)
    with pytest.raises(ValueError, match="lacks seeds in"):
        experiments.load("toy")
    stop.unlink()
    assert numbers(recorded(toy)) == expected(5)
    assert sorted(calls()) == sorted([f"{o} {s}" for o in (0.0, 5.0) for s in range(5)] + ["0.0 3"])  # the failed one
    assert numbers(recorded(toy, seeds=7)) == expected(7)
    assert len(calls()) == 15


def test_seeds_that_run_together_give_the_same_record(toy):
    """On a GPU a process takes all missing seeds of an arm."""
    data = recorded(toy, together=3)
    assert numbers(data) == expected(5)
    assert [run["together"] for run in data["runs"]["a"].values()] == [3, 3, 3, 2, 2]
    assert numbers(recorded(toy, seeds=7, together=32)) == expected(7)
    assert len(calls()) == 14


@pytest.mark.slow
def test_a_plan_stacks_seeds_on_a_gpu_only(monkeypatch):
    """The stack gives what one after another gives (float32, one thread): the device decides only the way."""
    monkeypatch.setenv("COURSE_PRECISION", "fp32")
    data = experiments.material()
    goal = MaskedLM(Masking.of(data.tokenizer))

    def measure(model):
        return {"nats": data.fill().score(model).loss}

    plan = Plan(lambda: bodies.tiny_bert(data.tokenizer), data.rows[:64], goal, measure, steps=10, batch_size=4)
    assert not evidence._stacks([plan, plan])
    alone = evidence.train_arm(lambda seed: plan, [0, 1], {})
    assert alone == [plan.train(0), plan.train(1)]
    monkeypatch.setattr(evidence, "_stacks", lambda plans: True)
    for one, stacked in zip(alone, evidence.train_arm(lambda seed: plan, [0, 1], {}), strict=True):
        assert one["tokens"] == stacked["tokens"]
        assert one["nats"] == pytest.approx(stacked["nats"], abs=1e-3)
    assert alone[0]["nats"] != alone[1]["nats"]
    # each seed on its own text, measured on its own held-out rows: the second of two equal seeds' runs stays as it was
    other = dataclasses.replace(plan, rows=data.rows[64:128], measure=lambda model: {"nats": 7.0})
    own = evidence.train_arm(lambda seed: (plan, other)[seed], [0, 1], {})
    assert own[0]["nats"] == pytest.approx(alone[0]["nats"], abs=1e-3) and set(own[1]["nats"]) == {7.0}

    def read_before():
        """First weights that hang on the seed's own text, as those of a model that first predicted its next words."""
        model = bodies.tiny_bert(data.tokenizer)
        loop.train(model, data.rows[128:192], goal, 5, batch_size=4, seed=1)
        return model

    often = MaskedLM(Masking.of(data.tokenizer, rate=0.5))
    for changed in (dataclasses.replace(plan, build=read_before), dataclasses.replace(plan, objective=often)):
        expected = changed.train(1)["nats"]
        assert expected != pytest.approx(alone[1]["nats"], abs=1e-2)
        own = evidence.train_arm(lambda seed, changed=changed: (plan, changed)[seed], [0, 1], {})
        assert own[1]["nats"] == pytest.approx(expected, abs=1e-3)


def test_another_definition_outdates_the_record(toy, monkeypatch):
    recorded(toy)
    changed = dataclasses.replace(toy, common={"slope": 2.0})
    monkeypatch.setitem(EXPERIMENTS, "toy", changed)
    with pytest.raises(ValueError, match="another definition.*python -m tools.evidence toy"):
        experiments.load("toy")
    assert recorded(changed)["runs"]["b"]["4"]["numbers"]["score"] == [5.0, 15.0]
    assert experiments.load("toy").final("a", "score") == [2.0, 4.0, 6.0, 8.0, 10.0]


def test_who_mistypes_an_arm_or_a_metric_is_told_what_there_is():
    record = experiments.load("one-mask-apart")
    with pytest.raises(ValueError, match="no arm 'causal'; its arms are two-sided, left-only"):
        record.final("causal", "tokens")
    with pytest.raises(ValueError, match="no metric 'nats'; it has tokens, "):
        record.band("left-only", "nats")


def test_the_definition_is_arms_revision_expectation_and_margins(toy):
    """What makes the numbers or what they are held against outdates a record; a moved function does not."""

    def moved(seed, *, slope, offset):
        """Measure the same under another name, elsewhere, with a comment."""
        return toy_experiment.measure(seed, offset, slope)

    for same in ({"question": "Other words?"}, {"seeds": 20}, {"run": moved}):
        assert dataclasses.replace(toy, **same).definition == toy.definition, same
    for change in (
        {"expectation": "It is, by 5."}, {"written": "2026-11-26"}, {"margins": {"score": 0.1}}, {"revision": 2},
        {"own_text": True}, {"common": {"slope": 2.0}}, {"arms": {**toy.arms, "c": {"offset": 6.0}}}, {"name": "toys"},
    ):  # fmt: skip
        assert dataclasses.replace(toy, **change).definition != toy.definition, change


@pytest.mark.parametrize("name", sorted(name for name, e in EXPERIMENTS.items() if e.written))
def test_a_dated_expectation_names_a_number_and_is_older_than_its_runs(name):
    experiment = EXPERIMENTS[name]
    assert re.search(r"\d", experiment.expectation), "an expectation says how much"
    assert all(experiment.written <= day for day in experiments.load(name).dates)
    assert all(margin > 0 for margin in experiment.margins.values())


def test_what_an_interval_allows_to_say():
    assert experiments.findings(0.1, 0.2) == {"higher"} and experiments.findings(-0.2, -0.1) == {"lower"}
    assert experiments.findings(-0.1, 0.2) == {"not told apart"}
    assert experiments.findings(-0.1, 0.2, margin=0.2) == {"not told apart"}  # the margin itself is a difference
    assert experiments.findings(-0.1, 0.19, margin=0.2) == {"not told apart", "equivalent"}
    assert experiments.findings(0.1, 0.15, margin=0.2) == {"higher", "equivalent"}


def test_equivalence_needs_a_margin_that_was_stated_before(toy, monkeypatch):
    recorded(toy)
    with pytest.raises(ValueError, match="'toy' states no margin for 'score'"):
        experiments.load("toy").equivalent("score", "b", "a")
    stated = dataclasses.replace(toy, margins={"score": 5.5})
    monkeypatch.setitem(EXPERIMENTS, "toy", stated)
    recorded(stated)
    record = experiments.load("toy")
    assert record.finding("score", "b", "a") == "higher" and record.equivalent("score", "b", "a")
    assert not dataclasses.replace(record, margins={"score": 4.5}).equivalent("score", "b", "a")


def test_problems_say_what_to_run(toy):
    with pytest.raises(ValueError, match="not been recorded yet. Run: python -m tools.evidence toy"):
        experiments.load("toy")
    with pytest.raises(ValueError, match="No experiment 'nonsense'. There are: .*path-length, last-named"):
        experiments.load("nonsense")
    (definition.evidence_dir() / "toy.json").write_text('{"runs": ')
    with pytest.raises(ValueError, match="toy.json is not a record .* restore it with git"):
        experiments.load("toy")


def test_two_processes_do_not_record_the_same_thing_at_once(toy, monkeypatch, tmp_path):
    recorded(toy)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "another"))  # the lock lies beside the record
    with (
        FileLock(definition.evidence_dir() / ".toy.json.lock"),
        pytest.raises(ValueError, match="another process is recording 'toy'"),
    ):
        recorded(toy, seeds=6)


def test_a_damaged_record_is_told_in_one_line_and_left_as_it_was(toy, capsys):
    path = definition.evidence_dir() / "toy.json"
    path.write_text('{"runs": ')
    assert evidence.main(["toy", "--jobs", "1"]) == 1
    assert evidence.main(["--list", "toy"]) == 0
    out, err = capsys.readouterr()
    assert "is not a record" in err and "is not a record" in out and err.count("\n") == 1
    assert path.read_text() == '{"runs": '


@pytest.mark.parametrize("fault", ["full", "read-only", "folder", "file in the way"])
def test_trouble_with_the_disk_is_told_in_one_line(toy, monkeypatch, capsys, fault, tmp_path):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        if fault == "full":
            disk.setattr(evidence.Path, "write_text", full)
        elif fault == "read-only":
            disk.setattr(evidence.os, "replace", full)
        elif fault == "folder":
            (definition.evidence_dir() / "toy.json").mkdir()
        else:
            (tmp_path / "file").write_text("in the way")
            disk.setenv("COURSE_EVIDENCE", str(tmp_path / "file"))
        assert evidence.main(["toy", "--jobs", "1"]) == 1
        assert evidence.main(["--list", "toy"]) == 0
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err and err.strip().count("\n") == 0 and "toy" in err
    assert not list((tmp_path / "evidence").glob("*.part")), "no half-written record is left"


def test_the_command_lists_and_refuses(toy, capsys):
    assert evidence.main(["--list", "toy"]) == 0
    assert "not been recorded" in capsys.readouterr().out
    for wrong in (["nonsense"], ["toy", "--seeds", "1"], ["toy", "--jobs", "0"]):
        with pytest.raises(SystemExit, match="2"):
            evidence.main([*wrong])
    assert "path-length, last-named" in (told := capsys.readouterr().err) and "--seeds at least 2" in told
    assert evidence.main(["toy", "--jobs", "1"]) == 0
    assert evidence.main(["--list", "toy"]) == 0
    assert "toy: 2 arms x 5 seeds" in capsys.readouterr().out


@pytest.mark.slow
def test_one_run_measures_everything_on_a_tiny_budget():
    settings = EXPERIMENTS["one-mask-apart"].settings("two-sided") | {"steps": 10, "batch_size": 8, "own_text": False}
    run = lesson_04.read_and_fill(0, **settings).train(0)
    assert set(run) == METRICS | {"tokens"}
    assert run["tokens"][-1] == 10 * 8 * experiments.LENGTH
    assert run["fill two-sided nats"][-1] < run["fill two-sided nats"][0] + 1


@pytest.mark.slow
def test_most_of_the_real_text_is_for_training():
    """A split taken the wrong way round once left a tenth of the documents to train on: it looked like a result."""
    data = experiments.material("python docs", held_out=1_000_000)
    assert len(data.rows) > 5 * len(data.held_out) > 1000
    rows = {tuple(row) for row in data.rows.tolist()}
    assert not any(tuple(row) in rows for row in data.held_out.tolist())


# --- killed at any moment, and on a cluster -----------------------------------------------------------


def start(jobs, folder):
    environment = os.environ | {
        "COURSE_EVIDENCE": str(folder / "evidence"), "COURSE_CACHE": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
    }  # fmt: skip
    (folder / "evidence").mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "toy_experiment.py", str(jobs)], cwd=HERE, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def lines(file):
    return len(file.read_text("utf-8").splitlines()) if file.exists() else 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs process groups")
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_random_it_goes_on_to_the_same_record(jobs, tmp_path):
    """Kill the whole process group again and again; at the end the record is the one of an undisturbed run."""
    rng, log, record = random.Random(jobs), *(tmp_path / "evidence" / name for name in ("calls.log", "toy.json"))
    for _ in range(6):
        process, begun = start(jobs, tmp_path), lines(log) + rng.randint(1, 7)
        while process.poll() is None and lines(log) < begun:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.06))
        with contextlib.suppress(ProcessLookupError):  # it may have finished
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if record.exists():
            runs = json.loads(record.read_text("utf-8"))["runs"]  # never half a file
            assert all(numbers({"runs": runs})[arm][s] == expected(6)[arm][s] for arm in runs for s in runs[arm])
            if sum(map(len, runs.values())) == 12:
                record.unlink()  # all done before the kill: begin again
    out, err = start(jobs, tmp_path).communicate(timeout=60)
    assert numbers(json.loads(record.read_text("utf-8"))) == expected(6), out + err
    names = {file.name for file in (tmp_path / "evidence").iterdir()}
    assert names - {".toy.json.lock"} == {"calls.log", "toy.json"}
