"""The slides on a projector: everything fits, nothing is too small, votes are counted, the speaker's view has notes."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from tools import printed
from tools.kit import notes, slides

pytest.importorskip("sphinx_revealjs")

WRONG = """() => Reveal.getSlides().map((slide, n) => {
    Reveal.slide(n);
    const stage = document.querySelector('.reveal').getBoundingClientRect(), found = [];
    for (const one of slide.querySelectorAll(':not(aside, aside *)')) {
        const box = one.getBoundingClientRect();
        if (box.width && (box.right > stage.right + 1 || box.bottom > stage.bottom + 1 || box.left < stage.left - 1
            || one.scrollWidth > one.clientWidth + 1 && one.matches('.says')))
            found.push(`cut off: ${one.tagName} ${one.textContent.slice(0, 60)}`);
        const text = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (text && parseFloat(getComputedStyle(one).fontSize) < 17.9) found.push(`small: ${one.textContent}`);
    }
    return found.length ? `${n} ${slide.className}: ${found[0]}` : '';
}).filter(Boolean)"""
PDF = ("import pathlib, sys; from tools import printed; "
       "sys.exit(not printed.pdf([pathlib.Path(sys.argv[1])], '?print-pdf'))")  # fmt: skip


@pytest.fixture(scope="module")
def deck(tmp_path_factory):
    """The slides of every section that has a note: as many as any format has, or more."""
    every = [note for number in notes.lessons() for note in notes.notes(number)]
    chosen = [replace(note, parts={"Show": "The picture, **slowly**."}) for note in every]
    file = tmp_path_factory.mktemp("slides") / "slides.html"
    file.write_text(slides.page("2 days", chosen), encoding="utf-8")
    return file


@pytest.mark.parametrize("width, height", [(1280, 720), (1024, 768)])
def test_nothing_is_cut_off_and_nothing_too_small(visit, deck, width, height):
    page = visit(deck.as_uri(), width=width, height=height)
    page.wait_for_function("Reveal.isReady()")
    assert page.evaluate("Reveal.getTotalSlides()") > 300
    assert page.evaluate(WRONG) == []
    assert not page.problems and {address.split(":")[0] for address in page.requests} <= {"file", "data"}


def test_hands_are_counted_kept_and_shown_beside_the_answer(visit, deck):
    page = visit(deck.as_uri())
    page.wait_for_function("Reveal.isReady()")
    vote = page.locator('.vote:has([data-votes="later-word"])')
    vote.evaluate("slide => Reveal.slide(Reveal.getSlides().indexOf(slide))")
    for key in "bbbc":
        page.keyboard.press(key)
    vote.locator('[data-option="c"] [data-step="1"]').click()
    vote.locator('[data-option="b"] [data-step="-1"]').click()
    page.reload()
    page.wait_for_function("Reveal.isReady()")
    assert vote.locator("output").all_text_contents() == ["0", "2", "2", "0"]
    answer = page.locator('.answer:has([data-votes="later-word"])')
    assert answer.locator("output").all_text_contents() == ["0", "2", "2", "0"]
    assert vote.locator(".bar i").evaluate_all("bars => bars.map(bar => bar.style.width)") == ["0%", "50%", "50%", "0%"]
    assert not page.evaluate("Reveal.isPaused()")
    page.evaluate("Reveal.slide(0)")
    page.keyboard.press("b")
    assert page.evaluate("Reveal.isPaused()"), "elsewhere B still darkens the screen"


def test_the_speakers_view_has_the_notes_of_the_slide(visit, deck):
    page = visit(deck.as_uri())
    page.wait_for_function("Reveal.isReady()")
    page.evaluate("Reveal.slide(3)")
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    opened.value.wait_for_selector(".speaker-controls-notes .value b")
    assert "The picture, slowly." in opened.value.inner_text(".speaker-controls-notes .value")
    assert not page.locator("aside.notes").first.is_visible()


def test_the_pdf_has_a_page_for_each_slide_and_no_notes(visit, tmp_path):
    note = next(note for note in notes.notes(3) if note.section == "4 Padding")
    file = tmp_path / "few.html"
    file.write_text(slides.page("2 h", [note]), encoding="utf-8")
    subprocess.run([sys.executable, "-c", PDF, str(file)], check=True, cwd=printed.ROOT)
    content = file.with_suffix(".pdf").read_bytes()
    assert len(re.findall(rb"/Type ?/Page\b", content)) == file.read_text("utf-8").count("<section")
    page = visit(file.as_uri() + "?print-pdf")
    page.wait_for_selector("html.print-pdf .pdf-page")
    assert not page.locator("aside.notes").first.is_visible()
