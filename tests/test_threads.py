"""Threads: a run on a busy machine goes on with one, an idle machine is left alone."""

import pytest
import torch

from course_lib.threads import Threads


class Machine:
    """A clock and a processor clock that go on as told."""

    def __init__(self):
        self.wall = self.cpu = 0.0

    def works(self, wall, cpu):
        self.wall, self.cpu = self.wall + wall, self.cpu + cpu


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def threads(machine):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    made = Threads(lambda: machine.wall, lambda: machine.cpu)
    machine.works(5.0, 0.1)  # the first steps wait for imports and memory: they say nothing
    made.after(1)
    yield made
    torch.set_num_threads(before)


def test_an_idle_machine_is_left_alone(threads, machine):
    with threads:
        for step in (10, 20, 30):
            machine.works(1.0, 1.9)
            threads.after(step)
            assert torch.get_num_threads() == 2


def test_held_up_it_goes_on_with_one_and_gives_back_what_it_took(threads, machine):
    with threads:
        machine.works(1.0, 1.2)
        threads.after(10)
        assert torch.get_num_threads() == 1
        machine.works(0.5, 0.5)  # ten steps in half the time
        threads.after(20)
        assert torch.get_num_threads() == 1
        machine.works(9.0, 1.0)
        threads.after(30)
        assert torch.get_num_threads() == 1, "decided once"
    assert torch.get_num_threads() == 2


def test_where_one_thread_is_slower_all_of_them_come_back(threads, machine):
    with threads:
        machine.works(1.0, 1.2)
        threads.after(10)
        machine.works(1.5, 1.5)
        threads.after(20)
        assert torch.get_num_threads() == 2
        machine.works(1.0, 1.2)
        threads.after(30)
        assert torch.get_num_threads() == 2, "it does not try again and again"


def test_no_hasty_judgement(threads, machine):
    machine.works(0.05, 0.01)
    threads.after(2)
    assert torch.get_num_threads() == 2
    machine.works(0.95, 1.89)  # together with the short moment before: 0.95 of the time
    threads.after(10)
    assert torch.get_num_threads() == 2


def test_a_failed_run_gives_its_threads_back(threads, machine):
    with pytest.raises(KeyError), threads:
        machine.works(1.0, 0.5)
        threads.after(10)
        raise KeyError
    assert torch.get_num_threads() == 2
