"""Run a learner's function on one input, safely: on copies, from a fixed seed, for a limited time, leaving no trace."""

import builtins
import contextlib
import copy
import ctypes
import functools
import inspect
import io
import linecache
import math
import random
import signal
import threading
import time
import traceback
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["Outcome", "TooLong", "delegating", "run", "timer", "undisturbed"]

SECONDS = 3.0  # for one call
_delegated: list = []  # the references that were called since the list was last cleared

SWITCHES = (  # (read, write): the global generators, and what else is put back
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (torch.get_rng_state, torch.set_rng_state),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_default_device, lambda device: torch.set_default_device(None if device.type == "cpu" else device)),
)
PATCHABLE = (torch, torch.Tensor, torch.nn.functional, np, np.random, random, math, builtins)


class TooLong(BaseException):
    """A call took longer than it may; no `except Exception` of the learner's swallows it."""


@dataclass(frozen=True)
class Outcome:
    """What one call gave."""

    value: object = None
    error: BaseException | None = None
    line: str = ""  # the learner's own line that raised, as text
    mutated: tuple[str, ...] = ()  # names of the arguments that it changed in place
    delegated: bool = False  # it called the exercise's reference
    printed: str = ""
    touched: str = ""  # whose global generator it drew from, "PyTorch's"
    gradients: tuple | None = None  # where asked for: by each float input; None if nothing can be trained


def run(function, args, reference, trains=False):
    """Call function(*args) on copies of args in the reference's place and return the Outcome; Ctrl-C gets through."""
    before, given = copy.deepcopy(args), copy.deepcopy(args)
    leaves = [arg.requires_grad_() for arg in given if trains and arg.is_floating_point()]  # a loss has tensors only
    handed = tuple(arg.clone() if arg.requires_grad else arg for arg in given) if trains else given
    _delegated.clear()
    value, error, line, printed = None, None, "", io.StringIO()
    with undisturbed() as touched:
        try:
            with contextlib.redirect_stdout(printed):
                value = limited(lambda: function(*handed), SECONDS)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # whatever the learner's code raises is a result, exit() too
            error, line = problem, own_line(problem, function)
        drawn = touched()
    named = zip(inspect.signature(reference).parameters, before, handed, strict=False)  # some have defaults
    mutated = tuple(name for name, old, new in named if changed(old, new))
    slopes = gradients(value, leaves) if trains else None
    return Outcome(value, error, line, mutated, reference in _delegated, printed.getvalue(), drawn, slopes)


@contextlib.contextmanager
def undisturbed():
    """Seed the global generators, and put them, switches and patched functions back; yields who was drawn from."""
    kept = [(write, read()) for read, write in SWITCHES]
    functions = [(holder, dict(vars(holder))) for holder in PATCHABLE]
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)  # torch.manual_seed also remembers a traceback for each device
    seeded = states()
    try:
        yield lambda: next((name for name, state in states().items() if state != seeded[name]), "")
    finally:
        for holder, values in functions:
            unpatch(holder, values)
        for write, value in kept:
            write(value)


def states():
    """Return what decides the next draws of the global generators, by whose they are."""
    _, key, position, *_ = np.random.get_state()
    numpys, torchs = (key.tobytes(), position), torch.get_rng_state().numpy().tobytes()
    return {"Python's": random.getstate(), "NumPy's": numpys, "PyTorch's": torchs}


def unpatch(holder, values):
    """Put back what was patched in a module, or in the class of tensors."""
    for key, now in list(vars(holder).items()):
        if now is values.get(key) or key.startswith("_"):
            continue
        if key in values:
            setattr(holder, key, values[key])
        elif holder is torch.Tensor:
            delattr(holder, key)  # it hides a method of the class below


def timer(seconds):
    """Return a function that says whether so many seconds of work are over, or five times as many by the clock.

    Work is counted in processor time: a busy computer changes no verdict.
    """
    work, clock = time.process_time() + seconds, time.monotonic() + 5 * seconds
    return lambda: time.process_time() > work or time.monotonic() > clock


def limited(call, seconds):
    """Return call(), or raise TooLong after so many seconds, where a loop never ends or something sleeps."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return _limited_by_thread(call, seconds)
    running, over = True, timer(seconds)

    def stop(*_):
        if running and over():
            raise TooLong

    earlier = signal.signal(signal.SIGALRM, stop)
    remaining, _ = signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)  # again and again: one `except:` may swallow it
    try:
        return call()
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, remaining)
        signal.signal(signal.SIGALRM, earlier)


def _limited_by_thread(call, seconds):
    """The same where there are no alarms (Windows, a thread): what cannot be stopped is left behind, asleep."""
    future, over = Future(), timer(seconds)

    def work():
        try:
            future.set_result(call())
        except BaseException as error:  # handed on to the caller
            future.set_exception(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    while worker.is_alive() and not over():
        worker.join(0.05)
    if worker.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(TooLong))
        worker.join(1)
        raise TooLong
    return future.result()


def delegating(function):
    """Return the function, wrapped so that a run notices that it was called."""

    @functools.wraps(function)
    def reference_answer(*args, **kwargs):
        _delegated.append(function)
        return function(*args, **kwargs)

    return reference_answer


def gradients(loss, leaves):
    """Return the gradients of a loss by each leaf (0 where it is unused); None if it hangs on none of them."""
    if not isinstance(loss, torch.Tensor) or loss.grad_fn is None or loss.numel() != 1:
        return None
    try:
        return torch.autograd.grad(loss.sum(), leaves, allow_unused=True, materialize_grads=True)
    except RuntimeError:  # its graph is used up
        return None


def changed(before, after):
    """Return whether a call has changed one of its arguments (generators are meant to change)."""
    try:
        if isinstance(before, torch.Generator | random.Random):
            return False
        if isinstance(before, torch.Tensor):
            return before.dtype != after.dtype or not torch.equal(before, after)
        if isinstance(before, list | tuple):
            return len(before) != len(after) or any(map(changed, before, after))
        return bool(before != after)
    except Exception:  # it can no longer be compared
        return True


def own_line(error, function):
    """Return the last line of the learner's own code on the way to the error, or ''."""
    code = getattr(function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    return linecache.getline(own[-1].filename, own[-1].lineno).strip() if own else ""
