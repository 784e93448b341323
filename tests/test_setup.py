"""The files that make the environment agree, and the set-up explains its failures in plain words."""

import ast
import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import course_lib
from course_lib import cli

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def requirements():
    """Return every requirement of the project, extras included."""
    return [Requirement(text) for text in sum(EXTRAS.values(), PROJECT["dependencies"])]


def pins():
    """Return constraints.txt as {name: version}."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


@functools.cache
def needs(name):
    """Return what an installed distribution requires."""
    return [Requirement(text) for text in metadata.requires(name) or ()]


def all_that_comes_with(wanted):
    """Return the names of these requirements and of all that they require in turn, as installed here."""
    waiting, seen = list(wanted), set()
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        if (known := (canonicalize_name(requirement.name), *sorted(extras))) in seen:
            continue
        seen.add(known)
        for needed in needs(requirement.name):
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return {name for name, *_ in seen}


def bootstrap():
    """Import scripts/bootstrap.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- pyproject.toml, constraints.txt, environment.yml ------------------------------------------------------


def test_constraints_hold_names_and_versions_only():
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line), (
            f"constraints.txt: {line!r} must be name==version (no index, no path, no '+cpu')"
        )
    assert pins()["torch"] == "2.13.0"


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_each_requirement_has_a_pin_inside_its_range(requirement):
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    name = canonicalize_name(requirement.name)
    assert name in pinned, f"constraints.txt does not pin {name}: renew it (CONTRIBUTING.md)"
    assert requirement.specifier, f"pyproject.toml gives {name} no range"
    assert pinned[name] in requirement.specifier, (
        f"{name}=={pinned[name]} is outside pyproject's {requirement.specifier}"
    )


def test_environment_yml_asks_for_what_a_learner_needs():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    assert environment["channels"] == ["conda-forge", "nodefaults"], "no channel whose terms a class must read first"
    *conda, from_pip = environment["dependencies"]
    assert from_pip == {"pip": ["-e .[lab]"]}, "pip installs the course with what a learner needs, no more"
    assert "pip" in conda and "pytorch-cpu" in conda, "pip's own torch brings gigabytes of GPU libraries on Linux"


def test_repo2docker_reads_a_python_that_the_course_can_use(monkeypatch):
    """Ask the very code that builds images for Binder, and hold the server that it installs against our ranges."""
    from repo2docker.buildpacks import CondaBuildPack, conda

    monkeypatch.chdir(ROOT)
    pack = CondaBuildPack("an image")
    assert pack.detect()
    assert pack.python_version in SpecifierSet(PROJECT["requires-python"])
    lock = Path(conda.__file__).with_name(f"environment.py-{pack.python_version}-linux-64.lock")
    frozen = dict(re.findall(r"/([a-z0-9_-]+)-([0-9.]+)-[^/]+\.conda", lock.read_text(encoding="utf-8")))
    for requirement in map(Requirement, EXTRAS["lab"]):
        there = frozen.get(requirement.name)
        assert there is None or there in requirement.specifier, (
            f"pip would replace {requirement.name} {there} of the image's own server"
        )
    assert {"jupyterlab", "ipykernel", "ipywidgets"} <= set(frozen)


def test_all_that_comes_along_is_pinned():
    """Walk from the project's requirements through those of its packages; what stands in no pin may change any day."""
    import torch

    if sys.platform != "linux" or torch.version.cuda:
        pytest.skip("the pins are those of Linux with the CPU build of torch")
    loose = all_that_comes_with(requirements()) - set(map(canonicalize_name, pins()))
    assert not loose, "constraints.txt does not pin these: renew it (CONTRIBUTING.md)"


def test_supported_pythons_agree_everywhere():
    named = [re.fullmatch(r".* :: (3\.\d+)", line) for line in PROJECT["classifiers"]]
    versions = sorted((match.group(1) for match in named if match), key=lambda text: int(text.split(".")[1]))
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert all(version in allowed for version in versions)
    oldest = ".".join(map(str, bootstrap().OLDEST))
    assert versions[0] == oldest and oldest in PROJECT["requires-python"]
    for workflow in WORKFLOWS:
        tested = re.findall(r"\"(3\.\d+)\"", workflow.read_text(encoding="utf-8"))
        assert {versions[0], versions[-1]} == set(tested), (
            f"{workflow.name} must test the oldest and the newest Python"
        )


def test_versions_of_the_course_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["version"] == course_lib.__version__ == citation["version"]


def test_the_environment_that_runs_this_is_the_pinned_one():
    other = {}
    for requirement in requirements():
        installed = metadata.version(requirement.name)
        assert installed.split("+")[0] in requirement.specifier, (
            f"{requirement.name} {installed} is outside its range"
        )
        pinned = {canonicalize_name(name): pin for name, pin in pins().items()}[
            canonicalize_name(requirement.name)
        ]
        if installed.split("+")[0] != pinned:
            other[requirement.name] = installed
    if other:
        pytest.skip(f"not the pinned versions (a conda environment?): {other}")


# --- what is imported, and the wheel -----------------------------------------------------------------------

DISTRIBUTIONS = {
    "yaml": "pyyaml", "IPython": "ipython", "fontTools": "fonttools", "repo2docker": "jupyter-repo2docker",
    "PIL": "pillow", "axe_playwright_python": "axe-playwright-python",
}  # fmt: skip
TOOLS = {  # used without an import of ours
    "accelerate", "distributed", "hatchling", "ipykernel", "jupyterlab", "nbval", "oxfmt", "oxlint", "pytest-xdist",
    "ruff",
}  # fmt: skip


def imported(folder):
    """Return {distribution: files} for all that Python files import beside the standard library and each other."""
    found = {}
    for path in [*(ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names:
                if not (path.with_name(f"{name}.py").exists() or (ROOT / name).is_dir()):
                    found.setdefault(DISTRIBUTIONS.get(name, name), set()).add(path.relative_to(ROOT).as_posix())
    return found


def names(texts):
    return {Requirement(text).name for text in texts}


def test_all_that_is_imported_is_declared_and_all_that_is_declared_is_used():
    library, rest = imported("course_lib"), {}
    for folder in ("tests", "benchmarks", "scripts"):
        for name, files in imported(folder).items():
            rest.setdefault(name, set()).update(files)
    base, extras = names(PROJECT["dependencies"]), names(sum(EXTRAS.values(), []))
    undeclared = {name: files for name, files in (library | rest).items() if name not in base | extras}
    assert not undeclared, "imported, but in no dependency of pyproject.toml"
    idle = (base | extras) - set(library) - set(rest) - TOOLS
    assert not idle, f"declared, but imported nowhere: {idle}"
    assert base <= set(library), "what only tests import belongs to the extra 'test'"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Build the wheel as `pip install .` does, without the network, and unpack it into a folder."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-build-isolation", *offline, "-w", folder / "made", ROOT], check=True)
    made = next((folder / "made").glob("one_mask_apart-*.whl"))
    subprocess.run([*pip, "install", *offline, "--target", folder / "site", made], check=True)
    return folder / "site"


@pytest.mark.slow
def test_an_installed_wheel_works_without_the_checkout_and_the_extras(wheel, tmp_path):
    library = all_that_comes_with(map(Requirement, PROJECT["dependencies"]))
    without = sorted(name.replace("-", "_") for name in names(sum(EXTRAS.values(), [])) if name not in library)
    assert {"ipywidgets", "pytest", "accelerate"} <= set(without)
    code = f"""
import sys
sys.modules.update(dict.fromkeys({without}))
import importlib, pkgutil
import course_lib
from course_lib import paths
from course_lib.notes import claims, glossary
from course_lib.town import language
from course_lib.experiments import design
from course_lib.notes import drill

for module in pkgutil.walk_packages(course_lib.__path__, "course_lib."):
    importlib.import_module(module.name)
records = sorted(path.stem for path in design.evidence_dir().glob("*.json") if design.read(path.stem))
print(course_lib.__file__, paths.DATA, len(language.TinyTown.load().vocabulary), len(claims.load()),
      len(glossary.load()), len(drill.load()), *records, sep="\\n")
"""
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    environment.pop("COURSE_EVIDENCE", None)
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:course_lib", "-c", code],
        env=environment, cwd=tmp_path, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    file, data, *counts = done.stdout.splitlines()
    assert Path(file).is_relative_to(wheel) and Path(data).is_relative_to(wheel)
    assert all(int(count) > 30 for count in counts[:4])
    assert counts[4:] == sorted(path.stem for path in (ROOT / "data" / "evidence").glob("*.json"))


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [(["bench"], 1, "checkout"), (["bake"], 2, "no such notebook"), (["doctor", "--no-training"], 0, "All is well")],
)
def test_commands_of_an_installed_wheel_work_or_say_that_they_need_the_checkout(wheel, tmp_path, command, status, said):
    done = subprocess.run(
        [sys.executable, "-m", "course_lib", *command],
        env=os.environ | {"PYTHONPATH": str(wheel)}, cwd=tmp_path, text=True, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


# --- the two commands --------------------------------------------------------------------------------------


def test_readme_opens_with_the_two_commands():
    commands = re.findall(
        r"^(make \w+|python scripts/\S+ \w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert commands[:2] == ["make lab", "make test"]


def test_readme_tells_of_the_variables_that_the_library_reads_and_of_no_other():
    told = set(re.findall(r"^\| `(COURSE_\w+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.M))
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "course_lib").rglob("*.py"))
    assert told == set(re.findall(r"\bCOURSE_[A-Z_]+\b", code))


PAGES = [ROOT / "README.md", *sorted((ROOT / "notebooks").glob("*.ipynb"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_variable_set_for_the_old_command_prompt_is_set_for_powershell_too(page):
    """In PowerShell `set NAME=value` sets a variable of its own, which no program sees, and says nothing."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"\bset (COURSE_[A-Z_]+)=", text):
        assert f"$env:{name} = " in text, f"{page.name}: say `$env:{name} = ...` beside `set {name}=...`"


def test_commands_that_readme_shows_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = "\n".join(map("".join, re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", readme, re.S)))
    tasks = set(re.findall(r"\bmake (?:PYTHON=\S+ )?([a-z][a-z-]*)\b", code))
    tasks |= set(re.findall(r"scripts/bootstrap\.py (?:--here )?([a-z][a-z-]*)\b", code))
    assert {"lab", "test", "doctor", "update"} <= tasks <= {*bootstrap().TASKS, "clean", "help"}, tasks
    assert set(re.findall(r"-m course_lib (\w+)", code)) <= set(cli.COMMANDS)
    for file in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / file).exists(), f"README points to {file}, which is not there"


def test_every_task_of_the_makefile_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^(.+):\n\t\$\(RUN\)", makefile, re.M).group(1).split()
    assert set(targets) == set(bootstrap().TASKS)
    for target in targets:
        assert f"make {target}" in makefile or target == "setup", f"make help does not tell of {target}"
        tasks = (ROOT / "scripts" / "tasks.py").read_text(encoding="utf-8")
        assert re.search(rf"^def {target.replace('-', '_')}\(", tasks, re.M)


def test_continuous_integration_is_a_thin_caller():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nmake setup\n" in script and re.search(r"exec make PYTHON=\S+ test\b", script)
    assert len(script.splitlines()) <= 40
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100 or sys.platform == "win32", (
        ".ci/run must be executable"
    )
    assert WORKFLOWS
    for workflow in WORKFLOWS:
        runs = re.findall(r"run: (.+)", workflow.read_text(encoding="utf-8"))
        assert runs == ["python scripts/bootstrap.py test"], (
            f"{workflow.name} must only call what make test calls"
        )


def test_actions_are_pinned_by_their_hash():
    for workflow in WORKFLOWS:
        for action in re.findall(r"uses: (.+)", workflow.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), (
                f"{workflow.name}: {action!r} may change any day: name the commit, and its version behind it"
            )


BARE = """
import os, pathlib, shutil, socket, sys
from matplotlib import font_manager, get_cachedir, get_data_path

strange = [font.fname for font in font_manager.fontManager.ttflist if not font.fname.startswith(get_data_path())]
assert not strange, strange
assert pathlib.Path(get_cachedir()).is_relative_to(pathlib.Path.home()), get_cachedir()
assert {name for name in ("git", "make") if shutil.which(name)} == {"git", "make"}
assert not [name for name in ("fc-list", "chromium", "convert", "lscpu", "ls", "python3") if shutil.which(name)]
assert sorted(os.listdir(os.environ["TMPDIR"])) == [], os.listdir(os.environ["TMPDIR"])
assert not [name for name in os.environ if name.startswith(("COURSE_", "XDG_", "PYTHONPATH"))]
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    pass
print("devices:", *[name for _, name in socket.if_nameindex()])
print("bare")
"""


@pytest.mark.skipif(not Path("/bin/bash").exists() or not shutil.which("make"), reason=".ci/run needs bash and make")
@pytest.mark.parametrize("refused", [False, True])
def test_continuous_integration_runs_the_tests_on_a_bare_machine(tmp_path, refused):
    """Run .ci/run itself over a Makefile whose tests look around; `refused`: on a machine without namespaces."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / ".venv" / "bin" / "python").chmod(0o755)
    (tmp_path / "look.py").write_text(BARE)
    (tmp_path / "Makefile").write_text(
        "setup:\n\t@echo set up\ntest:\n\t@$(PYTHON) look.py\nbrowser-test:\n\t@echo in a browser\n"
    )
    (tmp_path / "tools").mkdir()
    if refused:
        (tmp_path / "tools" / "unshare").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "tools" / "unshare").chmod(0o755)
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment = outside | {
        "PATH": os.pathsep.join([str(tmp_path / "tools"), os.environ["PATH"], "/usr/bin", "/bin"]),
        "CI": "true", "COURSE_DEVICE": "no such device", "XDG_CACHE_HOME": "/nowhere", "PYTHONPATH": "/nowhere",
    }  # fmt: skip
    command = ["/bin/bash", tmp_path / ".ci" / "run"]
    done = subprocess.run(command, env=environment, cwd="/", text=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "set up" and lines[-2:] == ["bare", "in a browser"]
    told = "cannot be cut off" in done.stdout
    assert told if refused else told or lines[-3] == "devices: lo", done.stdout


# --- a hub -------------------------------------------------------------------------------------------------


def test_the_recipe_for_a_hub_leaves_its_packages_alone_and_gives_it_a_kernel(monkeypatch, tmp_path):
    """Follow README's lines for The Littlest JupyterHub, under another prefix, up to a cell that a student runs."""
    import nbformat
    from nbclient import NotebookClient

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    recipe = re.search(r"The Littlest JupyterHub.*?```sh\n(.*?)```", readme, re.S)[1].replace("\\\n", " ")
    install = re.search(r"-m (ipykernel install .+)", recipe)[1]
    assert "pip install" not in recipe and "--here" not in recipe, "nothing is installed into the hub's environment"
    task = re.search(r"bootstrap\.py (\w+)", recipe)[1]
    assert task in bootstrap().LEARNERS_TASKS, "and no package of the tests into the students'"
    assert "--prefix /opt/tljh/user " in install
    hub, home = tmp_path / "hub", tmp_path / "student"
    home.mkdir()
    subprocess.run(
        [sys.executable, "-m", *shlex.split(install.replace("/opt/tljh/user", hub.as_posix()))],
        check=True, capture_output=True,
    )  # fmt: skip
    assert [path.name for path in hub.rglob("*.json")] == ["kernel.json"], "one file more, and none replaced"
    monkeypatch.setenv("JUPYTER_PATH", str(hub / "share" / "jupyter"))
    monkeypatch.delenv("COURSE_THREADS", raising=False)
    cell = (
        "import os\nfrom course_lib.paths import DATA\nprint(os.getenv('COURSE_THREADS'), DATA.is_dir(), os.getcwd())"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, kernel_name="one-mask-apart", resources={"metadata": {"path": str(home)}}).execute()
    assert notebook.cells[0].outputs[0].text.split(maxsplit=2) == ["1", "True", f"{home}\n"]


# --- make update -------------------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path):
    """A published course of two notebooks and a learner's clone of it: (publish a version, run `update`, the clone)."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    ours, clone = tmp_path / "ours", tmp_path / "clone"
    identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"]

    def git(folder, *arguments):
        subprocess.run(["git", *identity, "-C", folder, *arguments], check=True, capture_output=True)

    def publish(**files):
        for name, text in files.items():
            (ours / "notebooks" / f"{name}.ipynb").write_text(text)
        git(ours, "add", ".")
        git(ours, "commit", "-m", "a version")

    def update():
        command = [sys.executable, clone / "scripts" / "tasks.py", "update"]
        done = subprocess.run(command, text=True, capture_output=True, cwd=tmp_path)
        return done.returncode, done.stdout + done.stderr

    for folder in ("notebooks", "scripts"):
        (ours / folder).mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "tasks.py", ours / "scripts")
    shutil.copy(ROOT / ".gitignore", ours)
    git(ours, "init")
    publish(a="first a", b="first b")
    git(tmp_path, "clone", ours, clone)
    return publish, update, clone


def kept(clone):
    return {path.name: path.read_text() for path in clone.glob("my-notebooks/*/*")}


def test_update_keeps_the_notebooks_that_were_run_and_fetches_the_new_ones(course):
    publish, update, clone = course
    (clone / "notebooks" / "a.ipynb").write_text("first a, run")
    (clone / "notebooks" / ".progress.json").write_text("answers")
    (clone / "notebooks" / "mine.ipynb").write_text("mine")
    status, said = update()
    assert status == 0 and "newest course already" in said
    assert (clone / "notebooks" / "a.ipynb").read_text() == "first a, run" and not kept(clone)
    publish(a="second a", c="first c")
    refused = subprocess.run(["git", "-C", clone, "pull", "--ff-only"], capture_output=True, text=True)
    assert refused.returncode and "overwritten" in refused.stderr, "what README says of a plain `git pull`"
    status, said = update()
    assert status == 0 and "my-notebooks" in said, said
    assert kept(clone) == {"a.ipynb": "first a, run"}
    now = {path.name: path.read_text() for path in (clone / "notebooks").iterdir()}
    assert now == {
        "a.ipynb": "second a", "b.ipynb": "first b", "c.ipynb": "first c",
        "mine.ipynb": "mine", ".progress.json": "answers",
    }  # fmt: skip


def test_update_without_a_network_or_an_origin_changes_nothing(course):
    publish, update, clone = course
    (clone / "notebooks" / "a.ipynb").write_text("first a, run")
    publish(a="second a")
    (clone.parent / "ours").rename(clone.parent / "gone")
    status, said = update()
    assert status == 1 and "Traceback" not in said
    subprocess.run(["git", "-C", clone, "remote", "remove", "origin"], check=True)
    status, said = update()
    assert status == 1 and "upstream" in said and "Traceback" not in said
    assert (clone / "notebooks" / "a.ipynb").read_text() == "first a, run" and not kept(clone)


def test_update_leaves_what_is_changed_outside_the_notebooks(course):
    publish, update, clone = course
    (clone / "scripts" / "tasks.py").write_text((clone / "scripts" / "tasks.py").read_text() + "# mine\n")
    (clone / "notebooks" / "a.ipynb").write_text("first a, run")
    publish(a="second a")
    assert update()[0] == 0  # a change that no new version touches is no matter
    assert (clone / "scripts" / "tasks.py").read_text().endswith("# mine\n")
    assert kept(clone) == {"a.ipynb": "first a, run"}


# --- scripts/bootstrap.py ----------------------------------------------------------------------------------


def test_bootstrap_can_be_read_by_an_old_python():
    source = (ROOT / "scripts" / "bootstrap.py").read_text(encoding="utf-8")
    source.encode("ascii")
    ast.parse(source, feature_version=(3, 4))
    tree = list(ast.walk(ast.parse(source)))
    newer = (ast.JoinedStr, ast.NamedExpr, ast.Match, ast.AnnAssign, ast.Nonlocal)
    assert not [node.lineno for node in tree if isinstance(node, newer)], "old Pythons stop at this syntax"
    modules = {
        alias.name.split(".")[0] for node in tree if isinstance(node, ast.Import) for alias in node.names
    }
    assert modules <= sys.stdlib_module_names, "only the standard library is there before the set-up"


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "disk is full",
        ),
        ("OSError: [WinError 112] There is not enough space on the disk", "disk is full"),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to "
            "establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/torch/\n"
            "ERROR: Could not find a version that satisfies torch==2.13.0 (from versions: none)\n"
            "ERROR: No matching distribution found for torch==2.13.0",
            "no network",
        ),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]')", "certificate"),
        ("PermissionError: [Errno 13] Permission denied: '.venv'", "cannot be written"),
        (
            "ERROR: Could not find a version that satisfies torch==2.13.0 (from versions: 2.2.0)\n"
            "ERROR: No matching distribution found for torch==2.13.0",
            "no build of torch==2.13.0",
        ),
        ("ERROR: something nobody has seen before", "something nobody has seen before"),
    ],
)
def test_failures_of_pip_are_explained(printed, said):
    message = bootstrap().explain(printed)
    assert said in message
    assert "Traceback" not in message


def test_an_old_python_is_told_so(monkeypatch):
    module = bootstrap()
    monkeypatch.setattr(module, "OLDEST", (4, 0))
    monkeypatch.setattr(module, "usable", lambda python: False)
    with pytest.raises(module.SetupError, match=r"needs Python 4\.0 or newer; this is Python 3\."):
        module.find_python()


def test_a_python_without_venv_is_told_so(monkeypatch):
    module = bootstrap()
    monkeypatch.setattr(module, "usable", lambda python: False)
    with pytest.raises(module.SetupError, match=r"without its `venv`(.|\n)*apt install python3\.\d+-venv"):
        module.find_python()


def test_another_python_is_found_by_name(monkeypatch):
    module = bootstrap()
    monkeypatch.setattr(module, "usable", lambda python: python == "python3.12")
    assert module.find_python() == "python3.12"


def test_a_nearly_full_disk_is_told_before_anything_is_downloaded(monkeypatch):
    module = bootstrap()
    monkeypatch.setattr(module, "NEEDED_MB", 10**9)
    with pytest.raises(module.SetupError, match="nearly full"):
        module.check_disk()


def test_a_second_setup_installs_nothing(monkeypatch, tmp_path):
    module = bootstrap()
    monkeypatch.setattr(module, "VENV", str(tmp_path))
    monkeypatch.setattr(module, "venv_python", lambda: sys.executable)
    stamp, installed = tmp_path / ".one-mask-apart", []
    monkeypatch.setattr(module, "install", lambda python, path, extras: installed.append(extras))
    for written, task, expected in (
        (f"{module.key(sys.executable)} lab,test", "setup", []),
        (f"{module.key(sys.executable)} lab,test", "lab", []),
        (f"{module.key(sys.executable)} lab", "lab", []),
        (f"{module.key(sys.executable)} lab", "test", [{"lab", "test"}]),  # a learner who goes on to test
        ("the-key-of-other-pins lab", "lab", [{"lab"}]),
        ("the-key-of-other-pins lab,test", "lab", [{"lab", "test"}]),  # what is there is renewed as a whole
        (module.key(sys.executable), "lab", [{"lab"}]),  # a stamp of the first edition
        ("", "lab", [{"lab"}]),
    ):
        stamp.write_text(written)
        installed.clear()
        assert module.set_up(here=False, task=task) == sys.executable
        assert installed == expected, (written, task)


def test_learners_tasks_need_no_package_of_the_tests():
    assert set(bootstrap().LEARNERS_TASKS) == {"lab", "doctor", "update"} < set(bootstrap().TASKS)
    heavy = {"accelerate", "distributed", "pytest", "ruff", "nbval", "hypothesis"}
    names = {Requirement(text).name for text in PROJECT["dependencies"] + EXTRAS["lab"]}
    assert not heavy & names


def test_a_wrong_task_shows_the_usage():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "bootstrap.py", "lob"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "lab" in done.stdout


def test_the_package_index_is_named_nowhere():
    for name in ("pyproject.toml", "constraints.txt", "environment.yml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "index-url" not in text and "://" not in text, (
            f"{name} must not choose the reader's package index"
        )
