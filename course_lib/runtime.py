"""Where and how a lesson runs: device, number format, threads, seeds, cache folder.

Every choice has a safe default and one environment variable that overrides it, so that a notebook never
needs an edit to run on another machine:

    COURSE_DEVICE=cpu|cuda|mps   COURSE_PRECISION=fp32|bf16   COURSE_THREADS=2
    COURSE_CACHE=folder          COURSE_CLASS_CACHE=folder    COURSE_QUIET=1
"""

import ctypes
import html
import io
import operator
import os
import random
import sys
import warnings
from pathlib import Path

import platformdirs

from course_lib import kernel
from course_lib.kernel import quiet

__all__ = [
    "CacheError", "bar", "cache_dir", "device", "give_back", "precision", "quiet", "seed_all", "setup", "threads",
    "warn",
]  # fmt: skip

ONE_LINE = "font-size:90%;white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
RELOADED = "Stands still after a reload? The run goes on: run this cell again later."
READY = "One Mask Apart is ready. (details: python -m course_lib doctor)"


class CacheError(OSError):
    """Say that the cache folder cannot be used, and what to do about it."""


def _wanted(variable):
    return os.environ.get(variable, "").strip()


def device():
    """Return the torch device that lessons train on: 'cuda' if there is one, else 'mps', else 'cpu'.

    Raises ValueError when COURSE_DEVICE names a device that is unknown or absent.
    """
    import torch

    present = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    present = {kind: count for kind, count in present.items() if count}
    wanted = _wanted("COURSE_DEVICE")
    try:
        chosen = torch.device(wanted or next(iter(present)))
    except RuntimeError:
        chosen = None
    if chosen is None or (chosen.index or 0) >= present.get(chosen.type, 0):
        raise ValueError(f"COURSE_DEVICE={wanted!r} is not the name of a device of this machine; unset it, or set it "
                         f"to one of: {', '.join(present)}")  # fmt: skip
    return chosen


def precision(on=None):
    """Return the dtype of matrix products: bfloat16 where the hardware multiplies it natively, else float32.

    `on` is a torch device, by default `runtime.device()`. Emulated bfloat16 is slower than float32, so it does not
    count. Raises ValueError when COURSE_PRECISION is neither 'fp32' nor 'bf16'.
    """
    import torch

    names = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if wanted := _wanted("COURSE_PRECISION"):
        if wanted.lower() not in names:
            raise ValueError(f"COURSE_PRECISION={wanted!r} is unknown; unset it, or set it to fp32 or bf16")
        return names[wanted.lower()]
    kind = (on or device()).type
    if kind == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = kind == "cpu" and any(map(torch.cpu.get_capabilities().get, ("avx512_bf16", "amx_bf16")))
    return torch.bfloat16 if native else torch.float32


def threads():
    """Set torch's thread count to the physical cores that this process may use, and return it.

    COURSE_THREADS or else OMP_NUM_THREADS lowers the count: 1 is best where several runs share the cores. Raises
    ValueError when COURSE_THREADS is not a whole number of at least 1.
    """
    import joblib
    import torch

    # joblib minds a container's quota and the affinity. It counts physical cores too, but by `lscpu`, which may lack.
    count = min(joblib.cpu_count(), torch.cpu.get_capabilities().get("num_physical_cores") or torch.get_num_threads())
    wanted = _wanted("COURSE_THREADS")
    if wanted and not (wanted.isdecimal() and int(wanted)):
        raise ValueError(f"COURSE_THREADS={wanted!r} is not a thread count; unset it, or set it to 1 or more")
    outer = wanted or _wanted("OMP_NUM_THREADS").split(",")[0]  # OpenMP allows a list: one per level
    if outer.isdecimal() and int(outer):
        count = min(count, int(outer))
    torch.set_num_threads(count)
    return count


def give_back(*_):
    """Hand freed memory back to the system, which glibc alone does not between live blocks."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def seed_all(seed):
    """Seed the global generators of Python, NumPy and torch (models draw their first weights from torch's).

    `seed` is a whole number from 0 to 2**32 - 1. Raises TypeError or ValueError for anything else.
    """
    import numpy
    import torch

    seed = operator.index(seed)
    numpy.random.seed(seed)
    random.seed(seed)
    torch.manual_seed(seed)


def cache_dir():
    """Return the folder of trained models, created if need be: COURSE_CACHE, else the user's cache folder.

    A folder that is there may be read-only. Raises CacheError, which says what to do, where it cannot be created.
    """
    named = _wanted("COURSE_CACHE")
    try:
        folder = Path(named).expanduser() if named else platformdirs.user_cache_path("one-mask-apart", appauthor=False)
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home
        raise CacheError(f"no cache folder can be made ({error}); set COURSE_CACHE to one that can") from error
    return folder


def warn(message):
    """Warn, except in a notebook under test: its outputs are compared, and must not depend on the machine."""
    if "ipykernel" not in sys.modules or not quiet():
        warnings.warn(message, RuntimeWarning, stacklevel=1)  # one place: the same text is told once


def bar(total, name):
    """Return a progress bar with tqdm's interface: HTML in a notebook, text in a terminal, nothing where quiet.

    tqdm's own bar for notebooks is a widget, and in a notebook that was saved and opened again a widget is
    the line "Error displaying widget". This one leaves nothing behind when it is closed.
    """
    from tqdm.std import tqdm

    if quiet() or "ipykernel" not in sys.modules:
        return tqdm(total=total, desc=name, disable=quiet(), leave=False)
    from IPython.display import HTML, display

    class Bar(tqdm):
        monitor_interval = 0  # no thread beside the kernel's

        def __init__(self):
            self.shown = display(HTML(""), display_id=True)
            numbers = "{desc}: {n_fmt} of {total_fmt}, {remaining} left{postfix}"
            super().__init__(total=total, desc=name, leave=False, file=io.StringIO(), bar_format=numbers)

        def display(self, msg=None, pos=None):
            gauge = f'<progress value="{self.n}" max="{self.total}" style="width:5em"></progress>'
            line = f'<div style="{ONE_LINE}">{gauge} {html.escape(str(self))}</div><small>{RELOADED}</small>'
            self.shown.update(HTML("" if msg == "" else line))

    return Bar()


def setup():
    """Make a notebook ready and return its device: threads set, the libraries' bars and warnings silenced.

    From here on beginners' errors get a sentence (:mod:`course_lib.kernel`). Prints one line that is the same
    on every machine. Assign the result (`device = runtime.setup()`): shown as a cell's last value it would differ.
    """
    from IPython import get_ipython
    from transformers.utils import logging

    threads()
    if shell := get_ipython():
        shell.events.register("post_run_cell", give_back)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", message="IProgress not found")
    kernel.install()
    chosen = device()
    kernel.ready()
    print(READY)
    return chosen
