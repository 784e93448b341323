"""Run a learner's function on one input, safely: on copies, from a fixed seed, for a limited time, leaving no trace."""

import builtins
import contextlib
import ctypes
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

from course_lib.exercises import compare

__all__ = ["Outcome", "Sandbox", "TooLong", "delegating", "limited", "timer", "undisturbed"]

SECONDS = 3.0  # for one call
_delegated: list[str] = []  # names of the references that were called since the list was last cleared

GENERATORS = {  # (read, write, what of the state can be compared)
    "Python's": (random.getstate, random.setstate, lambda state: state),
    "NumPy's": (np.random.get_state, np.random.set_state, lambda state: (state[1].tobytes(), state[2])),
    "PyTorch's": (torch.get_rng_state, torch.set_rng_state, lambda state: state.numpy().tobytes()),
}
SWITCHES = (  # (read, write): put back where a call has changed them
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_default_device, lambda device: torch.set_default_device(None if device.type == "cpu" else device)),
    (
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda flags: torch.use_deterministic_algorithms(flags[0], warn_only=flags[1]),
    ),
    (np.geterr, lambda flags: np.seterr(**flags)),
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


class Sandbox:
    """Run functions on the inputs of one exercise; what torch and numpy are when it is made, they are afterwards."""

    def __init__(self, name, reference, trains=False):
        self.name, self.trains = name, trains
        self.parameters = list(inspect.signature(reference).parameters)
        self.held = [
            (it, {k: v for k, v in vars(it).items() if k[0] != "_" and (callable(v) or it is torch.Tensor)})
            for it in PATCHABLE
        ]

    def run(self, function, args):
        """Call function(*args) on copies of args and return the Outcome; only Ctrl-C gets through."""
        before, given = compare.copied(args), compare.copied(args)
        leaves = [leaf for value in given for leaf in trainable(value)] if self.trains else []
        handed = tuple(arg.clone() if any(arg is leaf for leaf in leaves) else arg for arg in given)
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
            finally:
                self.mend()
            drawn = touched()
        named = zip(self.parameters, before, handed, strict=False)  # some have defaults
        mutated = tuple(name for name, old, new in named if spoilt(old, new))
        slopes = gradients(value, leaves) if self.trains else None
        return Outcome(value, error, line, mutated, self.name in _delegated, printed.getvalue(), drawn, slopes)

    def mend(self):
        """Put back every public function of torch, numpy and Python that was patched."""
        for holder, values in self.held:
            now = vars(holder)
            for key in [key for key, value in values.items() if now.get(key) is not value]:
                setattr(holder, key, values[key])
            for key in [key for key in now if key[0] != "_" and key not in values] if holder is torch.Tensor else ():
                delattr(holder, key)  # it hides a method of the class below


@contextlib.contextmanager
def undisturbed():
    """Seed the global generators, and put them and all switches back whatever happens; yields who was drawn from."""
    states = [read() for read, _, _ in GENERATORS.values()]
    switches = [read() for read, _ in SWITCHES]
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)  # torch.manual_seed also remembers a traceback for each device
    seeded = [mark(read()) for read, _, mark in GENERATORS.values()]

    def touched():
        marks = [mark(read()) for read, _, mark in GENERATORS.values()]
        return next((name for name, old, new in zip(GENERATORS, seeded, marks, strict=True) if old != new), "")

    try:
        yield touched
    finally:
        for (_, write, _), state in zip(GENERATORS.values(), states, strict=True):
            write(state)
        for (read, write), state in zip(SWITCHES, switches, strict=True):
            if read() != state:
                write(state)


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


def delegating(name, function):
    """Return the function, wrapped so that a run notices that it was called."""

    def reference_answer(*args, **kwargs):
        _delegated.append(name)
        return function(*args, **kwargs)

    reference_answer.__name__ = name
    return reference_answer


def trainable(value):
    """Return what gradients are taken by: a float tensor, made to require one, or a module's parameters."""
    if isinstance(value, torch.nn.Module):
        return list(value.parameters())
    return [value.requires_grad_()] if isinstance(value, torch.Tensor) and value.is_floating_point() else []


def gradients(loss, leaves):
    """Return the gradients of a loss by each leaf (0 where it is unused); None if it hangs on none of them."""
    if not isinstance(loss, torch.Tensor) or loss.grad_fn is None or loss.numel() != 1:
        return None
    try:
        found = torch.autograd.grad(loss.sum(), leaves, allow_unused=True)
    except RuntimeError:  # its graph is used up
        return None
    return tuple(torch.zeros_like(leaf) if slope is None else slope for leaf, slope in zip(leaves, found, strict=True))


def spoilt(before, after):
    """Return whether an argument has changed; one that can no longer be compared has."""
    try:
        return compare.changed(before, after)
    except Exception:
        return True


def own_line(error, function):
    """Return the last line of the learner's own code on the way to the error, or ''."""
    code = getattr(function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    return linecache.getline(own[-1].filename, own[-1].lineno).strip() if own else ""
