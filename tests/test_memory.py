"""A kernel gives back what a cell has freed: a lesson's peak is one cell's need, not the sum of all."""

import sys
from types import SimpleNamespace

import psutil
import pytest

from course_lib import runtime


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's way of keeping memory")
def test_freed_memory_between_live_blocks_goes_back_to_the_system():
    process = psutil.Process()
    runtime.give_back()  # what other tests freed would be used again, and nothing would grow
    before = process.memory_info().rss
    blocks = [bytearray(b"x" * 100_000) for _ in range(1_000)]  # too small to be given pages of their own
    full = process.memory_info().rss
    kept = blocks[::10]
    blocks.clear()
    runtime.give_back()
    assert full - before > 80e6 and process.memory_info().rss - before < 0.5 * (full - before), len(kept)


def test_a_notebook_does_so_after_each_cell(monkeypatch):
    heard = []
    shell = SimpleNamespace(events=SimpleNamespace(register=lambda event, call: heard.append((event, call))))
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr(runtime, "threads", lambda: 1)
    runtime.setup()
    assert ("post_run_cell", runtime.give_back) in heard
    assert runtime.give_back("what IPython tells of the cell") is None
