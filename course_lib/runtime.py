"""Where and how a lesson runs: device, number format, threads, seeds, cache folder, scale.

Every choice has a safe default and one environment variable that overrides it, so that a notebook never
needs an edit to run on another machine:

    COURSE_DEVICE=cpu|cuda|mps   COURSE_PRECISION=fp32|bf16   COURSE_THREADS=2
    COURSE_CACHE=folder          COURSE_SCALE=quick|full      COURSE_QUIET=1
    COURSE_CLASS_CACHE=folder, read only
"""

import errno
import html
import io
import os
import random
import sys
import tempfile
import warnings
from pathlib import Path

from course_lib import places

__all__ = [
    "CacheError",
    "bar",
    "cache_dir",
    "cache_place",
    "device",
    "pick",
    "precision",
    "quiet",
    "scale",
    "seed_all",
    "setup",
    "threads",
    "warn",
]

SCALES = ("quick", "full")
DRAFTS = r"\.[\w-]+-[0-9a-f]{16}-\w{8}|(python_docs|docstrings)-\w{8}\.part"  # of checkpoints.save and corpora
READY = "One Mask Apart is ready. (details: python -m course_lib doctor)"

_swept = set()  # folders that this process has swept


class CacheError(OSError):
    """Say that the cache folder cannot be used, and what to do about it."""


def device():
    """Return the torch device that lessons train on: 'cuda' if there is one, else 'mps', else 'cpu'.

    Raises ValueError when COURSE_DEVICE names a device that is unknown or absent.
    """
    import torch

    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    if torch.cuda.is_available():
        present.insert(0, "cuda")
    wanted = os.environ.get("COURSE_DEVICE", "").strip()
    if not wanted:
        return torch.device(present[0])
    fix = f"unset COURSE_DEVICE, or set it to one of: {', '.join(present)}"
    try:
        chosen = torch.device(wanted)
    except RuntimeError:
        raise ValueError(f"COURSE_DEVICE={wanted!r} is not the name of a device; {fix}") from None
    if chosen.type not in present or (
        chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count()
    ):
        raise ValueError(f"COURSE_DEVICE={wanted!r} is not present on this machine; {fix}")
    return chosen


def precision(device=None):
    """Return the dtype of matrix products: bfloat16 where the hardware multiplies it natively, else float32.

    `device` defaults to `runtime.device()`. Emulated bfloat16 is slower than float32, so it does not count.
    Raises ValueError when COURSE_PRECISION is neither 'fp32' nor 'bf16'.
    """
    import torch

    names = {"fp32": torch.float32, "bf16": torch.bfloat16}
    wanted = os.environ.get("COURSE_PRECISION", "").strip().lower()
    if wanted:
        if wanted not in names:
            raise ValueError(f"COURSE_PRECISION={wanted!r} is unknown; unset it, or set it to fp32 or bf16")
        return names[wanted]
    kind = (device if device is not None else globals()["device"]()).type
    if kind == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif kind == "cpu":
        capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    else:
        native = False
    return torch.bfloat16 if native else torch.float32


def threads():
    """Set torch's thread count to the physical cores that this process may use, and return it.

    COURSE_THREADS or else OMP_NUM_THREADS lowers the count: 1 is best where several runs share the cores. Raises
    ValueError when COURSE_THREADS is not a whole number of at least 1.
    """
    import torch

    count = _physical_cores()
    wanted = os.environ.get("COURSE_THREADS", "").strip()
    if wanted:
        if not wanted.isdecimal() or int(wanted) < 1:
            raise ValueError(
                f"COURSE_THREADS={wanted!r} is not a thread count; unset it, or set it to 1 or more"
            )
        count = min(count, int(wanted))
    else:
        outer = (
            os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        )  # OpenMP allows a list: one per level
        if outer.isdecimal() and int(outer) >= 1:
            count = min(count, int(outer))
    torch.set_num_threads(count)
    return count


def seed_all(seed):
    """Seed the global generators of Python, NumPy and torch (models draw their first weights from torch's).

    `seed` is a whole number from 0 to 2**32 - 1. Raises TypeError or ValueError for anything else.
    """
    import numpy
    import torch

    if isinstance(seed, bool) or not isinstance(seed, (int, numpy.integer)):
        raise TypeError(f"the seed must be a whole number, not {seed!r} ({type(seed).__name__})")
    if not 0 <= seed < 2**32:
        raise ValueError(f"the seed must be between 0 and 2**32 - 1, not {seed}")
    random.seed(int(seed))
    numpy.random.seed(int(seed))
    torch.manual_seed(int(seed))


def cache_dir():
    """Return the folder of trained models, created if need be: COURSE_CACHE, else the user's cache folder.

    What killed processes left half-written there is swept once. Raises CacheError, which names the folder and
    the fix, when it cannot be created or written.
    """
    folder = cache_place()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A real write: permission bits do not tell of a read-only or full disk, nor mean anything to root.
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"one mask apart")
    except OSError as error:
        raise CacheError(
            error.errno,
            f"the cache folder cannot be written ({error.strerror or error}); free some space or fix its "
            "permissions, or set COURSE_CACHE to a folder that can",
            str(folder),
        ) from error
    if folder not in _swept:
        _swept.add(folder)
        places.sweep(folder, DRAFTS)
    return folder


def cache_place():
    """Return where the cache folder is or would be, to read from it even where it cannot be written.

    Where COURSE_CACHE is not set and no home can be written, it is a temporary folder of the user's own, and a warning
    says so. Raises CacheError when COURSE_CACHE begins with ~ and there is no such home.
    """
    if named := os.environ.get("COURSE_CACHE", "").strip():
        place = os.path.expanduser(named)
        if place.startswith("~"):
            raise CacheError(errno.ENOENT, "there is no such home folder; set COURSE_CACHE to a full path", named)
        return Path(place)
    if folder := places.user_cache():
        return folder
    try:
        folder = places.private_folder()
    except OSError as error:
        raise CacheError(error.errno, "no home or temporary folder can be written; set COURSE_CACHE") from error
    warn(f"no home folder can be written, so trained models are kept in {str(folder)!r}; COURSE_CACHE moves them")
    return folder


def warn(message):
    """Warn, except in a notebook under test: its outputs are compared, and must not depend on the machine."""
    if "ipykernel" not in sys.modules or not quiet():
        warnings.warn(message, RuntimeWarning, stacklevel=1)  # one place: the same text is told once


def scale():
    """Return 'quick' (a laptop, the default) or 'full' (an evening or a GPU), as COURSE_SCALE says.

    Raises ValueError for any other value.
    """
    wanted = os.environ.get("COURSE_SCALE", "").strip() or "quick"
    if wanted not in SCALES:
        raise ValueError(f"COURSE_SCALE={wanted!r} is unknown; unset it, or set it to {' or '.join(SCALES)}")
    return wanted


def pick(*, quick, full):
    """Return the value for the current scale: `pick(quick=400, full=4_000)`."""
    return {"quick": quick, "full": full}[scale()]


def quiet():
    """Tell whether progress bars should stay away: nobody watches, or outputs are compared.

    COURSE_QUIET=1 or 0 decides. Otherwise true under pytest (so under nbval), under nbconvert and papermill,
    and where neither a terminal nor a notebook front end shows what is printed.
    """
    wanted = os.environ.get("COURSE_QUIET", "").strip().lower()
    if wanted:
        return wanted not in ("0", "false", "no", "off")
    if "PYTEST_VERSION" in os.environ:  # pytest sets it for itself and for the kernels it starts
        return True
    if "ipykernel" not in sys.modules:
        return not sys.stderr.isatty()
    return any(name in _parent_command() for name in ("nbconvert", "papermill", "nbval"))


def bar(total, name, shown=True):
    """Return a progress bar with tqdm's interface: HTML in a notebook, text in a terminal, nothing where quiet.

    tqdm's own bar for notebooks is a widget, and in a notebook that was saved and opened again a widget is
    the line "Error displaying widget". This one leaves nothing behind when it is closed.
    """
    from tqdm.std import tqdm

    if quiet() or not shown or "ipykernel" not in sys.modules:
        return tqdm(total=total, desc=name, disable=quiet() or not shown, leave=False)
    from IPython.display import HTML, display

    class Bar(tqdm):
        monitor_interval = 0  # no thread beside the kernel's

        def __init__(self):
            self.shown = display(HTML(""), display_id=True)
            numbers = "{desc}: {percentage:.0f}%, {n_fmt} of {total_fmt}, {elapsed} < {remaining}{postfix}"
            super().__init__(total=total, desc=name, leave=False, file=io.StringIO(), bar_format=numbers)

        def display(self, msg=None, pos=None):
            look = "width:16em;height:1.1em;vertical-align:middle;margin-right:0.6em"
            gauge = f'<progress value="{self.n}" max="{self.total}" style="{look}"></progress>'
            self.shown.update(HTML("" if msg == "" else gauge + html.escape(str(self))))

    return Bar()


def setup(threads=True):
    """Make a notebook ready and return its device: threads set, the libraries' bars and warnings silenced.

    Prints one line that is the same on every machine. Assign the result (`device = runtime.setup()`):
    shown as a cell's last value it would differ from machine to machine.
    """
    chosen = device()
    if threads:
        globals()["threads"]()
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", message="IProgress not found")
    print(READY)
    return chosen


def _physical_cores():
    """Count the physical cores that this process may use (hyper-threads add nothing to matrix products)."""
    import joblib
    import torch

    allowed = joblib.cpu_count()  # minds a container's quota (a hub's limit per student) and the affinity
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return max(1, min(allowed, capabilities.get("num_physical_cores") or torch.get_num_threads()))


def _parent_command():
    """Return the command line of the process that started this kernel, or '' where that cannot be told."""
    try:
        import psutil  # comes with ipykernel

        return " ".join(psutil.Process().parent().cmdline())
    except Exception:  # a guess must never stop a lesson
        return ""
