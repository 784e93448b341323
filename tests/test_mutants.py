"""No mutant of a reference passes its check, but those that no input of the domain can tell from it."""

import pytest
from mutants import listed, mutants, survivors
from test_exercises import EXERCISES

from course_lib.exercises import sandbox


@pytest.mark.slow
@pytest.mark.parametrize("number, exercise", EXERCISES, ids=[item.name for _, item in EXERCISES])
def test_every_mutant_is_refused_or_explained(monkeypatch, number, exercise):
    monkeypatch.setattr(sandbox, "SECONDS", 0.5)
    assert set(survivors(exercise)) == set(listed().get(exercise.name, {}))


def test_mutants_differ_in_one_place_each():
    def add(x, axis=0):
        return x if axis > 1 else x.sum(axis)

    changes = dict(mutants(add))
    assert {"axis > 1 -> axis >= 1", "1 -> 2", "x.sum(axis) -> x"} <= set(changes)
    assert set(listed()) <= {exercise.name for _, exercise in EXERCISES}
