"""Compare and describe what functions take and return: numbers, texts, tensors, lists of them."""

import math
import numbers
import reprlib
import types

import numpy as np
import torch

__all__ = ["brief", "first_line", "kind_of", "same", "within_binomial"]

LOWEST = {torch.finfo(kind).min for kind in (torch.float32, torch.float64, torch.bfloat16, torch.float16)}
SHOWN = 100  # elements of an array that are shown in full
LONGEST = 3000  # characters of one value
SORTS = (torch.Tensor, list | tuple, str)  # a tuple counts as a list
KIND_NAMES = {"b": "bool", "i": "whole numbers", "f": "floating point", "c": "complex"}


def within_binomial(successes, trials, p, sigmas=5):
    """Return whether a count is plausible for a right answer: no rarer than `sigmas` in its binomial tail.

    At 5 sigmas a right answer fails once in two million checks. The tail is exact: small counts are safe.
    """
    if p in (0, 1):
        return successes == p * trials
    high = successes > p * trials
    counts = torch.arange(successes if high else 0, (trials if high else successes) + 1, dtype=torch.float64)
    chances = torch.distributions.Binomial(trials, torch.tensor(p, dtype=torch.float64)).log_prob(counts)
    return chances.logsumexp(0).exp().item() >= math.erfc(sigmas / math.sqrt(2)) / 2


def same(got, expected):
    """Return None if `got` is a right answer where `expected` is one, else the reason in words.

    Said first: a wrong type, then shape, kind of number, first differing element. Another precision,
    a tuple for a list and a number for a tensor without dimensions are accepted.
    """
    try:
        return difference(got, expected)
    except Exception as error:  # a learner's answer may be anything
        return f"what it returns cannot be compared ({type(error).__name__}: {first_line(error)})."


def difference(got, expected):
    if got is None and expected is not None:
        return "it returns None: is there a `return` on every way through it?"
    if is_number(expected) and is_number(got):
        return same_arrays(array(got), array(expected))
    sort = next((sort for sort in SORTS if isinstance(expected, sort)), type(expected))
    if not isinstance(got, sort):
        return f"it returns {kind_of(got)} where {kind_of(expected)} is asked for."
    if sort is torch.Tensor:
        return same_arrays(array(got), array(expected))
    if not isinstance(expected, list | tuple):
        return None if got == expected else f"it returns {brief(got)}, not {brief(expected)}."
    if len(got) != len(expected):
        return f"it returns {len(got)} {'item' if len(got) == 1 else 'items'}, not {len(expected)}."
    for i, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
        if ours is None and theirs is not None:
            return f"in item {i}, it has None, not {brief(theirs)}."
        if problem := difference(ours, theirs):
            return f"in item {i}, {problem}"
    return None


def is_number(value):
    """Return whether this is one number: Python's, numpy's, or a tensor or array without dimensions."""
    return isinstance(value, numbers.Number | np.generic) or (
        isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 0
    )


def array(value):
    """Return a tensor, array or number as a numpy array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return value.float().numpy() if value.dtype in (torch.bfloat16, torch.float16) else value.numpy()
    values = np.asarray(value)
    return values.astype(float) if values.dtype == object else values  # fractions are numbers as good as others


def same_arrays(got, expected):
    """Compare two numpy arrays: shape, kind of number, values."""
    if got.shape != expected.shape:
        return f"the shape is {got.shape}, not {expected.shape}."
    kind, wanted = (KIND_NAMES.get(a.dtype.kind.replace("u", "i"), str(a.dtype)) for a in (got, expected))
    # A plain number may be an int where a float is meant; a tensor's kind of number is part of its contract.
    if kind != wanted and (got.ndim or "bool" in (kind, wanted)):
        return f"the numbers are {kind} ({got.dtype}), not {wanted} ({expected.dtype})."
    if expected.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            equal = np.isclose(got, expected, rtol=1e-4, atol=1e-6, equal_nan=True)
    else:
        equal = got == expected
    if equal.all():
        return None
    where = tuple(int(i) for i in np.argwhere(~equal)[0])
    place = f"at {list(where)} " if where else ""
    share = f" ({(~equal).sum()} of {equal.size} differ)" if equal.size > 1 else ""
    return f"{place}it has {element(got[where])}, not {element(expected[where])}{share}."


def kind_of(value):
    """Return the type of a value in plain words."""
    if isinstance(value, torch.Tensor):
        return "a torch tensor"
    if isinstance(value, types.GeneratorType):
        return "a generator, which makes its values later (`list(...)` makes them now),"
    if isinstance(value, np.ndarray):
        return "a numpy array"
    if callable(value):
        return "a function (are its brackets missing?)"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def element(value):
    """Return one number as short text; the lowest float, which masks use for 'may not look', reads 'min'."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        if value in LOWEST:
            return "min"
        return f"{value:.4g}" if value else "0"
    return str(value)


def brief(value):
    """Return a short, stable description of a value: small arrays in full, no addresses. Never an error."""
    text = Brief().repr(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


class Brief(reprlib.Repr):
    """Python's own short descriptions, with arrays and numbers as `element` shows them."""

    def __init__(self):
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 20
        self.maxstring, self.maxlevel = 200, 5

    def repr1(self, value, level):
        """Describe one value; called for what stands in lists, too."""
        try:
            if isinstance(value, torch.Tensor | np.ndarray):
                return described_array(value)
            if isinstance(value, float | np.generic):
                return element(value)
            return super().repr1(value, level)
        except Exception:  # a value that cannot describe itself
            return f"{type(value).__name__}(...)"

    def repr_instance(self, value, level):
        """Describe what is no list, text or number: without an address."""
        if isinstance(value, torch.Generator) and value.initial_seed() < 1e6:
            return f"Generator(seed {value.initial_seed()})"
        if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
            return value.__name__
        text = repr(value)
        if " at 0x" in text:
            return f"{type(value).__name__}(...)"
        return text if len(text) <= 200 else text[:197] + "..."


def described_array(value):
    """Return an array as nested lists with aligned columns, one matrix row a line; a large one by its shape."""
    values = array(value)
    if values.ndim == 0:
        return element(values)
    if values.size > SHOWN:
        return f"{kind_of(value).split()[-1]} of shape {values.shape}"
    width = max(map(len, map(element, values.flat)), default=0) if values.ndim > 1 else 0
    form = {"all": lambda item: element(item).rjust(width)}
    text = np.array2string(values, separator=", ", max_line_width=10**6, formatter=form)
    return text.replace("\n\n", "\n")


def first_line(error):
    """Return the first line of an error's text, shortened."""
    try:
        text = (str(error).strip() or "no message").splitlines()[0]
    except Exception:  # an error of the learner's own whose text is another error
        text = "no message"
    return text if len(text) <= 160 else text[:157] + "..."
