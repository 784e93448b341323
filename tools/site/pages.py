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

from course_lib.notes import claims, drill, glossary
from course_lib.notes.cards import inline
from tools import printed
from tools.site import lessons

__all__ = ["CONFIG", "ROOT", "buttons", "elsewhere", "listed", "pdf", "write"]

ROOT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((Path(__file__).with_name("site.yaml")).read_text(encoding="utf-8"))
CONFIG["repository"] = os.environ.get("SITE_REPOSITORY", CONFIG["repository"]).rstrip("/").removesuffix(".git")
GLASS = "one-mask-apart.html"
ROW = re.compile(r"^\| (\d\d) \| \[(.+?)\]\(notebooks/(\w+)\.ipynb\) \| (.+?) \| (.+?) \|$", re.M)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
DOCS = {"with-a-class": "With a class", "other-places": "Other places", "your-own-text": "Your own text",
        "when-something-fails": "When something fails", "reader-trials": "Readers' trials"}  # fmt: skip


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


def raw(markup):
    """Return HTML as a block that Sphinx passes on."""
    return f"`````````{{raw}} html\n{markup}\n`````````\n"


# --- the pages ---------------------------------------------------------------------------------------------------
FRONT = """\
# One Mask Apart

{lead}

<div class="doors">
<a class="door" href="notebooks/00_start_here.html"><b>Read and play here</b>
Twelve lessons with their outputs. Predict, then open the answer. Nothing to install.</a>
<a class="door" href="README.html#install"><b>Install it</b>
Run everything on your own laptop, change it, solve the exercises: <code>make lab</code>.</a>
</div>

{glass}

*One sentence, one small trained model, one switch. Turn it from bidirectional to causal, as from BERT to GPT, and read
what the model says beside the best that anybody could say. [The whole page, with a walk in ten questions](GLASS)*

{pages}

```{{toctree}}
:hidden:

{tree}
```
"""
NAMES = {
    "lessons": ("Lessons", "twelve questions, each answered by an experiment"),
    "claims": ("Claims", "what people repeat in interviews: right, imprecise or wrong, and what shows it"),
    "docs/town-world-paper": ("Town, world, paper", "does it hold outside a toy?"),
    "glossary": ("Glossary", "terms in English and Chinese"),
    "drill": ("Drill", "questions of an interview in English and Chinese, answers folded"),
    "whiteboard": ("Whiteboard", "what to draw and say from memory, and the list to mark it by"),
    "README": ("Install", "and hardware, settings, help"),
    "teach": ("Teach", "with a class, on a hub, with a text of your own"),
    "downloads": ("Downloads", "notebooks, empty or with outputs, and the glass model in one file"),
}


def write(folder, numbers=None):
    """Write all that Sphinx reads into an empty folder; numbers: only these lessons, for a quick look."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [row for row in listed(readme) if numbers is None or int(row[0]) in numbers]
    stored = {row[2]: nbformat.read(ROOT / "notebooks" / f"{row[2]}.ipynb", as_version=4) for row in rows}
    minutes = {name: max(1, round(lessons.words(one) / CONFIG["words_a_minute"])) for name, one in stored.items()}
    for place in ("notebooks", "docs"):
        (folder / place).mkdir(parents=True)
    for name, notebook in stored.items():
        text = nbformat.writes(lessons.prepared(notebook, _tools(name, minutes[name])))
        (folder / "notebooks" / f"{name}.ipynb").write_text(text, encoding="utf-8")
    for file in (ROOT / "docs").iterdir():
        if file.suffix == ".md":
            text = elsewhere(file.read_text(encoding="utf-8"), "docs")
            (folder / "docs" / file.name).write_text(text, encoding="utf-8")
        else:
            shutil.copy(file, folder / "docs")
    about = elsewhere(readme.replace("# One Mask Apart", "# About and install", 1), "")
    pages = {"README": about, "index": _front(readme), "lessons": _map(rows, minutes), "claims": _claims(),
             "glossary": _page("Glossary", "Every term of the course in one line, in English and Chinese, and the lesson "
                               "that builds it.", _named(glossary.look_up().data, "tbody tr")),
             "drill": _drill(), "whiteboard": _whiteboards(rows, stored), "teach": _teach(), "downloads": _files(rows)}
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def _tools(name, minutes):
    """Return what stands below a lesson's title: minutes to read, files, and where else it opens."""
    links = [f'<a href="../downloads/{name}.ipynb" download>notebook, empty</a>',
             f'<a href="{name}.ipynb" download>with outputs</a>']  # fmt: skip
    if pdf(name):
        links.append(f'<a href="../downloads/{name}.pdf">PDF</a>')
    links += [f'<a href="{html.escape(url)}">{where}</a>' for where, url in buttons(name).items()]
    return f'<p class="tools">{minutes} minutes to read · {" · ".join(links)}</p>'


def pdf(name):
    """Return the PDF that `make print` made of a lesson as it is now, or None."""
    made, notebook = printed.OUT / f"{name}.pdf", ROOT / "notebooks" / f"{name}.ipynb"
    return made if made.exists() and made.stat().st_mtime >= notebook.stat().st_mtime else None


def _front(readme):
    alt, picture = re.search(r"!\[([^\]]+)\]\(docs/(glass\.png)\)", readme).groups()
    code = base64.b64encode((ROOT / "docs" / picture).read_bytes()).decode()
    image = f'<img alt="{html.escape(" ".join(alt.split()))}" src="data:image/png;base64,{code}">'
    frame = f'<iframe title="Glass model, live" src="{GLASS}#embed=1" loading="lazy"></iframe>'
    lead = readme.split("\n", 2)[2].split("\n\n", 1)[0]
    tiles = "\n".join(f"- [{name}]({place}.md): {says}" for place, (name, says) in NAMES.items())
    tree = "\n".join(f"{name} <{place}>" for place, (name, _) in NAMES.items())
    front = FRONT.format(lead=lead, glass=f'<div class="glass">{image}{frame}</div>', pages=tiles, tree=tree)
    return re.sub(r"\[([^\]]+)\]\(GLASS\)", rf'<a href="{GLASS}">\1</a>', front)


def _map(rows, minutes):
    table = ["# Lessons", "", "Each asks one question, lets you predict, and answers by an experiment whose best possible "
             "score is known. *Runs in*: from cold, on two cores.", "",
             "| # | lesson | the question it answers | to read | runs in |", "|---|---|---|---|---|"]  # fmt: skip
    table += [f"| {number} | [{title}](notebooks/{name}.ipynb) | {question} | {minutes[name]} min | {runs} |"
              for number, title, name, question, runs in rows]  # fmt: skip
    tree = "\n".join(f"{number} {title} <notebooks/{name}>" for number, title, name, *_ in rows)
    return "\n".join(table) + f"\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"


def _named(markup, parts):
    """Give each part of a page (a selector) an id from its first bold or heading words, so that an address finds it."""
    soup = BeautifulSoup(markup, "html.parser")
    for part in soup.select(parts):
        part["id"] = lessons.slug(next((part.select_one("b") or part.th).stripped_strings).replace(".", "-"))
    return str(soup)


def _page(title, says, markup):
    return f"# {title}\n\n{says}\n\n{raw(markup.replace('.ipynb', '.html'))}"


def _claims():
    """Write all claims, with a filter by verdict and by what shows them."""
    every = claims.load()
    kinds = {claim.id: {one.kind for one in claim.evidence} for claim in every}
    choices = {"verdict": claims.VERDICTS, "evidence": dict.fromkeys(kind for one in kinds.values() for kind in sorted(one))}
    fields = "".join(
        f'<label>{name} <select data-filter="{name}"><option value="">all</option>'
        + "".join(f"<option>{value}</option>" for value in values) + "</select></label> "
        for name, values in choices.items()
    )  # fmt: skip
    body = "".join(claims.fold(claim, f'data-verdict="{claim.verdict}" data-evidence="{", ".join(sorted(kinds[claim.id]))}"')
                   for claim in every).replace('href="', 'href="notebooks/')  # fmt: skip
    return _page("Claims", "What the notes say, and what is true. Each opens on the truth, its sources and what shows it: "
                 "*measured* by an experiment of this course, true *by construction* and tested, or from *the paper* alone.",
                 f'<p class="filter" hidden>{fields}<output>{len(every)} of {len(every)}</output></p>{_named(body, "details")}')  # fmt: skip


def _drill():
    parts = ["# Drill\n\nEvery heading of the notes as a question. Say your answer aloud, then open what must not be missing.\n"]
    for number, title in drill.CHAPTERS.items():
        parts += [f"## {title}\n", raw(_named(drill.folds([one for one in drill.load() if one.id[0] == number]), "details"))]
    return "\n".join(parts)


def _whiteboards(rows, stored):
    parts = ["# Whiteboard cards\n\nTake a sheet of paper, draw from memory, then open the card and mark yours.\n"]
    for number, title, name, *_ in rows:
        if cards := lessons.whiteboard(stored[name]):
            parts += [f"## [{number} {title}](notebooks/{name}.ipynb)\n", raw("".join(cards))]
    return "\n".join(parts)


def _teach():
    tree = "\n".join(f"{title} <docs/{name}>" for name, title in DOCS.items())
    lines = "\n".join(f"- [{title}](docs/{name}.md)" for name, title in DOCS.items())
    return f"# Teach\n\n{lines}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"


def _files(rows):
    lines = "".join(
        f'<tr><th scope="row">{number} {inline(title)}</th><td><a href="downloads/{name}.ipynb" download>empty</a></td>'
        f'<td><a href="notebooks/{name}.ipynb" download>with outputs</a></td>'
        f'<td>{f"""<a href="downloads/{name}.pdf">PDF</a>""" if pdf(name) else "–"}</td></tr>'
        for number, title, name, *_ in rows
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("lesson", "notebook", "the same", "to print"))
    return f"""# Downloads

<a href="{GLASS}" download>The glass model in one file</a> opens from the disk in any browser.

Notebooks need the library of the course: [install it](README.md), and `make lab` lays them out. Empty ones are for
predicting and running, those with outputs for reading.

{raw(f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>")}
"""
