"""Hold what is the same at the top of every lesson: the way to the next one, and one numbering of its headings.

`python -m tools.way` writes both into the notebooks; a test finds what has drifted. Only the text of cells changes.
"""

import json
import re
import sys
from pathlib import Path

from course_lib import places
from course_lib.exercises import lessons
from course_lib.notes.working_copy import INSTRUCTOR

__all__ = ["main", "mended"]

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
LINE = re.compile(r"\n*^(← \[|\[The map\]\().*\n*", re.M)  # where such a line stands now
HEADING = re.compile(r"^## (?:(\d+)(?: ·)? )?(.+)$", re.M)


def mended(notebook, way):
    """Return the notebook as the course writes it: `way` below its title and at its end, `## 1 Title` from 1 on."""
    cells, number, renamed = [dict(cell) for cell in notebook["cells"]], 0, {}
    texts = [("".join(cell["source"]) if cell["cell_type"] == "markdown" else "") for cell in cells]

    def numbered(match):
        nonlocal number
        number += 1
        title = f"{number} {match[2]}"
        renamed[_anchor(match[0].removeprefix("## "))] = _anchor(title)
        return f"## {title}"

    texts = [HEADING.sub(numbered, text) for text in texts]
    tags = [cell.get("metadata", {}).get("tags", []) for cell in cells]
    last = max(at for at, text in enumerate(texts) if text and INSTRUCTOR not in tags[at])
    for at, text in enumerate(texts):
        text = re.sub(r"\]\(#([^)]+)\)", lambda match: f"](#{renamed.get(match[1], match[1])})", text)
        if at in (0, last):
            text = LINE.sub("\n\n", text).strip()
        if at == 0:
            title, _, rest = text.partition("\n")
            text = f"{title}\n\n{way}\n\n{rest.strip()}".strip()
        if at == last:
            text = f"{text}\n\n{way}"
        if text != "".join(cells[at]["source"]) and cells[at]["cell_type"] == "markdown":
            cells[at]["source"] = text.splitlines(keepends=True)
    return notebook | {"cells": cells}


def ways():
    """Return {notebook: its line of links: the lesson before, the map in lesson 00, the lesson after}."""
    files = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    start = "\n".join("".join(cell["source"]) for cell in _read(files[0])["cells"] if cell["cell_type"] == "markdown")
    titles = [match[2] for match in HEADING.finditer(start)]
    the_map = f"[The map]({files[0].name}#{titles.index('The map') + 1}-The-map)"
    links = [f"[{file.name[:2]} · {lessons.texts(int(file.name[:2]))['title']}]({file.name})" for file in files]
    before = ["", *(f"← {link} | " for link in links)]
    after = [*(f" | {link} →" for link in links[1:]), ""]
    return {file: before[at] + the_map + after[at] for at, file in enumerate(files)}


def main():
    """Write the notebooks that have drifted, and say which."""
    for file, way in ways().items():
        notebook = _read(file)
        if (new := mended(notebook, way)) != notebook:
            places.write(file, json.dumps(new, ensure_ascii=False, indent=1) + "\n")
            print(f"{file.name}: headings and links renewed")
    return 0


def _read(file):
    return json.loads(file.read_text(encoding="utf-8"))


def _anchor(title):
    return title.replace(" ", "-")  # as JupyterLab makes it


if __name__ == "__main__":
    sys.exit(main())
