"""The pictures of README and docs are those of the present records and of the shipped model."""

import io

import matplotlib.image
import numpy as np
import pytest

from course_lib import experiments
from tools import picture, world


@pytest.mark.parametrize(
    ("draw", "file", "command"),
    [(lambda: picture.picture(experiments.load("one-mask-apart")), picture.OUT, "picture"),
     (picture.switch, picture.SWITCH, "picture"), (lambda: world.chart().png, world.CHART, "world")],
)  # fmt: skip
def test_readme_and_docs_show_the_pictures_of_the_records_and_of_the_model(draw, file, command):
    drawn, shown = matplotlib.image.imread(io.BytesIO(draw())), matplotlib.image.imread(file)
    assert drawn.shape == shown.shape and np.abs(drawn - shown).mean() < 2e-3, f"run python -m tools.{command}"
