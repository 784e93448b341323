"""The two commands: what README promises exists, continuous integration runs bare, failures of the set-up are told."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.notes import working_copy
from tools import bootstrap, tasks

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ELSEWHERE = (ROOT / "docs" / "other-places.md").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


# --- the two commands --------------------------------------------------------------------------------------


def test_readme_opens_with_the_two_commands():
    commands = re.findall(r"^(make \w+|python tools/\S+ \w+)", README, re.M)
    assert commands[:2] == ["make lab", "make test"]


def test_readme_tells_of_the_variables_that_the_library_reads_and_of_no_other():
    told = set(re.findall(r"^\| `(COURSE_\w+)` \|", README, re.M))
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "course_lib").rglob("*.py"))
    assert told == set(re.findall(r"\bCOURSE_[A-Z_]+\b", code))


PAGES = [ROOT / "README.md", ROOT / "docs" / "other-places.md", *sorted((ROOT / "notebooks").glob("*.ipynb"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_variable_set_for_the_old_command_prompt_is_set_for_powershell_too(page):
    """In PowerShell `set NAME=value` sets a variable of its own, which no program sees, and says nothing."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"\bset (COURSE_[A-Z_]+)=", text):
        assert f"$env:{name} = " in text, f"{page.name}: say `$env:{name} = ...` beside `set {name}=...`"


def test_commands_that_readme_shows_exist():
    code = "\n".join(map("".join, re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", README + ELSEWHERE, re.S)))
    tasks = set(re.findall(r"\bmake (?:PYTHON=\S+ )?([a-z][a-z-]*)\b", code))
    tasks |= set(re.findall(r"tools/bootstrap\.py ([a-z][a-z-]*)\b", code))
    tasks |= set(re.findall(r"(?:tools/|-m tools\.)tasks(?:\.py)? ([a-z][a-z-]*)\b", code))
    assert {"lab", "test", "doctor", "update", "copy"} <= tasks <= {*bootstrap.TASKS, "clean", "help"}, tasks
    assert set(re.findall(r"-m course_lib (\w+)", code)) <= {"doctor", "real"}
    for page in (ROOT / "README.md", ROOT / "docs" / "other-places.md"):
        for file in re.findall(r"\]\(([^)#:\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / file).exists(), f"{page.name} points to {file}, which is not there"


def test_every_task_of_the_makefile_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^(.+):\n\t\$\(RUN\)", makefile, re.M).group(1).split()
    assert set(targets) == set(bootstrap.TASKS) == {*tasks.TASKS, *tasks.MODULES}


def test_continuous_integration_is_a_thin_caller():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nmake setup\n" in script and re.search(r"exec make PYTHON=\S+ test\b", script)
    assert len(script.splitlines()) <= 40
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100 or sys.platform == "win32", (
        ".ci/run must be executable"
    )
    assert WORKFLOWS
    for workflow in WORKFLOWS:
        runs = set(re.findall(r"run: (.+)", workflow.read_text(encoding="utf-8")))
        newest = {'pip install -e ".[lab,test]"', "python -m tools.tasks test"}  # each week, without pins
        assert runs == {"python tools/bootstrap.py test"} | newest, f"{workflow.name} only calls what make test calls"


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


# --- make lab ----------------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Start `lab` for a learner with a home of their own, up to JupyterLab: returns start() -> its options."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    calls = []
    monkeypatch.setattr(tasks, "call", lambda *command, **_: calls.append(command) or 0)

    def start(*arguments):
        assert tasks.lab(*arguments) == 0
        return dict(option[2:].split("=") for option in calls[-1] if "=" in option)

    return start


def test_lab_opens_the_copy_with_settings_of_its_own(opened, tmp_path):
    options = opened()
    first = min(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert options["ServerApp.root_dir"] == str(tmp_path)
    assert options["LabApp.default_url"] == f"/lab/tree/my-course/{first}"
    assert (tmp_path / "my-course" / first).is_file() and (tmp_path / "one-mask-apart.html").is_file()
    assert Path(options["LabApp.app_settings_dir"], "overrides.json").is_file()
    assert 3600 <= int(options["MappingKernelManager.cull_idle_timeout"]) <= 6 * 3600
    rooms = list(Path(options["LabApp.workspaces_dir"]).iterdir())
    assert len(rooms) == 1 and Path(options["LabApp.workspaces_dir"]).is_relative_to(tmp_path)
    rooms[0].write_text("as the learner left it")
    opened()
    assert rooms[0].read_text() == "as the learner left it"


def test_lab_hands_options_on_and_stops_where_no_copy_can_be_laid(opened, monkeypatch, capsys, tmp_path):
    assert opened("--ServerApp.port=9999")["ServerApp.port"] == "9999"
    monkeypatch.setattr(working_copy, "lay", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert tasks.lab() == 1
    said = capsys.readouterr().out
    assert "No space left" in said and "COURSE_HOME" in said and "Nothing of yours was changed" in said


def test_jupyterlab_knows_the_settings_that_lab_sets():
    schemas = Path(sys.prefix, "share", "jupyter", "lab", "schemas")
    settings = json.loads((ROOT / "tools" / "lab" / "overrides.json").read_text(encoding="utf-8"))
    for plugin, values in settings.items():
        package, name = plugin.split(":")
        known = json.loads((schemas / package / f"{name}.json").read_text(encoding="utf-8"))["properties"]
        assert set(values) <= set(known), f"{plugin} has no {set(values) - set(known)}"
    notebooks = settings["@jupyterlab/notebook-extension:tracker"]
    assert notebooks["kernelShutdown"] and notebooks["codeCellConfig"]["lineWrap"]


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without asking it")
def test_whoever_ends_a_task_ends_what_it_started():
    """JupyterLab and its kernels stayed behind once, hundreds of megabytes each."""
    child = "import time; print('runs', flush=True); time.sleep(120)"
    task = subprocess.Popen(
        [sys.executable, "-c", f"from tools import tasks; tasks.call({sys.executable!r}, '-c', {child!r})"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert task.stdout.readline() == "runs\n"
    task.terminate()
    assert task.communicate(timeout=30) == ("", None), "the pipe is closed by its last holder, the child"


def test_ctrl_c_is_left_to_the_task_and_then_told():
    class Task:
        returncode, presses = None, [KeyboardInterrupt, KeyboardInterrupt]

        def wait(self):
            if self.presses:
                raise self.presses.pop()
            self.returncode = 0

    assert bootstrap.follow(Task()) is True
    Task.presses = []
    assert bootstrap.follow(Task()) is False


def test_copy_tells_where_the_copy_is_and_what_was_kept(monkeypatch, capsys):
    monkeypatch.setattr(working_copy, "lay", lambda: ["04 is a new version"])
    assert tasks.copy() == 0
    assert capsys.readouterr().out.splitlines() == ["04 is a new version",
                                                    f"Your copy of the lessons: {working_copy.folder()}"]  # fmt: skip


def test_a_check_that_cannot_be_noted_is_no_failure(monkeypatch, tmp_path):
    """A shared installation, whose first user never ran the check: it runs again, and lab goes on."""
    monkeypatch.setattr(tasks, "STAMP", tmp_path / "gone" / "stamp")
    monkeypatch.setattr(tasks, "call", lambda *_: 0)
    assert tasks.setup() == 0


# --- a hub -------------------------------------------------------------------------------------------------


def test_the_recipe_for_a_hub_leaves_its_packages_alone_and_gives_it_a_kernel(monkeypatch, tmp_path):
    """Follow our lines for The Littlest JupyterHub, under another prefix, up to a cell that a student runs."""
    import nbformat
    from nbclient import NotebookClient

    recipe = re.search(r"The Littlest JupyterHub.*?```sh\n(.*?)```", ELSEWHERE, re.S)[1].replace("\\\n", " ")
    install = re.search(r"-m (ipykernel install .+)", recipe)[1]
    assert "pip install" not in recipe, "nothing is installed into the hub's environment"
    task = re.search(r"bootstrap\.py (\w+)", recipe)[1]
    assert bootstrap.TASKS[task] == {"lab"}, "and no package of the tests into the students'"
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
        "import os\nfrom course_lib.places import DATA\nprint(os.getenv('COURSE_THREADS'), DATA.is_dir(), os.getcwd())"
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
        command = [sys.executable, clone / "tools" / "tasks.py", "update"]
        done = subprocess.run(command, text=True, capture_output=True, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    for folder in ("notebooks", "tools"):
        (ours / folder).mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "tasks.py", ours / "tools")
    shutil.copy(ROOT / ".gitignore", ours)
    git(ours, "init")
    publish(a="first a", b="first b")
    git(tmp_path, "clone", ours, clone)
    (clone / "notebooks" / "a.ipynb").write_text("first a, run")
    return publish, update, clone


def kept(clone):
    return {path.name: path.read_text() for path in clone.glob("my-notebooks/*/*")}


def test_update_keeps_what_was_run_and_what_is_mine_and_fetches_the_new_notebooks(course):
    publish, update, clone = course
    mine = {"mine.ipynb": "mine", ".progress.json": "answers"}
    for name, text in mine.items():
        (clone / "notebooks" / name).write_text(text)
    (clone / "tools" / "tasks.py").write_text((clone / "tools" / "tasks.py").read_text() + "# mine\n")
    status, said = update()
    assert status == 0 and "newest course already" in said and not kept(clone)
    publish(a="second a", c="first c")
    refused = subprocess.run(["git", "-C", clone, "pull", "--ff-only"], capture_output=True, text=True)
    assert refused.returncode and "overwritten" in refused.stderr, "what README says of a plain `git pull`"
    status, said = update()
    assert status == 0 and "my-notebooks" in said, said
    assert kept(clone) == {"a.ipynb": "first a, run"}
    now = {path.name: path.read_text() for path in (clone / "notebooks").iterdir()}
    assert now == {"a.ipynb": "second a", "b.ipynb": "first b", "c.ipynb": "first c"} | mine
    assert (clone / "tools" / "tasks.py").read_text().endswith("# mine\n")


def test_update_without_a_network_or_an_origin_changes_nothing(course):
    publish, update, clone = course
    publish(a="second a")
    (clone.parent / "ours").rename(clone.parent / "gone")
    assert update()[0] == 1
    subprocess.run(["git", "-C", clone, "remote", "remove", "origin"], check=True)
    status, said = update()
    assert status == 1 and "upstream" in said
    assert (clone / "notebooks" / "a.ipynb").read_text() == "first a, run" and not kept(clone)


# --- tools/bootstrap.py ------------------------------------------------------------------------------------


def test_bootstrap_can_be_read_by_an_old_python():
    source = (ROOT / "tools" / "bootstrap.py").read_text(encoding="utf-8")
    source.encode("ascii")
    ast.parse(source, feature_version=(3, 4))
    tree = list(ast.walk(ast.parse(source)))
    newer = (ast.JoinedStr, ast.NamedExpr, ast.Match, ast.AnnAssign, ast.Nonlocal)
    assert not [node.lineno for node in tree if isinstance(node, newer)], "old Pythons stop at this syntax"
    modules = {alias.name.split(".")[0] for node in tree if isinstance(node, ast.Import) for alias in node.names}
    assert modules <= sys.stdlib_module_names, "only the standard library is there before the set-up"
    for name in ("pyproject.toml", "constraints.txt"):
        (ROOT / name).read_text(encoding="ascii")  # which it reads as this machine's encoding


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
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
            "no build of a pinned package",
        ),
        ("The virtual environment was not created because ensurepip is not available", "sudo apt install python3"),
        ("ERROR: something nobody has seen before", "something nobody has seen before"),
    ],
)
def test_failures_are_explained_and_what_was_printed_stands_below(printed, said):
    message = bootstrap.explain(printed)
    assert said in message and printed.splitlines()[-1] in message


@pytest.mark.parametrize(
    ("oldest", "found", "said"),
    [
        ((4, 0), None, r"needs Python 4\.0 or newer; this is Python 3\."),
        ((3, 11), None, r"without its `venv`(.|\n)*apt install python3\.\d+-venv"),
        ((4, 0), "python3.12", ""),
    ],
)
def test_a_python_that_cannot_be_used_is_told_so_or_another_is_found(monkeypatch, oldest, found, said):
    monkeypatch.setattr(bootstrap, "OLDEST", oldest)
    monkeypatch.setattr(bootstrap, "usable", lambda python: python == found)
    if found:
        assert bootstrap.find_python() == found
    else:
        with pytest.raises(bootstrap.SetupError, match=said):
            bootstrap.find_python()


def test_a_nearly_full_disk_is_told_before_anything_is_downloaded(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path))
    monkeypatch.setattr(bootstrap, "NEEDED_MB", 10**9)
    monkeypatch.setattr(bootstrap, "run", lambda *command: pytest.fail(f"{command} was run"))
    assert bootstrap.main(["lab"]) == 1
    assert "nearly full" in capsys.readouterr().out


def test_a_second_setup_installs_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path))
    monkeypatch.setattr(bootstrap, "venv_python", lambda: sys.executable)
    stamp, installed = tmp_path / ".one-mask-apart", []
    monkeypatch.setattr(bootstrap, "install", lambda python, path, extras: installed.append(extras))
    now, all_but_bench = bootstrap.key(sys.executable), {"lab", "test"}
    for written, task, expected in (
        (f"{now} lab,test", "setup", []),
        (f"{now} lab,test", "lab", []),
        (f"{now} lab", "lab", []),
        (f"{now} lab", "test", [all_but_bench]),  # a learner who goes on to test
        (f"{now} lab,test", "bench", [all_but_bench | {"bench"}]),
        ("the-key-of-other-pins lab", "lab", [{"lab"}]),
        ("the-key-of-other-pins lab,test", "lab", [all_but_bench]),  # what is there is renewed as a whole
        ("", "lab", [{"lab"}]),
    ):
        stamp.write_text(written)
        installed.clear()
        assert bootstrap.set_up(task) == sys.executable
        assert installed == expected, (written, task)


CONFIGURED = """:env:.disable-pip-version-check='1'
:env:.find-links='/wheels'
global.cert='/ca.crt'
global.extra-index-url='file:///more https://mirror/simple'
"""
UV = ["--find-links", "/wheels", "--extra-index-url", "file:///more", "--extra-index-url", "https://mirror/simple"]


@pytest.mark.parametrize(
    ("configured", "broken", "by_uv", "by_pip"),
    [
        (CONFIGURED, (), 2, 0),
        (CONFIGURED, ("uv==",), 0, 2),  # no build of uv here: pip alone
        (CONFIGURED, ("unsafe-best-match",), 1, 2),  # uv fails: pip goes on, and its messages are explained
        (CONFIGURED + "global.proxy='http://proxy'\n", (), 0, 2),  # pip is told what uv cannot be
    ],
)
def test_uv_installs_where_it_can_and_pip_where_it_cannot(monkeypatch, tmp_path, configured, broken, by_uv, by_pip):
    calls = []

    def run(*command, **variables):
        calls.append(command)
        assert "uv" not in command or variables == {"SSL_CERT_FILE": "/ca.crt"}
        if "config" in command:
            return 0, configured
        return int(any(part.startswith(broken) for part in command) if broken else False), ""

    monkeypatch.setattr(bootstrap, "run", run)
    bootstrap.install(sys.executable, str(tmp_path / "stamp"), {"lab"})
    uv, pip = ([list(call) for call in calls if call[2] == name and "constraints.txt" in str(call)]
               for name in ("uv", "pip"))  # fmt: skip
    assert (len(uv), len(pip)) == (by_uv, by_pip)
    assert all(call[call.index("--find-links") :][: len(UV)] == UV for call in uv)
    assert (uv or pip)[0][-1] == "torch==2.13.0", "PyTorch first, and pinned"
    assert (tmp_path / "stamp").read_text().endswith(" lab")


def test_a_failed_installation_is_explained_and_leaves_no_stamp(monkeypatch, tmp_path):
    monkeypatch.setattr(bootstrap, "run", lambda *command: (1, "NameResolutionError"))
    with pytest.raises(bootstrap.SetupError, match="no network"):
        bootstrap.install(sys.executable, str(tmp_path / "stamp"), {"lab"})
    assert not (tmp_path / "stamp").exists()


def test_a_wrong_task_shows_the_usage(capsys):
    assert bootstrap.main(["lob"]) == 2 and bootstrap.main([]) == 2
    shown = capsys.readouterr().out
    assert all(task in shown for task in bootstrap.TASKS)


def test_the_package_index_is_named_nowhere():
    for name in ("pyproject.toml", "constraints.txt", "environment.yml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "index-url" not in text and "://" not in text, f"{name} must not choose the reader's package index"
