"""Draw random inputs for exercises, and shrink one that fails. Hypothesis does the work.

An exercise says what its inputs are in a plain function of a `Draw`, over its whole domain:

    def inputs(d):
        T = d.integer(1, 6)
        return d.ids(T, V=8), d.mask(T)

A letter as a size is drawn too, once for an input: `d.floats("B", "T", 2), d.mask("B", "T")`. What is drawn
shrinks towards the lower bound, the first of a choice, zeros and the shortest list.
"""

import contextlib
import random
from unittest import mock

import torch

from course_lib.exercises.sandbox import undisturbed

__all__ = ["Draw", "sample", "search"]

NUMBERS = (0.0, 1.0, -1.0, 0.5, 2.0, -0.25, 3.0, 0.37, -1.62)  # few, so that there are ties
LARGEST = 4  # of a size that is a letter


class Draw:
    """Draw one input part by part; every method returns a fresh value."""

    def __init__(self, draw):
        from hypothesis import strategies  # a third of a second, which only a check pays

        self._draw, self._st, self._sizes = draw, strategies, {}

    def integer(self, low, high):
        """Return a whole number from low to high, both included."""
        return self._draw(self._st.integers(low, high))

    def size(self, letter):
        """Return the size of this name, from 1 on: the same in all of one input."""
        if letter not in self._sizes:
            self._sizes[letter] = self.integer(1, LARGEST)
        return self._sizes[letter]

    def choice(self, options):
        """Return one of the options, the simplest first."""
        return self._draw(self._st.sampled_from(list(options)))

    def choices(self, options, low, high=None):
        """Return a list of low to high options (of exactly `low` if there is no `high`), repeats included."""
        one = self._st.sampled_from(list(options))
        return self._draw(self._st.lists(one, min_size=low, max_size=low if high is None else high))

    def shuffled(self, items):
        """Return the items as a list in any order."""
        return self._draw(self._st.permutations(list(items)))

    def tensor(self, options, *shape):
        """Return a tensor of this shape, of numbers and letters, filled with the options."""
        shape = torch.Size(self.size(size) if isinstance(size, str) else size for size in shape)
        return torch.tensor(self.choices(options, shape.numel())).reshape(shape)

    def floats(self, *shape, more=()):
        """Return a float tensor of this shape, with ties; `more` adds extremes."""
        return self.tensor((*NUMBERS, *more), *shape).float()

    def ids(self, *shape, V=10):
        """Return whole numbers from 0 to V - 1 in this shape, repeats included."""
        return self.tensor(range(V), *shape).long()

    def mask(self, *shape):
        """Return a 0/1 tensor of this shape with zeros anywhere; every row has a 1."""
        ones = self.ids(*shape, V=2)
        for row in ones.view(-1, ones.shape[-1]):
            if not row.any():
                row[self.integer(0, len(row) - 1)] = 1
        return ones

    def probabilities(self, V):
        """Return V probabilities, with ties and zeros."""
        weights = self.ids(V, V=5).float()
        weights[-1] += not weights.any()
        return weights / weights.sum()


def sample(make, count=100):
    """Return `count` inputs drawn by make(Draw), the same at every call; fewer where there are no more."""
    drawn = []
    search(make, drawn.append, count)  # append says None: nothing is found
    return drawn


def search(make, condition, count=100):
    """Show `count` inputs to condition(input); once it returns True, go on to smaller ones. Errors end the search."""
    from hypothesis import HealthCheck, Phase, errors, find, settings, strategies
    from hypothesis.internal.conjecture.providers import HypothesisProvider

    drawing = strategies.composite(lambda draw: make(Draw(draw)))
    how = settings(
        max_examples=count, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    # Hypothesis mixes in constants of whatever modules are imported: then the inputs would depend on the notebook.
    unmixed = mock.patch.object(HypothesisProvider, "_maybe_draw_constant", lambda *args, **options: None)
    with undisturbed(), unmixed, contextlib.suppress(errors.NoSuchExample, errors.Flaky):
        find(drawing(), condition, settings=how, random=random.Random(0))
