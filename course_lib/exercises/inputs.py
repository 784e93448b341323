"""Draw random inputs for exercises, and shrink one that fails. Hypothesis does the work.

An exercise says what its inputs are in a plain function of a `Draw`, over its whole domain:

    def inputs(d):
        T = d.integer(1, 6)
        return d.ids(T, V=8), d.mask(T)

What is drawn shrinks towards the lower bound, the first of a choice, zeros and the shortest list.
"""

import contextlib

import torch

from course_lib.exercises.sandbox import undisturbed

__all__ = ["Draw", "sample", "search"]

WORDS = ("the", "baker", "slept", ".", "saw", "[MASK]", "[PAD]")  # few, so that they come again
NUMBERS = (0.0, 1.0, -1.0, 0.5, 2.0, -0.25, 3.0, 0.37, -1.62)  # few, so that there are ties


class Draw:
    """Draw one input part by part; every method returns a fresh value."""

    def __init__(self, draw):
        from hypothesis import strategies

        self._draw, self._st = draw, strategies

    def integer(self, low, high):
        """Return a whole number from low to high, both included."""
        return self._draw(self._st.integers(low, high))

    def boolean(self):
        """Return False or True."""
        return self._draw(self._st.booleans())

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

    def words(self, low=1, high=7, options=WORDS):
        """Return a list of words with repeats, special ones among them."""
        return self.choices(options, low, high)

    def floats(self, *shape, values=NUMBERS):
        """Return a float tensor of this shape, with ties; `values` adds extremes."""
        return torch.tensor(self.choices(values, _size(shape)), dtype=torch.float32).reshape(shape)

    def ids(self, *shape, V=10, low=0):
        """Return whole numbers from low to V - 1 in this shape: repeats and id 0 included."""
        return torch.tensor(self.choices(range(low, V), _size(shape)), dtype=torch.long).reshape(shape)

    def mask(self, *shape, empty=False):
        """Return a 0/1 tensor of this shape with zeros anywhere; every row has a 1 unless `empty` allows none."""
        ones = self.ids(*shape, V=2)
        if not empty:
            for row in ones.view(-1, shape[-1]):
                if not row.any():
                    row[self.integer(0, shape[-1] - 1)] = 1
        return ones

    def probabilities(self, *shape, low=0):
        """Return rows of probabilities in this shape, with ties, and with zeros unless low=1."""
        weights = self.ids(*shape, V=5, low=low).float()
        weights.view(-1, shape[-1])[:, -1] += (weights.view(-1, shape[-1]).sum(-1) == 0).float()
        return weights / weights.sum(-1, keepdim=True)

    def generator(self):
        """Return a torch.Generator with a seed of its own."""
        return torch.Generator().manual_seed(self.integer(0, 9))


def _size(shape):
    return torch.Size(shape).numel()


def sample(make, count=100):
    """Return `count` inputs drawn by make(Draw), the same at every call; fewer where there are no more."""
    drawn = []
    search(make, drawn.append, count)  # append says None: nothing is found
    return drawn


def search(make, condition, count=100):
    """Show `count` inputs to condition(input); once it returns True, go on to smaller ones. Errors end the search."""
    from random import Random

    from hypothesis import HealthCheck, Phase, errors, find, settings, strategies
    from hypothesis.internal.conjecture.providers import HypothesisProvider

    @strategies.composite
    def inputs(draw):
        return make(Draw(draw))

    how = settings(
        max_examples=count, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    with undisturbed(), contextlib.suppress(errors.NoSuchExample, errors.Flaky):
        # Hypothesis mixes in constants of whatever modules are imported: then the inputs would depend on the notebook.
        mixing = HypothesisProvider._maybe_draw_constant
        HypothesisProvider._maybe_draw_constant = lambda *args, **options: None
        try:
            find(inputs(), condition, settings=how, random=Random(0))
        finally:
            HypothesisProvider._maybe_draw_constant = mixing
