"""`make gpu-check` on a machine without a GPU: its parts work, outlive each other, and end when their time is up."""

import functools
import json
import sys
import time
from pathlib import Path

import pytest
import torch

from course_lib.experiments import Experiment, materials
from course_lib.model import bodies
from course_lib.text import tokenization
from course_lib.town import language
from course_lib.train.masking import Masking
from course_lib.train.objectives import MaskedLM
from tools import evidence, gpu_check


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    """What the parts set in a process of their own: they are called in this one here."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setenv("COURSE_PRECISION", "fp32")
    monkeypatch.setattr(evidence, "_stacks", evidence._stacks)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_the_small_forms_measure():
    same = gpu_check.agreement(reduced=True, seconds=60)
    assert same["good"] and len(same["losses"][0]) == 10 and same["losses"][0][-1] < same["losses"][0][0]
    assert 0 < same["loss apart"] < 1e-4, "the same run twice would say nothing"
    stack = gpu_check.stacking(reduced=True, seconds=60)
    assert stack["good"] and stack["apart"] < 0.01 and "3 seeds as one stack" in stack["text"]


def parts(monkeypatch, **answers):
    """Let every part be a process that runs some code instead, which is given the file to answer in."""
    run = gpu_check._run

    def instead(given, seconds, output=None):
        name, file = (given[given.index(option) + 1] for option in ("--part", "--to"))
        return run([sys.executable, "-c", answers[name], file], 3 if name == "stacking" else 100)

    monkeypatch.setattr(gpu_check, "_run", instead)


GOOD = "import json, sys; json.dump({'good': True, 'text': 'Fine.'}, open(sys.argv[1], 'w'))"


def test_a_part_that_dies_or_hangs_stops_no_other(monkeypatch, tmp_path, capsys):
    hangs = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(900)'])"
    parts(monkeypatch, agreement="import os; os.abort()", stacking=hangs, speed=GOOD)
    started = time.time()
    assert gpu_check.main(["--reduced", "--only", "agreement,stacking,speed", "--to", str(tmp_path)]) == 1
    assert time.time() - started < 400, "what the part started is ended with it"
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["parts"]
    assert "its process died" in found["agreement"]["text"] and "was stopped after" in found["stacking"]["text"]
    page = (tmp_path / "GPU.md").read_text(encoding="utf-8")
    assert "## agreement: LOOK HERE" in page and "## speed: good" in page and "A reduced run" in page
    assert "Look at: agreement, stacking." in capsys.readouterr().out


def test_an_exception_is_the_parts_answer(monkeypatch, tmp_path):
    def broken(reduced, seconds):
        raise ZeroDivisionError("of no use")

    monkeypatch.setattr(gpu_check, "PARTS", {"speed": (broken, 9)})
    gpu_check.main(["--part", "speed", "--to", str(tmp_path / "answer.json")])
    assert json.loads((tmp_path / "answer.json").read_text()) == {
        "good": False, "text": "Failed: ZeroDivisionError: of no use"}  # fmt: skip


def test_the_budget_is_kept(monkeypatch, tmp_path, capsys):
    parts(monkeypatch, agreement=GOOD, speed=GOOD)
    assert gpu_check.main(["--reduced", "--only", "agreement,speed", "--seconds", "10"]) == 1
    assert capsys.readouterr().out.count("Not begun: no time left.") == 2
    row = gpu_check._lesson("00", deadline=time.time() + 5)
    assert row["first"] == "not begun: no time left" and not row["cells"]
    assert sum(limit for name, (_, limit) in gpu_check.PARTS.items() if name != "lessons") < gpu_check.BUDGET < 600


def test_a_lessons_failures_are_counted(monkeypatch):
    report = """<testsuites><testsuite><testcase name="Cell 0"/><testcase name="Cell 1"><failure message="#x1B[91ma | b
        c#x1B[0m"/></testcase><testcase name="Cell 2"><skipped/></testcase></testsuite></testsuites>"""

    def run(command, seconds, output=None):
        path = next(part for part in command if part.startswith("--junitxml=")).removeprefix("--junitxml=")
        Path(path).write_text(report, encoding="utf-8")
        return True

    monkeypatch.setattr(gpu_check, "_run", run)
    row = gpu_check._lesson("00", deadline=time.time() + 100)
    assert row["lesson"] == "00_start_here" and (row["cells"], row["failed"]) == (2, 1)
    assert row["first"] == "Cell 1: a / b c"
    there = (gpu_check.ROOT / "notebooks").glob("*.ipynb")
    assert sorted(gpu_check.LESSONS) == sorted(path.name[:2] for path in there)


def test_without_a_gpu_it_says_what_it_can_do(capsys):
    assert gpu_check.main([]) == 2
    assert "--reduced tries the script" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        gpu_check.main(["--only", "speeed"])
    assert "choose from agreement, stacking, speed, lessons" in capsys.readouterr().err


# --- records made by a stack: what `evidence` does on a GPU


def arm(seed, rate):
    """Plan a small BERT: the measuring function of the experiment below."""
    town = language.TinyTown.load()
    tokenizer = tokenization.word_tokenizer(town.vocabulary)
    rows = torch.randint(5, 60, (40, 8), generator=torch.Generator().manual_seed(0))
    build = functools.partial(bodies.tiny_bert, tokenizer, hidden_size=32, intermediate_size=64)

    def size(model):
        return {"size": sum(p.detach().norm().item() for p in model.parameters())}

    goal = MaskedLM(Masking.of(tokenizer))
    return materials.Plan(build, rows, goal, size, steps=10, batch_size=4, learning_rate=rate)


def test_a_record_made_by_stacks_is_the_record_made_one_by_one(monkeypatch, tmp_path):
    experiment = Experiment(
        "stack", "Is it?", "It is.", "rate", {"slow": {"rate": 1e-3}, "fast": {"rate": 4e-3}}, "slow", {},
        run=arm,
    )  # fmt: skip
    made, stacked = {}, []
    train = evidence.scaling.train_seeds
    monkeypatch.setattr(evidence.scaling, "train_seeds", lambda *a, **k: stacked.append(a[4]) or train(*a, **k))
    for together in (1, 2):
        monkeypatch.setattr(evidence, "_stacks", lambda each: len(each) > 1)  # a processor stands in for the GPU
        for name in ("COURSE_EVIDENCE", "COURSE_CACHE"):
            monkeypatch.setenv(name, str(tmp_path / f"{name} {together}"))
        path = evidence.record(experiment, seeds=3, jobs=1, together=together)
        made[together] = json.loads(path.read_text(encoding="utf-8"))["runs"]
    assert stacked == [[0, 1], [0, 1]], "two arms; the third seed is alone"
    for name in experiment.arms:
        for seed in "012":
            one, other = (made[together][name][seed]["numbers"] for together in (1, 2))
            assert one["tokens"] == other["tokens"] and one["size"] == pytest.approx(other["size"], abs=1e-3)
        assert made[2][name]["0"]["numbers"]["size"] != made[2][name]["1"]["numbers"]["size"]
    assert made[2]["slow"]["0"]["numbers"]["size"] != made[2]["fast"]["0"]["numbers"]["size"]
