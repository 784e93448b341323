"""Set the course up in .venv and run one task there: `python scripts/bootstrap.py lab`.

Standard library only, in syntax that any Python from 2.7 on can read: a machine whose Python is too old, or
has no network or no room on its disk, gets one clear message and no traceback. `make lab` and `make test`
call this file; on Windows call it directly. The tasks themselves are in scripts/tasks.py.
"""

from __future__ import print_function

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
NEEDED_MB = 2500  # the CPU build of PyTorch, JupyterLab and the rest take about 1,500 once installed
TASKS = ("setup", "lab", "test", "browser-test", "lint", "doctor", "bake", "bench", "gpu-check", "update")
LEARNERS_TASKS = ("lab", "doctor", "update")  # the others need the packages of the tests too
USAGE = """usage: python scripts/bootstrap.py [--here] TASK [options of the task]

  setup    make .venv and install all pinned packages, so that nothing else needs the network
  lab      the same without the packages of the tests, then open JupyterLab at the first notebook
  test     the same as setup, then ruff, the tests, and every notebook under strict nbval
  browser-test    the same, and a browser if there is none, then the tests that need one
  update   keep copies of the notebooks that you ran, then fetch the newest course with git
  lint | doctor | bake | bench | gpu-check    the same, then that one task

  --here   install into the Python that runs this (a conda environment, a container) and make no .venv"""

# What pip says when something outside the course is wrong -> what to tell the reader. The first match wins.
DISK_FULL = (
    r"No space left on device|Errno 28\b|Disk quota exceeded|Errno 122\b"
    r"|not enough space on the disk|WinError 112\b"
)
CERTIFICATE = r"CERTIFICATE_VERIFY_FAILED|SSLError|SSL: "
OFFLINE = (
    r"NewConnectionError|Failed to establish a new connection|NameResolutionError|ConnectTimeoutError"
    r"|ReadTimeoutError|Temporary failure in name resolution"
    r"|getaddrinfo failed|nodename nor servname|Network is unreachable"
    r"|Connection refused|ConnectionResetError|ConnectionError|Max retries exceeded|ProxyError"
)
NO_BUILD = r"No matching distribution found for ([\w.-]+==[\w.+-]+)|is not a supported wheel on this platform"
DENIED = r"Permission denied|Errno 13\b|Access is denied|WinError 5\b|Read-only file system|Errno 30\b"


class SetupError(Exception):
    """Carry the message that a person should read instead of a traceback."""


def say(text):
    print(text)
    sys.stdout.flush()


def explain(output):
    """Turn what pip printed when it failed into a message that names the cause and the fix."""
    if re.search(DISK_FULL, output):
        return (
            "The disk is full.\n"
            "  The course needs about %.1f GB for its packages, in %s,\n"
            "  and room for downloads in the temporary folder. Free some space (`pip cache purge` can\n"
            "  free gigabytes), or point TMPDIR to a folder on a larger disk, then run the same command."
            % (NEEDED_MB / 1000.0, VENV)
        )
    if re.search(CERTIFICATE, output):
        return (
            "The network answers, but its certificate is not trusted.\n"
            "  A company proxy often does this: ask for its certificate file and set PIP_CERT to it. Check\n"
            "  the clock of this machine too. Then run the same command again."
        )
    if re.search(OFFLINE, output):
        return (
            "The package index cannot be reached: there seems to be no network.\n"
            "  The network is needed once, to install packages; afterwards the course works without it.\n"
            "  Connect (behind a proxy, set HTTPS_PROXY), then run the same command again."
        )
    if re.search(DENIED, output):
        return (
            "A file or folder cannot be written: %s\n"
            "  Is the checkout yours and not read-only? Make a clone in a folder of your own and try again."
            % VENV
        )
    missing = re.search(NO_BUILD, output)
    if missing:
        return (
            "There is no build of %s for this Python (%s) on this machine (%s).\n"
            "  Use a 64-bit Python 3.11 to 3.14 on Linux, Windows or an Apple-silicon Mac. If you have one\n"
            "  under another name: make PYTHON=python3.12 lab"
            % (missing.group(1) or "a package", sys.version.split()[0], sys.platform)
        )
    errors = [line for line in output.splitlines() if "error" in line.lower()] or output.splitlines()
    return "pip could not install the packages. Its last words:\n  " + "\n  ".join(errors[-6:])


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
    new_enough = sys.version_info[:2] >= OLDEST
    if new_enough and usable(sys.executable):
        return sys.executable
    for name in ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python"):
        if usable(name):
            say("(%s cannot be used; going on with %s)" % (sys.executable, name))
            return name
    version = "%d.%d" % sys.version_info[:2]
    if not new_enough:
        raise SetupError(
            "This course needs Python %d.%d or newer; this is Python %s (%s), and no newer one was found.\n"
            "  Linux:   sudo apt install python3.12 python3.12-venv   (or your system's package manager)\n"
            "  macOS:   brew install python@3.12\n"
            "  Windows: install it from python.org, or use conda (see README.md)\n"
            "  Installed somewhere else? make PYTHON=/path/to/python3.12 lab"
            % (OLDEST + (version, sys.executable))
        )
    raise SetupError(
        "Python %s is here, but without its `venv` and `ensurepip` modules, which make environments.\n"
        "  Debian, Ubuntu: sudo apt install python%s-venv   (then run the same command again)\n"
        "  Others: install the full Python, or use conda (see README.md)" % (version, version)
    )


def venv_python():
    return (
        os.path.join(VENV, "Scripts", "python.exe")
        if os.name == "nt"
        else os.path.join(VENV, "bin", "python")
    )


def check_disk():
    """Raise SetupError when the disk of the checkout has clearly too little room."""
    if not hasattr(shutil, "disk_usage"):
        return
    free = shutil.disk_usage(ROOT).free // 10**6
    if free < NEEDED_MB:
        raise SetupError(
            "The disk is nearly full: %d MB are free in %s, and the packages need about %d MB.\n"
            "  Free some space, or clone the course onto a larger disk, then run the same command again."
            % (free, ROOT, NEEDED_MB)
        )


def key(python):
    """Return a fingerprint of what an installation depends on: requirements, pins and interpreter."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read().replace(b"\r\n", b"\n"))
    about = "import sys, os; print(sys.version, os.path.realpath(sys.prefix))"
    digest.update(subprocess.check_output([python, "-c", about]))
    digest.update(ROOT.encode("utf-8"))
    return digest.hexdigest()


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except (IOError, OSError):
        return ""


def quiet_environment():
    """Return the installer's environment: byte-compile (imports are 3 times as long without), ask nothing."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def pip(python, *arguments):
    """Run `pip install` with its progress shown; raise SetupError, naming cause and fix, if it fails."""
    on_terminal = sys.stdout.isatty()
    kept = []

    def follow(stream, show):
        for line in iter(stream.readline, ""):
            kept.append(line)
            show(line.rstrip())

    def show_error(line):  # the index may be slow to answer: say so while pip tries again
        if "Retrying" in line:
            say("  ... the package index does not answer; trying again")

    def show_step(line):  # off a terminal (CI, a log file), one short line for each package instead of bars
        found = re.match(r"(?:Collecting|Processing) (\S+)|(Installing collected packages)", line.strip())
        if found and found.group(2):
            say("  unpacking them (a minute or two)")
        elif found:
            say("  " + re.split(r"-\d|[^\w.-]", os.path.basename(found.group(1)))[0])

    command = [python, "-m", "pip", "install"] + list(arguments)
    if not on_terminal:
        command += ["--progress-bar", "off"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=quiet_environment(),
        stdout=None if on_terminal else subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    readers = [threading.Thread(target=follow, args=(process.stderr, show_error))]
    if process.stdout:
        readers.append(threading.Thread(target=follow, args=(process.stdout, show_step)))
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    if process.wait() != 0:
        raise SetupError(explain("".join(kept)))


def make_venv():
    """Create .venv, or keep the one that works."""
    if usable(venv_python()):
        return
    if os.path.isdir(VENV):
        say("      (.venv is damaged or its Python is gone: making it again)")
    python = find_python()
    process = subprocess.Popen(
        [python, "-m", "venv", "--clear", VENV],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    output = process.communicate()[0]
    if process.returncode != 0:
        if "ensurepip" in output:
            raise SetupError(
                "Python cannot put pip into a virtual environment (ensurepip failed).\n"
                "  Debian, Ubuntu: sudo apt install python3-venv   (then run the same command again)"
            )
        raise SetupError(
            explain(output).replace("pip could not install the packages", "venv could not make .venv")
        )


def extras_of(stamp):
    """Return the extras that a stamp says are installed: its second word, joined by commas."""
    return set(read(stamp).partition(" ")[2].split(",")) - {""}


def install(python, stamp, extras):
    """Install the pinned packages with `python`, byte-compile them, and leave a stamp that says so."""
    torch = re.search(r"^torch==\S+", read(os.path.join(ROOT, "constraints.txt")), re.M).group(0)
    pins = os.path.join(ROOT, "constraints.txt")
    say("[2/4] PyTorch (%s): the largest download" % torch)
    # First and by its exact version: resolved with the rest, pip may fetch gigabytes of other builds.
    pip(python, torch, "-c", pins)
    say("[3/4] JupyterLab, transformers and the other pinned packages")
    pip(python, "-e", "%s[%s]" % (ROOT, ",".join(sorted(extras))), "-c", pins)
    say("[4/4] Compiling (so that later starts are quick)")
    packages = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    folder = subprocess.check_output([python, "-c", packages], universal_newlines=True).strip()
    with open(os.devnull, "w") as nowhere:  # a few packages ship files that are not meant to compile
        subprocess.call(
            [python, "-m", "compileall", "-q", "-j", "0", folder],
            stdout=nowhere,
            stderr=nowhere,
            env=quiet_environment(),
        )
    with open(stamp, "w") as file:
        file.write("%s %s" % (key(python), ",".join(sorted(extras))))


def set_up(here, task="setup"):
    """Make the environment that a task needs, unless it stands already, and return its Python."""
    started = time.time()
    if here:
        if sys.version_info[:2] < OLDEST:
            raise SetupError(
                "--here needs a Python of at least %d.%d; this is %s" % (OLDEST + (sys.version.split()[0],))
            )
        python, stamp = sys.executable, os.path.join(sys.prefix, ".one-mask-apart")
    else:
        python, stamp = venv_python(), os.path.join(VENV, ".one-mask-apart")
    wanted = set(["lab"]) if task in LEARNERS_TASKS else set(["lab", "test"])
    if os.path.exists(python) and wanted <= extras_of(stamp) and read(stamp).split()[0] == key(python):
        return python
    say("Setting up One Mask Apart (a few minutes, once; the network is needed for this step only)")
    if not read(stamp):  # renewed pins replace what is there and need little
        check_disk()
    say("[1/4] Python %s" % ("as it is: " + python if here else "environment in .venv"))
    if not here:
        make_venv()
    install(python, stamp, wanted | extras_of(stamp))
    say("Set up in %d s." % (time.time() - started))
    return python


def main(arguments):
    """Set up, then hand over to scripts/tasks.py in the environment; return the exit status."""
    here = "--here" in arguments
    arguments = [argument for argument in arguments if argument != "--here"]
    if not arguments or arguments[0] not in TASKS:
        say(USAGE)
        return 0 if arguments and arguments[0] in ("-h", "--help", "help") else 2
    try:
        python = set_up(here, arguments[0])
    except SetupError as error:
        say("\n" + "-" * 80 + "\n" + str(error) + "\n" + "-" * 80)
        return 1
    except (IOError, OSError) as error:
        say("\n" + "-" * 80 + "\n" + explain("%s: %s" % (type(error).__name__, error)) + "\n" + "-" * 80)
        return 1
    except KeyboardInterrupt:
        say("\nStopped. The same command goes on where this one stopped.")
        return 130
    task = subprocess.Popen([python, os.path.join(ROOT, "scripts", "tasks.py")] + arguments, cwd=ROOT)
    while task.returncode is None:
        try:
            task.wait()
        except KeyboardInterrupt:  # the task got it too: JupyterLab asks first, pytest prints its summary
            pass
    return task.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
