"""Write what Sphinx reads: README, docs and lessons in their places, and the pages that data/ holds."""

import base64
import html
import os
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import nbformat
import yaml
from bs4 import BeautifulSoup

from course_lib.glass import build
from course_lib.notes import claims, drill, glossary, working_copy
from tools import printed
from tools.site import lessons

__all__ = ["CONFIG", "ENGLISH", "GLASS", "ROOT", "buttons", "elsewhere", "listed", "pdf", "write"]

ROOT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((Path(__file__).with_name("site.yaml")).read_text(encoding="utf-8"))
CONFIG["repository"] = os.environ.get("SITE_REPOSITORY", CONFIG["repository"]).rstrip("/").removesuffix(".git")
GLASS, ENGLISH = (build.HTML[name].name for name in ("town", "english"))  # pages without a theme
TEMPLATES = Path(__file__).with_name("templates")
ROW = re.compile(r"^\| (\d\d) \| \[(.+?)\]\(notebooks/(\w+)\.ipynb\) \| (.+?) \| (.+?) \|$", re.M)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def listed(readme):
    """Return README's table of lessons: [(number, title, notebook's name, question, time it runs)]."""
    return ROW.findall(readme)


def elsewhere(text, folder, config=CONFIG):
    """Let links of a Markdown page in `folder` lead to pages of the website, the repository's files, or nowhere."""

    def led(found):
        words, path, anchor = found[1], os.path.normpath(os.path.join(folder, found[2])), found[3] or ""
        if path == GLASS:
            return f'<a href="{found[2]}">{words}</a>'
        if path == "README.md" or path.startswith(("docs/", "notebooks/")):
            return found[0]
        if config["repository"]:
            return f"[{words}]({config['file'].format(path=path, url=config['repository'], **config)}{anchor})"
        return words

    return LINK.sub(led, text)


def buttons(lesson, config=CONFIG):
    """Return {name: address} of what opens a lesson elsewhere: nothing until a repository is configured."""
    if not config["repository"]:
        return {}
    owner, name = config["repository"].split("/")[-2:]
    parts = {"url": config["repository"], "owner": owner, "name": name, "lesson": lesson}
    parts |= {key: config[key] for key in ("branch", "hub")}
    where = {key: form for key, form in config["launch"].items() if config["hub"] or "{hub}" not in form}
    return {key: form.format(**parts | {"url": quote(parts["url"], safe="")} if "{hub}" in form else parts)
            for key, form in where.items()}  # fmt: skip



# --- the pages ---------------------------------------------------------------------------------------------------


def write(folder, numbers=None):
    """Write all that Sphinx reads into an empty folder; numbers: only these lessons, for a quick look."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [row for row in listed(readme) if numbers is None or int(row[0]) in numbers]
    stored = {row[2]: nbformat.read(ROOT / "notebooks" / f"{row[2]}.ipynb", as_version=4) for row in rows}
    for notebook in stored.values():
        notebook.cells = working_copy.for_learners(notebook.cells)
    minutes = {name: max(1, round(lessons.words(one) / CONFIG["words_a_minute"])) for name, one in stored.items()}
    texts = {f"notebooks/{name}.ipynb": nbformat.writes(lessons.prepared(notebook, _tools(name, minutes[name])))
             for name, notebook in stored.items()}  # fmt: skip
    docs = sorted((ROOT / "docs").glob("*.md"))
    texts |= {f"docs/{file.name}": elsewhere(file.read_text(encoding="utf-8"), "docs") for file in docs}
    texts |= {
        "index.md": _front(readme),
        "README.md": elsewhere(readme.replace("# One Mask Apart", "# About and install", 1), ""),
        "lessons.md": _map(rows, minutes),
        "claims.md": _claims(),
        "glossary.md": _head("glossary") + _raw(_named(glossary.look_up().data, "tbody tr")),
        "drill.md": _drill(),
        "whiteboard.md": _whiteboards(rows, stored),
        "teach.md": "# Teach\n" + _tree(f"docs/{file.stem}" for file in docs if file.stem != "town-world-paper"),
        "downloads.md": _downloads(rows),
    }
    for place in ("notebooks", "docs"):
        (folder / place).mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for picture in (ROOT / "docs").glob("*.png"):
        shutil.copy(picture, folder / "docs")


def pdf(name):
    """Return the PDF that `make print` made of a lesson as it is now, or None."""
    made, notebook = printed.OUT / f"{name}.pdf", ROOT / "notebooks" / f"{name}.ipynb"
    return made if made.exists() and made.stat().st_mtime >= notebook.stat().st_mtime else None


def _tools(name, minutes):
    """Return what stands below a lesson's title: minutes to read, files, and where else it opens."""
    links = ['<a href="../README.html#install">install it</a> to run it',
             f'<a href="../downloads/{name}.ipynb" download>empty notebook</a>',
             f'<a href="{name}.ipynb" download>with outputs</a>']  # fmt: skip
    links += [f'<a href="../downloads/{name}.pdf">PDF</a>'] if pdf(name) else []
    links += [f'<a href="{html.escape(url)}">{where}</a>' for where, url in buttons(name).items()]
    return f'<p class="tools">{minutes} minutes to read; nothing runs on this page · {" · ".join(links)}</p>'


def _raw(markup):
    """Return HTML as a block that Sphinx passes on; its links to lessons lead to their pages."""
    return f"`````````{{raw}} html\n{markup.replace('.ipynb', '.html')}\n`````````\n"


def _tree(entries, hidden=False):
    return "\n".join(["\n```{toctree}", *([":hidden:"] if hidden else []), ":maxdepth: 1", "", *entries, "```\n"])


def _head(page):
    return f"# {CONFIG['pages'][page][0]}\n\n{CONFIG['heads'][page]}\n\n"


def _named(markup, parts):
    """Give each part of a page (a selector) an id from its first bold or heading words, so that an address finds it."""
    soup = BeautifulSoup(markup, "html.parser")
    for part in soup.select(parts):
        part["id"] = lessons.slug(next((part.select_one("b") or part.th).stripped_strings).replace(".", "-"))
    return str(soup)


def _front(readme):
    alt = html.escape(" ".join(re.search(r"!\[([^\]]+)\]\(docs/glass\.png\)", readme)[1].split()))
    code = base64.b64encode((ROOT / "docs" / "glass.png").read_bytes()).decode()
    return (TEMPLATES / "index.md").read_text(encoding="utf-8").format(
        lead=readme.split("\n", 2)[2].split("\n\n", 1)[0],
        picture=f'<img alt="{alt}" src="data:image/png;base64,{code}">',
        pages="\n".join(f"- [{name}]({page}.md): {says}" for page, (name, says) in CONFIG["pages"].items()),
        tree="\n".join(f"{name} <{page}>" for page, (name, _) in CONFIG["pages"].items()),
    )  # fmt: skip


def _map(rows, minutes):
    table = ["| # | lesson | the question it answers | to read | runs in |", "|---|---|---|---|---|"]
    table += [f"| {number} | [{title}](notebooks/{name}.ipynb) | {question} | {minutes[name]} min | {runs} |"
              for number, title, name, question, runs in rows]  # fmt: skip
    tree = _tree((f"{number} {title} <notebooks/{name}>" for number, title, name, *_ in rows), hidden=True)
    return _head("lessons") + "\n".join(table) + tree


def _claims():
    """Write all claims, with a filter by verdict and by what shows them."""
    folds, kinds = [], {}
    for claim in claims.load():
        shown = sorted({one.kind for one in claim.evidence})
        kinds |= dict.fromkeys(shown)
        folds.append(claims.fold(claim, f'data-verdict="{claim.verdict}" data-evidence="{", ".join(shown)}"'))
    fields = ""
    for name, values in {"verdict": claims.VERDICTS, "evidence": kinds}.items():
        options = "".join(f"<option>{value}</option>" for value in values)
        fields += f'<label>{name} <select data-filter="{name}"><option value="">all</option>{options}</select></label> '
    body = _named("".join(folds).replace('href="', 'href="notebooks/'), "details")
    count = f"<output>{len(folds)} of {len(folds)}</output>"
    return _head("claims") + _raw(f'<p class="filter" hidden>{fields}{count}</p>{body}')


def _drill():
    parts = [_head("drill")]
    for number, title in drill.CHAPTERS.items():
        folds = drill.folds([one for one in drill.load() if one.id[0] == number])
        parts += [f"## {title}\n", _raw(_named(folds, "details"))]
    return "\n".join(parts)


def _whiteboards(rows, stored):
    parts = [_head("whiteboard")]
    for number, title, name, *_ in rows:
        if cards := lessons.whiteboard(stored[name]):
            parts += [f"## [{number} {title}](notebooks/{name}.ipynb)\n", _raw("".join(cards))]
    return "\n".join(parts)


def _downloads(rows):
    lines = ["| lesson | notebook | the same | to print |", "|---|---|---|---|"]
    for number, title, name, *_ in rows:
        paper = f'<a href="downloads/{name}.pdf">PDF</a>' if pdf(name) else "–"
        empty = f'<a href="downloads/{name}.ipynb" download>empty</a>'
        full = f'<a href="notebooks/{name}.ipynb" download>with outputs</a>'
        lines.append(f"| {number} {title} | {empty} | {full} | {paper} |")
    return (TEMPLATES / "downloads.md").read_text(encoding="utf-8").format(table="\n".join(lines))
