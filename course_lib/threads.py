"""Threads that wait for each other: how a training run notices a busy machine, and goes on with one thread.

Two threads share each operation of a small model, and each operation ends when the slower one is done. Where
another program holds one of the two cores, the other thread spends its time waiting: a step then takes two to three
times as long as with a single thread, which needs nobody. (A second notebook that trains at the same time is enough.)
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

__all__ = ["Threads"]

HELD_UP = 0.8  # of the processor time that the threads could have had: below it somebody else takes it


class Threads:
    """The threads of one run: all that torch has, or a single one while that is faster.

    A context manager: at its end torch has the threads that it had before. On an idle machine nothing is tried, so
    that a run with the same seed gives the same numbers there.
    """

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, processor: Callable[[], float] = time.process_time
    ):
        self.all, self.clock, self.processor = torch.get_num_threads(), clock, processor
        self.pace_of_all: float | None = None  # seconds per step when the suspicion arose; None while there is none
        self.settled, self.step = self.all == 1, 0

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *_) -> None:
        torch.set_num_threads(self.all)

    def after(self, step: int) -> None:
        """Take note that ``step`` steps are done, and change the number of threads if that should help."""
        if self.settled:
            return
        if not self.step:  # the very first steps are not like the rest
            return self._from_here(step)
        wall = self.clock() - self.wall
        if step <= self.step or wall < 0.1:  # too short to judge
            return
        pace, share = wall / (step - self.step), (self.processor() - self.cpu) / (wall * self.all)
        if self.pace_of_all is None:
            if share < HELD_UP:
                self.pace_of_all = pace
                torch.set_num_threads(1)
        else:
            self.settled = True
            if pace > self.pace_of_all:  # it was not the company: all threads are faster after all
                torch.set_num_threads(self.all)
        self._from_here(step)

    def _from_here(self, step: int) -> None:
        self.step, self.wall, self.cpu = step, self.clock(), self.processor()
