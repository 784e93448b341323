"""The tasks behind `make lab` and `make test`; scripts/bootstrap.py runs it in the environment it made."""

import datetime
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST = "notebooks/00_start_here.ipynb"
PYTHON = [sys.executable, "-m"]
STAMP = Path(sys.prefix) / ".one-mask-apart"
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "COURSE_QUIET": "1", "COURSE_SCALE": "quick"}


def call(command, threads=None, **variables):
    """Run a command in the checkout and return its exit status; `threads` limits every numerical library.

    Ctrl-C reaches the command too: it may ask or tidy up, so KeyboardInterrupt comes when it has ended.
    """
    if threads:
        variables |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "COURSE_THREADS"), str(threads))
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=os.environ | variables)
    interrupted = False
    while process.returncode is None:
        try:
            process.wait()
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode


def jobs(variable, default):
    """Return how many processes to run at once: a whole number of at least 1 from the environment."""
    value = os.environ.get(variable, "") or str(default)
    if not value.isdecimal() or int(value) < 1:
        sys.exit(f"{variable}={value!r} is not a number of processes; leave it out, or set it to 1 or more")
    return int(value)


def doctor(arguments=()):
    return call([*PYTHON, "course_lib", "doctor", *arguments])


def setup(arguments=()):
    """Check the machine once after each installation; later starts go straight to the task."""
    passed = STAMP.with_name(STAMP.name + "-doctor")
    installation = STAMP.read_text().split()[0] if STAMP.exists() else ""  # none in a conda environment
    if passed.exists() and passed.read_text() == installation:
        return 0
    status = doctor()
    if status == 0:
        passed.write_text(installation)
    else:
        print("\nThe set-up is there, but the check above found something to mend first.", flush=True)
    return status


def lab(arguments=()):
    """Open JupyterLab at the first notebook; without a display, print the address to open instead."""
    if sys.prefix != sys.base_prefix:  # in our own .venv: no pop-up that asks to fetch news from the network
        settings = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
        settings.parent.mkdir(parents=True, exist_ok=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": quiet}))
    command = [
        *PYTHON,
        "jupyterlab",
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
        "--ServerApp.log_level=WARN",  # or the address to open is lost among forty lines
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        command.append("--no-browser")
        print(
            "No display here: open the address printed below in a browser. Ctrl-C twice stops it.", flush=True
        )
    import course_lib  # noqa: F401  every kernel inherits how idle threads wait, whatever its notebook imports first

    try:
        return call([*command, *arguments])
    except KeyboardInterrupt:  # the way to stop it
        return 0


def lint(arguments=()):
    return call([*PYTHON, "ruff", "check", ".", *arguments])


def test(arguments=()):
    """Lint, then run unit, property and conformance tests, then every notebook under strict nbval.

    All three always run. COURSE_JOBS and COURSE_NB_JOBS set how many files and notebooks run at once. More
    than one process gets one thread each: on the same cores, more threads than cores only slow each other down.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    tests, notebooks = jobs("COURSE_JOBS", min(2, cores)), jobs("COURSE_NB_JOBS", min(2, cores))
    pytest = [*PYTHON, "pytest", *arguments]
    steps = {
        "lint": lambda: lint(),
        "tests": lambda: call(
            [*pytest, *parallel(tests), "--ignore=tests/browser", "tests"], threads=1 if tests > 1 else None, **OFFLINE
        ),
        "notebooks": lambda: call(
            [*pytest, *parallel(notebooks), "--nbval", "--nbval-sanitize-with", "tests/nbval_sanitize.cfg"]
            + ["--nbval-current-env", "--nbval-cell-timeout", "300", "notebooks"],
            threads=1 if notebooks > 1 else None,
            **OFFLINE,
        ),
    }
    failed = []
    for name, step in steps.items():
        print(f"\n=== {name} ===", flush=True)
        if step() != 0:
            failed.append(name)
    if failed:
        print(
            f"\nFailed: {', '.join(failed)}. CONTRIBUTING.md says how to run one of them alone.", flush=True
        )
    return 1 if failed else 0


def browser_test(arguments=()):
    """Lint the page's scripts, then try the glass model in a real browser, which is installed first where it lacks."""
    scripts = "course_lib/glass/page"
    for check in ([_tool("oxfmt"), "--check", scripts], [_tool("oxlint"), "--deny-warnings", scripts]):
        if call(check):
            print(f"{scripts}: {Path(check[0]).stem} has a complaint; `oxfmt {scripts}` mends the form.")
            return 1
    if not _browser():
        return 1
    return call([*PYTHON, "pytest", "-p", "no:xdist", *arguments, "tests/browser"], threads=1, **OFFLINE)


def _tool(name):
    """Find a program that came with a package, beside this Python."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


def _browser():
    """See to it that there is a chromium; returns whether there is one."""
    if os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser"):
        return True
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        call(["apt-get", "-qq", "update"])
        quiet = ["apt-get", "-qq", "-y", "--no-install-recommends"]
        call([*quiet, "install", "chromium"], DEBIAN_FRONTEND="noninteractive")
        if shutil.which("chromium"):
            return True
    if call([*PYTHON, "playwright", "install", "chromium"]) == 0:
        return True
    print("No browser: install Chromium (Debian, Ubuntu: sudo apt install chromium), or name one in CHROMIUM=/path.")
    return False


def parallel(processes):
    return ["-n", processes, "--dist", "loadfile"] if processes > 1 else ["-p", "no:xdist"]


def bake(arguments=()):
    return call([*PYTHON, "course_lib", "bake", *arguments])


def bench(arguments=()):
    return call([*PYTHON, "course_lib", "bench", *arguments])


def gpu_check(arguments=()):
    return call([*PYTHON, "benchmarks.gpu_check", *arguments])


def update(arguments=()):
    """Fetch the newest course. Running a notebook changes its file, which git would not replace: copies are kept.

    A file that is changed elsewhere is never touched: git says which, and stops.
    """
    if not shutil.which("git") or not (ROOT / ".git").exists():
        print("update needs git, and a folder that `git clone` made. Without them, download the course again.")
        return 1
    if call(["git", "fetch", "--quiet"]):
        return 1
    if not _git("rev-list", "HEAD..@{upstream}"):
        print("This is the newest course already.")
        return 0
    changed = [ROOT / name for name in _git("diff", "HEAD", "--name-only", "-z", "--", "notebooks").split("\0")[:-1]]
    if changed:
        kept = ROOT / "my-notebooks" / datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
        kept.mkdir(parents=True)
        for notebook in filter(Path.exists, changed):
            shutil.copy2(notebook, kept)
        _git("checkout", "HEAD", "--", *changed)
        print(f"The notebooks that you ran are kept in {kept.relative_to(ROOT)}; answers stay recorded.", flush=True)
    return call(["git", "merge", "--ff-only", "--quiet", "@{upstream}"])


def _git(*arguments):
    return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True, encoding="utf-8")


TASKS = {
    task.__name__.replace("_", "-"): task
    for task in (setup, lab, test, browser_test, lint, doctor, bake, bench, gpu_check, update)
}


def main(arguments):
    name, *rest = arguments
    try:
        if name in ("lab", "test") and setup() != 0:
            return 1
        return TASKS[name](rest)
    except KeyboardInterrupt:
        return 130
    except subprocess.CalledProcessError:  # git, which has said why
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
