"""README's pictures are those of the present record and of the shipped model."""

import importlib.util
import io
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from course_lib import experiments

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "picture.py"


spec = importlib.util.spec_from_file_location("picture", SCRIPT)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


@pytest.mark.parametrize(
    ("draw", "file"),
    [(lambda: module.picture(experiments.load("one-mask-apart")), module.OUT), (module.switch, module.SWITCH)],
)
def test_readme_shows_the_pictures_of_the_record_and_of_the_model(draw, file):
    drawn, shown = matplotlib.image.imread(io.BytesIO(draw())), matplotlib.image.imread(file)
    assert drawn.shape == shown.shape and np.abs(drawn - shown).mean() < 2e-3, "run python scripts/picture.py"
