"""Corpora: what is read is kept, what is held out stays unseen, and bad input is named with its fix."""

import json
import os
import random
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from course_lib.experiments import docstrings, materials
from course_lib.text import corpora, sentences
from course_lib.text.corpora import Corpus, python_docs, text_files, tiny_town
from tools import evidence

RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def solid(text):
    """Return the text without white space, for 'nothing else was lost'."""
    return "".join(text.split())


# --- sentences ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, expected",
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Use a list, e.g. a tuple, i.e. this. Next.", ["Use a list, e.g. a tuple, i.e. this.", "Next."]),
        ("See e.g. Python. Yes.", ["See e.g. Python.", "Yes."]),
        ("Pi is 3.14. New in version 3.8.1. End", ["Pi is 3.14.", "New in version 3.8.1.", "End"]),
        ("Call os.path.join() first. Then str.split.", ["Call os.path.join() first.", "Then str.split."]),
        ("Dr. Smith met J. Doe. I did.", ["Dr. Smith met J. Doe.", "I did."]),
        ("So do I. You too.", ["So do I.", "You too."]),
        ("1. First. 2. Second.", ["1. First.", "2. Second."]),
        ('He said "No." She left.', ['He said "No."', "She left."]),
        ('"Really?" he asked. Wait... what?', ['"Really?" he asked.', "Wait... what?"]),
        ("no stop\nsame sentence\n\nanother", ["no stop same sentence", "another"]),
        ("你好。「真的吗？」他问！走吧", ["你好。", "「真的吗？」", "他问！", "走吧"]),
        ("هل أنت هنا؟ نعم.", ["هل أنت هنا؟", "نعم."]),
        ("यह घर है। वह पेड़ है।", ["यह घर है।", "वह पेड़ है।"]),
        ("she ran . Anna saw it ?", ["she ran .", "Anna saw it ?"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_sentences(text, expected):
    assert sentences.split(text) == expected


@RELAXED
@given(st.text() | st.text(alphabet="aA1 .!?。\n\"'", max_size=200))
@example("." * 50 + "\n\n" + "a" * 2500)
def test_sentences_lose_nothing_but_space(text):
    found = sentences.split(text)
    assert solid("".join(found)) == solid(text)
    assert all(sentence and sentence == " ".join(sentence.split()) for sentence in found)
    assert all(len(sentence) <= sentences.LONGEST_SENTENCE for sentence in found)
    assert sentences.split(text) == found


@pytest.mark.parametrize("line", ["word " * 400_000, "x" * 2_000_000, "." * 2_000_000, "a.b!" * 500_000, "\n" * 500_000,
                                  " " * 2_000_000, "字" * 1_000_000, "A. " * 500_000])  # fmt: skip
def test_a_huge_line_is_cut_and_takes_no_time(line):
    found = sentences.split(line)
    assert all(len(sentence) <= sentences.LONGEST_SENTENCE for sentence in found)
    assert solid("".join(found)) == solid(line)


def test_a_long_sentence_is_cut_between_words():
    found = sentences.split("word " * 1000)
    assert len(found) == 5 and set(" ".join(found).split()) == {"word"}


# --- Corpus ------------------------------------------------------------------------------------------

DOCUMENTS = st.lists(
    st.lists(st.sampled_from(["one two .", "three four .", "five six seven ."]), min_size=1, max_size=3),
    min_size=1,
    max_size=30,
)


@RELAXED
@given(documents=DOCUMENTS, share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_split_is_disjoint_complete_and_repeatable(documents, share, seed):
    corpus = Corpus("toy", [["kept apart ."], *documents], "test")
    kinds = {tuple(document) for document in corpus.documents}
    if len(kinds) < 2:
        with pytest.raises(ValueError, match="distinct document"):
            corpus.split(share, seed)
        return
    train, held_out = corpus.split(share, seed)
    assert len(train) and len(held_out)
    assert sorted(train.documents + held_out.documents) == sorted(corpus.documents)
    assert not {tuple(d) for d in train.documents} & {tuple(d) for d in held_out.documents}
    assert corpus.split(share, seed) == (train, held_out)
    order = iter(corpus.documents)  # both sides keep the order of the corpus
    assert all(document in order for document in train.documents)


def test_split_holds_out_the_share_and_the_seed_matters():
    corpus = Corpus("toy", [[f"document number {i} ."] for i in range(1000)], "test")
    assert len(corpus.split(0.1, 0)[1]) == 100
    assert corpus.split(0.1, 0)[1] != corpus.split(0.1, 1)[1]


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_split_names_a_bad_share(share):
    with pytest.raises(ValueError, match=re.escape(f"share={share!r}")):
        Corpus("toy", [["a b"], ["c d"]], "test").split(share, 0)


def test_split_needs_two_documents():
    with pytest.raises(ValueError, match="'toy' has 1 distinct document"):
        Corpus("toy", [["a b"], ["a b"]], "test").split(0.5, 0)


@pytest.mark.parametrize("documents", [[], [[]], [["."]]])
def test_a_corpus_needs_a_word(documents):
    with pytest.raises(ValueError, match="has no word"):
        Corpus("toy", documents, "test")


@pytest.mark.parametrize("documents", [["a sentence here"], [[["two", "words"]]], "two words"])
def test_a_corpus_is_documents_of_sentences(documents):
    with pytest.raises(TypeError, match="must be a list of sentences"):
        Corpus("toy", documents, "test")


def test_words_are_counted_in_any_script():
    assert (
        Corpus("toy", [["It is , surely , 3.14 .", "你好，世界。", "नमस्ते दुनिया।", "こんにちは"]], "test").words
        == 4 + 4 + 2 + 5
    )


def test_text_is_read_back_as_it_was(tmp_path):
    corpus = tiny_town(20)
    (tmp_path / "town.txt").write_text(corpus.text(), encoding="utf-8")
    again = text_files(tmp_path / "town.txt")
    # a splitter cannot know that Tiny Town's sentences start in lower case; words and documents are kept
    assert [" ".join(document).split() for document in again.documents] == [
        " ".join(document).split() for document in corpus.documents
    ]


def test_tiny_town():
    corpus = tiny_town(30, seed=3, sentences=4)
    assert corpus == tiny_town(30, seed=3, sentences=4) != tiny_town(30, seed=4, sentences=4)
    assert len(corpus) == 30 and {len(document) for document in corpus.documents} == {4}
    assert all(sentence == " ".join(sentence.split()) for document in corpus.documents for sentence in document)
    with pytest.raises(ValueError, match="has no word"):
        tiny_town(0)
    with pytest.raises(ValueError, match="has no word"):
        tiny_town(3, sentences=0)


# --- the reader's own files ---------------------------------------------------------------------------


@RELAXED
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), min_size=5),
        min_size=1,
        max_size=4,
    ),
    newline=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
)
def test_text_files_keep_every_character(tmp_path, texts, newline, mark):
    for old in tmp_path.glob("*.txt"):
        old.unlink()
    texts = ["two words", *texts]
    for i, text in enumerate(texts):
        data = text.replace("\r", "\n").replace("\n", newline)
        (tmp_path / f"{i}.txt").write_bytes(b"\xef\xbb\xbf" * mark + data.encode("utf-8"))
    corpus = text_files(tmp_path)
    assert solid(corpus.text()) == solid("".join(texts))
    assert corpus == text_files(str(tmp_path))


def test_byte_order_mark_and_newlines_make_no_difference(tmp_path):
    plain = "First one. Second one.\n\nThird.\n\n\nNext chapter. Its end.\n"
    for name, data in {
        "lf": plain.encode(),
        "bom": b"\xef\xbb\xbf" + plain.encode(),
        "crlf": plain.replace("\n", "\r\n").encode(),
        "cr": plain.replace("\n", "\r").encode(),
    }.items():
        (tmp_path / f"{name}.txt").write_bytes(data)
        assert text_files(tmp_path / f"{name}.txt").documents == [
            ["First one.", "Second one.", "Third."],
            ["Next chapter.", "Its end."],
        ]


def test_a_folder_s_texts_are_read_and_a_file_of_any_name(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "b.txt").write_text("B one. B two.")
    (tmp_path / "deep" / "a.md").write_text("A one. A two.")
    (tmp_path / "picture.png").write_bytes(b"\0\1")
    (tmp_path / ".hidden" / "x.txt").write_text("Not read.")
    (tmp_path / "odd [1].log").write_text("Log one. Log two.")
    assert text_files(tmp_path).documents == [["B one.", "B two."], ["A one.", "A two."]]
    assert text_files(tmp_path / "odd [1].log").documents == [["Log one.", "Log two."]]


def test_one_long_text_is_cut_so_that_some_can_be_held_out(tmp_path):
    file = tmp_path / "novel.txt"
    file.write_text(" ".join(f"Sentence number {i} of this novel." for i in range(400)))
    corpus = text_files(file)
    assert len(corpus) == 20 and {len(document) for document in corpus.documents} == {20}
    train, held_out = corpus.split(0.1, 0)
    assert len(held_out) == 2


@pytest.mark.parametrize(
    "text",
    [
        "今天天气很好。我们去公园吧！你来吗？",
        "Привет, мир. Как дела?",
        "สวัสดีชาวโลก ยินดีต้อนรับ",
        "السلام عليكم. كيف حالك؟",
        "नमस्ते दुनिया। आप कैसे हैं?",
        "שלום עולם. מה נשמע?",
    ],
)
def test_any_script_is_a_text(tmp_path, text):
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    assert solid(text_files(tmp_path).text()) == solid(text)


@pytest.mark.parametrize(("data", "message"), [
    (b"", "has no word"), (b"\xef\xbb\xbf", "has no word"),
    (b"\x89PNG\r\n\x1a\n\0\0", r"bad.txt' is not UTF-8 text \(byte 0 is 0x89\)"),
    ("two words".encode("utf-16"), "bad.txt' is not UTF-8 text"),
    ("A café here, mostly plain".encode("cp1252"), r"bad.txt' .*byte 5 is 0xe9\); .*save it as UTF-8, or leave it out"),
    ("今天天气很好我们去公园吧你来吗".encode("gb18030"), "bad.txt' is not UTF-8 text"),
])  # fmt: skip
def test_bad_files_are_named_with_the_fix(tmp_path, data, message):
    (tmp_path / "bad.txt").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        text_files(tmp_path)


def test_nothing_found_names_the_path_and_the_fix(tmp_path):
    (tmp_path / "table.csv").write_text("a,b")
    for path in (tmp_path, tmp_path / "nowhere.txt", " "):
        with pytest.raises(FileNotFoundError, match=re.escape(f"{str(path)!r}") + ".*check the spelling.*rst"):
            text_files(path)


@pytest.mark.skipif(os.name == "nt", reason="links need permission on Windows")
def test_circles_of_links_end(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("A one. A two.")
    for name, target in (("sub/up", ".."), ("sub/self", "."), ("loop", "loop"), ("gone.txt", "nowhere")):
        (tmp_path / name).symlink_to(target)
    assert text_files(tmp_path).documents == [["A one.", "A two."]]


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("Two words.")

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(PermissionError, match="mine.txt"):
        text_files(tmp_path)


# --- Python's own documentation -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    """Extract once for this module into a cache folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("docs")))
        yield python_docs()


@pytest.fixture
def small_library(tmp_path, monkeypatch):
    """Stand in for the standard library, so that the cache tests take no time."""
    library, cache = tmp_path / "library", tmp_path / "cache"
    library.mkdir()
    (library / "a.py").write_text('"""Open the first door. It leads to another room.\n\n>>> door()\n"""\n')
    (library / "broken.py").write_text('"""Never read this text. It does not parse."""\ndef (:\n')
    (library / "test").mkdir()
    (library / "test" / "t.py").write_text('"""Tests are left out here. They hold little prose."""\n')
    monkeypatch.setattr(corpora.sysconfig, "get_path", lambda name: str(library))
    monkeypatch.setenv("COURSE_CACHE", str(cache))
    monkeypatch.setenv("COURSE_QUIET", "0")
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    return library, cache


def test_python_docs_is_plain_prose(docs):
    assert len(docs) > 1000 and docs.words > 100_000
    assert all(len(document) >= 2 for document in docs.documents)
    everything = [sentence for document in docs.documents for sentence in document]
    assert len(set(everything)) == len(everything), "a repeated sentence would leak from training to held out"
    for markup in ("::", ":class:", ":func:", "+---", "====", "~~~"):
        assert markup not in docs.text(), markup
    assert not [sentence for sentence in everything if re.match(r">>>|\.\. |\$ |@|:\w+|[*+|-] ", sentence)]
    assert f"Python {sys.version.split()[0]}" in docs.source


def test_python_docs_limit_is_a_prefix(docs, monkeypatch):
    monkeypatch.setattr(corpora, "kept", lambda *_: docs.documents)
    small, large = python_docs(5_000), python_docs(20_000)
    assert 4_000 < small.words <= 5_000 and 18_000 < large.words <= 20_000
    assert large.documents[: len(small)] == small.documents
    assert docs.documents[: len(large)] == large.documents


def test_python_docs_is_the_same_in_every_process(docs, tmp_path):
    code = (
        "import hashlib; from course_lib.text.corpora import python_docs; "
        "print(hashlib.sha256(python_docs().text().encode()).hexdigest())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=Path(corpora.__file__).parent.parent,
            env={**os.environ, "COURSE_CACHE": str(tmp_path), "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]  # both build the same cache at once
    answers = [process.communicate(timeout=300) for process in processes]
    expected = corpora.hashlib.sha256(docs.text().encode()).hexdigest()
    assert [out.strip() for out, _ in answers] == [expected, expected], answers
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"], "one file, and no half-written one left"


@pytest.mark.filterwarnings("ignore:this Python lacks")
def test_the_cache_is_used_and_a_damaged_one_is_rebuilt(small_library):
    library, cache = small_library
    first = python_docs()
    assert first.documents == [["Open the first door.", "It leads to another room."]]
    (stored,) = cache.iterdir()
    (library / "a.py").unlink()
    assert python_docs() == first, "read from the cache"
    (library / "a.py").write_text('"""Open the first door. It leads to another room."""\n')
    good = stored.read_bytes()
    for damage in (b"", good[:-5], b"\xff" * 99):
        stored.write_bytes(damage)
        assert python_docs() == first
        assert stored.read_bytes() == good


@pytest.mark.filterwarnings("ignore:this Python lacks")
def test_a_cache_that_cannot_be_written_is_only_a_warning(small_library, monkeypatch):
    _, cache = small_library
    cache.write_text("a file where the folder should be")
    with pytest.warns(RuntimeWarning, match="could not be stored.*COURSE_CACHE"):
        assert len(python_docs()) == 1
    cache.unlink()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(corpora.places.os, "replace", full)
    with pytest.warns(RuntimeWarning, match="could not be stored.*No space left"):
        assert len(python_docs()) == 1


@pytest.mark.filterwarnings("ignore:this Python lacks")
def test_a_cache_that_can_only_be_read_is_used(small_library, monkeypatch):
    library, cache = small_library
    first = python_docs()
    (library / "a.py").unlink()
    monkeypatch.setattr(corpora.places, "write", lambda *_: pytest.fail("nothing is to be written"))
    assert python_docs() == first


def test_a_notebook_under_test_hears_no_warning(small_library, monkeypatch, recwarn):
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    monkeypatch.setenv("COURSE_QUIET", "1")
    python_docs()
    assert not recwarn.list


def test_a_missing_language_reference_is_said(small_library):
    with pytest.warns(RuntimeWarning, match="lacks pydoc_data.*docstrings of the standard library only"):
        python_docs()


@pytest.mark.parametrize(
    "markup, expected",
    [
        ("Return the *first* item of :class:`~collections.deque`.", ["Return the first item of collections.deque."]),
        ("Use ``len`` and `sum` for `this one <http://x>`_ case.", ["Use len and sum for this one <http://x> case."]),
        ("The result is a float [1]_. See the other one too.", ["The result is a float.", "See the other one too."]),
        ("A paragraph that is kept.\n\n>>> code()\n3\n\n.. note:: not this one here.", ["A paragraph that is kept."]),
        ("+-----+\n| The table is dropped here. |\n+-----+", []),
        (":param x: the value to be given.", []),
        ("stmt ::= 'a' expression in grammar.", []),
        ("x = call(y, z)[0] + other_thing[1]; z = 3.", []),
        (
            "* The first point to make.\n* The second point to make.",
            ["The first point to make.", "The second point to make."],
        ),
        ("A heading without a stop", []),
        ("The simple form is equivalent to:", []),
    ],
)
def test_prose(markup, expected):
    assert list(sentences.prose(markup)) == expected


def test_sections_are_cut_at_headings():
    text = "Title\n*****\n\nFirst text.\n\nNext\n====\n\nSecond text.\n"
    assert [" ".join(section.split()) for section in sentences.sections(text)] == ["", "First text.", "Second text."]


@RELAXED
@given(st.text(alphabet="aA .:*`|+-=\n>[]_<", max_size=120))
def test_prose_takes_any_markup(markup):
    for sentence in sentences.prose(markup):
        assert len(sentence.split()) >= 4


def test_split_does_not_touch_the_global_generator():
    random.seed(0)
    state = random.getstate()
    Corpus("toy", [["a b"], ["c d"]], "test").split(0.5, 0)
    assert random.getstate() == state


# --- the docstrings of installed packages --------------------------------------------------------------

SHAPES = '''
"""Tools that draw simple shapes for people who cannot draw them by hand."""
raise SystemExit("read, never run")

def square(side):
    """Draw a square whose four sides are all as long as the argument says.

    >>> square(3) # this line is a doctest and it has quite a few words too

    Example::

        square(3)  # this line is code and it has quite a few words too

    Too short to stay.

    Args:
        side (float): the length of each of the four sides, counted in millimetres
        colour (str): the name.

    Returns:
        Drawing: a picture that can be shown, stored or sent to a friend
    """

class Circle:
    """A round shape that is described by its centre and by nothing else here.

    Parameters
    ----------
    radius : float
        How far the line is away from the centre, in millimetres again.

    See Also
    --------
    square : another shape that this module can draw, with four sides and corners.

    Notes
    -----
    The number pi is not needed before somebody asks for the area of it.
    """

    def area(self):
        """Compute how much paper the shape covers, which is never less than zero."""
'''
COPY = '''
def cube():
    """Draw a square whose four sides are all as long as the argument tells.

    Say something that no other docstring of these packages has said before now.
    """
add_docstr(cube, """
Give C code a docstring that is read here as all the others are.
""")
'''


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two packages of a few sources, and a cache of their own."""
    place, cache = tmp_path / "place", tmp_path / "cache"
    monkeypatch.setenv("COURSE_CACHE", str(cache))
    for name, text in (
        ("drawing/shapes.py", SHAPES), ("drawing/tests/test_it.py", SHAPES.replace("shapes", "pictures")),
        ("modelling/solids/cubes.py", COPY), ("modelling/broken.py", "def (:"),
        ("modelling/solids/spheres.py", '"""Balls of every size that one can think of and then some."""'),
    ):  # fmt: skip
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    return place


def test_docstrings_are_the_prose_in_the_order_of_the_source(packages):
    corpus = docstrings.docstrings(["drawing", "modelling"], packages)
    assert corpus.documents == [
        [
            "Tools that draw simple shapes for people who cannot draw them by hand.",
            "Draw a square whose four sides are all as long as the argument says.",
            "The length of each of the four sides, counted in millimetres",
            "A picture that can be shown, stored or sent to a friend",
        ],
        [
            "A round shape that is described by its centre and by nothing else here.",
            "How far the line is away from the centre, in millimetres again.",
            "The number pi is not needed before somebody asks for the area of it.",
            "Compute how much paper the shape covers, which is never less than zero.",
        ],
        [  # the near copy of square's first sentence is gone
            "Say something that no other docstring of these packages has said before now.",
            "Give C code a docstring that is read here as all the others are.",
        ],
        ["Balls of every size that one can think of and then some."],
    ]
    assert corpus.groups == ["drawing/shapes.py", "drawing/shapes.py", "modelling/solids", "modelling/solids"]
    assert corpus.source == "docstrings of drawing unknown, modelling unknown"


def test_docstrings_are_held_out_by_group(packages):
    corpus = docstrings.docstrings(["drawing", "modelling"], packages)
    for seed in range(5):
        train, held_out = corpus.split(0.25, seed=seed)
        assert len(train) == len(held_out) == 2 and not set(train.groups) & set(held_out.groups)
        assert sorted(train.documents + held_out.documents) == sorted(corpus.documents)
        assert {*train.groups} == {train.groups[0]}


def test_docstrings_come_from_the_cache(packages, monkeypatch):
    first = docstrings.docstrings(["drawing"], packages)
    monkeypatch.setattr(docstrings, "documents", lambda *_: pytest.fail("extracted again"))
    assert docstrings.docstrings(["drawing"], packages) == first


def test_docstrings_are_carried_to_a_machine_with_other_packages(packages, tmp_path, monkeypatch, capsys):
    corpus, file = docstrings.docstrings(["drawing", "modelling"], packages), tmp_path / "text.json"
    monkeypatch.setattr(materials, "text", lambda name: corpus)
    assert evidence.main(["--carry", str(file)]) == 0 and str(file) in capsys.readouterr().out
    before = file.read_bytes()
    assert docstrings.carry(corpus, file).read_bytes() == before, "the same bytes every time"
    monkeypatch.setenv("COURSE_DOCSTRINGS", str(file))
    monkeypatch.setattr(docstrings, "documents", lambda *_: pytest.fail("read from packages"))
    there = docstrings.docstrings()
    assert there == corpus and there.described == corpus.described
    parts = json.loads(before)
    parts["documents"][0][0] += " More."
    for content, told in ((json.dumps(parts).encode(), "holds another text"), (before[:-20], "damaged"),
                          (b"\xff", "damaged"), (b"[]", "damaged")):  # fmt: skip
        file.write_bytes(content)
        with pytest.raises(ValueError, match=f"COURSE_DOCSTRINGS=.*{told}.*--carry FILE"):
            docstrings.docstrings()
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"is not there: unset it, or .*--carry FILE"):
        docstrings.docstrings()


def test_docstrings_of_nothing_are_an_error_that_says_what_to_give(packages):
    with pytest.raises(ValueError, match="'Docstrings' .* has no word"):
        docstrings.docstrings(["nowhere"], packages)


@pytest.mark.parametrize(
    "origin, group",
    [
        ("numpy/lib/_npyio_impl.py", "numpy/lib"), ("six.py", "six.py"),
        ("transformers/models/bert/modeling_bert.py", "transformers/models/bert"),
        ("networkx/algorithms/flow/maxflow.py", "networkx/algorithms/flow"),
    ],
)  # fmt: skip
def test_a_group_is_a_subpackage(origin, group):
    assert docstrings.group_of(origin) == group


def test_every_package_is_pinned():
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in
              (Path(__file__).parent.parent / "constraints.txt").read_text().splitlines()}  # fmt: skip
    distributions = metadata.packages_distributions()
    names = {distributions[package][0].lower().replace("_", "-") for package in docstrings.PACKAGES}
    assert names <= pinned, names - pinned
