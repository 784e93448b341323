"""The prose of the docstrings of installed packages: read from their sources, nothing of theirs is run or imported.

A document is a class, or what a module holds outside its classes. A paragraph that nearly repeats an earlier one,
anywhere in the corpus, is left out: libraries copy their docstrings, and a copy must not be held-out text.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
import os
import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from course_lib import places
from course_lib.text.corpora import Corpus, kept, parsed, source_files
from course_lib.text.sentences import DOCUMENTED, paragraphs, reads_as_prose, split

__all__ = ["PACKAGES", "carry", "docstrings", "documents", "group_of", "literary", "without_copies"]

# All are pinned by constraints.txt, and come with torch, transformers, matplotlib and jupyterlab.
PACKAGES = tuple("""
    torch transformers sympy networkx numpy matplotlib mpmath fontTools PIL huggingface_hub tokenizers safetensors
    joblib fsspec filelock IPython ipykernel ipywidgets traitlets tornado zmq jupyter_client jupyter_core jupyter_server
    jupyterlab nbformat nbconvert prompt_toolkit pygments jinja2 yaml tqdm rich anyio httpx requests urllib3 bs4 babel
    dateutil setuptools attr click jedi parso regex psutil debugpy jsonschema hypothesis _pytest
    pydantic typer
""".split())  # noqa: SIM905
FEWEST_WORDS = 8  # in a paragraph: shorter ones are captions and fragments
RUN = 6  # words in a row that are looked up when copies are searched
COPIED = 0.5  # share of a paragraph's runs that stood in the text before it: from here on it is a copy
DEFINING = {"add_docstr", "add_newdoc", "_add_docstr", "add_docstr_all", "_add_newdoc_ufunc"}  # docstrings of C code

_DESCRIBED = (r"(?:args|arguments|(?:other |keyword )?parameters|(?:keyword|kw)\s?(?:args|arguments)|attributes|params"
              r"|returns?|yields?|raises)")  # fmt: skip
_DROPPED = r"(?:shapes?|inputs?|outputs?|examples?(?: usage)?|usage|see also|references|methods|routines|bibliography)"
_UNDERLINED = re.compile(r"^\s*([=~^#\"*+-])\1{2,}\s*$")
_HEADING = re.compile(rf"^\s*\**(?:({_DESCRIBED})|{_DROPPED})\**\s*(::?\**)?\s*$", re.IGNORECASE)
_ENTRY = re.compile(r"[\w*.,`/-]{1,40}?(?:, [\w*`]+)*(?: ?\(.*?\))?( ?):(?:\s+(.*))?$")  # 'dim (int): the axis'
_WORD = re.compile(r"[a-z]+|\d+", re.IGNORECASE)


def docstrings(packages: Iterable[str] = PACKAGES, place: Path | None = None) -> Corpus:
    """Return the prose of the docstrings of installed packages: real English, about 1.7 million words.

    By default of the packages that constraints.txt pins, so that the same installation has the same text; `source`
    names their versions. Documents are in the order of the source. `groups` are subpackages
    ('networkx/classes'), which `split` holds out as a whole. `place` is the folder to look in (as a rule where numpy
    is). It takes two minutes, once. Where other versions are installed, COURSE_DOCSTRINGS names a file that
    :func:`carry` wrote: the text is then that file's, whatever is asked for.
    """
    if file := os.environ.get("COURSE_DOCSTRINGS"):
        return _carried(Path(file).expanduser())
    place = place or Path(importlib.util.find_spec("numpy").origin).parent.parent
    names = metadata.packages_distributions()
    versions = {package: metadata.version(names[package][0]) if package in names else "unknown"
                for package in packages if (place / package).is_dir()}  # fmt: skip

    def extract() -> list:
        found = (document for package in versions for document in documents(place, package))
        return [(group_of(origin), [s for paragraph in document for s in split(paragraph)])
                for origin, document in without_copies(found)]  # fmt: skip

    found = kept("docstrings", extract, str(place), versions)
    source = "docstrings of " + ", ".join(f"{package} {version}" for package, version in versions.items())
    return Corpus("Docstrings", [document for _, document in found], source, [group for group, _ in found])


def carry(corpus: Corpus, file: Path) -> Path:
    """Write a corpus to a file for another machine, with what a record says of its text: some 11 MB. Returns it.

    OSError where it cannot be written; what was there before then stays.
    """
    parts = {"described": corpus.described, "groups": corpus.groups, "documents": corpus.documents}
    places.write(file, json.dumps(parts, ensure_ascii=False) + "\n")
    return file


def _carried(file: Path) -> Corpus:
    """Read what :func:`carry` wrote. ValueError where it is damaged or another text, FileNotFoundError without it."""
    fix = "write it anew where the packages are: python -m tools.evidence --carry FILE"
    try:
        parts = json.loads(file.read_text(encoding="utf-8"))
        described = parts["described"]
        corpus = Corpus(described["corpus"], parts["documents"], described["source"], parts["groups"])
    except FileNotFoundError:
        raise FileNotFoundError(f"COURSE_DOCSTRINGS={str(file)!r} is not there: unset it, or {fix}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"COURSE_DOCSTRINGS={str(file)!r} is damaged ({error}): {fix}") from None
    if corpus.described != described:
        raise ValueError(f"COURSE_DOCSTRINGS={str(file)!r} holds another text than it says: {fix}")
    return corpus


def documents(place: Path, package: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (origin, document) for every class and module of a package that has prose, in a fixed order.

    place: the folder that holds the package. An origin is the path of the source, e.g. 'networkx/classes/graph.py'.
    A document is a list of paragraphs, each a text of whole sentences.
    """
    for file in sorted(source_files(place / package)):
        if file.name.startswith("test_"):
            continue
        tree = parsed(file)
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        rest = ast.Module([node for node in tree.body if node not in classes], [])
        for node in (rest, *classes):
            made = [paragraph for text in _texts(node) for paragraph in literary(text)]
            if made:
                yield file.relative_to(place).as_posix(), made


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the docstrings at and below a node in the order of the source, those given to C code included."""
    if isinstance(node, DOCUMENTED):
        yield ast.get_docstring(node) or ""
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in DEFINING:
        strings = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
        yield from (inspect.cleandoc(text) for text in strings if isinstance(text, str) and " " in text)
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


def literary(docstring: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring that are prose: no doctests, code, signatures, headings.

    Of a table of parameters the names and types go, and a description stays if it is a sentence.
    """
    kept, lines, at = [], inspect.cleandoc(docstring).splitlines(), 0
    while at < len(lines):
        line, under = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
        if line.lstrip().startswith("```"):  # code, as Markdown marks it
            at = next((i for i in range(at + 1, len(lines)) if lines[i].lstrip().startswith("```")), len(lines)) + 1
        elif line.strip() and _UNDERLINED.match(under):  # a heading in the style of NumPy
            end = next((i for i in range(at + 2, len(lines) - 1)
                        if lines[i].strip() and _UNDERLINED.match(lines[i + 1])), len(lines))  # fmt: skip
            heading = _HEADING.match(line)
            kept += ["", *(_descriptions(lines[at + 2 : end]) if heading and heading[1] else [])]
            at = end if heading else at + 2
        elif (heading := _HEADING.match(line)) and heading[2]:  # a heading in the style of Google
            end = _end_of_block(lines, at)
            kept += ["", *(_descriptions(lines[at + 1 : end]) if heading[1] else [])]
            at = end
        elif re.match(r"\s*\.\. (?:note|warning|tip|important|seealso)::\s*$", line):
            kept.append("")
            at += 1
        elif line.rstrip().endswith("::"):  # a literal block, or a directive with its content
            kept += [] if line.lstrip().startswith("..") else [line.rstrip()[:-1]]
            kept.append("")
            at = _end_of_block(lines, at)
        else:
            kept.append(line)
            at += 1
    for paragraph in paragraphs("\n".join(kept)):
        if reads_as_prose(paragraph, FEWEST_WORDS) and "://" not in paragraph:
            yield paragraph


def _descriptions(table: list[str]) -> list[str]:
    """Keep what the lines of a table say about its entries, each a paragraph that begins with a capital letter."""
    lines = inspect.cleandoc("\n" + "\n".join(table)).splitlines()
    found, new = [], True
    for line in lines:
        if not line.strip():
            new, text = True, ""
        elif line[0] == " ":
            text = line.strip()
        else:
            entry = _ENTRY.match(line)
            text, new = (entry[2] or "") if entry and not entry[1] else "", True  # 'axis : int' tells a type
        if text:
            found += ["", text[0].upper() + text[1:]] if new else [text]
            new = False
        elif new:
            found.append("")
    return [*found, ""]


def _end_of_block(lines: list[str], at: int) -> int:
    """Find the end of the lines below line ``at`` that are indented more than it, blank lines included."""
    depth = len(lines[at]) - len(lines[at].lstrip())
    at += 1
    while at < len(lines) and (not lines[at].strip() or len(lines[at]) - len(lines[at].lstrip()) > depth):
        at += 1
    return at


def without_copies(found: Iterable[tuple[str, list[str]]]) -> Iterator[tuple[str, list[str]]]:
    """Leave out paragraphs that stood before, word for word or nearly, and documents of which nothing is left.

    Nearly: at least half of the paragraph's runs of six words occur in the text before it.
    """
    seen: set[int] = set()
    for origin, document in found:
        kept = []
        for paragraph in document:
            words = [word.lower() for word in _WORD.findall(paragraph)]
            runs = {_hash(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1))}
            if len(runs & seen) < COPIED * len(runs):
                kept.append(paragraph)
            seen |= runs
        if kept:
            yield origin, kept


def _hash(words: list[str]) -> int:
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest())


def group_of(origin: str) -> str:
    """Name what is held out together: a package's folder, and of the large ones the folder below.

    'networkx/classes/graph.py' -> 'networkx/classes'; 'transformers/models/bert/...' -> 'transformers/models/bert'.
    """
    parts = origin.split("/")
    depth = 3 if parts[:2] in (["transformers", "models"], ["networkx", "algorithms"], ["sympy", "physics"]) else 2
    return "/".join(parts[:depth])
