"""The files that make the environment agree, and the set-up explains its failures in plain words."""

import ast
import importlib.util
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


def test_environment_yml_says_what_pyproject_says():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    python, pip, from_pip = environment["dependencies"]
    assert pip == "pip"
    assert from_pip == {"pip": [f"-e .[{','.join(EXTRAS)}]"]}, (
        "conda installs the project with all its extras, no more"
    )
    assert python == f"python{PROJECT['requires-python']}", "both files name the same oldest Python"


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


# --- the two commands --------------------------------------------------------------------------------------


def test_readme_opens_with_the_two_commands():
    commands = re.findall(
        r"^(make \w+|python scripts/\S+ \w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert commands[:2] == ["make lab", "make test"]


def test_every_task_of_the_makefile_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^(.+):\n\t\$\(RUN\)", makefile, re.M).group(1).split()
    assert set(targets) == set(bootstrap().TASKS)
    for target in targets:
        assert f"make {target}" in makefile or target == "setup", f"make help does not tell of {target}"
        assert re.search(
            rf"^def {target}\(", (ROOT / "scripts" / "tasks.py").read_text(encoding="utf-8"), re.M
        )


def test_continuous_integration_is_a_thin_caller():
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100 or sys.platform == "win32", (
        ".ci/run must be executable"
    )
    assert WORKFLOWS
    for workflow in WORKFLOWS:
        runs = re.findall(r"run: (.+)", workflow.read_text(encoding="utf-8"))
        assert runs == ["python scripts/bootstrap.py test"], (
            f"{workflow.name} must only call what make test calls"
        )


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
    (tmp_path / ".one-mask-apart").write_text(module.key(sys.executable))
    monkeypatch.setattr(module, "install", lambda *_: pytest.fail("installed again"))
    assert module.set_up(here=False) == sys.executable
    (tmp_path / ".one-mask-apart").write_text("the key of other pins")
    calls = []
    monkeypatch.setattr(module, "install", lambda *arguments: calls.append(arguments))
    module.set_up(here=False)
    assert calls, "changed pins must be installed"


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
