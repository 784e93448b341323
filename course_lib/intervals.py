"""The 95% interval of a mean over a few independent runs, by Student's t: one rule for tables, figures and verdicts."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

__all__ = ["student_t", "t_interval"]


@functools.cache
def student_t(runs: int) -> float:
    """Compute how many standard errors the 95% interval of the mean of so many runs reaches to either side.

    By bisection of the exact sum for whole degrees of freedom, runs - 1 (Abramowitz & Stegun, 26.7.3 and 26.7.4).
    """
    freedom, low, high = runs - 1, 0.0, math.pi / 2
    while low < (angle := (low + high) / 2) < high:
        low, high = (angle, high) if _inside(angle, freedom) < 0.95 else (low, angle)
    return math.sqrt(freedom) * math.tan(angle)


def _inside(angle: float, freedom: int) -> float:
    """P(|t| < sqrt(freedom) tan(angle)): a sum of powers of the cosine, odd or even ones."""
    odd, cos = freedom % 2, math.cos(angle)
    power, total = (cos if odd else 1.0), 0.0
    for k in range(1 + odd, freedom, 2):  # 1, 1/2, 1 3 / (2 4), ... or 1, 2/3, 2 4 / (3 5), ...
        total += power
        power *= cos * cos * k / (k + 1)
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def t_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95% t interval of independent runs (seeds): (mean, low, high). At least two values."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"An interval needs at least two finite values, got {values.tolist()}: run more seeds.")
    half = student_t(len(values)) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)
