"""The command line: help that answers at once, and a doctor that tells what is wrong."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from course_lib import __main__ as cli
from course_lib import doctor


def test_help_imports_nothing_heavy():
    code = (
        "import sys, runpy; sys.argv = ['course_lib', '--help']\n"
        "try: runpy.run_module('course_lib', run_name='__main__')\n"
        "except SystemExit as leave: status = leave.code\n"
        "heavy = {'torch', 'transformers', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(status or ', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"--help imported {done.stderr}"
    assert "doctor" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["docter"], ["doctor", "--fast"]])
def test_a_wrong_command_line_is_told(arguments, capsys):
    with pytest.raises(SystemExit) as leave:
        cli.main(arguments)
    assert leave.value.code == 2 and "usage: python -m course_lib" in capsys.readouterr().err


# --- doctor ------------------------------------------------------------------------------------------------


def report(capsys, *arguments):
    status = cli.main(["doctor", *arguments])
    return status, capsys.readouterr().out


def test_doctor_says_all_is_well(capsys):
    status, text = report(capsys, "--no-training")
    assert status == 0, text
    for name in ("python", "torch", "device", "precision", "threads", "cache", "free disk", "free memory"):
        assert f"\n  {name} " in f"\n{text}", f"no line for {name}"
    assert "All is well" in text


def test_doctor_reports_a_bad_device(capsys, monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "gpu")
    status, text = report(capsys, "--no-training")
    assert status == 1 and "! device" in text and "COURSE_DEVICE='gpu'" in text and "1 to mend" in text


def test_doctor_reports_a_cache_that_cannot_be_written(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file"))
    status, text = report(capsys, "--no-training")
    assert status == 1 and "! cache" in text and "set COURSE_CACHE" in text


def test_doctor_reports_a_full_disk_and_little_memory(capsys, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**7))
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: SimpleNamespace(available=10**8))
    status, text = report(capsys, "--no-training")
    assert status == 1 and "! free disk" in text and "! free memory" in text and "2 to mend" in text


def test_doctor_reports_a_missing_package(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("torch", "no-such-package"))
    status, text = report(capsys, "--no-training")
    assert status == 1 and "! no-such-package" in text and "make setup" in text


@pytest.mark.parametrize(
    ("measured", "status", "said"),
    [
        ((200_000, 5.0, [5.3, 4.1]), 0, "All is well"),
        ((2_000, 5.0, [5.3, 4.1]), 0, "slow: close other programs"),
        ((200_000, 5.0, [5.3, 5.3]), 1, "the loss does not fall"),
        ((200_000, 5.0, [5.3, float("nan")]), 1, "the loss does not fall"),
    ],
)
def test_doctor_judges_the_training_run(capsys, monkeypatch, measured, status, said):
    monkeypatch.setattr(doctor, "train_briefly", lambda seconds: measured)
    found, text = report(capsys)
    assert found == status and "tokens/s" in text and said in text


def test_doctor_trains_for_about_the_time_it_was_given():
    tokens, seconds, losses = doctor.train_briefly(1.0)
    assert tokens > 0 and 0.2 < seconds < 10 and losses[-1] < losses[0]
