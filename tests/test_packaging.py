"""The files that make the environment agree with each other, with what is imported, and with an installed wheel."""

import ast
import functools
import json
import os
import re
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
from tools import bootstrap

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


# --- pyproject.toml, constraints.txt, environment.yml ------------------------------------------------------


def test_constraints_hold_names_and_versions_only():
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line), (
            f"constraints.txt: {line!r} must be name==version (no index, no path, no '+cpu')"
        )
    assert pins()["torch"] == "2.13.0"


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_each_requirement_has_a_pin_inside_its_range(requirement):
    name, pinned = canonicalize_name(requirement.name), {canonicalize_name(n): v for n, v in pins().items()}
    assert name in pinned, f"constraints.txt does not pin {name}: renew it (CONTRIBUTING.md)"
    assert requirement.specifier and pinned[name] in requirement.specifier, f"{requirement} does not hold the pin"


def test_each_pin_can_be_installed_on_the_oldest_python():
    """Also on its first release: Debian 12 has 3.11.2, for which a pin that asks for 3.11.5 does not exist."""
    oldest = "{}.{}.0".format(*bootstrap.OLDEST)
    asked = {name: metadata.metadata(name)["Requires-Python"] for name in pins() if _installed(name)}
    strange = {name: needed for name, needed in asked.items() if needed and not SpecifierSet(needed).contains(oldest)}
    assert len(asked) > 100 and not strange, f"take an older release of {strange}: the course is for Python {oldest} on"


def _installed(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # of another system, or of an extra that is not installed
        return None


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
    for requirement in map(Requirement, PROJECT["dependencies"] + EXTRAS["lab"]):
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
    extras = [EXTRAS[name] for name in ("lab", "test", "site")]  # `make bench` adds its own
    wanted = sum(extras, PROJECT["dependencies"])
    loose = all_that_comes_with(map(Requirement, wanted)) - set(map(canonicalize_name, pins()))
    assert not loose, "constraints.txt does not pin these: renew it (CONTRIBUTING.md)"


def test_supported_pythons_agree_everywhere():
    named = [re.fullmatch(r".* :: (3\.\d+)", line) for line in PROJECT["classifiers"]]
    versions = sorted((match.group(1) for match in named if match), key=lambda text: int(text.split(".")[1]))
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert all(version in allowed for version in versions)
    oldest = ".".join(map(str, bootstrap.OLDEST))
    assert versions[0] == oldest and oldest in PROJECT["requires-python"]
    for workflow in WORKFLOWS:
        tested = re.findall(r"\"(3\.\d+)\"", workflow.read_text(encoding="utf-8"))
        oldest_too = {versions[0]} if workflow.stem == "test" else set()
        assert oldest_too | {versions[-1]} == set(tested), (
            f"{workflow.name} must test the oldest and the newest Python"
        )


def test_versions_of_the_course_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["version"] == course_lib.__version__ == citation["version"]


def test_the_environment_that_runs_this_is_inside_the_ranges():
    for requirement in requirements():
        if requirement.name != "accelerate":  # of `make bench` alone
            assert metadata.version(requirement.name).split("+")[0] in requirement.specifier, requirement


# --- what is imported, and the wheel -----------------------------------------------------------------------

DISTRIBUTIONS = {
    "markdown_it": "markdown-it-py",
    "yaml": "pyyaml", "IPython": "ipython", "fontTools": "fonttools", "repo2docker": "jupyter-repo2docker",
    "PIL": "pillow", "axe_playwright_python": "axe-playwright-python", "bs4": "beautifulsoup4",
    "myst_parser": "myst-parser",
}  # fmt: skip
TOOLS = {"accelerate", "hatchling", "ipykernel", "jupyterlab", "myst-nb", "nbval", "oxfmt", "oxlint", "pytest-xdist",
         "pydata-sphinx-theme", "ruff", "sphinx-revealjs"}  # fmt: skip


def imported(folder):
    """Return {distribution: files} for all that Python files import beside the standard library and our folders."""
    found = {}
    for path in (ROOT / folder).rglob("*.py"):
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


def test_the_library_declares_what_it_imports_and_nothing_else():
    needed, declared = imported("course_lib"), names(PROJECT["dependencies"])
    undeclared = {name: files for name, files in needed.items() if name not in declared}
    assert not undeclared, "imported by course_lib, but not among the dependencies of pyproject.toml"
    lessons = " ".join(imports_of_the_lessons())
    idle = [name for name in declared - set(needed) if not re.search(rf"(import|from) {name}\b", lessons)]
    assert not idle, "declared, but neither a file of course_lib nor a lesson imports it"


def test_the_extras_declare_what_tools_and_tests_import():
    declared = names(PROJECT["dependencies"] + sum(EXTRAS.values(), []))
    needed = imported("tests") | imported("tools") | dict.fromkeys(TOOLS)
    assert set(needed) <= declared, {name: files for name, files in needed.items() if name not in declared}
    idle = names(sum(EXTRAS.values(), [])) - set(needed)
    assert not idle, f"declared by an extra, but used nowhere: {idle}"


def imports_of_the_lessons():
    notebooks = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "notebooks").glob("*.ipynb")]
    cells = ["".join(cell["source"]) for book in notebooks for cell in book["cells"] if cell["cell_type"] == "code"]
    nodes = [node for cell in cells for node in ast.walk(ast.parse(cell))]
    return sorted({ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)})


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
    """It imports all that lessons import, and finds the grammar, texts, records and shipped checkpoints."""
    library = all_that_comes_with(map(Requirement, PROJECT["dependencies"]))
    without = sorted(name.replace("-", "_") for name in names(sum(EXTRAS.values(), [])) if name not in library)
    assert {"jupyterlab", "pytest", "accelerate"} <= set(without)
    code = f"""
import sys
sys.modules.update(dict.fromkeys({without}))
import importlib, pkgutil
import course_lib
from course_lib import experiments, glass, places
from course_lib.notes import claims, glossary
from course_lib.town import language

for module in pkgutil.walk_packages(course_lib.__path__, "course_lib."):
    importlib.import_module(module.name)
exec({chr(10).join(imports_of_the_lessons())!r})
glass.read("tomorrow Ben will go to the school .", 1, "causal")
experiments.load("one-mask-apart")
print(course_lib.__file__, places.DATA, len(language.TinyTown.load().vocabulary), len(claims.load()),
      len(glossary.load()), sep="\\n")
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
    assert all(int(count) > 30 for count in counts)
    ours, theirs = ({path.relative_to(top).as_posix() for path in Path(top).rglob("*") if path.is_file()}
                    for top in (ROOT / "data", data))  # fmt: skip
    assert ours == theirs, "a file of data/ is missing from the wheel"


@pytest.mark.slow
def test_the_doctor_of_an_installed_wheel_works(wheel, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "course_lib", "doctor", "--no-training"],
        env=os.environ | {"PYTHONPATH": str(wheel)}, cwd=tmp_path, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0 and "All is well" in done.stdout, done.stdout + done.stderr
