"""The workshop kit: the notes in the lessons, and what is made of them."""

import nbformat
import pytest

from course_lib.notes import working_copy
from tools.kit import notes

GOOD = """<details><summary>For the instructor · 2 h: 4 min · 2 days: 12 min</summary>

- **Show:** the picture, for ten seconds.
  Say nothing.
- **Late:** leave it out.

</details>"""


def cell(source):
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": [working_copy.INSTRUCTOR]})


# --- the notes in the lessons --------------------------------------------------------------------------------------


def test_a_note_says_minutes_and_parts():
    note = notes.read(cell(GOOD), 3, "2 A rule", 7)
    parts = {"Show": "the picture, for ten seconds. Say nothing.", "Late": "leave it out."}
    assert note == notes.Note(3, "2 A rule", 7, {"2 h": 4, "2 days": 12}, parts)


@pytest.mark.parametrize("old, new, told", [
    ("2 h:", "3 h:", "says '3 h'"),
    ("**Late:**", "**Later:**", "says 'Later'"),
    ("**Show:**", "**Ask:**", r"needs a part \*\*Show"),
    ("\n- **Late", "\nAnd more.\n\n- **Late", "needs a part|nothing but parts"),
    (" · 2 h: 4 min · 2 days: 12 min", "", "is not in the form"),
    ("</details>", "", "is not in the form"),
])  # fmt: skip
def test_what_is_no_note_is_told(old, new, told):
    assert old in GOOD
    text = GOOD.replace(old, new, 1) if "more" not in new else GOOD.replace("- **Show", "And more.\n\n- **Show")
    with pytest.raises(ValueError, match=told):
        notes.read(cell(text), 3, "2 A rule")
