"""Pronouns at a distance: rows as promised, a score with known floor and ceiling, and runs that can be repeated."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib import experiments
from course_lib.exercises.compare import within_binomial
from course_lib.experiments import Record
from course_lib.experiments import lesson_02 as distance
from course_lib.experiments.sequence_mixers import DILATIONS, reach

FIRST = len(distance.PRONOUNS)  # the id of the first name
T = distance.LENGTH
SHORT = {"task": "kind", "steps": 6, "moments": 3, "batch_size": 8, "learning_rate": 1e-2}


def named(row):
    """Return {place: name} and {place: pronoun} of a row."""
    said = distance.words(row)
    return ({t: w for t, w in enumerate(said) if w in distance.NAMES},
            {t: w for t, w in enumerate(said) if w in distance.PRONOUNS})  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.integers(1, T - 1), st.integers(0, 1000), st.sampled_from(list(distance.TASKS)))
def test_the_right_name_stands_as_far_before_its_pronoun_as_asked(away, seed, task):
    ids, asked, answer = distance.rows(5, torch.Generator().manual_seed(seed), away, task)
    assert ids.shape == (5, T)
    for row, at, right in zip(ids, asked.tolist(), answer.tolist(), strict=True):
        names, pronouns = named(row)
        assert list(pronouns) == [at] and names[at - away] == distance.NAMES[right]
        assert names[at - away] in distance.PRONOUNS[pronouns[at]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000))
def test_the_task_has_one_right_answer(seed):
    generator = torch.Generator().manual_seed(seed)
    for row, asked, answer in zip(*distance.rows(8, generator, task="kind"), strict=True):
        names, pronouns = named(row)
        kinds = [kind for name in names.values() for kind, members in distance.PRONOUNS.items() if name in members]
        assert sorted(kinds) == sorted(distance.PRONOUNS)  # one of each kind, in three places
        [meant] = [name for name in names.values() if name in distance.PRONOUNS[pronouns[int(asked)]]]
        assert meant == distance.NAMES[answer]
    for row, asked, answer in zip(*distance.rows(8, generator, task="order"), strict=True):
        names, pronouns = named(row)
        assert set(names.values()) <= set(distance.PRONOUNS[pronouns[int(asked)]])
        assert max(names) < asked and names[max(names)] == distance.NAMES[answer]
        assert len(names) == 1 + min(3, max(names))  # three rivals, or as many as there is room for


def test_distances_are_log_uniform_and_all_answers_are_equally_likely():
    ids, asked, answer = distance.rows(20_000, torch.Generator().manual_seed(0))
    own = ids == (FIRST + answer)[:, None]
    away = asked - own.int().argmax(dim=1)
    assert away.min() == 1 and away.max() == 63
    for limit, share in ((2, 1 / 6), (8, 1 / 2), (32, 5 / 6)):  # logarithms of 64: equal shares per doubling
        assert within_binomial(int((away < limit).sum()), len(away), share)
    assert set(asked.tolist()) == set(range(1, 64))
    for name in range(24):
        assert within_binomial(int((answer == name).sum()), len(answer), 1 / 24)
    assert ids.unique().numel() == len(distance.WORDS)


def test_the_same_seed_gives_the_same_rows():
    first, second, other = (distance.rows(4, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])


class Known(nn.Module):
    """A reader that needs no training: it knows the last name of the pronoun's kind, or that kind alone."""

    def __init__(self, looks):
        super().__init__()
        self.looks, self.weight = looks, nn.Parameter(torch.zeros(1))

    def forward(self, ids, asked):
        kind = ids.masked_fill(ids >= FIRST, 0).amax(dim=1)[:, None]  # the row's one pronoun, [B, 1]
        name = ids - FIRST
        fits = (name >= 0) & (name < 24) & (name // 8 == kind)
        last = torch.where(fits, torch.arange(T), -1).argmax(dim=1)[:, None]
        answer = name.gather(1, last) if self.looks else 8 * kind
        return nn.functional.one_hot(answer[:, 0], 24).float()


@pytest.mark.parametrize("task", distance.TASKS)
def test_floor_and_ceiling_are_what_the_lesson_says(task):
    n, top, bottom = 64, distance.score(Known(True), task, n=64), distance.score(Known(False), task, n=64)
    assert list(top) == [*(f"accuracy at {d}" for d in distance.DISTANCES), "accuracy"] and set(top.values()) == {1.0}
    mean = bottom.pop("accuracy")
    assert all(within_binomial(round(share * n), n, 1 / 8) for share in bottom.values())
    assert mean == pytest.approx(sum(bottom.values()) / len(bottom))


def test_training_validation_and_test_rows_of_a_seed_are_its_own(monkeypatch):
    drawn = []

    def noted(n, generator, distance=None, task="kind"):
        drawn.append((n, generator.initial_seed(), distance))
        return rows(n, generator, distance, task)

    rows = distance.rows
    monkeypatch.setattr(distance, "rows", noted)
    for seed in (0, 1):
        distance.resolve(seed, reader="LSTM, forget bias 1", **SHORT | {"steps": 4, "moments": 2})
    trained = {seed for n, seed, away in drawn if away is None}
    held_out = {n: {seed - away for m, seed, away in drawn if away and m == n} for n in {m for m, _, a in drawn if a}}
    assert trained == {0, 1}
    assert held_out == {50: {1_000_000, 1_000_100}, 500: {1_000_000, 1_000_100}, 100: {2_000_000, 2_000_100}}


def test_the_learning_rate_is_chosen_on_rows_that_are_not_reported():
    runs = {"LSTM, rate 0.1": [{"validation accuracy": [0.4], "accuracy": [0.9]}],
            "LSTM, rate 0.01": [{"validation accuracy": [0.6], "accuracy": [0.5]}],
            "LSTM, forget bias 1, rate 0.1": [{"validation accuracy": [0.9], "accuracy": [0.9]}]}  # fmt: skip
    record = Record("toy", "", {arm: dict(enumerate(each)) for arm, each in runs.items()}, [], [])
    assert distance.better_rate(record, "LSTM") == "LSTM, rate 0.01"


def test_steps_until_a_share_is_right():
    runs = {"0": {"step": [5, 10, 15], "accuracy at 4": [0.2, 0.9, 0.8]}, "1": {"step": [5], "accuracy at 4": [0.89]}}
    assert distance.steps_until(Record("toy", "", {"arm": runs}, [], []), "arm", 4) == [10, float("inf")]


@pytest.mark.slow
def test_a_run_can_be_repeated_and_follows_its_seed():
    first, again, other = (distance.resolve(seed, reader="convolutions", **SHORT) for seed in (0, 0, 1))
    assert first == again != other
    assert first["tokens"] == [2 * 8 * 64, 4 * 8 * 64, 6 * 8 * 64]
    assert first["step"] == [2, 4, 6] and len(set(first["validation accuracy"])) == 1
    assert set(first) == {"step", "tokens", *(f"accuracy at {d}" for d in distance.DISTANCES), "accuracy",
                          "validation accuracy"}  # fmt: skip
    assert all(len(values) == 3 for values in first.values())
    assert first != distance.resolve(0, reader="convolutions", **SHORT | {"task": "order"})


@pytest.mark.slow
def test_neighbours_are_learned_and_what_is_out_of_reach_is_not():
    model, _ = distance.train("convolutions", seed=0, steps=300)
    found = distance.score(model, distances=(1, 20), n=64)
    assert found["accuracy at 1"] > 0.6 and within_binomial(round(64 * found["accuracy at 20"]), 64, 1 / 8)


@pytest.mark.parametrize("name", DILATIONS)
def test_no_recorded_convolution_beat_guessing_beyond_its_reach(name):
    """At no moment of no seed: some hundred looks, each with a bound of five standard errors."""
    runs = [run for arm, runs in experiments.load("path-length").runs.items() for run in runs.values()
            if arm.startswith(f"{name}, ")]  # fmt: skip
    assert len(runs) >= 10
    for run in runs:
        for away in distance.DISTANCES:
            if away > reach(name):  # early on a guess may be of another kind: then it is below 1 / 8
                *way, end = run[f"accuracy at {away}"]
                looks = [(distance.ON_THE_WAY, share) for share in way] + [(distance.AT_THE_END, end)]
                assert all(share < 1 / 8 or within_binomial(round(n * share), n, 1 / 8) for n, share in looks)


@pytest.mark.parametrize("name", ["path-length", "last-named"])
def test_every_reader_gets_the_same_two_rates(name):
    arms = experiments.find(name).arms
    rates = {}
    for arm, made in arms.items():
        assert set(made) == {"reader", "learning_rate"} and arm.startswith(f"{made['reader']}, ")
        rates.setdefault(made["reader"], []).append(made["learning_rate"])
    assert all(tried == [0.01, 0.003] for tried in rates.values())
