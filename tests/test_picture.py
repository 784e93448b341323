"""README's pictures are those of the present record and of the shipped model."""

import io

import matplotlib.image
import numpy as np
import pytest

from course_lib import experiments
from tools import picture


@pytest.mark.parametrize(
    ("draw", "file"),
    [(lambda: picture.picture(experiments.load("one-mask-apart")), picture.OUT), (picture.switch, picture.SWITCH)],
)
def test_readme_shows_the_pictures_of_the_record_and_of_the_model(draw, file):
    drawn, shown = matplotlib.image.imread(io.BytesIO(draw())), matplotlib.image.imread(file)
    assert drawn.shape == shown.shape and np.abs(drawn - shown).mean() < 2e-3, "run python -m tools.picture"
