"""One Student's t for the whole course: exact, and the same in tables, figures and verdicts."""

import math

import numpy as np
import pytest

from course_lib import intervals, plots
from course_lib.intervals import student_t, t_interval
from course_lib.train import evaluation

# runs: t of the usual table, two-sided 95% with runs - 1 degrees of freedom
TABLE = {
    2: 12.7062, 3: 4.3027, 4: 3.1824, 5: 2.7764, 6: 2.5706, 7: 2.4469, 8: 2.3646, 9: 2.3060, 10: 2.2622, 11: 2.2281,
    12: 2.2010, 13: 2.1788, 14: 2.1604, 15: 2.1448, 16: 2.1314, 17: 2.1199, 18: 2.1098, 19: 2.1009, 20: 2.0930,
    21: 2.0860, 22: 2.0796, 23: 2.0739, 24: 2.0687, 25: 2.0639, 26: 2.0595, 27: 2.0555, 28: 2.0518, 29: 2.0484,
    30: 2.0452, 31: 2.0423, 41: 2.0211, 61: 2.0003, 81: 1.9901, 101: 1.9840, 121: 1.9799, 200: 1.9720,
}  # fmt: skip


@pytest.mark.parametrize("runs", TABLE)
def test_student_t_equals_the_table(runs):
    assert student_t(runs) == pytest.approx(TABLE[runs], abs=5e-5)


def test_student_t_falls_towards_the_normal_distribution_s():
    factors = [student_t(runs) for runs in (*range(2, 100), 500, 501, 999)]
    assert all(a > b > 1.96 for a, b in zip(factors, factors[1:], strict=False))
    assert student_t(100_000) == pytest.approx(1.95999, abs=2e-5)


@pytest.mark.parametrize("runs", [2, 5, 12, 20, 57])
def test_figures_tables_and_verdicts_have_one_interval(runs):
    values = np.random.default_rng(runs).normal(size=runs)
    assert plots.interval(values) == t_interval(values) == evaluation.t_interval(values)
    mean, low, high = t_interval(values)
    half = student_t(runs) * values.std(ddof=1) / math.sqrt(runs)
    assert (mean, low, high) == pytest.approx((values.mean(), values.mean() - half, values.mean() + half))


def test_t_intervals_cover_the_truth_19_times_in_20():
    draw, n = np.random.default_rng(0), 20_000
    hits = sum(low < 0 < high for _, low, high in (t_interval(draw.normal(size=4)) for _ in range(n)))
    assert abs(hits - 0.95 * n) < 5 * math.sqrt(n * 0.05 * 0.95)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0], [3.0, 4.0]]])
def test_t_interval_needs_two_finite_values(values):
    with pytest.raises(ValueError, match="at least two finite values.*more seeds"):
        intervals.t_interval(values)
