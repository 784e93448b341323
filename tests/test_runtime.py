"""course_lib.runtime: defaults, overrides by variables, and errors that name the value and the fix."""

import json
import os
import random
import re
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import torch

import course_lib
from course_lib import places, runtime


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def environment(monkeypatch):
    """Remove every COURSE_ variable and OMP_NUM_THREADS; return the function that sets one."""
    for name in [name for name in os.environ if name.startswith("COURSE_")] + ["OMP_NUM_THREADS"]:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch.setenv


def test_device_obeys_the_variable(environment):
    assert runtime.device().type in ("cuda", "mps", "cpu")
    environment("COURSE_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "tpu:0", "cuda:99", "xla", "cpu please"])
def test_device_rejects_what_is_not_there_by_name(environment, name):
    environment("COURSE_DEVICE", name)
    with pytest.raises(ValueError, match=f"COURSE_DEVICE='{name}'.*set it to one of: .*cpu"):
        runtime.device()


def test_precision_is_one_of_two_and_obeys_the_variable(environment):
    cpu = torch.device("cpu")
    assert runtime.precision() in (torch.float32, torch.bfloat16)
    assert runtime.precision(torch.device("mps")) == torch.float32
    environment("COURSE_PRECISION", "fp32")
    assert runtime.precision(cpu) == torch.float32
    environment("COURSE_PRECISION", "BF16")
    assert runtime.precision(cpu) == torch.bfloat16
    environment("COURSE_PRECISION", "fp16")
    with pytest.raises(ValueError, match="COURSE_PRECISION='fp16'.*fp32 or bf16"):
        runtime.precision(cpu)


def test_bfloat16_only_where_the_cpu_multiplies_it(environment, monkeypatch):
    cpu = torch.device("cpu")
    for capabilities, dtype in [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx2": True}, torch.float32),
        ({}, torch.float32),
    ]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert runtime.precision(cpu) == dtype


def test_threads_are_applied_and_lowered_by_the_variables(environment):
    most = runtime.threads()
    assert most == torch.get_num_threads() and 1 <= most <= os.cpu_count()
    environment("OMP_NUM_THREADS", "1,2")
    assert runtime.threads() == torch.get_num_threads() == 1
    environment("COURSE_THREADS", str(most + 100))
    assert runtime.threads() == most, "the variable lowers the count; it cannot make cores"
    environment("COURSE_THREADS", "1")
    assert runtime.threads() == 1
    environment("COURSE_THREADS", str(most))
    environment("LOKY_MAX_CPU_COUNT", "1")  # as a container's processor quota does, which a test cannot set
    assert runtime.threads() == 1, "threads beyond the quota would stop each other"


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5"])
def test_threads_rejects_what_is_not_a_count(environment, value):
    environment("COURSE_THREADS", value)
    with pytest.raises(ValueError, match=f"COURSE_THREADS='{value}'"):
        runtime.threads()


# --- how idle threads wait: settled before torch is loaded, at every door


WAITS = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY")
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def fresh(code, **variables):
    """Run code in a process that inherits no such setting; return what it printed, OpenMP's own report included."""
    environment = {key: value for key, value in os.environ.items() if key not in WAITS}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def settings(monkeypatch, platform="linux", **given):
    """Run the package's __init__ as on that platform, with this environment; return the environment afterwards."""
    monkeypatch.setattr(os, "environ", given)
    monkeypatch.setattr(sys, "platform", platform)
    runpy.run_path(course_lib.__file__)
    return given


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_idle_threads_sleep_soon(monkeypatch, platform):
    assert settings(monkeypatch, platform) == {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}


@pytest.mark.parametrize("name, value", [*zip(WAITS, ("300000", "infinite", "ACTIVE"), strict=True), (WAITS[0], "")])
def test_the_users_way_of_waiting_stays(monkeypatch, name, value):
    assert settings(monkeypatch, **{name: value}) == {name: value}, "and no other variable contradicts it"


def test_apples_threads_are_left_alone(monkeypatch):
    assert settings(monkeypatch, "darwin") == {}, "their default is not to spin at all"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is asked, which comes with torch's wheels for Linux")
def test_openmp_has_read_it():
    """OMP_DISPLAY_ENV makes OpenMP say what it goes by; a build with another OpenMP does not know this name."""
    first = fresh("import course_lib, torch", OMP_DISPLAY_ENV="verbose")
    if "GOMP_SPINCOUNT" not in first:
        pytest.skip("torch was built with another OpenMP")
    assert "GOMP_SPINCOUNT = '10000'" in first
    late = fresh("import torch, course_lib; torch.ones(9) @ torch.ones(9); print('works')", OMP_DISPLAY_ENV="verbose")
    assert "GOMP_SPINCOUNT = '300000'" in late and "works" in late, "too late is no harm"


def test_worker_processes_inherit_it():
    """Those of `evidence` (loky), any other that is started, and pytest's own with the kernels it starts."""
    found = fresh("""
        import os, subprocess, sys
        import course_lib, joblib
        ask = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME")
        print(*joblib.Parallel(2)(joblib.delayed(os.getenv)(name) for name in ask))
        started = [sys.executable, "-c", "import os; print(os.getenv('KMP_BLOCKTIME'))"]
        print(subprocess.check_output(started, text=True))
    """)
    assert found.split() == (["None"] * 3 if sys.platform == "darwin" else ["10000", "1", "1"])
    assert sys.platform == "darwin" or set(WAITS) & set(os.environ), "conftest.py imports course_lib before any test"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_imports_the_package_before_torch(path):
    """A kernel that nobody prepared (a hub, VS Code, Binder) knows only what the notebook does."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    first = re.search(r"^(?:import|from) (course_lib|torch|transformers)\b", code, re.M)
    assert first and first[1] == "course_lib", "ruff check --fix notebooks puts it first"


def test_seed_all_repeats_all_three_generators():
    def draw():
        return random.random(), numpy.random.rand(), torch.rand(()).item()

    runtime.seed_all(7)
    first = draw()
    runtime.seed_all(numpy.int64(7))
    assert draw() == first
    runtime.seed_all(8)
    assert all(new != old for new, old in zip(draw(), first, strict=True))


@pytest.mark.parametrize(("seed", "error"), [(1.0, TypeError), ("1", TypeError), (None, TypeError),
                                             (-1, ValueError), (2**32, ValueError)])  # fmt: skip
def test_seed_all_rejects_what_is_no_whole_number_in_range(seed, error):
    with pytest.raises(error):
        runtime.seed_all(seed)


def test_cache_dir_is_created_where_the_variable_says(environment, tmp_path):
    environment("COURSE_CACHE", str(tmp_path / "a" / "b"))
    assert runtime.cache_dir() == tmp_path / "a" / "b"
    assert runtime.cache_dir().is_dir() and not list(runtime.cache_dir().iterdir())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folder's name is the platform's")
def test_cache_dir_defaults_to_the_users_cache(environment, tmp_path):
    environment("XDG_CACHE_HOME", str(tmp_path))
    assert runtime.cache_dir() == tmp_path / "one-mask-apart"


def test_cache_dir_that_cannot_be_made_is_told(environment, tmp_path):
    (tmp_path / "file").write_text("in the way")
    environment("COURSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(runtime.CacheError, match="file.*set COURSE_CACHE") as caught:
        runtime.cache_dir()
    assert isinstance(caught.value, OSError)
    environment("COURSE_CACHE", "~nouser/cache")
    with pytest.raises(runtime.CacheError, match="set COURSE_CACHE"):
        runtime.cache_dir()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folder's name is the platform's")
@pytest.mark.parametrize("home", ["/proc/nowhere", None])
def test_without_a_home_folder_the_way_out_is_told(environment, monkeypatch, home):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if home is None:  # a container's user: not in the list of users either
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])
    else:
        environment("HOME", home)
    with pytest.raises(runtime.CacheError, match="set COURSE_CACHE"):
        runtime.cache_dir()


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "notes.json"
    places.write(file, "first \u00e9\n")
    assert file.read_bytes() == b"first \xc3\xa9\n"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(places.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        places.write(file, "second")
    assert file.read_bytes() == b"first \xc3\xa9\n" and list(tmp_path.iterdir()) == [file]


def test_quiet(environment, monkeypatch):
    assert runtime.quiet(), "under pytest, so under nbval"
    environment("COURSE_QUIET", "0")
    assert not runtime.quiet()
    environment("COURSE_QUIET", "1")
    assert runtime.quiet()
    monkeypatch.delenv("COURSE_QUIET")
    monkeypatch.delenv("PYTEST_VERSION")
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert not runtime.quiet(), "somebody watches"


def test_setup_prints_one_line_that_tells_nothing_of_the_machine(environment, capsys):
    assert runtime.setup() == runtime.device()
    shown = capsys.readouterr()
    assert shown.out == "One Mask Apart is ready. (details: python -m course_lib doctor)\n"
    assert shown.err == ""


def test_importing_runtime_does_not_import_torch():
    code = "import sys, course_lib.runtime; sys.exit('torch' in sys.modules)"
    assert subprocess.call([sys.executable, "-c", code]) == 0


def test_a_notebook_bar_is_no_widget_and_leaves_nothing(monkeypatch):
    monkeypatch.setenv("COURSE_QUIET", "0")
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    shown = []
    handle = SimpleNamespace(update=lambda html: shown.append(html.data))
    monkeypatch.setattr("IPython.display.display", lambda html, display_id: handle)
    bar = runtime.bar(4, "<b>")
    bar.set_postfix_str("loss 1.00")
    bar.update(2)
    bar.refresh()
    assert 'value="2" max="4"' in shown[-1] and ": 2 of 4, " in shown[-1] and "loss 1.00" in shown[-1]
    assert "<b>" not in shown[-1], "a name is text"
    assert "nowrap" in shown[-1] and "run this cell again later" in shown[-1], "for whoever reloads"
    bar.close()
    assert shown[-1] == ""


def test_no_bar_where_it_is_quiet(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_QUIET", "1")
    with runtime.bar(2, "run") as bar:
        bar.update()
    assert capsys.readouterr() == ("", "")
