"""Bring text as documents of sentences: Tiny Town, Python's own documentation, installed packages', or your files.

A document is a list of sentences, because BERT's next-sentence prediction and RoBERTa's input formats are all
questions about where sentences and documents begin and end.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from course_lib import places, runtime
from course_lib.text import package_docs, sentences
from course_lib.town.language import TinyTown

__all__ = ["Corpus", "Document", "docstrings", "python_docs", "text_files", "tiny_town"]

Document = list[str]  # sentences in order, e.g. ['Anna took the ball .', 'She was happy .']

TEXT_SUFFIXES = (".txt", ".text", ".md", ".rst")  # what is read when a folder is given
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")  # written without spaces
_ALNUM = re.compile(r"\w")


@dataclass(frozen=True)
class Corpus:
    """Hold a name, documents (lists of sentences) and a line that says where they come from."""

    name: str
    documents: list[Document]
    source: str
    groups: list[str] | None = None  # of each document the group that is held out as a whole; None: each its own

    def __post_init__(self):
        if self.groups is not None and len(self.groups) != len(self.documents):
            raise ValueError(f"{self.name!r} has {len(self.groups)} groups for {len(self.documents)} documents: name "
                             "one for each")  # fmt: skip
        for document in self.documents:
            if isinstance(document, str) or not all(isinstance(sentence, str) for sentence in document):
                raise TypeError(f"each document of {self.name!r} must be a list of sentences (text), not "
                                f"{document!r:.60}; sentences.split(text) splits text into sentences")  # fmt: skip
        words = 0
        for document in self.documents:
            words += _count_words(document)
            if words > 1:
                return
        raise ValueError(f"the corpus {self.name!r} ({self.source}) has {words} word(s); nothing can be learned from "
                         "fewer than two: give a longer text")  # fmt: skip

    def __len__(self) -> int:
        """Count the documents."""
        return len(self.documents)

    @cached_property
    def words(self) -> int:
        """Count the words; a Chinese or Japanese character counts as one, punctuation does not count."""
        return sum(map(_count_words, self.documents))

    @cached_property
    def digest(self) -> str:
        """Hash the text: 64 hexadecimal digits; two corpora with the same digest hold the same documents."""
        return hashlib.sha256(json.dumps(self.documents, ensure_ascii=False).encode()).hexdigest()

    def text(self) -> str:
        """Return everything as one string: a sentence per line, two blank lines between documents."""
        return "\n\n\n".join("\n".join(document) for document in self.documents)

    def split(self, share: float, seed: int) -> tuple[Corpus, Corpus]:
        """Return (train, held_out): about `share` of the documents are held out, at random by `seed`.

        Whole documents are held out, and copies of a document stay together: a sentence's neighbours, or the sentence
        itself, seen in training would make the held-out score a memory test. Where the corpus names groups, whole
        groups are held out instead; whoever names them leaves copies out.
        """
        if not 0 < share < 1:
            raise ValueError(f"share={share!r} must lie between 0 and 1, e.g. 0.1 to hold out a tenth")
        together: dict[object, list[int]] = {}
        for index, document in enumerate(self.documents):
            together.setdefault(self.groups[index] if self.groups else tuple(document), []).append(index)
        if len(together) < 2:
            raise ValueError(f"{self.name!r} has {len(together)} distinct document(s), so none can be held "
                             "out; give more text, or separate chapters with two blank lines")  # fmt: skip
        groups = list(together.values())
        random.Random(seed).shuffle(groups)
        wanted, held = max(1, round(share * len(self))), set()
        for group in groups[:-1]:  # the last group always stays in training
            if len(held) >= wanted:
                break
            held.update(group)
        return self._part("training", set(range(len(self))) - held), self._part("held out", held)

    def _part(self, name: str, which: set[int]) -> Corpus:
        """Keep the documents with these numbers, in their order."""
        parts = (self.documents, self.groups)
        documents, groups = ([part[i] for i in sorted(which)] if part else None for part in parts)
        return Corpus(f"{self.name}, {name}", documents, self.source, groups)


def _count_words(document: Document) -> int:
    rest, characters = _CJK.subn(" ", " ".join(document))
    return characters + sum(1 for piece in rest.split() if _ALNUM.search(piece))


def tiny_town(n_stories: int, seed: int = 0, sentences: int = 6) -> Corpus:
    """Generate `n_stories` Tiny Town stories; words are separated by single spaces."""
    stories = TinyTown.load().stories(n_stories, seed=seed, sentences=sentences)
    documents = [[" ".join(words) for words in story.sentences] for story in stories]
    return Corpus("Tiny Town", documents, f"generated: {n_stories} stories of {sentences} sentences, seed {seed}")


# --- the reader's own files -------------------------------------------------------------------------

def text_files(path: str | Path) -> Corpus:
    """Read a UTF-8 file, a folder (.txt, .text, .md, .rst, with its subfolders) or a glob of files.

    A blank line ends a paragraph, two or more a chapter. Each chapter is a document; one that stands alone is cut into
    runs of at most 20 sentences, so that some can be held out. Files are read in the order of their names; hidden ones
    are left out. Raises OSError or ValueError, with the fix, for what cannot be read.
    """
    files = _matching(path)
    documents = [document for file in files for chapter in re.split(r"\n(?:[^\S\n]*\n){2,}", _read(file))
                 if (document := sentences.split(chapter))]  # fmt: skip
    if len(documents) == 1:
        only = documents[0]
        run = max(2, min(20, len(only) // 10))
        documents = [only[i : i + run] for i in range(0, len(only), run)]
    return Corpus(Path(path).name, documents, f"{len(files)} file{'s' * (len(files) > 1)} matching {str(path)!r}")


def _matching(path: str | Path) -> list[Path]:
    """List a file, the texts in a folder or what a glob matches, in the order of their names."""
    if not str(path).strip():
        raise ValueError(f"path={path!r} is empty; name a text file, a folder or a glob, e.g. 'texts/*.txt'")
    place = Path(os.path.expanduser(path))
    if place.is_file():
        return [place]
    parts, wild = place.parts, [at for at, part in enumerate(place.parts) if re.search(r"[*?[]", part)]
    folder, pattern = place, "**/*"
    if wild and not place.is_dir():
        folder, pattern = Path(*parts[: wild[0]]), "/".join(parts[wild[0] :])
    files = [file for file in sorted(folder.glob(pattern)) if file.is_file()
             and (not place.is_dir() or file.suffix.lower() in TEXT_SUFFIXES)
             and not any(part.startswith(".") for part in file.relative_to(folder).parts)]  # fmt: skip
    if not files:
        raise FileNotFoundError(f"no text file matches {str(path)!r}, looked for from {str(Path.cwd())!r}: check the "
                                f"spelling. In a folder, texts end in {', '.join(TEXT_SUFFIXES)}; for others give a "
                                "glob such as 'folder/*.log'")  # fmt: skip
    return files


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig")  # -sig drops a byte order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(file)!r} is not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x}); "
                         "open it in an editor and save it as UTF-8, or leave it out") from None  # fmt: skip
    if "\0" in text:
        raise ValueError(f"{str(file)!r} holds a zero byte, so it is a binary file; leave it out, or save it as UTF-8")
    return text


# --- documentation: extracted once, and kept in the cache folder --------------------------------------

def python_docs(limit_words: int | None = None) -> Corpus:
    """Return the documentation that this Python carries, as plain prose; up to `limit_words` words.

    It holds the language reference behind help() (`pydoc_data`) and the docstrings of the standard library's sources.
    The order is a fixed shuffle, so a limit changes how much there is and not what kind. Another Python version has
    another text.
    """
    if limit_words is not None and limit_words < 2:
        raise ValueError(f"limit_words={limit_words!r} must be None or a whole number above 1, e.g. 50_000")
    library = Path(sysconfig.get_path("stdlib"))
    has_topics = importlib.util.find_spec("pydoc_data") is not None
    found = _kept("python_docs", (sys.version, str(library), has_topics), lambda: _extract(library, has_topics))
    documents, words = [], 0
    for document in found["documents"]:
        words += _count_words(document)
        if limit_words is not None and words > limit_words and documents:
            break
        documents.append(document)
    source = f"Python {sys.version.split()[0]}: {' and '.join(found['parts'])}"
    return Corpus("Python's documentation", documents, source)


def _extract(library: Path, has_topics: bool) -> dict:
    texts, parts = [], []
    if has_topics:
        from pydoc_data.topics import topics  # half a megabyte of text, read only when it is needed

        texts += [section for name in sorted(topics) for section in sentences.sections(topics[name])]
        parts.append("the language reference of pydoc_data")
    else:
        runtime.warn("this Python lacks pydoc_data (some Linux distributions strip it); "
                     "python_docs() holds the docstrings of the standard library only")  # fmt: skip
    if from_sources := list(package_docs.all_docstrings(library)):
        texts += from_sources
        parts.append("the docstrings of the standard library")
    if not parts:
        raise FileNotFoundError(f"this Python has neither pydoc_data nor library sources in {str(library)!r}, so there "
                                "is no text; use a Python from python.org, conda or uv, or your own text with "
                                "text_files(path)")  # fmt: skip
    documents, seen = [], set()
    for text in texts:
        # what came before is boilerplate, or one topic repeating another; held-out sentences must be new
        document = [s for s in sentences.prose(text) if s not in seen and not seen.add(s)]
        if len(document) >= 2:
            documents.append(document)
    documents.sort(key=lambda document: hashlib.sha256("\n".join(document).encode()).digest())
    return {"parts": parts, "documents": documents}


def docstrings(packages: Iterable[str] = package_docs.PACKAGES, place: str | Path | None = None) -> Corpus:
    """Return the prose of the docstrings of installed packages: real English, about 1.7 million words.

    By default of the packages that constraints.txt pins, so that the same installation has the same text; `source`
    names their versions, `digest` hashes the text. A document is a class or the rest of a module, in the order of the
    source, and a near copy of an earlier paragraph is left out. `groups` are subpackages ('networkx/classes'), which
    `split` holds out as a whole. `place` is the folder to look in (as a rule where numpy is). The sources are read,
    nothing is imported; it takes two minutes, once. Raises FileNotFoundError if there is nothing to read.
    """
    packages = tuple(packages)
    place = Path(place) if place is not None else Path(importlib.util.find_spec("numpy").origin).parent.parent
    versions = {package: package_docs.version(package) for package in packages if (place / package).is_dir()}
    found = _kept("docstrings", (str(place), versions), lambda: package_docs.extract(place, versions))
    if not found["documents"]:
        raise FileNotFoundError(f"there are no docstrings of {', '.join(packages[:5])}... in {str(place)!r}: give the "
                                "folder that pip installs into as place")  # fmt: skip
    return Corpus("Docstrings", found["documents"], "docstrings of " + ", ".join(found["parts"]), found["groups"])


def _kept(name: str, made_of: tuple, extract: Callable[[], dict]) -> dict:
    """Return what `extract` makes, from the cache folder if the same code has made it there from the same things."""
    code = [Path(file).read_bytes() for file in (__file__, sentences.__file__, package_docs.__file__)]
    key = hashlib.sha256(repr((made_of, code)).encode()).hexdigest()[:16]
    try:
        return json.loads((runtime.cache_dir() / f"{name}-{key}.json").read_bytes())  # it may be another's: read only
    except (OSError, ValueError):  # not there yet, or damaged
        extracted = extract()
    try:
        places.write(runtime.cache_dir() / f"{name}-{key}.json", json.dumps(extracted))
    except OSError as error:
        runtime.warn(f"{name}() works, but will be extracted again next time, as it could not be stored: {error}")
    return extracted
