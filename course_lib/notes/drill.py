"""The interview drill: every heading of the notes as a question, which you answer and then mark yourself.

`drill.ask("1.2")` asks; with `answer="..."` it shows the points that an answer must not miss; with `said=[1, 3]` it
keeps which of them you said. `drill.ask()` asks what you know least. The questions are in data/drill.yaml.
"""

import functools
from dataclasses import dataclass

import yaml

from course_lib.notes.cards import Card, chinese, inline, show, slip
from course_lib.notes.progress import load as load_progress
from course_lib.notes.progress import now, record
from course_lib.places import DATA

__all__ = ["Point", "Prompt", "ask", "find", "folds", "load", "marks", "sheet", "weakest"]

CHAPTERS = {
    "1": "Why encoder-only", "2": "BERT and GPT", "3": "Encoder-only and decoder-only", "4": "Attention",
    "5": "Next sentence prediction", "6": "RoBERTa",
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """What an answer must not miss, and the claims that show it."""

    en: str
    zh: str
    claims: list[str]


@dataclass(frozen=True)
class Prompt:
    """A heading of the notes as an interview question."""

    id: str  # the notes' section, '4.2.1'
    heading: str  # in the notes' words
    en: str
    zh: str
    points: list[Point]


@functools.cache
def load() -> tuple[Prompt, ...]:
    """Read all questions in the notes' order."""
    entries = yaml.safe_load((DATA / "drill.yaml").read_text(encoding="utf-8"))
    return tuple(Prompt(**entry | {"points": [Point(**point) for point in entry["points"]]}) for entry in entries)


def find(id):
    """Return a question by the notes' section; ValueError with those of its chapter when there is none."""
    prompts = {prompt.id: prompt for prompt in load()}
    if id not in prompts:
        near = [other for other in prompts if other[:1] == str(id)[:1]] or list(CHAPTERS)
        raise slip(ValueError(f"there is no question {id!r}; ask for one of these, as text: {', '.join(near)}"))
    return prompts[id]


def ask(id=None, answer="", said=None):
    """Ask a question of the drill (by default the one you know least), take your answer, keep your marks.

    answer: your own words, in any language; they open the points that it must not miss. said: the numbers of the
    points that you had, as in said=[1, 3] ([] for none); the latest marks count, and they need the id. ValueError for
    what is no list of points.
    """
    prompt = find(id) if id is not None else weakest()
    kept = {"answer": answer} if answer.strip() else {}
    if said is not None:
        if id is None:  # run twice, it would mark the question after this one
            raise slip(ValueError(f'say which question you mark: drill.ask("{prompt.id}", said={said!r})'))
        numbers = [*range(1, len(prompt.points) + 1)]
        if not isinstance(said, list) or any(n not in numbers for n in said):
            raise slip(ValueError(f"said={said!r:.60} is no list of the points of {prompt.id}, which has {numbers}: "
                                  "said=[1, 3], for example, or said=[] for none"))  # fmt: skip
        said = sorted(set(said))
        kept |= {"said": said, "of": len(numbers)}
    if kept:
        record("drill", prompt.id, lambda old: {**(old or {}), **kept, "when": now()})
    show(_card(prompt, answer, said))


def weakest():
    """Return the question to be asked next: the first that you never marked, else the one with the lowest mark."""
    done = _marked()
    return min(load(), key=lambda prompt: len(done[prompt.id]) / len(prompt.points) if prompt.id in done else -1)


def marks():
    """Show how far you are, chapter by chapter, and which question comes next."""
    from course_lib.plots.tables import table  # numpy and IPython only when something is shown

    done, rows = _marked(), []
    for number, title in CHAPTERS.items():
        prompts = [prompt for prompt in load() if prompt.id[0] == number]
        marked = [prompt for prompt in prompts if prompt.id in done]
        points = f"{sum(len(done[p.id]) for p in marked)} of {sum(len(p.points) for p in marked)}" if marked else "–"
        rows.append([f"{number} {title}", f"{len(marked)} of {len(prompts)}", points])
    header = ["chapter of the notes", "questions marked", "points said"]
    return table(rows, header, f"Next: {weakest().id} {weakest().en}")


def sheet(chapter=None):
    """Show all questions (of one chapter, '4'), with the points folded: to test a friend, or to print."""
    if chapter is not None and str(chapter) not in CHAPTERS:
        raise slip(ValueError(f"there is no chapter {chapter!r}; the chapters are {', '.join(CHAPTERS)}"))
    chosen = [prompt for prompt in load() if chapter is None or prompt.id[0] == str(chapter)]
    show(Card(folds(chosen), "\n".join(f"{prompt.id:6}{prompt.en} {prompt.zh}" for prompt in chosen)))


def folds(prompts):
    """Return questions as HTML, each with its points folded."""
    return "".join(
        f"<details><summary><b>{prompt.id}</b> {inline(prompt.en)} · {chinese(prompt.zh)}</summary>"
        f"{_points(prompt)[0]}</details>"
        for prompt in prompts
    )


def _marked():
    """Return {question: the numbers of the points said}; what was marked before its points changed is left out."""
    done, points = load_progress()["drill"], {prompt.id: len(prompt.points) for prompt in load()}
    return {id: entry["said"] for id, entry in done.items() if "said" in entry and entry.get("of") == points.get(id)}


def _card(prompt, answer, said):
    """Return the question, and of the points what there is to show by now."""
    head = f"<b>{prompt.id}</b> {inline(prompt.en)}<br>{chinese(prompt.zh)}"
    lines = [f"{prompt.id}  {prompt.en}", f"{' ' * len(prompt.id)}  {prompt.zh}"]
    points, listed = _points(prompt, said)
    kind = "note"
    if answer.strip():
        head += f"<br><i>You:</i> {inline(answer)}"
        lines.append(f"You: {answer}")
    if said is not None:
        missed = [point for n, point in enumerate(prompt.points, 1) if n not in said]
        kind = "not yet" if missed else "right"
        note = f"Marked: {len(said)} of {len(prompt.points)}."
        if missed:
            note += f' Read up what you missed: `claims.show_claim("{missed[0].claims[0]}")`.'
    elif answer.strip():
        call = f'`drill.ask("{prompt.id}", said=[1, 2])`'
        note = f"Which of these did you say? {call}, for example, or `said=[]` for none."
    else:
        note = f'Say it aloud, or write it: `drill.ask("{prompt.id}", answer="...")`. Then compare.'
        title = f"What must not be missing ({len(prompt.points)} points)"
        points, listed = f"<details><summary>{title}</summary>{points}</details>", []
    return Card(f"{head}{points}<i>{inline(note)}</i>", "\n".join([*lines, *listed, note]), kind)


def _points(prompt, said=None):
    """Return the points as an HTML list and as lines of text; with `said`, what was said is ticked."""
    items, lines = "", []
    for n, point in enumerate(prompt.points, 1):
        tick, behind = "" if said is None else "✓ " if n in said else "✗ ", ", ".join(point.claims)
        items += f"<li>{tick}{inline(point.en)}<br>{chinese(point.zh)} <small>{behind}</small></li>"
        lines.append(f"  {n}. {tick}{point.en} {point.zh} ({behind})")
    return f'<ol style="margin:0.3em 0">{items}</ol>', lines
