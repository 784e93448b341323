"""README's picture is that of the present record."""

import importlib.util
import io
from pathlib import Path

import matplotlib.image
import numpy as np

from course_lib import experiments

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "picture.py"


def test_readme_shows_the_picture_of_the_record():
    spec = importlib.util.spec_from_file_location("picture", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = matplotlib.image.imread(io.BytesIO(module.picture(experiments.load("one-mask-apart"))))
    shown = matplotlib.image.imread(module.OUT)
    assert drawn.shape == shown.shape and np.abs(drawn - shown).mean() < 2e-3, "run python scripts/picture.py"
