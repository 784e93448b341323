"""An arm keeps its colour, line and marker through the whole course, and no two arms of a figure look alike."""

import html
import json
import re
from pathlib import Path

import pytest

from course_lib import plots
from course_lib.experiments import EXPERIMENTS
from course_lib.plots.colours import NAMES, STYLES, known, styles

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
# Recorded at two rates each and drawn at the better one; or told in tables, with more arms than a figure has looks.
NOT_IN_ONE_FIGURE = "path-length", "last-named", "english-masks", "english-recipes"


def test_a_name_stands_once_and_every_look_is_its_own():
    names = [" ".join(name.split()) for text in NAMES.values() for name in text.split(";")]
    assert len(names) == len(set(names)) and set(NAMES) == set(STYLES)
    assert all(len({style[part] for style in STYLES.values()}) == len(STYLES) for part in range(3))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_recorded_arm_has_a_look_and_differs_from_the_others(name):
    arms = list(EXPERIMENTS[name].arms)
    assert not [arm for arm in arms if not known(arm)], "give them a colour in course_lib/plots/colours.py"
    if name not in NOT_IN_ONE_FIGURE:
        looks = styles(arms)
        assert len(set(looks.values())) == len(arms)
        assert all(looks[arm] == styles([arm])[arm] for arm in arms), "the same alone and among the others"


def test_a_learning_rate_changes_no_colour_and_unknown_names_get_what_is_free():
    assert known("causal attention, rate 0.01") == known("causal attention, rate 0.003") == known("causal attention")
    looks = styles(["made up", "two-sided", "another"])
    assert looks["two-sided"] == STYLES["blue"] and len(set(looks.values())) == 3
    assert len(set(styles(["two-sided", "bidirectional"]).values())) == 2  # one look by the table, in one figure
    assert len(styles([f"arm {n}" for n in range(20)])) == 20


def figures():
    """Return [(notebook, {arm: colour})] of every figure with arms in a stored output."""
    found = []
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in (output for cell in cells for output in cell.get("outputs", ())):
            for kept in re.findall(r'data-arms="(.*?)"', "".join(output.get("data", {}).get("text/html", ""))):
                found.append((path.stem, json.loads(html.unescape(kept))))
    return found


def test_an_arm_has_one_colour_in_all_notebooks():
    seen, shown = {}, figures()
    if not shown:
        pytest.skip("no stored figure carries its arms yet: bake the notebooks")
    for notebook, arms in shown:
        assert len(set(arms.values())) == len(arms), f"{notebook}: two arms of a figure share a colour: {arms}"
        assert not [arm for arm in arms if not known(arm)], f"{notebook}: give {[*arms]} a colour in colours.py"
        for arm, colour in arms.items():
            first, before = seen.setdefault(arm, (notebook, colour))
            assert before == colour, f"{arm!r} is {before} in {first} and {colour} in {notebook}: colours.py needs it"


def test_a_figure_keeps_its_arms_beside_the_image():
    picture = plots.bars({'"quoted"': 0.5, "two-sided": 0.25}, alt="Two bars, one of them with quotation marks.")
    kept = json.loads(html.unescape(re.search(r'data-arms="(.*?)"', picture._repr_html_())[1]))
    assert kept == picture.arms and kept["two-sided"] == STYLES["blue"][0]
