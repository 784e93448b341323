"""Copy, compare and describe what functions take and return: numbers, tensors, lists, records."""

import copy
import dataclasses
import math
import numbers
import random
import types

import numpy as np
import torch

__all__ = ["brief", "changed", "copied", "same", "within_binomial"]

GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
LOWEST = {torch.finfo(kind).min for kind in (torch.float32, torch.float64, torch.bfloat16, torch.float16)}
SHOWN = 100  # elements of an array that are shown in full
LONGEST = 3000  # characters of one value
KIND_NAMES = {"b": "bool", "i": "whole numbers", "f": "floating point", "c": "complex"}


def within_binomial(successes, trials, p, sigmas=5):
    """Return whether a count is plausible for a right answer: no rarer than `sigmas` in its binomial tail.

    At 5 sigmas a right answer fails once in two million checks. The tail is exact: small counts are safe.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; a probability lies in [0, 1]")
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials: the count lies in [0, trials]")
    if p in (0, 1):
        return successes == p * trials
    high = successes > p * trials
    counts = torch.arange(successes if high else 0, (trials if high else successes) + 1, dtype=torch.float64)
    chances = torch.distributions.Binomial(trials, torch.tensor(p, dtype=torch.float64)).log_prob(counts)
    return chances.logsumexp(0).exp().item() >= math.erfc(sigmas / math.sqrt(2)) / 2


def copied(value):
    """Return an independent copy, of random generators and tensors with gradients too."""
    if isinstance(value, torch.Generator):
        clone = torch.Generator(device=value.device)
        clone.set_state(value.get_state())
        return clone
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(copied, value))
    if type(value) in (list, tuple, set):
        return type(value)(map(copied, value))
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    if callable(value) and not isinstance(value, torch.nn.Module):
        return value
    return copy.deepcopy(value)


def changed(before, after):
    """Return whether a call has changed one of its arguments (generators are meant to change)."""
    if isinstance(before, GENERATORS):
        return False
    if type(before) is not type(after):
        return True
    if isinstance(before, torch.nn.Module):
        # Buffers and weights only: gradients and train/eval mode are part of ordinary use.
        return changed(before.state_dict(), after.state_dict())
    if isinstance(before, torch.Tensor | np.ndarray):
        ours, theirs = array(before), array(after)
        return ours.shape != theirs.shape or not np.array_equal(ours, theirs, equal_nan=ours.dtype.kind in "fc")
    if isinstance(before, dict):
        return list(before) != list(after) or any(changed(before[key], after[key]) for key in before)
    if isinstance(before, list | tuple):
        return len(before) != len(after) or any(map(changed, before, after))
    if isinstance(before, str | bytes | numbers.Number | set | bool | None):
        return not (before == after or before != before)
    return False  # an object we cannot compare: give the benefit of the doubt


def array(value):
    """Return a tensor, array or number as a numpy array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return value.float().numpy() if value.dtype in (torch.bfloat16, torch.float16) else value.numpy()
    if isinstance(value, numbers.Number):  # fractions are numbers as good as others
        return np.asarray(value if np.asarray(value).dtype != object else float(value))
    return np.asarray(value)


def is_number(value):
    """Return whether this is one number: Python's, numpy's, or a tensor or array without dimensions."""
    return isinstance(value, numbers.Number | np.generic) or (
        isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 0
    )


def same(got, expected, *args, rtol=1e-4, atol=1e-6):
    """Return None if `got` is a right answer where `expected` is one, else the reason in words.

    Said first: a wrong type, then shape, kind of number, first differing element. Another precision,
    a tuple for a list and a number for a tensor without dimensions are accepted.
    """
    if got is None and expected is not None:
        return "it returns None: is there a `return` on every way through it?"
    if is_number(expected) and is_number(got):
        return same_arrays(array(got), array(expected), rtol, atol)
    if sort_of(got) is not sort_of(expected):
        return f"it returns {kind_of(got)} where {kind_of(expected)} is asked for."
    if isinstance(got, torch.Tensor) and (got.is_nested or got.layout is not torch.strided):
        return f"it returns {kind_of(got)} where an ordinary one is asked for."
    if isinstance(expected, torch.Tensor | np.ndarray):
        return same_arrays(array(got), array(expected), rtol, atol)
    if dataclasses.is_dataclass(expected):
        fields = [field.name for field in dataclasses.fields(expected)]
        pairs = [(f"in `{name}`, ", getattr(got, name), getattr(expected, name)) for name in fields]
    elif isinstance(expected, dict):
        if set(got) != set(expected):
            return f"its keys are {brief(sorted(got, key=str))}, not {brief(sorted(expected, key=str))}."
        pairs = [(f"under {key!r}, ", got[key], expected[key]) for key in expected]
    elif isinstance(expected, list | tuple):
        if len(got) != len(expected):
            return f"it returns {len(got)} {'item' if len(got) == 1 else 'items'}, not {len(expected)}."
        pairs = [(f"in item {i}, ", *pair) for i, pair in enumerate(zip(got, expected, strict=True))]
    else:
        return None if bool(got == expected) else f"it returns {brief(got)}, not {brief(expected)}."
    for place, ours, theirs in pairs:
        if ours is None and theirs is not None:
            return f"{place}it has None, not {brief(theirs)}."
        if problem := same(ours, theirs, rtol=rtol, atol=atol):
            return place + problem
    return None


def sort_of(value):
    """Return the class that two values must share to be compared; a list and a tuple count alike."""
    sorts = {torch.Tensor: torch.Tensor, np.ndarray: np.ndarray, dict: dict, tuple: list, frozenset: set,
             np.str_: str}  # fmt: skip
    return next((sort for base, sort in sorts.items() if isinstance(value, base)), type(value))


def same_arrays(got, expected, rtol, atol):
    """Compare two numpy arrays: shape, kind of number, values."""
    if got.shape != expected.shape:
        return f"the shape is {got.shape}, not {expected.shape}."
    kind, wanted = (KIND_NAMES.get(a.dtype.kind.replace("u", "i"), str(a.dtype)) for a in (got, expected))
    # A plain number may be an int where a float is meant; a tensor's kind of number is part of its contract.
    if kind != wanted and (got.ndim or "bool" in (kind, wanted)):
        return f"the numbers are {kind} ({got.dtype}), not {wanted} ({expected.dtype})."
    if not got.size:
        return None
    if expected.dtype.kind in "fc":
        with np.errstate(invalid="ignore", over="ignore"):
            equal = np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
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
        sort = "nested " if value.is_nested else "" if value.layout is torch.strided else "sparse "
        return f"a {sort or 'torch '}tensor"
    if isinstance(value, types.GeneratorType):
        return "a generator, which makes its values later (`list(...)` makes them now),"
    if isinstance(value, np.ndarray):
        return "a numpy array"
    if isinstance(value, type):
        return "a class"
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


def brief(value, depth=4):
    """Return a short, stable description of a value: small arrays in full, no addresses. Never an error.

    Lists in lists are followed `depth` levels down: one may hold itself.
    """
    try:
        text = _brief(value, lambda item: brief(item, depth - 1) if depth else "...")
        return text if len(text) <= LONGEST else text[:LONGEST] + "..."
    except Exception:  # a value that cannot describe itself
        return f"{type(value).__name__}(...)"


def _brief(value, inner):
    if isinstance(value, torch.Tensor | np.ndarray):
        values = array(value)
        if values.ndim == 0:
            return element(values)
        if values.size > SHOWN:
            return f"{kind_of(value).split()[-1]} of shape {values.shape}"
        return nested(values)
    if isinstance(value, torch.Generator):
        return f"Generator(seed {value.initial_seed()})" if value.initial_seed() < 1e6 else "Generator(...)"
    if isinstance(value, (*GENERATORS, torch.nn.Module)):
        return f"{type(value).__name__}(...)"
    if isinstance(value, float | np.generic):
        return element(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ", ".join(f"{key}={inner(item)}" for key, item in vars(value).items())
        return f"{type(value).__name__}({fields})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {inner(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        inside = ", ".join(map(inner, value[:20])) + (", ..." if len(value) > 20 else "")
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(inner, value))) + "}" if value else "set()"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    text = repr(value)
    if f"at {id(value):#x}" in text or " at 0x" in text:
        return f"{type(value).__name__}(...)"
    return text if len(text) <= 200 else text[:197] + "..."


def nested(values):
    """Return an array as nested lists with aligned columns, one matrix row a line."""
    cells = np.vectorize(element, otypes=[object])(values) if values.size else values
    width = max((len(cell) for cell in cells.flat), default=0) if values.size else 0

    def lines(part, depth):
        if part.ndim == 1:
            return "[" + ", ".join(str(cell).rjust(width if values.ndim > 1 else 0) for cell in part) + "]"
        return "[" + (",\n" + " " * (depth + 1)).join(lines(row, depth + 1) for row in part) + "]"

    return lines(cells, 0)
