"""Bring text as documents of sentences: Tiny Town, Python's own documentation, installed packages', or your files.

A document is a list of sentences, because BERT's next-sentence prediction and RoBERTa's input
formats are all questions about where sentences and documents begin and end.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import re
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from course_lib import runtime
from course_lib.text import globs, kept, package_docs, sentences
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
                             "one for each")
        for document in self.documents:
            if isinstance(document, str) or not all(isinstance(sentence, str) for sentence in document):
                raise TypeError(f"each document of {self.name!r} must be a list of sentences (text), not "
                                f"{document!r:.60}; sentences.split(text) splits text into sentences")
        found = 0
        for sentence in (sentence for document in self.documents for sentence in document):
            found += _count_words(sentence)
            if found > 1:
                return
        raise ValueError(f"the corpus {self.name!r} ({self.source}) has {found} word(s); "
                         "nothing can be learned from fewer than two: give a longer text")

    def __len__(self) -> int:
        """Count the documents."""
        return len(self.documents)

    @cached_property
    def words(self) -> int:
        """Count the words; a Chinese or Japanese character counts as one, punctuation does not count."""
        return sum(_count_words(sentence) for document in self.documents for sentence in document)

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
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
            raise ValueError(f"share={share!r} must lie between 0 and 1, e.g. 0.1 to hold out a tenth")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed={seed!r} must be a whole number, e.g. 0")
        copies: dict[object, list[int]] = {}
        for index, document in enumerate(self.documents):
            copies.setdefault(self.groups[index] if self.groups else tuple(document), []).append(index)
        if len(copies) < 2:
            raise ValueError(f"{self.name!r} has {len(copies)} distinct document(s), so none can be held "
                             "out; give more text, or separate chapters with two blank lines")
        groups = list(copies.values())
        random.Random(seed).shuffle(groups)
        wanted, held = max(1, round(share * len(self))), set()
        for group in groups[:-1]:  # the last group always stays in training
            if len(held) >= wanted:
                break
            held.update(group)
        return self._part("training", set(range(len(self))) - held), self._part("held out", held)

    def _part(self, name: str, which: set[int]) -> Corpus:
        """Keep the documents with these numbers."""
        parts = (self.documents, self.groups)
        documents, groups = ([part[i] for i in sorted(which)] if part else None for part in parts)
        return Corpus(f"{self.name}, {name}", documents, self.source, groups)


def _count_words(text: str) -> int:
    rest, characters = _CJK.subn(" ", text)
    return characters + sum(1 for piece in rest.split() if _ALNUM.search(piece))


def tiny_town(n_stories: int, seed: int = 0, sentences: int = 6) -> Corpus:
    """Generate `n_stories` Tiny Town stories; words are separated by single spaces."""
    for name, value in (("n_stories", n_stories), ("sentences", sentences)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1, e.g. {name}=6")
    stories = TinyTown.load().stories(n_stories, seed=seed, sentences=sentences)
    documents = [[" ".join(words) for words in story.sentences] for story in stories]
    source = f"generated: {n_stories} stories of {sentences} sentences, seed {seed}"
    return Corpus("Tiny Town", documents, source)


# --- the reader's own files -------------------------------------------------------------------------

def text_files(path: str | Path, largest_megabytes: float = 100) -> Corpus:
    """Read a UTF-8 file, a folder (.txt, .text, .md, .rst, with its subfolders) or a glob of files.

    A blank line ends a paragraph, two or more a chapter. Each chapter is a document; one that stands alone
    is cut into runs of at most 20 sentences, so that some can be held out. Each file is read once, hidden ones are left
    out, and links to folders are not followed. Raises OSError or ValueError, with the fix, for what cannot be read.
    """
    if not str(path).strip():
        raise ValueError(f"path={path!r} is empty; name a text file, a folder or a glob, e.g. 'texts/*.txt'")
    files, links = globs.matching_files(path, TEXT_SUFFIXES)
    if links:
        runtime.warn(f"links to folders are not followed: {', '.join(map(repr, links))}; give their targets as well")
    size = sum(file.stat().st_size for file in files)
    if size > largest_megabytes * 1e6:
        raise ValueError(f"{str(path)!r} matches {size / 1e6:.3g} MB of text and the limit is "
                         f"{largest_megabytes:g} MB; give fewer files, or raise largest_megabytes")
    documents = [document for file in files for chapter in re.split(r"\n(?:[^\S\n]*\n){2,}", _read(file))
                 if (document := sentences.split(chapter))]
    if len(documents) == 1:
        only = documents[0]
        run = max(2, min(20, len(only) // 10))
        documents = [only[i:i + run] for i in range(0, len(only), run)]
    name = (Path(path).name or str(path)).encode("utf-8", "replace").decode()  # a name that is no UTF-8 can be printed
    plural = "file" if len(files) == 1 else "files"
    return Corpus(name, documents, f"{len(files)} {plural} matching {str(path)!r}")


def _read(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise globs.unreadable(file, error) from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _encoding_error(file, "is UTF-16 by its first two bytes", "utf-16")
    if b"\0" in data:
        raise ValueError(f"{str(file)!r} holds a zero byte at offset {data.index(0)}, so it is a binary file "
                         "(or UTF-16 text); leave it out, or save it again as UTF-8 text")
    try:
        text = data.decode("utf-8-sig")  # -sig drops a byte order mark
    except UnicodeDecodeError as error:
        # offsets are counted after the mark, if there is one
        offset = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        raise _encoding_error(file, f"is not UTF-8 at byte offset {offset} (byte 0x{data[offset]:02x})",
                              "cp1252") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding_error(file: Path, problem: str, encoding: str) -> ValueError:
    return ValueError(f"{str(file)!r} {problem}; save it as UTF-8, or convert it with its own encoding (cp1252 is "
                      "Western European, cp1251 Cyrillic, gb18030 Chinese, shift_jis Japanese):\n"
                      f"from pathlib import Path; file = Path({str(file)!r})\n"
                      f"file.write_text(file.read_text(encoding={encoding!r}), encoding='utf-8')")


# --- Python's own documentation ----------------------------------------------------------------------

def python_docs(limit_words: int | None = None) -> Corpus:
    """Return the documentation that this Python carries, as plain prose; up to `limit_words` words.

    It holds the language reference behind help() (`pydoc_data`) and the docstrings of the standard library's
    sources. The order is a fixed shuffle, so a limit changes how much there is and not what kind.
    The text is extracted once and kept in the cache folder; another Python version has another text.
    """
    if limit_words is not None and (isinstance(limit_words, bool) or not isinstance(limit_words, int)
                                    or limit_words < 2):
        raise ValueError(f"limit_words={limit_words!r} must be None or a whole number above 1, e.g. 50_000")
    library = Path(sysconfig.get_path("stdlib"))
    has_topics = importlib.util.find_spec("pydoc_data") is not None
    code = [Path(file).read_bytes() for file in (__file__, sentences.__file__)]
    key = hashlib.sha256(repr((sys.version, str(library), has_topics, code)).encode()).hexdigest()[:16]
    stored = kept.once("python_docs", key, lambda: _extract(library, has_topics))
    documents, words = stored["documents"], 0
    if limit_words is not None:
        documents = []
        for document in stored["documents"]:
            words += sum(_count_words(sentence) for sentence in document)
            if words > limit_words and documents:
                break
            documents.append(document)
    return Corpus("Python's documentation", documents,
                  f"Python {sys.version.split()[0]}: {' and '.join(stored['parts'])}")


def _extract(library: Path, has_topics: bool) -> dict:
    texts, parts = [], []
    if has_topics:
        from pydoc_data.topics import topics  # half a megabyte of text, read only when it is needed

        texts += [section for name in sorted(topics) for section in sentences.sections(topics[name])]
        parts.append("the language reference of pydoc_data")
    from_sources = list(sentences.docstrings(library))
    if from_sources:
        texts += from_sources
        parts.append("the docstrings of the standard library")
    if not parts:
        raise FileNotFoundError(
            f"this Python has neither pydoc_data nor library sources in {str(library)!r}, so there is no "
            "text; use a Python from python.org, conda or uv, or your own text with text_files(path)")
    if not has_topics:
        runtime.warn("this Python lacks pydoc_data (some Linux distributions strip it); "
                     "python_docs() holds the docstrings of the standard library only")
    elif not from_sources:
        runtime.warn(f"no library sources in {str(library)!r}; python_docs() holds the language reference only")
    documents, seen = [], set()
    for text in texts:
        # what came before is boilerplate, or one topic repeating another; held-out sentences must be new
        document = [s for s in sentences.prose(text) if s not in seen and not seen.add(s)]
        if len(document) >= 2:
            documents.append(document)
    documents.sort(key=lambda document: hashlib.sha256("\n".join(document).encode()).digest())
    return {"parts": parts, "documents": documents}


# --- the docstrings of installed packages ------------------------------------------------------------

def docstrings(packages: Iterable[str] = tuple(package_docs.PACKAGES), place: str | Path | None = None) -> Corpus:
    """Return the prose of the docstrings of installed packages: real English, about 1.7 million words.

    By default of the packages that constraints.txt pins, so that the same installation has the same text; `source`
    names their versions, `digest` hashes the text. A document is a class or the rest of a module, in the order of the
    source, and a near copy of an earlier paragraph is left out. `groups` are subpackages ('networkx/classes'), which
    `split` holds out as a whole. `place` is the folder to look in (as a rule where numpy is). The sources are read,
    nothing is imported; it takes two minutes and is kept in the cache folder. Raises FileNotFoundError if there is
    nothing to read.
    """
    packages = tuple(packages)
    place = Path(place) if place is not None else Path(importlib.util.find_spec("numpy").origin).parent.parent
    versions = {package: package_docs.version(package) for package in packages if (place / package).is_dir()}
    code = [Path(module.__file__).read_bytes() for module in (sentences, package_docs)]
    key = hashlib.sha256(repr((str(place), versions, code)).encode()).hexdigest()[:16]
    stored = kept.once("docstrings", key, lambda: package_docs.extract(place, versions))
    if not stored["documents"]:
        raise FileNotFoundError(f"there are no docstrings of {', '.join(packages[:5])}... in {str(place)!r}: give the "
                                "folder that pip installs into as place")
    return Corpus("Docstrings", stored["documents"], "docstrings of " + ", ".join(stored["parts"]), stored["groups"])
