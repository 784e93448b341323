"""Bring text as documents of sentences: Tiny Town, Python's own documentation, or your own files.

A document is a list of sentences, because BERT's next-sentence prediction and RoBERTa's input formats are all
questions about where sentences and documents begin and end.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import random
import re
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from course_lib import places, runtime
from course_lib.text import sentences
from course_lib.town.language import TinyTown

__all__ = ["Corpus", "Document", "kept", "parsed", "python_docs", "source_files", "text_files", "tiny_town"]

Document = list[str]  # sentences in order, e.g. ['Anna took the ball .', 'She was happy .']

TEXT_SUFFIXES = (".txt", ".text", ".md", ".rst")  # what is read when a folder is given
SKIPPED_FOLDERS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "pydoc_data"}
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
        for document in self.documents:
            if isinstance(document, str) or not all(isinstance(sentence, str) for sentence in document):
                raise TypeError(f"each document of {self.name!r} must be a list of sentences (text), not "
                                f"{document!r:.60}; sentences.split(text) splits text into sentences")  # fmt: skip
        if not any(map(_count_words, self.documents)):
            raise ValueError(f"the corpus {self.name!r} ({self.source}) has no word: give a longer text")

    def __len__(self) -> int:
        """Count the documents."""
        return len(self.documents)

    @cached_property
    def words(self) -> int:
        """Count the words; a Chinese or Japanese character counts as one, punctuation does not count."""
        return sum(map(_count_words, self.documents))

    @property
    def described(self) -> dict[str, str | int]:
        """Say which text it is, for a record: name, source, words, documents, and the SHA-256 of the documents."""
        digest = hashlib.sha256(json.dumps(self.documents, ensure_ascii=False).encode()).hexdigest()
        counts = {"words": self.words, "documents": len(self)}
        return {"corpus": self.name, "source": self.source, **counts, "sha256": digest}

    def text(self) -> str:
        """Return everything as one string: a sentence per line, two blank lines between documents."""
        return "\n\n\n".join("\n".join(document) for document in self.documents)

    def split(self, share: float, seed: int) -> tuple[Corpus, Corpus]:
        """Return (train, held_out): about `share` of the documents are held out, at random by `seed`.

        Whole documents, or groups of documents where the corpus names them, and copies of a document stay together: a
        sentence's neighbours, or the sentence itself, seen in training would make the held-out score a memory test.
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

        def part(name: str, which: set[int]) -> Corpus:
            documents, groups = ([x[i] for i in sorted(which)] if x else None for x in (self.documents, self.groups))
            return Corpus(f"{self.name}, {name}", documents, self.source, groups)

        return part("training", set(range(len(self))) - held), part("held out", held)


def _count_words(document: Document) -> int:
    rest, characters = _CJK.subn(" ", " ".join(document))
    return characters + sum(1 for piece in rest.split() if _ALNUM.search(piece))


def tiny_town(n_stories: int, seed: int = 0, sentences: int = 6) -> Corpus:
    """Generate `n_stories` Tiny Town stories; words are separated by single spaces."""
    stories = TinyTown.load().stories(n_stories, seed=seed, sentences=sentences)
    documents = [[" ".join(words) for words in story.sentences] for story in stories]
    return Corpus("Tiny Town", documents, f"generated: {n_stories} stories of {sentences} sentences, seed {seed}")


def text_files(path: str | Path) -> Corpus:
    """Read a UTF-8 file, or the .txt, .text, .md and .rst files in a folder and its subfolders, hidden ones left out.

    A blank line ends a paragraph, two or more a chapter. Each chapter is a document; one that stands alone is cut into
    runs of at most 20 sentences, so that some can be held out. Files are read in the order of their names. Raises
    OSError or ValueError, with the fix, for what cannot be read.
    """
    place = Path(path).expanduser()
    files = [place] if place.is_file() else [
        file for file in sorted(place.rglob("*")) if file.suffix.lower() in TEXT_SUFFIXES and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(place).parts)]  # fmt: skip
    if not files:
        raise FileNotFoundError(f"no text file at {str(path)!r}, looked for from {str(Path.cwd())!r}: check the "
                                f"spelling. In a folder, texts end in {', '.join(TEXT_SUFFIXES)}")  # fmt: skip
    documents = [document for file in files for chapter in re.split(r"\n(?:[^\S\n]*\n){2,}", _read(file))
                 if (document := sentences.split(chapter))]  # fmt: skip
    if len(documents) == 1:
        only = documents[0]
        run = max(2, min(20, len(only) // 10))
        documents = [only[i : i + run] for i in range(0, len(only), run)]
    return Corpus(place.name, documents, f"{len(files)} file(s) at {str(path)!r}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")  # -sig drops a byte order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(file)!r} is not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x}); "
                         "open it in an editor and save it as UTF-8, or leave it out") from None  # fmt: skip


def python_docs(limit_words: int | None = None) -> Corpus:
    """Return the documentation that this Python carries, as plain prose; up to `limit_words` words.

    It holds the language reference behind help() (`pydoc_data`) and the docstrings of the standard library's sources.
    The order is a fixed shuffle, so a limit changes how much there is and not what kind. Another Python version has
    another text.
    """
    library = Path(sysconfig.get_path("stdlib"))
    documents, words = [], 0
    for document in kept("python_docs", lambda: _extract(library), sys.version, str(library)):
        words += _count_words(document)
        if limit_words is not None and words > limit_words and documents:
            break
        documents.append(document)
    return Corpus("Python's documentation", documents, f"Python {sys.version.split()[0]}: pydoc_data and docstrings")


def _extract(library: Path) -> list[Document]:
    """Read what `python_docs` returns; a sentence that came before is left out, so that held-out ones are new."""
    try:
        from pydoc_data.topics import topics  # half a megabyte of text, read only when it is needed
    except ImportError:
        runtime.warn("this Python lacks pydoc_data (some Linux distributions strip it); "
                     "python_docs() holds the docstrings of the standard library only")  # fmt: skip
        topics = {}
    texts = [section for name in sorted(topics) for section in sentences.sections(topics[name])]
    for file in source_files(library):
        nodes = ast.walk(parsed(file))
        texts += [ast.get_docstring(node) or "" for node in nodes if isinstance(node, sentences.DOCUMENTED)]
    documents, seen = [], set()
    for text in texts:
        document = [s for s in sentences.prose(text) if s not in seen and not seen.add(s)]
        if len(document) >= 2:
            documents.append(document)
    return sorted(documents, key=lambda document: hashlib.sha256("\n".join(document).encode()).digest())


def source_files(top: Path) -> Iterator[Path]:
    """Yield the Python files under a folder without its tests, in a fixed order."""
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".py"))


def parsed(file: Path) -> ast.Module:
    """Parse a source; an empty module for one that does not parse (a template, or of another version)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old sources hold invalid escapes
            return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def kept(name: str, extract: Callable, *made_of):
    """Return what `extract` makes, from the cache folder if the same code has made it there from the same things."""
    modules = (sys.modules[extract.__module__], sys.modules[__name__], sentences)
    code = [Path(module.__file__).read_bytes() for module in modules]
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
