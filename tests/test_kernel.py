"""What a learner meets in a real kernel: the first cell, the stop button, errors in a sentence."""

import json
import os
import sys
import time
from types import SimpleNamespace

import pytest
from jupyter_client.manager import start_new_kernel

from course_lib import kernel
from course_lib.kernel import _made, _replaced

NOTEBOOK = [
    ("markdown", "# A lesson"),
    ("code", "from course_lib import runtime\n\ndevice = runtime.setup()"),
    ("markdown", "## 3 The mask\n\nText.\n\n```\n# no heading\n```"),
    ("code", "left, (right, *more) = 1, (2, 3)\n%magic"),
    ("code", "above = below = 1\nfor turn in range(2):\n    inner = [hidden for hidden in range(3)]"),
    ("code", "ahead = later"),
    ("markdown", "## 4 Later"),
    ("code", "left + above"),
    ("code", "later = 1"),
]
FIRST = "from course_lib import runtime\nfrom course_lib.train import loop, masking, objectives\nruntime.setup();"
TRAINING = """
from course_lib import experiments
from course_lib.model import bodies
town = experiments.material(rows=300)
def ask(model):
    print("asked")
    return {"x": 1.0}
def train(steps):
    runtime.seed_all(0)
    return loop.train(bodies.tiny_bert(town.tokenizer), town.rows, objectives.CausalLM.of(town.tokenizer), steps,
                      batch_size=8, name="mine", evaluate=ask, evaluations=steps)
"""


class Kernel:
    """A kernel as JupyterLab starts one: `run` returns what a cell leaves."""

    def __init__(self, folder):
        names = {"PYTEST_VERSION", "PYTEST_CURRENT_TEST"}
        around = {name: value for name, value in os.environ.items() if name not in names}
        around |= {"COURSE_QUIET": "0", "JPY_SESSION_NAME": str(folder / "lesson.ipynb"), "OMP_NUM_THREADS": "1",
                   "COURSE_CACHE": str(folder / "cache"), "COURSE_PROGRESS": str(folder / "progress.json"),
                   "COURSE_DEVICE": "cpu", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # fmt: skip
        self.manager, self.client = start_new_kernel(cwd=str(folder), env=around)

    def run(self, code, stop_at=None):
        """Run a cell; it is stopped once the text `stop_at` is seen."""
        sent, left, status = self.client.execute(code), [], None
        while status != "idle":
            message = self.client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") != sent:
                continue
            status = message["content"].get("execution_state", status)
            left.append((message["msg_type"], message["content"]))
            if stop_at and stop_at in str(message["content"]):
                time.sleep(0.3)
                self.manager.interrupt_kernel()
                stop_at = None
        while (reply := self.client.get_shell_msg(timeout=120))["parent_header"]["msg_id"] != sent:
            pass
        errors = [content for kind, content in left if kind == "error"]
        assert bool(errors) == (reply["content"]["status"] == "error"), "a Run All stops at every error"
        shown = [content["data"] for kind, content in left if kind in ("display_data", "execute_result")]
        printed = "".join(content["text"] for kind, content in left if kind == "stream")
        told = "\n".join(errors[0]["traceback"]) if errors else ""
        return SimpleNamespace(left=left, error=errors[0] if errors else None, told=told, shown=shown, printed=printed)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lesson")
    cells = [{"cell_type": kind, "source": source.splitlines(keepends=True)} for kind, source in NOTEBOOK]
    (folder / "lesson.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    started = Kernel(folder)
    yield started
    started.client.stop_channels()
    started.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def ready(fresh):
    """A kernel whose first cell was stopped while it imported, and run again."""
    fresh.first = fresh.run(FIRST, stop_at="Loading torch")
    fresh.second = fresh.run(FIRST)
    fresh.run(TRAINING)
    return fresh


def test_a_stop_during_the_first_imports_waits_until_the_libraries_are_whole(ready):
    assert ready.first.error["ename"] == "KeyboardInterrupt" and "torch and transformers are loaded" in ready.first.told
    lines = [content["data"]["text/html"] for kind, content in ready.first.left if kind.endswith("display_data")]
    assert lines == [kernel.LOADING, kernel.HELD, ""], "it says what it waits for, and leaves nothing"
    assert ready.second.error is None and ready.second.printed.startswith("One Mask Apart is ready")
    assert ready.run("import signal; signal.getsignal(signal.SIGINT) is signal.default_int_handler").shown[0][
        "text/plain"] == "True"  # fmt: skip


@pytest.mark.parametrize("moment", ["0 of 999", "asked"])
def test_a_training_that_is_stopped_ends_the_run_with_one_line_and_keeps_what_it_has(ready, moment):
    found = ready.run("history = train(999)", stop_at=moment)
    assert found.error["ename"] == "Stopped" and found.told.count("\n") == 0
    assert found.told.startswith("mine: stopped by you after ") and "loop.stopped()" in found.told
    kept = ready.run("model, cut = loop.stopped()\nprint(type(model).__name__, cut.interrupted)")
    assert kept.printed == "BertForMaskedLM True\n"
    builds_on_it = ready.run("assert cut.steps[-1:] == [999]")
    assert builds_on_it.error["ename"] == "AssertionError"
    assert "The last training (mine) was stopped early" in builds_on_it.told
    in_a_library = ready.run("import string\nstring.Template('$x').substitute()")
    assert in_a_library.error["ename"] == "KeyError" and "stopped early" not in in_a_library.told
    assert ready.run("history = train(2)\nprint(loop.stopped(), history.steps)").printed.endswith("None [1, 2]\n")
    assert "stopped early" not in ready.run("assert False").told


def test_any_other_cell_that_is_stopped_says_one_line(ready):
    found = ready.run("import time\nprint('on')\ntime.sleep(60)", stop_at="on")
    assert found.error["ename"] == "KeyboardInterrupt" and found.told == kernel.STOPPED


def test_a_letter_without_quotes(ready):
    ready.run("from course_lib.exercises import check, predict, quiz, reference")
    found = ready.run('predict("causal-leak", guess=b)')
    assert found.told == "NameError: name 'b' is not defined\nThe letter needs quotes: guess=\"b\"."
    folded = found.shown[0]
    assert folded["text/html"].startswith("<details><summary>the full traceback</summary>")
    assert "guess=b" in folded["text/plain"] and "\x1b" not in folded["text/html"], "nothing is lost"


@pytest.mark.parametrize(("code", "said"), [
    ("right + 1", "`right` comes from a cell above, under “3 The mask”, that has not run to its end in this kernel"),
    ("left + above", "`left` comes from a cell above, under “3 The mask”"),
    ("def later_on():\n    return above\nlater_on()", "`above` comes from a cell above, under “3 The mask”"),
])  # fmt: skip
def test_a_name_from_a_cell_that_has_not_run(ready, code, said):
    found = ready.run(code)
    assert found.error["ename"] == "NameError" and said in found.told and "Run All Above Selected Cell" in found.told


def test_a_name_from_a_cell_further_down(ready):
    assert "`later` is made by a cell further down, under “4 Later”: run that one" in ready.run("ahead = later").told


@pytest.mark.parametrize(("code", "said"), [
    ("raise MemoryError", "The memory is full"),
    ("import torch; torch.empty(10**16)", "The memory is full"),
    ("raise OSError(28, 'No space left on device')", "The disk is full"),
])  # fmt: skip
def test_memory_and_disk(ready, code, said):
    found = ready.run(code)
    assert said in found.told and found.told.count("\n") < 5


def test_a_cell_that_replaces_what_it_starts_from_and_is_run_twice(ready):
    ready.run("story = ['a b']")
    assert ready.run("story = story[0].split(' ')[1:]\nstory[0]").error is None
    assert ready.run("story = story[0].split(' ')[1:]\nstory[0]").told.endswith(
        "This cell has run before, and has replaced what it starts from (`story`). Once is enough: " + kernel.ABOVE)


@pytest.mark.parametrize("code", [
    "1 / 0", "def broken(:", "nowhere_to_be_found", "[1][2]", "assert 1 == 2", "raise RuntimeError('mine')",
    "open('/no/such/file')", "def f():\n    print(inside)\n    inside = 1\nf()", "int('x')",
    "import json; json.loads('')",
    "class Mine(LookupError): pass\nraise Mine('mine')",
])  # fmt: skip
def test_every_other_error_is_ipython_s_own(ready, code):
    found = ready.run(code)
    off = ready.run("get_ipython().set_custom_exc((), None)\n")
    assert off.error is None
    plain = ready.run(code)
    ready.run("from course_lib import kernel; kernel.install()")
    line = lambda text: [part.split("line")[0] for part in text.told.splitlines() if "In[" not in part]  # noqa: E731
    assert line(found) == line(plain) and found.error["evalue"].split("(")[0] == plain.error["evalue"].split("(")[0]
    assert found.shown == []


def test_slips_with_checks_are_told(ready):
    for code, said in [("check(abs(3))", "without brackets or quotes"), ('check("abs")', "without brackets or quotes"),
                       ("reference(abs)", "alone, in quotes"), ('reference("no such")', "there is no exercise"),
                       ('reference("causal", 4)', "in brackets of their own")]:  # fmt: skip
        found = ready.run(code)
        assert said in found.told and found.told.count("\n") == 0, code


def test_names_that_a_cell_makes():
    source = ["import a.b, c as d", "from e import f", "with g as h:", "    i: int = [j for j in k]", "def l(m):",
              "    n = 1", "o.p = q[r] = 1"]  # fmt: skip
    assert _made("\n".join(source)) == {"a", "d", "f", "h", "i", "l"} and _made("half (") == set()


def test_names_that_a_second_run_would_find_replaced():
    assert _replaced("x = f(x)") == ["x"] and _replaced("x = 1\nx = f(x)") == []
    assert _replaced("total = 0\nfor n in range(3):\n    total += n") == []
    assert _replaced("bert, gpt = (opened(n) for n in kept)\nkept = 0") == ["kept"]
    assert _replaced("count += 1") == ["count"]


def test_where_it_is_quiet_every_traceback_stays_whole(monkeypatch):
    """Under bake and nbval, which must tell where a cell failed."""
    asked = []
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: asked.append(1)))
    kernel.install()
    assert not asked
    monkeypatch.setenv("COURSE_QUIET", "0")
    kernel.install()
    assert asked, "and outside IPython nothing happens"
