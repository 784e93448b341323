"""Set the course up in .venv and run one task there: `python tools/bootstrap.py lab`.

Standard library only, in syntax that any Python from 2.7 on can read: a machine whose Python is too old, or
has no network or no room on its disk, gets one clear message and no traceback. `make lab` and `make test`
call this file; on Windows call it directly. The tasks themselves are in tools/tasks.py.
"""

from __future__ import print_function

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
NEEDED_MB = 2500  # the CPU build of PyTorch, JupyterLab and the rest take about 1,500 once installed
LEARNER, TESTER = set(["lab"]), set(["lab", "test", "site"])
TASKS = {  # task: the extras of pyproject.toml that it needs
    "lab": LEARNER, "copy": LEARNER, "print": LEARNER, "doctor": LEARNER, "update": LEARNER,
    "preflight": LEARNER,
    "site": LEARNER | set(["site"]), "kit": LEARNER | set(["site"]), "setup": TESTER, "test": TESTER,
    "browser-test": TESTER, "lint": TESTER, "bake": TESTER, "bench": TESTER | set(["bench"]),
    "gpu-check": TESTER | set(["bench"]),
}  # fmt: skip
USAGE = """usage: make TASK, or python tools/bootstrap.py TASK [options]; each task sets up what it needs first

  lab        check this machine, open JupyterLab at your copy of the lessons (my-course/)
  copy       lay or renew that copy without opening it, and say where it is
  print      lessons to print, answers at the end of each section, in build/print/   (ARGS=03: one lesson)
  site       the website of all lessons, in site/   (ARGS=--serve: and show it; ARGS=--zip: and pack it)
  kit        run sheets, slides and copies for a class, in build/kit/   (ARGS="--hours 2", "--hours 4", "--days 2")
  test       ruff, all tests, every notebook under strict nbval
  setup      install all that lessons and tests need, so that neither needs the network again
  browser-test   install a browser if there is none, then try the pages in it
  update     fetch the newest course; what you changed in notebooks/ is kept in my-notebooks/
  doctor     check this machine: versions, device, memory, disk, a five-second training run
  preflight  before a class, on the machine that will be used   (ARGS="--learners 20 --server": they share it)
  lint       ruff over the library, the tools, the tests and the notebooks
  bake       run all notebooks again and store their outputs   (ARGS=notebooks/03_attention_masks.ipynb: one)
  bench      measure the library against its peers (ARGS=--quick: a minute or two)
  gpu-check  is the course right on a GPU, and how fast? Under ten minutes (ARGS=--reduced: without a GPU)"""

# What is printed when something outside the course is wrong -> what to tell the reader. The first match wins.
CAUSES = [
    (r"No space left on device|Errno 28\b|Disk quota exceeded|Errno 122\b|not enough space on the disk|WinError 112\b",
     "The disk is full.\n  The course needs about %.1f GB for its packages, in %s,\n"
     "  and room for downloads in the temporary folder. Free some space (`pip cache purge` can\n"
     "  free gigabytes), or point TMPDIR to a folder on a larger disk, then run the same command."
     % (NEEDED_MB / 1000.0, VENV)),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError|SSL: ",
     "The network answers, but its certificate is not trusted.\n"
     "  A company proxy often does this: ask for its certificate file and set PIP_CERT to it. Check\n"
     "  the clock of this machine too. Then run the same command again."),
    (r"NewConnectionError|Failed to establish a new connection|NameResolutionError|(Connect|Read)TimeoutError"
     r"|Temporary failure in name resolution|getaddrinfo failed|nodename nor servname|Network is unreachable"
     r"|Connection refused|Connection(Reset)?Error|Max retries exceeded|ProxyError",
     "The package index cannot be reached: there seems to be no network.\n"
     "  The network is needed once, to install packages; afterwards the course works without it.\n"
     "  Connect (behind a proxy, set HTTPS_PROXY), then run the same command again."),
    (r"Permission denied|Errno 13\b|Access is denied|WinError 5\b|Read-only file system|Errno 30\b",
     "A file or folder cannot be written: %s\n  Is the checkout yours? Clone it into a folder of your own." % VENV),
    (r"ensurepip|No module named '?venv",
     "Python %d.%d is here, but without its `venv` and `ensurepip` modules, which make environments.\n"
     "  Debian, Ubuntu: sudo apt install python%d.%d-venv   (then run the same command again)\n"
     "  Others: install the full Python, or use conda (see README.md)" % (sys.version_info[:2] * 2)),
    (r"No matching distribution found for [\w.-]+==|is not a supported wheel on this platform",
     "There is no build of a pinned package for this Python (%s) on this machine (%s).\n"
     "  Use a 64-bit Python 3.11 to 3.14 on Linux, Windows or an Apple-silicon Mac. If you have one\n"
     "  under another name: make PYTHON=python3.12 lab" % (sys.version.split()[0], sys.platform)),
]  # fmt: skip


class SetupError(Exception):
    """Carry the message that a person should read instead of a traceback."""


def say(text):
    print(text)
    sys.stdout.flush()


def explain(output):
    """Turn what a failed set-up printed into a message that names the cause and the fix, and what was printed last."""
    lines = output.splitlines()
    last = ([line for line in lines if re.search("error", line, re.I)] or lines)[-4:]
    told = [message for pattern, message in CAUSES if re.search(pattern, output)]
    told = told[:1] or ["The set-up failed outside the course."]
    return "\n  ".join(told + ["", "What was printed last:"] + [line.strip() for line in last])


def usable(python):
    """Tell whether this command is a Python that is new enough and can make virtual environments."""
    probe = "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < (%d, %d))" % OLDEST
    try:
        with open(os.devnull, "w") as nowhere:
            return subprocess.call([python, "-c", probe], stdout=nowhere, stderr=nowhere) == 0
    except OSError:
        return False


def find_python():
    """Return a Python that can make .venv: this one, else one found by name; raise SetupError if none."""
    if sys.version_info[:2] >= OLDEST and usable(sys.executable):
        return sys.executable
    for name in ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python"):
        if usable(name):
            say("(%s cannot be used; going on with %s)" % (sys.executable, name))
            return name
    if sys.version_info[:2] >= OLDEST:
        raise SetupError(explain("ensurepip"))
    raise SetupError(
        "This course needs Python %d.%d or newer; this is Python %s (%s), and no newer one was found.\n"
        "  Linux:   sudo apt install python3.12 python3.12-venv   (or your system's package manager)\n"
        "  macOS:   brew install python@3.12\n"
        "  Windows: install it from python.org, or use conda (see README.md)\n"
        "  Installed somewhere else? make PYTHON=/path/to/python3.12 lab"
        % (OLDEST + (sys.version.split()[0], sys.executable))
    )


def venv_python():
    return os.path.join(VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def read(*path):
    try:
        with open(os.path.join(ROOT, *path)) as file:
            return file.read()
    except (IOError, OSError):
        return ""


def run(*command, **variables):
    """Run a command in the checkout, its words kept: returns (exit status, output). Nothing is asked."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", UV_NO_PROGRESS="1")
    environment.update(variables)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # uncompiled, the imports of a lesson take three times as long
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    kept = []
    for line in iter(process.stdout.readline, ""):
        kept.append(line)
        if "Retrying" in line:  # the index may be slow to answer: say so while pip tries again
            say("  ... the package index does not answer; trying again")
        elif re.match(r"(Collecting|Downloading|Prepared|Installing|Installed) (?!.*\.whl)", line.strip()):
            say("  " + line.strip().partition(", ")[0][:60])
    return process.wait(), "".join(kept)


def uv_settings(python):
    """Return (options, variables) that tell uv what pip's files and variables say: a mirror, a folder of wheels, a
    certificate; or None where they say more than uv can be told."""
    options, variables, same = [], {}, {
        "find-links": "--find-links", "extra-index-url": "--extra-index-url", "index-url": "--default-index",
        "constraint": "--constraints",
    }  # fmt: skip
    for line in run(python, "-m", "pip", "config", "list")[1].splitlines():
        name, _, value = line.partition("=")
        name, values = name.split(".")[-1].replace("_", "-"), value.strip("'\"").split()
        if name in same:
            options += [part for one in values for part in (same[name], one)]
        elif name == "cert":
            variables["SSL_CERT_FILE"] = " ".join(values)
        elif name == "no-index":
            options += ["--no-index"] * (value.strip("'\"").lower() in ("1", "true", "yes", "on"))
        elif name in ("proxy", "trusted-host", "client-cert", "target", "prefix", "user", "no-binary"):
            return None
    return options, variables


def install(python, stamp, extras):
    """Install the pinned packages, by uv if it can be had and succeeds, else by pip; leave a stamp that says so."""
    pins = os.path.join(ROOT, "constraints.txt")
    course = "%s[%s]" % (ROOT, ",".join(sorted(extras)))
    torch, uv = (re.search(r"^%s==\S+" % name, read(pins), re.M).group(0) for name in ("torch", "uv"))
    say("[2/3] PyTorch, the largest download (%s)" % torch)
    settings = uv_settings(python)
    if settings and run(python, "-m", "pip", "install", "--quiet", uv)[0]:
        settings = None
    # PyTorch first and by its exact version: resolved with the rest, pip may fetch gigabytes of other builds.
    for wanted in ([torch], ["-e", course]):
        if wanted[0] == "-e":
            say("[3/3] JupyterLab, transformers and the other pinned packages")
        by_uv = ["uv", "pip", "install", "--python", python, "--compile-bytecode", "--index-strategy",
                 "unsafe-best-match"]  # fmt: skip
        if settings and run(python, "-m", *(by_uv + settings[0] + ["-c", pins] + wanted), **settings[1])[0] == 0:
            continue
        settings = None
        status, output = run(python, "-m", "pip", "install", "--progress-bar", "off", "-c", pins, *wanted)
        if status:
            raise SetupError(explain(output))
    with open(stamp, "w") as file:
        file.write("%s %s" % (key(python), ",".join(sorted(extras))))


def key(python):
    """Return a fingerprint of what an installation depends on: requirements, pins and interpreter."""
    about = subprocess.check_output([python, "-c", "import sys, os; print(sys.version, os.path.realpath(sys.prefix))"])
    told = read("pyproject.toml") + read("constraints.txt") + ROOT + about.decode("utf-8")
    return hashlib.sha256(told.encode("utf-8")).hexdigest()


def set_up(task="setup"):
    """Make the environment that a task needs, unless it stands already, and return its Python."""
    started, python, stamp = time.time(), venv_python(), os.path.join(VENV, ".one-mask-apart")
    made_with, _, there = read(stamp).partition(" ")
    there = set(there.split(",")) - set([""])
    if os.path.exists(python) and TASKS[task] <= there and made_with == key(python):
        return python
    say("Setting up One Mask Apart (a few minutes, once; the network is needed for this step only)")
    free = shutil.disk_usage(ROOT).free // 10**6 if hasattr(shutil, "disk_usage") else NEEDED_MB
    if free < NEEDED_MB and not made_with:  # renewed pins replace what is there and need little
        raise SetupError(
            "The disk is nearly full: %d MB are free in %s, and the packages need about %d MB.\n"
            "  Free some space, or clone the course onto a larger disk, then run the same command again."
            % (free, ROOT, NEEDED_MB)
        )
    say("[1/3] Python environment in .venv")
    if not usable(python):  # it is not there yet, or damaged, or its Python is gone
        status, output = run(find_python(), "-m", "venv", "--clear", VENV)
        if status:
            raise SetupError(explain(output))
    install(python, stamp, TASKS[task] | there)
    say("Set up in %d s." % (time.time() - started))
    return python


def main(arguments):
    """Set up, then hand over to tools/tasks.py in the environment; return the exit status."""
    if not arguments or arguments[0] not in TASKS:
        say(USAGE)
        return 0 if arguments and arguments[0] in ("-h", "--help", "help") else 2
    try:
        python = set_up(arguments[0])
    except (SetupError, IOError, OSError) as error:
        message = str(error) if isinstance(error, SetupError) else explain("%s: %s" % (type(error).__name__, error))
        say("\n" + "-" * 80 + "\n" + message + "\n" + "-" * 80)
        return 1
    except KeyboardInterrupt:
        say("\nStopped. The same command goes on where this one stopped.")
        return 130
    task = subprocess.Popen([python, "-m", "tools.tasks"] + arguments, cwd=ROOT)
    follow(task)
    return task.returncode


def follow(process):
    """Wait until a process has ended; returns whether Ctrl-C was pressed meanwhile.

    Ctrl-C reaches the process by itself: JupyterLab asks first, pytest prints its summary. Whoever ends this one
    (`kill`, a service manager) ends that one, too: JupyterLab and its kernels must not stay behind.
    """
    interrupted = False
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
    finally:
        signal.signal(signal.SIGTERM, before)
    return interrupted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
