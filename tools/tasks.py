"""The tasks behind `make lab` and `make test`; tools/bootstrap.py runs it in the environment it made."""

import contextlib
import datetime
import os
import shutil
import subprocess
import sys
from pathlib import Path

from course_lib import places  # with it every kernel inherits how idle threads wait, whatever it imports first
from tools import bootstrap

ROOT = Path(__file__).resolve().parent.parent
PYTHON = [sys.executable, "-m"]
STAMP = Path(sys.prefix) / ".one-mask-apart"
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "COURSE_QUIET": "1", "COURSE_STRICT": "1"}


def call(*command, threads=None, **variables):
    """Run a command in the checkout and return its exit status; `threads` limits every numerical library.

    Ctrl-C reaches the command too: it may ask or tidy up, so KeyboardInterrupt comes when it has ended.
    """
    if threads:
        variables |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "COURSE_THREADS"), str(threads))
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=os.environ | variables)
    if bootstrap.follow(process):
        raise KeyboardInterrupt
    return process.returncode


def setup(*_):
    """Check the machine once after each installation; later starts go straight to the task."""
    passed = STAMP.with_name(STAMP.name + "-doctor")
    installation = STAMP.read_text().split()[0] if STAMP.exists() else ""  # none in a conda environment
    if passed.exists() and passed.read_text() == installation:
        return 0
    status = call(*PYTHON, "course_lib", "doctor")
    if status == 0:
        with contextlib.suppress(OSError):  # a shared installation that belongs to somebody else
            passed.write_text(installation)
    else:
        print("\nThe set-up is there, but the check above found something to mend first.", flush=True)
    return status


WORKSPACE = ROOT / "tools" / "lab" / "default-37a8.jupyterlab-workspace"  # Lab's name for it; beside it its settings
IDLE_SECONDS = 3 * 60 * 60  # a kernel that no open page uses ends after that


def copy(*_):
    """Lay or renew the working copy, and say where it is."""
    from course_lib.notes import working_copy

    try:
        for line in working_copy.lay():
            print(line, flush=True)
    except OSError as error:
        why = "another program is laying it" if isinstance(error, TimeoutError) else error.strerror or error
        print(f"\nYour copy of the lessons cannot be written in {working_copy.folder()}: {why}.\n"
              "  Nothing of yours was changed. Free some space, or set COURSE_HOME to a folder of yours with room,\n"
              "  then run the same command again.")  # fmt: skip
        return 1
    print(f"Your copy of the lessons: {working_copy.folder()}", flush=True)
    return 0


def lab(*arguments):
    """Open JupyterLab at the learner's copy; without a display, print the address to open instead."""
    from course_lib.notes import working_copy

    if copy():
        return 1
    place = working_copy.folder()
    workspace = place / ".workspaces" / WORKSPACE.name  # those of the learner's other projects stay as they are
    with contextlib.suppress(OSError):
        workspace.parent.mkdir(exist_ok=True)
        if not workspace.exists():
            places.write(workspace, WORKSPACE.read_text(encoding="utf-8"))
    options = [f"--ServerApp.root_dir={place.parent}",
               f"--LabApp.default_url=/lab/tree/{place.name}/{working_copy.latest()}",
               f"--LabApp.app_settings_dir={WORKSPACE.parent}", f"--LabApp.workspaces_dir={workspace.parent}",
               f"--MappingKernelManager.cull_idle_timeout={IDLE_SECONDS}",
               "--ServerApp.log_level=WARN"]  # fmt: skip  # or the address to open is lost among forty lines
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        options.append("--no-browser")
        print("No display here: open the address printed below in a browser. Ctrl-C twice stops it.", flush=True)
    try:
        return call(*PYTHON, "jupyterlab", *options, *arguments)
    except KeyboardInterrupt:  # the way to stop it
        return 0


def test(*arguments):
    """Lint, then run unit, property and conformance tests, then every notebook under strict nbval.

    All three always run. COURSE_JOBS and COURSE_NB_JOBS set how many files and notebooks run at once. More
    than one process gets one thread each: on the same cores, more threads than cores only slow each other down.
    """

    def pytest(variable, *more):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        value = os.environ.get(variable, "") or str(min(2, cores))
        if not value.isdecimal() or int(value) < 1:
            sys.exit(f"{variable}={value!r} is not a number of processes; leave it out, or set it to 1 or more")
        parallel = ["-n", value, "--dist", "loadfile"] if int(value) > 1 else ["-p", "no:xdist"]
        threads = 1 if int(value) > 1 else None
        return call(*PYTHON, "pytest", *arguments, *parallel, *more, threads=threads, **OFFLINE)

    nbval = ("--nbval", "--nbval-sanitize-with", "tests/nbval_sanitize.cfg", "--nbval-current-env",
             "--nbval-cell-timeout", "300")  # fmt: skip
    steps = {
        "lint": lambda: call(*PYTHON, "ruff", "check", "."),
        "tests": lambda: pytest("COURSE_JOBS", "--ignore=tests/browser", "tests"),
        "notebooks": lambda: pytest("COURSE_NB_JOBS", *nbval, "notebooks"),
    }
    failed = []
    for name, step in steps.items():
        print(f"\n=== {name} ===", flush=True)
        failed += [name] if step() else []
    if failed:
        print(f"\nFailed: {', '.join(failed)}. CONTRIBUTING.md says how to run one of them alone.", flush=True)
    return 1 if failed else 0


def browser_test(*arguments):
    """Lint the pages' scripts, then try pages and lessons in a real browser, installed first where it lacks."""
    scripts = ("course_lib/glass/page", "tools/site/static", "tools/kit/slides.js")
    for name, option in (("oxfmt", "--check"), ("oxlint", "--deny-warnings")):
        tool = shutil.which(name, path=str(Path(sys.executable).parent)) or name  # it came with a package
        if call(tool, option, *scripts):
            print(f"{name} has a complaint; `oxfmt {' '.join(scripts)}` mends the form.")
            return 1
    if not _browser():
        print("No browser: install Chromium (Debian, Ubuntu: sudo apt install chromium), or name one: CHROMIUM=/path.")
        return 1
    return call(*PYTHON, "pytest", "-p", "no:xdist", *arguments, "tests/browser", threads=1, **OFFLINE)


def _browser():
    """See to it that there is a chromium; returns whether there is one."""
    if os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser"):
        return True
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        apt = ["apt-get", "-qq", "-y", "--no-install-recommends"]
        call("apt-get", "-qq", "update")
        call(*apt, "install", "chromium", DEBIAN_FRONTEND="noninteractive")
    return bool(shutil.which("chromium")) or call(*PYTHON, "playwright", "install", "chromium") == 0


def update(*_):
    """Fetch the newest course. Running a notebook changes its file, which git would not replace: copies are kept.

    A file that is changed elsewhere is never touched: git says which, and stops.
    """
    if not shutil.which("git") or not (ROOT / ".git").exists():
        print("update needs git, and a folder that `git clone` made. Without them, download the course again.")
        return 1
    if call("git", "fetch", "--quiet"):
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
    return call("git", "merge", "--ff-only", "--quiet", "@{upstream}")


def _git(*arguments):
    return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True, encoding="utf-8")


MODULES = {  # a task that is a module's own: what stands behind `python -m`
    "doctor": ["course_lib", "doctor"], "lint": ["ruff", "check", "."], "bake": ["tools.bake"],
    "bench": ["tools.bench"], "gpu-check": ["tools.gpu_check"], "print": ["tools.printed"], "site": ["tools.site"],
    "kit": ["tools.kit"], "preflight": ["tools.kit.preflight"],
}  # fmt: skip
TASKS = {"setup": setup, "lab": lab, "copy": copy, "test": test, "browser-test": browser_test, "update": update}


def main(name, *arguments):
    """Run one task and return its exit status."""
    try:
        if name in MODULES:
            return call(*PYTHON, *MODULES[name], *arguments)
        if name in ("lab", "test") and setup() != 0:
            return 1
        return TASKS[name](*arguments)
    except KeyboardInterrupt:
        return 130
    except subprocess.CalledProcessError:  # git, which has said why
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
