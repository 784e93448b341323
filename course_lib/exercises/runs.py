"""Run a learner's function on one input, safely: on copies, from a fixed seed, noting what it did."""

import contextlib
import inspect
import linecache
import random
import traceback
from dataclasses import dataclass

import numpy as np
import torch

from course_lib.exercises import values

__all__ = ["Outcome", "arguments", "delegating", "run"]

_delegated: list[str] = []  # names of the references that were called since the list was last cleared


@dataclass(frozen=True)
class Outcome:
    """What one call gave: a value or an error, which arguments it changed, whether it used the reference."""

    value: object = None
    error: Exception | None = None
    line: str = ""  # the learner's own line that raised, as text
    mutated: tuple[str, ...] = ()
    delegated: bool = False


def delegating(name, function):
    """Return the function, wrapped so that a run notices that it was called."""

    def reference_answer(*args, **kwargs):
        _delegated.append(name)
        return function(*args, **kwargs)

    reference_answer.__name__ = name
    return reference_answer


def run(function, args, name, names):
    """Call function(*args) on copies of args; `names` are the arguments' names, `name` the exercise's."""
    before, given = values.copied(args), values.copied(args)
    _delegated.clear()
    value, error, line = None, None, ""
    with fixed_randomness():
        try:
            value = function(*given)
        except (Exception, SystemExit) as problem:  # whatever the learner's code raises is a result, exit() too
            error, line = problem, own_line(problem, function)
    mutated = tuple(label for label, old, new in zip(names, before, given, strict=True) if spoilt(old, new))
    return Outcome(value, error, line, mutated, name in _delegated)


def spoilt(before, after):
    """Return whether an argument has changed; one that can no longer be compared has."""
    try:
        return values.changed(before, after)
    except Exception:
        return True


@contextlib.contextmanager
def fixed_randomness():
    """Seed the global generators for one call and put them and torch's switches back: a check disturbs nothing."""
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    kind, gradients, threads = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(gradients)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def own_line(error, function):
    """Return the last line of the learner's own code on the way to the error, or ''."""
    code = getattr(function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    return linecache.getline(own[-1].filename, own[-1].lineno).strip() if own else ""


def arguments(function, args):
    """Return the names of the arguments: those of the reference's signature, else 'argument 1', ..."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [plain[i] if i < len(plain) else f"argument {i + 1}" for i in range(len(args))]
