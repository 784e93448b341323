"""One Mask Apart: BERT, GPT and RoBERTa as one-argument differences, held against the best possible score.

Importing this package imports nothing heavy; each module is imported where it is used
(`from course_lib import attention`). Import it before torch: it then settles how torch's idle threads wait.
"""

import os
import sys

__all__ = ["__version__"]

__version__ = "0.1.0"

# A thread that has done its part of an operation waits for the others by spinning, and keeps the core from whoever can
# use it: two trainings at once on two cores may then come to a standstill. Here it spins for about 0.1 ms instead
# of 3 (libgomp, in torch's wheels for Linux), or for 1 ms instead of 200 (LLVM's and Intel's OpenMP: Windows, conda),
# which costs little on an idle machine (read: CONTRIBUTING.md). On Apple silicon LLVM's does not spin at all.
# OpenMP reads this once, when torch is loaded: set later, it holds for the processes that this one starts.
WAITING = {} if sys.platform == "darwin" else {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & set(os.environ):  # else the user has decided
    os.environ.update(WAITING)

if "ipykernel" in sys.modules:  # a notebook: the first cell says what it waits for; a stop leaves no library in half
    from course_lib import kernel

    kernel.begin()
