"""Lessons to print: each answer once, open, at the end of its own section; nothing of it before; nothing executed."""

import collections
import functools
import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from course_lib.exercises import help as helps
from course_lib.exercises import questions
from course_lib.notes import drill, interview, progress
from tools import printed

LESSONS = sorted((printed.ROOT / "notebooks").glob("*.ipynb"))
PNG = r"data:image/png;base64,[^\"]+"


@functools.cache
def lesson(number):
    """Return a lesson's notebook, and its page as soup."""
    notebook = nbformat.read(LESSONS[number], as_version=4)
    return notebook, BeautifulSoup(printed.page(notebook), "html.parser")


def stored(cell):
    return ["".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", [])]


def words(markup):
    """Return the text of HTML without what differs in white space alone."""
    soup = BeautifulSoup(re.sub(PNG, "", str(markup)), "html.parser")
    for gone in soup.select("style, .anchor-link"):
        gone.decompose()
    return "".join(soup.get_text().split())


def folds(cell):
    """Return the stored folds of a cell, without the bytes of images."""
    found = [BeautifulSoup(re.sub(PNG, "", markup), "html.parser").find_all("details") for markup in stored(cell)]
    return sum(map(list, found), [])


def sections(soup):
    """Return [(heading, all text of its section)] of a page, in order."""
    text, found = words(soup.body), []
    for heading in map(words, soup.select(".text_cell_render h2")):
        before, text = text.split(heading, 1)
        found.append(before)
    return [*found, text]


# --- what a fold is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_stored_fold_is_known_for_what_it_is(path):
    """A cell that reveals holds one answer, one that hints one hint; claims are looked up, and stay."""
    revealed = 0
    for cell in nbformat.read(path, as_version=4).cells:
        kinds = [printed.kind(fold) for fold in folds(cell)]
        calls = {"reveal(": ["Answer"], "hint(": ["Hint"], "solution(": ["Solution"], "drill.ask(": ["Answer"],
                 "whiteboard.show(": ["Answer"],
                 "interview.show(": ["Answer"] * len(interview.load().get(int(path.name[:2]), [])),
                 "drill.sheet(": ["Answer"] * len(drill.load()), "claims.search(": [None] * len(kinds)}  # fmt: skip
        called = [call for call in calls if re.search(rf"^{re.escape(call)}", cell.source, re.M)]
        assert kinds == [kind for call in called for kind in calls[call]], cell.source
        revealed += kinds == ["Answer"] and called == ["reveal("]
    assert revealed == len(questions.lessons.read("predictions", int(path.name[:2])))


def test_what_the_library_folds_today_is_known_too(progress_file, monkeypatch):
    """The words by which a fold is known are the library's: whoever changes them there hears of it here."""
    shown = []
    for module in (helps, interview, drill):
        monkeypatch.setattr(module, "display" if module is interview else "show", shown.append)
    question = questions.lessons.find("predictions", "first-word")
    closed = questions.Answer(question, "b", (), "Why.", "").card()
    progress.record("predictions", "first-word", lambda _: {"first": "a", "guess": "a"})
    opened = questions.Answer(question, "b", (), "Why.", "").card()
    helps.hint("best_share", 1)
    helps.solution("best_share")
    interview.show(4)
    drill.ask("4.2.2")
    drill.sheet("4")
    kinds = [{printed.kind(fold) for fold in BeautifulSoup(card.data, "html.parser").find_all("details")}
             for card in (closed, opened, *shown)]  # fmt: skip
    assert " open>" in opened.data and " open>" not in closed.data
    assert kinds == [{"Answer"}, {"Answer"}, {"Hint"}, {"Solution"}, {"Answer"}, {"Answer"}, {"Answer"}]


# --- two lessons as they are -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 4])
def test_every_answer_stands_once_at_the_end_of_its_own_section(number):
    notebook, soup = lesson(number)
    chapters, at, count = sections(soup), 0, 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            at += len(re.findall(r"^## ", cell.source, re.M))
        for fold in folds(cell):
            fold.summary.extract()
            answer, count = words(fold), count + 1
            assert len(answer) > 10 and [chapter.count(answer) for chapter in chapters] == [
                int(n == at) for n in range(len(chapters))
            ], f"{answer[:80]!r} belongs into section {at} alone"
            before, after = chapters[at].split("Answers", 1)
            assert answer in after and answer[:60] not in before
    assert count > 5 and len(soup.select(".held")) == count + len(re.findall(r"^quiz\(", sources(notebook), re.M))


def sources(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


@pytest.mark.parametrize("number", [0, 4])
def test_nothing_follows_the_answers_of_a_section_but_the_next_heading(number):
    _, soup = lesson(number)
    for end in soup.select(".answers"):
        after = end.find_next(lambda tag: tag.name == "h2" or "cell" in tag.get("class", []))
        here = end.find_parent(class_="cell")
        assert (after is None) or (here and after.name == "h2" and after.find_parent(class_="cell") is here)
        assert [tag.name for tag in end.children][0] == "h3"
        order = [head["id"].split("-")[0] for head in end.find_all("h4")]
        assert order == sorted(order, key=["answer", "hint", "solution"].index)
    links = [link["href"][1:] for link in soup.select("p.later a")]
    heads = [head["id"] for head in soup.select(".answers h4")]
    assert sorted(links) == sorted(heads) and len({*heads}) == len(heads)
    back = [head.a["href"][1:] for head in soup.select(".answers h4")]
    assert sorted(back) == sorted(line["id"] for line in soup.select("p.later"))


@pytest.mark.parametrize("number", [0, 4])
def test_every_figure_is_there_once(number):
    notebook, soup = lesson(number)
    kept = [image for cell in notebook.cells for markup in stored(cell) for image in re.findall(PNG, markup)]
    shown = [image["src"] for image in soup.find_all("img") if "formula" not in image.get("class", [])]
    assert collections.Counter(shown) == collections.Counter(kept)
    folded = [image for cell in notebook.cells for markup in stored(cell) if "<details" in markup
              for image in re.findall(PNG, markup)]  # fmt: skip
    assert folded and [image["src"] for image in soup.select(".held img")] == folded


@pytest.mark.parametrize("number", [0, 4])
def test_a_page_holds_no_control_and_asks_the_network_for_nothing(number):
    _, soup = lesson(number)
    assert not soup.select("details, button, iframe, script, link, .anchor-link, .prompt")
    text = soup.body.get_text()
    for live in ("Click an option", "Run this cell again to", "Not attempted yet", "Your progress"):
        assert live not in text, live
    shown = [shown.get_text().strip() for shown in soup.select(".input")]
    assert len(shown) > 10 and not [one for one in shown if re.match("(hint|solution|predict|quiz|progress)[(]", one)]
    fetched = [tag.get("src") or tag.get("href") for tag in soup.select("[src], link[href], object, embed")]
    assert all(address.startswith("data:") for address in fetched) and "url(" not in soup.style.string
    assert "@import" not in soup.style.string and "size: A4" in soup.style.string
    for link in soup.select("a[href*='.html']"):
        assert (printed.ROOT / "notebooks" / link["href"].split("#")[0].replace(".html", ".ipynb")).exists()


def test_a_quiz_has_its_answer_too():
    notebook, soup = lesson(0)
    question = questions.lessons.find("quizzes", re.search(r'^quiz\("(.+?)"\)', sources(notebook), re.M)[1])
    told = words(questions.choice(question, question.answer))
    assert [told in words(held) for held in soup.select(".held")].count(True) == 1


# --- made up -----------------------------------------------------------------------------------------------

CARD = '<div style="border-left:4px solid #0072B2"><details{}><summary>{}</summary>{}</details></div>'
CLAIM = '<details style="x"><summary><b>ENC-01</b> · <span lang="zh">中</span></summary>TRUTH</details>'
ANSWER = "<b>Answer (guess first, then open)</b>"


def code(source, *markups):
    outputs = [v4.new_output("display_data", {"text/html": markup, "text/plain": "plain"}) for markup in markups]
    return v4.new_code_cell(source, outputs=outputs)


def made(*cells):
    soup = BeautifulSoup(printed.page(v4.new_notebook(cells=[*cells])), "html.parser")
    return soup, " ".join(soup.body.get_text(" ").split())


def in_order(text, *parts):
    assert [text.count(part) for part in parts] == [1] * len(parts)
    assert sorted(parts, key=text.index) == [*parts]


def test_headings_end_a_section_wherever_they_stand_and_nothing_else_does():
    soup, text = made(
        v4.new_markdown_cell("# Title\n\nwords\n\n## 1 First"),
        code('solution("best_share")',
             CARD.format("", "One right answer to <code>best_share</code> (there are others)", "SOLVED")),
        code('hint("best_share", 1)', CARD.format("", "Hint 1 of 3", "HINTED")),
        code("reveal(...)", CARD.format("", ANSWER, "<p>SECRET1</p>")),
        v4.new_markdown_cell("### Smaller\n\n```python\n## no heading\n# nor this\n```\n\nlater"),
        code("x", "<h2>an output's heading</h2>"),
        code("reveal(...)", CARD.format(" open", "<b>Answer</b>", "SECRET2")),
        v4.new_markdown_cell("end of first\n\n## 2 Second\n\nbody of second"),
        code("claims.search()", CLAIM),
        code("reveal(...)", CARD.format("", ANSWER, "SECRET3")),
        v4.new_markdown_cell("end of second"),
        v4.new_markdown_cell("# Another title"),
        code("interview.show(1)", CARD.format("", '<b>Why?</b> · <span lang="zh">中</span>', "BECAUSE")),
        v4.new_markdown_cell("closing words"),
    )  # fmt: skip
    in_order(text, "an output's heading", "end of first", "SECRET1", "SECRET2", "HINTED", "SOLVED",
             "2 Second", "body of second", "TRUTH", "end of second", "SECRET3",
             "Another title", "closing words", "BECAUSE")  # fmt: skip
    assert soup.find("details").has_attr("open") and len(soup.find_all("details")) == 1
    assert text.count("Why?") == 2 and text.index("Answer 1 : at the end of this section") < text.index("SECRET1")
    assert text.count("Hint for best_share") == text.count("Solution for best_share") == 2
    shown = [shown.get_text().strip() for shown in soup.select(".input")]
    assert shown == ["reveal(...)", "x", "reveal(...)", "claims.search()", "reveal(...)", "interview.show(1)"]


def test_nothing_is_executed(tmp_path, monkeypatch):
    import jupyter_client

    def never(*_, **__):
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(jupyter_client.KernelManager, "start_kernel", never)
    monkeypatch.setattr(jupyter_client.AsyncKernelManager, "start_kernel", never)
    mark = tmp_path / "ran"
    _, text = made(code(f"open({str(mark)!r}, 'w')\n1 / 0", "<p>as it was stored</p>"))
    assert "as it was stored" in text and not mark.exists()


def test_formulas_are_drawn_where_they_can_be():
    answer = CARD.format("", ANSWER, r'<span class="math">\(n^2\)</span> <code>$a$</code>')
    text = r"Where $\sqrt{d} < 2$ and `$HOME` or $\nosuch{x}$, at $5 & more."
    soup, text = made(v4.new_markdown_cell(text), code("reveal(...)", answer))
    assert [image["alt"] for image in soup.select("img.formula")] == [r"\sqrt{d} < 2", "n^2"]
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in soup.select("img.formula"))
    assert "$HOME" in text and "$a$" in text and r"\nosuch{x}" in text and "at $5 & more." in text


# --- the command -------------------------------------------------------------------------------------------


def test_the_command_writes_the_lessons_that_are_named(tmp_path, monkeypatch, capsys):
    before = LESSONS[0].read_bytes()
    monkeypatch.setattr(printed, "OUT", tmp_path / "print")
    monkeypatch.setattr(printed, "page", lambda notebook: notebook.cells[0].source)
    monkeypatch.setattr(printed, "pdf", lambda pages: False)
    assert printed.main(["3", "00", "03"]) == 0
    written = sorted(path.name for path in (tmp_path / "print").iterdir())
    assert written == ["00_start_here.html", "03_attention_masks.html"] and LESSONS[0].read_bytes() == before
    told = capsys.readouterr().out
    assert "00_start_here.html" in told and "print it" in told and "make setup" in told
    assert printed.main([]) == 0 and len([*(tmp_path / "print").iterdir()]) == len(LESSONS)


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(printed, "OUT", tmp_path / "file" / "print")
    assert printed.main(["3"]) == 1 and "cannot be written: " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["12", "three", "-1"])
def test_an_unknown_lesson_is_told_with_those_that_there_are(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(printed, "OUT", tmp_path / "print")
    assert printed.main(["03", name]) == 2 and not (tmp_path / "print").exists()
    told = capsys.readouterr().err
    assert f"no lesson {name};" in told and "00, 01, 02" in told and "11" in told


def test_without_a_browser_there_is_no_pdf(tmp_path, monkeypatch):
    pytest.importorskip("playwright")
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "none"))
    assert printed.pdf([]) is False
