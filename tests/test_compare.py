"""Comparing, copying and describing what functions take and return."""

import copy
import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.exercises import compare
from course_lib.exercises.sandbox import changed


def add_one(x):
    return x + 1


@dataclass(frozen=True)
class Pair:
    left: int
    right: int


@pytest.mark.parametrize(
    "got, expected",
    [
        (1, 1.0),
        (np.float32(0.1), 0.1),
        (torch.tensor(3), 3),
        (True, torch.tensor(True)),
        ((1, 2), [1, 2]),
        (torch.ones(2, dtype=torch.float64), torch.ones(2)),
        (torch.ones(2, dtype=torch.bfloat16), torch.ones(2)),
        (torch.tensor([1], dtype=torch.int32), torch.tensor([1])),
        (torch.tensor([1e-9, math.nan]), torch.tensor([0, math.nan])),
        ("x", "x"),
        (None, None),
        (Fraction(1, 3), 1 / 3),
        ([np.str_("x")], ["x"]),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
    ],
)
def test_the_same(got, expected):
    assert compare.same(got, expected) is None


@pytest.mark.parametrize(
    "got, expected, said",
    [
        (None, 1, "is there a `return`"),
        ([1, None], [1, 2], "in item 1, it has None, not 2"),
        ((n for n in [1]), [1], "a generator"),
        (1, None, "an int where a NoneType"),
        (2, 1, "it has 2, not 1."),
        (True, 1, "bool"),
        (torch.zeros(2), torch.zeros(3), r"shape is \(2,\), not \(3,\)"),
        (torch.zeros(2).bool(), torch.zeros(2), "numbers are bool"),
        (torch.zeros(2).long(), torch.zeros(2), "whole numbers"),
        (np.zeros(2), torch.zeros(2), "a numpy array where a torch tensor"),
        ([0, 0], torch.zeros(2), "a list where a torch tensor"),
        (torch.tensor([[0, 1], [1, 1]]), torch.ones(2, 2).long(), r"at \[0, 0\] it has 0, not 1 \(1 of 4"),
        (torch.tensor([math.nan]), torch.tensor([0.0]), "it has nan, not 0"),
        (torch.tensor([torch.finfo(torch.float32).min]), torch.zeros(1), "it has min, not 0"),
        ([1], [1, 2], "1 item, not 2"),
        ([1, 3], [1, 2], "in item 1, it has 3"),
        ("x", "y", "returns 'x', not 'y'"),
        ("x", ["x"], "a str where a list"),
        (print, 1, "brackets missing"),
        (torch.zeros(2), 0.0, "a torch tensor where a float"),
        ({1}, {2}, r"returns \{1\}, not \{2\}"),
    ],
)
def test_not_the_same(got, expected, said):
    assert re.search(said, compare.same(got, expected))


@pytest.mark.parametrize(
    "value, text",
    [
        (
            torch.tensor([[0.0, torch.finfo(torch.float32).min], [0.25, -math.inf]]),
            "[[   0,  min],\n [0.25, -inf]]",
        ),
        (torch.tensor([1, 2]), "[1, 2]"),
        (torch.zeros(11, 11), "tensor of shape (11, 11)"),
        (np.zeros((1, 2), dtype=bool), "[[False, False]]"),
        (torch.tensor(2.5), "2.5"),
        ({"a": torch.tensor([1])}, "{'a': [1]}"),
        ((1,), "(1,)"),
        (Pair(1, 2), "Pair(left=1, right=2)"),
        (torch.Generator().manual_seed(3), "Generator(seed 3)"),
        (object(), "object(...)"),
        (add_one, "add_one"),
        (list(range(30)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, ...]"),
        (set(), "set()"),
        (torch.zeros(0), "[]"),
    ],
)
def test_brief(value, text):
    assert compare.brief(value) == text


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(json_like)
def test_a_copy_is_unchanged(value):
    assert not changed(value, copy.deepcopy(value))


@settings(max_examples=50)
@given(json_like, json_like)
def test_comparing_anything_with_anything_gives_an_answer(one, other):
    assert compare.same(one, other) is None or isinstance(compare.same(one, other), str)
    assert isinstance(changed(one, other), bool) and isinstance(compare.brief(one), str)


@settings(max_examples=60)
@given(st.integers(1, 40), st.floats(0.01, 0.99), st.data())
def test_the_binomial_bound_is_the_exact_tail(trials, p, data):
    count = data.draw(st.integers(0, trials))
    chances = [math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(trials + 1)]
    tail = sum(chances[count:]) if count > p * trials else sum(chances[: count + 1])
    limit = math.erfc(2 / math.sqrt(2)) / 2
    if abs(tail - limit) > 1e-9:
        assert compare.within_binomial(count, trials, p, sigmas=2) == (tail >= limit)


def test_the_binomial_bound_of_many_trials():
    assert compare.within_binomial(15_000, 100_000, 0.15)
    assert compare.within_binomial(15_500, 100_000, 0.15) and not compare.within_binomial(15_600, 100_000, 0.15)
    assert compare.within_binomial(0, 10, 0) and not compare.within_binomial(1, 10, 0)
    assert compare.within_binomial(10, 10, 1) and not compare.within_binomial(9, 10, 1)
