"""Every pytest run, unit tests and nbval alike: quiet, offline, with a cache and a progress file of its own.

It stands at the top, not in tests/, because pytest reads it for `pytest --nbval notebooks` as well.
"""

import os
import shutil
import sys
import tempfile

import pytest
from hypothesis import settings

import course_lib  # noqa: F401  before any test imports torch: it says how idle threads wait, for kernels too

QUIET = {
    "COURSE_QUIET": "1", "COURSE_STRICT": "1", "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}  # fmt: skip
os.environ.update(QUIET)
# Slow shared machines miss hypothesis' deadline, and a red test must be red again tomorrow.
settings.register_profile("course", deadline=None, derandomize=True)
settings.load_profile("course")

_first_failure = {}  # notebook path -> name of the cell that failed first


def pytest_configure(config):
    """Start cold: an empty cache, shared by the workers of this run (COURSE_TEST_CACHE keeps a warm one)."""
    if hasattr(config, "workerinput"):
        return  # a worker of pytest-xdist inherits the folder of the process that started it
    config.fresh_folder = tempfile.mkdtemp(prefix="one-mask-apart-tests-")
    os.environ["COURSE_CACHE"] = os.environ.get("COURSE_TEST_CACHE") or os.path.join(
        config.fresh_folder, "cache"
    )
    os.environ["COURSE_PROGRESS"] = os.path.join(config.fresh_folder, "progress.json")


def pytest_unconfigure(config):
    if hasattr(config, "fresh_folder"):
        shutil.rmtree(config.fresh_folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _the_course_as_loaded(monkeypatch):
    """What a test patches in a module that has only just been loaded is not remembered as the course's own."""
    if provenance := sys.modules.get("course_lib.train.provenance"):
        monkeypatch.setattr(provenance, "_loaded", dict(provenance._loaded))


def pytest_runtest_setup(item):
    """Skip what follows a failed cell: nbval would run it on a broken state and report it many times."""
    failed = _first_failure.get(item.path)
    if failed:
        pytest.skip(f"{failed} of this notebook failed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.path.suffix == ".ipynb" and report.failed:
        _first_failure.setdefault(item.path, item.name)
    return report
