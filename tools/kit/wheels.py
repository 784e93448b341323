"""Fill a USB stick from which a class installs the course without a network: `python -m tools.kit.wheels --to FOLDER`.

FOLDER gets wheels/ (what `make lab` installs, at the pins of constraints.txt, for this system and this Python),
one-mask-apart/ (the course as it is committed) and START.txt, which says the two lines to run. Stopped, the same
command goes on: what is there already is not fetched again.
"""

import argparse
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from course_lib import places
from tools import bootstrap

__all__ = ["START", "copy", "fetch", "main", "wanted"]

ROOT = Path(bootstrap.ROOT)
NAME = "one-mask-apart"
START = """One Mask Apart, from this stick, without a network

These packages are for {system} with Python {python}. Anything else needs a stick of its own.
Open a terminal in this folder, then run two lines. They leave the stick as it is.

Linux, macOS:

    cp -R {name} ~/{name}
    PIP_NO_INDEX=1 PIP_FIND_LINKS="file://${{PWD// /%20}}/wheels" make -C ~/{name} PYTHON=python{python} lab

Windows (in the Command Prompt, cmd):

    xcopy /E /I /Q {name} "%USERPROFILE%\\{name}" & set PIP_NO_INDEX=1& set PIP_FIND_LINKS=%CD%\\wheels
    cd /D "%USERPROFILE%\\{name}" & py -{python} tools\\bootstrap.py lab

After that, `make lab` in ~/{name} (Windows: the last line) is enough, without the stick.
"""


def main(arguments=None):
    """Fill the folder and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.kit.wheels", description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="the stick, or a folder to copy to it")
    folder = parser.parse_args(arguments).to.expanduser().resolve()
    if folder == ROOT or ROOT in folder.parents and "build" not in folder.relative_to(ROOT).parts:
        parser.error(f"--to {folder} is inside the course: name the stick, or a folder elsewhere")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copy(folder / NAME)
        if status := fetch(folder / "wheels"):
            return status
        about = {"python": f"{sys.version_info[0]}.{sys.version_info[1]}", "name": NAME}
        places.write(folder / "START.txt", START.format(system=f"{platform.system()} {platform.machine()}", **about))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{folder} could not be filled: {error}\n  Free some space or name another folder; then run it again.")
        return 1
    files = [*(folder / "wheels").iterdir()]
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{folder}: the course and {len(files)} packages, {size:,.0f} MB. START.txt there says the two lines to run.")
    return 0


def wanted():
    """Return PyTorch's pin, and what `make lab` installs after it: requirements, and what builds the course itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = dict(re.findall(r"^(\S+)==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M))
    course = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["lab"]]
    return f"torch=={pins['torch']}", [*course, *project["build-system"]["requires"], "editables", f"uv=={pins['uv']}"]


def fetch(folder):
    """Let pip put the wheels there, PyTorch first (resolved with the rest, pip may fetch other builds of it)."""
    torch, rest = wanted()
    pip = [sys.executable, "-m", "pip", "download", "--dest", folder, "--find-links", folder, "--only-binary", ":all:",
           "--progress-bar", "off", "--quiet", "-c", ROOT / "constraints.txt"]  # fmt: skip
    for packages in ([torch], rest):
        print(f"Fetching {packages[0]}{' and the rest' if packages is rest else ''} ...", flush=True)
        if status := subprocess.call([*pip, *packages]):
            print("pip could not fetch it: what it printed above says why. The network is needed here, once.")
            return status
    return 0


def copy(folder):
    """Lay the committed course there, in one step; what was there before is replaced."""
    if not (ROOT / ".git").exists():
        raise OSError(f"{ROOT} is not a clone made by git, so there is no telling what belongs to the course")
    git = ["git", "-C", ROOT]
    if subprocess.check_output([*git, "status", "--porcelain", "--untracked-files=no"]):
        print("Changes that are not committed do not come along.")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".draft-") as draft:
        archive = Path(draft, "course.tar")
        subprocess.run([*git, "archive", "--output", archive, "HEAD"], check=True)
        shutil.unpack_archive(archive, Path(draft, NAME))
        shutil.rmtree(folder, ignore_errors=True)
        Path(draft, NAME).rename(folder)


if __name__ == "__main__":
    sys.exit(main())
