"""A lesson on paper: nothing is wider than the page, no figure is missing, nothing is fetched, and there is a PDF."""

import re
import subprocess
import sys

import nbformat

from tools import printed

PAPER = 673  # CSS pixels between the margins of A4, 178 mm
WIDER = """width => [...document.body.querySelectorAll('*')]
    .filter(one => one.getBoundingClientRect().right > width + 1).map(one => one.outerHTML.slice(0, 200))"""
PDF = "import pathlib, sys; from tools import printed; sys.exit(not printed.pdf([pathlib.Path(sys.argv[1])]))"


def test_a_printed_lesson_fits_its_paper(visit, tmp_path):
    notebook = nbformat.read(printed.chosen(["3"])[0], as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(f"name = '{'long ' * 60}'; other = '{'x' * 300}'"))
    file = tmp_path / "03.html"
    file.write_text(printed.page(notebook), encoding="utf-8")
    page = visit(file.as_uri(), width=PAPER, height=1000)
    page.emulate_media(media="print")
    assert page.evaluate(WIDER, PAPER) == []
    images = page.evaluate("[...document.images].map(one => [one.naturalWidth, one.getBoundingClientRect().height])")
    assert images and all(width and height < 1000 for width, height in images)
    assert not page.problems and {address.split(":")[0] for address in page.requests} <= {"file", "data"}


def test_the_pdf_is_on_a4(tmp_path):
    file = tmp_path / "small.html"
    file.write_text(printed.page(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title")])), "utf-8")
    subprocess.run([sys.executable, "-c", PDF, str(file)], check=True, cwd=printed.ROOT)
    content = file.with_suffix(".pdf").read_bytes()
    box = re.search(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert content.startswith(b"%PDF-") and abs(float(box[1]) - 595) < 2 and abs(float(box[2]) - 842) < 2
