"""Records of experiments: complete, made by today's definition, resumable, and never damaged."""

import dataclasses
import json

import pytest

from course_lib import cli, evidence, experiments
from course_lib.experiments import EXPERIMENTS, Experiment

ASKED = ("fill two-sided", "fill left-only", "next word")
METRICS = {f"{asked} {unit}" for asked in ASKED for unit in ("accuracy", "nats")}


def fake_run(seed, slope=1.0, offset=0.0):
    """Stand in for a training run: two moments, a metric that depends on the arm and the seed."""
    if (marker := experiments.evidence_dir().parent / "stop").exists() and seed == 1:
        raise RuntimeError(f"stopped, as {marker.name} asks")
    return {"tokens": [10, 20], "score": [offset, offset + slope * (seed + 1)]}


@pytest.fixture
def made_up(monkeypatch, tmp_path):
    """Register an experiment whose record goes to a temporary folder and whose runs stay in this process."""
    experiment = Experiment(
        "made-up", "Is it?", "It is.", "offset", {"a": {"offset": 0.0}, "b": {"offset": 5.0}}, "a", {}, run=fake_run
    )
    monkeypatch.setitem(EXPERIMENTS, "made-up", experiment)
    monkeypatch.setattr(experiments, "evidence_dir", lambda: tmp_path / "evidence")
    monkeypatch.setattr(experiments, "ProcessPoolExecutor", InThisProcess)
    return experiment


class InThisProcess:
    """A pool that runs each job at once, so that a test can see and stop it."""

    def __init__(self, jobs, **_):
        self.jobs = jobs

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def submit(self, function, *arguments):
        from concurrent.futures import Future

        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_every_record_is_complete_and_fresh(name):
    """The lessons render these numbers: a missing, partial or outdated record fails here, with the command to run."""
    record, experiment = experiments.load(name), EXPERIMENTS[name]
    assert set(record.runs) == set(experiment.arms)
    seeds = {arm: set(runs) for arm, runs in record.runs.items()}
    assert len({frozenset(s) for s in seeds.values()}) == 1, f"the arms have different seeds: {seeds}"
    for runs in record.runs.values():
        for run in runs.values():
            assert set(run) == METRICS | {"tokens"}
            assert len({len(values) for values in run.values()}) == 1
            assert run["tokens"] == sorted(run["tokens"])
            assert all(0 <= x <= 1 for metric, xs in run.items() if "accuracy" in metric for x in xs)
    assert {"date", "torch", "transformers", "device", "python"} <= set(record.made_with)


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_arms_differ_in_what_the_experiment_varies(name):
    experiment = EXPERIMENTS[name]
    assert experiment.control in experiment.arms
    assert experiment.expectation.endswith(".")
    for arm in experiment.arms.values():
        assert experiment.vary in arm
        assert not set(arm) & set(experiment.common)


def test_a_record_is_written_and_read(made_up):
    path = experiments.record("made-up", seeds=3, note=lambda _: None)
    assert path.name == "made-up.json"
    record = experiments.load("made-up")
    assert record.final("b", "score") == [6.0, 7.0, 8.0]
    assert record.difference("score", "b", "a") == (5.0, 5.0, 5.0)
    assert record.band("a", "score")["mean"] == [0.0, 2.0]


def test_an_interrupted_record_goes_on_and_equals_an_undisturbed_one(made_up):
    whole = json.loads(experiments.record("made-up", seeds=3, note=lambda _: None).read_text("utf-8"))
    (experiments.evidence_dir() / "made-up.json").unlink()
    stop = experiments.evidence_dir().parent / "stop"
    stop.touch()
    EXPERIMENTS["made-up"] = dataclasses.replace(made_up, common={"slope": 1.0})  # other key: not from the cache
    with pytest.raises(RuntimeError, match="stopped"):
        experiments.record("made-up", seeds=3, note=lambda _: None)
    with pytest.raises(ValueError, match="lacks seeds|not been recorded"):
        experiments.load("made-up")
    stop.unlink()
    again = json.loads(experiments.record("made-up", seeds=3, note=lambda _: None).read_text("utf-8"))
    assert again["runs"] == whole["runs"]


def test_another_definition_outdates_the_record(made_up, monkeypatch):
    experiments.record("made-up", note=lambda _: None)
    monkeypatch.setitem(EXPERIMENTS, "made-up", dataclasses.replace(made_up, common={"slope": 2.0}))
    with pytest.raises(ValueError, match="another definition.*python -m course_lib evidence made-up"):
        experiments.load("made-up")


def test_a_missing_record_says_what_to_run(made_up):
    with pytest.raises(ValueError, match="not been recorded yet. Run: python -m course_lib evidence made-up"):
        experiments.load("made-up")
    with pytest.raises(ValueError, match="No experiment 'nonsense'"):
        experiments.load("nonsense")


def test_the_command_lists_and_refuses(made_up, capsys):
    assert cli.main(["evidence", "--list", "made-up"]) == 0
    assert "not been recorded" in capsys.readouterr().out
    assert cli.main(["evidence", "nonsense"]) == 2
    assert cli.main(["evidence", "made-up", "--seeds", "1"]) == 2
    assert evidence.__all__ == ["arguments", "run"]


def test_one_run_measures_everything_on_a_tiny_budget():
    run = experiments.one_run(0, steps=10, batch_size=8)
    assert set(run) == METRICS | {"tokens"}
    assert run["tokens"][-1] == 10 * 8 * experiments.LENGTH
    assert run["fill two-sided nats"][-1] < run["fill two-sided nats"][0] + 1
