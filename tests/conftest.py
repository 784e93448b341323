"""What several test files need: one processor that computes exactly, and a progress file of each test's own."""

import pytest


@pytest.fixture
def one_cold_cpu(tmp_path, monkeypatch):
    """One thread, float32, an empty cache: what is compared exactly must not depend on the machine."""
    import torch

    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setenv("COURSE_PRECISION", "fp32")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def progress_file(tmp_path, monkeypatch):
    """Give a test a progress file of its own, and forget what earlier ones could not save or were told."""
    from course_lib.notes import progress

    path = tmp_path / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    monkeypatch.setattr(progress, "_unsaved", {})
    monkeypatch.setattr(progress, "_told", set())
    return path
