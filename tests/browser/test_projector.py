"""The preflight's page for the projector: green where a lesson fits, red where it does not, nothing fetched."""

import pytest

from tools.kit import preflight


@pytest.mark.parametrize("width, shown", [(preflight.SCREEN, "Green"), (preflight.SCREEN - 1, "Red")])
def test_the_projectors_page_says_whether_a_lesson_fits(visit, tmp_path, width, shown):
    file = tmp_path / "projector.html"
    file.write_text(preflight.projector(), encoding="utf-8")
    page = visit(file.as_uri(), width=width, height=720)
    said = page.inner_text("p.fit")
    assert said.startswith(shown) and f"{width} of {preflight.SCREEN} pixels" in said
    green = page.evaluate("getComputedStyle(document.querySelector('p.fit')).backgroundColor") == "rgb(27, 127, 59)"
    assert green == (shown == "Green")
    assert page.evaluate("document.querySelector('pre').scrollWidth <= document.querySelector('pre').clientWidth")
    assert page.evaluate("[...document.images].every(one => one.naturalWidth > 100)")
    assert not page.problems and {address.split(":")[0] for address in page.requests} <= {"file", "data"}
