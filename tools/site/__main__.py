"""Build the website into site/: `make site`; ARGS=--serve shows it, ARGS=--zip packs it, ARGS="03 04" two lessons."""

import argparse
import functools
import http.server
import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import matplotlib
from bs4 import BeautifulSoup

from course_lib.glass import build as glass
from course_lib.notes import working_copy
from tools import packed, printed
from tools.site import pages

SITE = pages.ROOT / "site"
ZIP = pages.ROOT / "build" / "one-mask-apart-site.zip"
HERE = Path(__file__).parent
MARK = "made by make site"  # this file lies in a folder that a later build may empty
SETTINGS = {
    "project": "One Mask Apart",
    "html_title": "One Mask Apart",
    "copyright": "One Mask Apart. Code: MIT. Text and figures: CC BY 4.0",
    "language": "en",
    "extensions": ["myst_nb", "tools.site.__main__"],
    "nb_execution_mode": "off",
    "nb_render_markdown_format": "myst",  # of outputs: tables and formulas in them
    "nb_ipywidgets_js": {},  # they come from elsewhere
    "myst_heading_anchors": 4,
    "myst_enable_extensions": ["dollarmath"],
    "templates_path": [str(HERE / "templates")],
    "html_static_path": [str(HERE / "static")],
    "html_favicon": str(HERE / "static" / "favicon.svg"),
    "html_css_files": ["style.css"],
    "html_js_files": [("course.js", {"defer": ""})],
    "html_math_renderer": "drawn",
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_use_index": False,
    "html_domain_indices": False,
    "html_theme": "pydata_sphinx_theme",
    "html_context": {"default_mode": "auto"},  # light or dark, as the reader's system has it
    "html_sidebars": {"*": [], "docs/*": []},  # lessons have one
    "html_theme_options": {
        "navbar_align": "left",
        "search_bar_text": "English or 中文",
        "header_links_before_dropdown": 6,
        "navbar_end": ["theme-switcher"],
        "footer_start": ["copyright"],
        "footer_end": [],
        "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "search": []},
        "show_toc_level": 2,
    },
}


def setup(app):
    """Connect to Sphinx: formulas are drawn while the page is made, and the search is the course's own."""
    app.add_html_math_renderer("drawn", (_formula, None), (_formula, None))
    app.connect("builder-inited", lambda app: setattr(app.builder, "search", False))
    app.connect("html-collect-pages", lambda app: [("search", {"title": "Search"}, "search.html")])
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _formula(translator, node):
    from docutils import nodes

    block = node.tagname == "math_block"
    image = printed.FORMULA.sub(printed.drawn, f"$${node.astext()}$$")
    translator.body.append(f'<div class="formulas">{image}</div>' if block else image)
    raise nodes.SkipNode


def build(out, numbers=None):
    """Make the website in an empty folder; returns Sphinx's exit status. Every warning is an error."""
    from sphinx.application import Sphinx

    os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")  # two builds give the same bytes
    matplotlib.rcParams["svg.hashsalt"] = "one-mask-apart"
    with tempfile.TemporaryDirectory() as place:
        sources = Path(place, "sources")
        pages.write(sources, numbers)
        some = {"suppress_warnings": ["myst.xref_missing"]} if numbers else {}  # links to lessons that are left out
        app = Sphinx(sources, None, out, Path(place, "trees"), "html", SETTINGS | some, None, warningiserror=True)
        app.build(force_all=True)
        names = [file.stem for file in sorted((sources / "notebooks").iterdir())]
    left = [out / ".buildinfo", out / "objects.inv", out / "_static" / "webpack-macros.html"]  # of no use to a reader
    for file in (*left, *out.rglob("*.js.map"), *out.rglob("*.css.map")):
        file.unlink(missing_ok=True)
    shutil.rmtree(out / "_sources", ignore_errors=True)
    shutil.copy(pages.ROOT / pages.GLASS, out)
    (out / pages.ENGLISH).write_text(glass.page(glass.english()), encoding="utf-8")
    (out / "downloads").mkdir()
    for name in names:
        stored = pages.ROOT / "notebooks" / f"{name}.ipynb"
        notebook = json.loads(stored.read_text(encoding="utf-8"))
        full = notebook | {"cells": working_copy.for_learners(notebook["cells"])}
        for folder, copied in (("notebooks", full), ("downloads", working_copy.cleared(notebook))):
            text = json.dumps(copied, ensure_ascii=False, indent=1) + "\n"
            (out / folder / stored.name).write_text(text, encoding="utf-8")
        if made := pages.pdf(name):
            shutil.copy(made, out / "downloads")
    made = [page for page in sorted(out.rglob("*.html")) if page.name not in (pages.GLASS, pages.ENGLISH)]
    index = [entry for page in made for entry in _sections(out, page)]
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    (out / "_static" / "search-index.js").write_text(f"window.SEARCH_INDEX = {text};\n", encoding="utf-8")
    (out / ".nojekyll").write_text(MARK, encoding="utf-8")  # GitHub Pages leaves _static out without it
    return app.statuscode


def _sections(out, page):
    """Return what can be searched of a page: [address, page's title, heading, text] for each section.

    The answer of a prediction or a quiz is left out: nobody should find it before the guess.
    """
    soup = BeautifulSoup(re.sub(r'src="data:[^"]*"', "", page.read_text(encoding="utf-8")), "html.parser")
    article, found = soup.select_one("article") or soup, []
    for gone in article.select("[data-answers], .headerlink, .tools, .filter, .doors"):
        gone.decompose()
    for code in article.select("pre"):
        code.string = code.get_text()
    for part in reversed(article.select("section[id], article details[id], tr[id]")):  # the innermost first
        part.extract()
        heading = part.find(re.compile("^h[1-6]$|^summary$|^th$")).extract().get_text(" ")
        text = " ".join(part.get_text(" ").split())
        found.append([f"{page.relative_to(out).as_posix()}#{part['id']}", " ".join(heading.split()), text])
    title = found[-1][1] if found else ""
    return [[address, title, heading, text] for address, heading, text in reversed(found)]


def pack(site, file):
    """Pack the website as a zip that has the same bytes whenever it is made of the same pages."""
    file.parent.mkdir(exist_ok=True)
    paths = sorted(path for path in site.rglob("*") if path.is_file())
    packed.pack(file, ((f"one-mask-apart/{path.relative_to(site).as_posix()}", path.read_bytes()) for path in paths))


def serve(site):
    """Show the website on this machine alone, until Ctrl-C."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}   (Ctrl-C stops it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0


def main(arguments=None):
    """Build the website, then show or pack it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make site", description=__doc__)
    parser.add_argument("lessons", nargs="*", help="only these lessons, for a quick look: links to others stay open")
    parser.add_argument("--serve", action="store_true", help="show it at an address of this machine")
    parser.add_argument("--zip", action="store_true", help="pack it, for anybody to host or to open from the disk")
    parser.add_argument("--out", type=Path, default=SITE, help="the folder to make")
    asked = parser.parse_args(arguments)
    started = time.time()
    if asked.out.exists():
        if any(asked.out.iterdir()) and not (asked.out / ".nojekyll").exists():
            print(f"{asked.out} holds something else: name an empty folder with --out.", file=sys.stderr)
            return 2
        shutil.rmtree(asked.out)
    if build(asked.out, [int(name) for name in asked.lessons] or None):
        return 1
    print(f"The website: {asked.out / 'index.html'} ({time.time() - started:.0f} s)", flush=True)
    if asked.zip:
        pack(asked.out, ZIP)
        print(f"Packed: {ZIP}", flush=True)
    return serve(asked.out) if asked.serve else 0


if __name__ == "__main__":
    sys.exit(main())
