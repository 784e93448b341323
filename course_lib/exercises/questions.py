"""Ask before showing: predictions that a run answers, and multiple-choice questions that the reader answers.

In a notebook: `predict("causal-leak")`, then the experiment, then `reveal("causal-leak", answer, figure, gap=gap)` with
an answer computed from the run. The reader clicks an option, or types it: `predict("causal-leak", "b")`. All that would
give the answer away stands in the fold that reveal makes: the answer, what it is given to show, and the paragraph that
reads it, from the prediction's entry in lesson_NN.yaml. `quiz("mask-or-pad")` is the same without an experiment.
"""

import os

from course_lib.exercises import clicks, lessons
from course_lib.kernel import cut_short
from course_lib.notes.cards import Card, inline, show, slip, texts
from course_lib.notes.progress import load, now, record

__all__ = ["predict", "quiz", "reveal"]

HOW = {
    "predictions": 'What do you expect? Click an option, or type its letter: `predict("{name}", "a")`.',
    "quizzes": 'Click an option, or type its letter: `quiz("{name}", "a")`.',
}
LATE = "The answer was on the page before it, so it does not count."

_answers: dict[str, "Answer"] = {}  # the answers on the page of this kernel, by the prediction's name
_cut_before: dict[str, str | None] = {}  # the training that was cut short before a question: not the one it is about


def predict(name, guess=None):
    """Ask a question before its experiment; a guess (a letter, clicked or typed) is recorded. The first one counts."""
    question = lessons.find("predictions", name)
    _cut_before[name] = cut_short()
    if guess is not None:
        _commit(question, guess)
    entry = load()["predictions"].get(name)
    note, chosen = HOW["predictions"].format(name=name), None
    if guessed(question, entry):
        note, chosen = _note(question, entry), entry["guess"]
    show(clicks.Asked("Predict", question, note, lambda letter: _commit(question, letter), chosen))


def reveal(name, answer, *shown, **values):
    """Fold away what the run answered: a letter computed from it, what shows it, and the paragraph that reads it.

    shown: figures, tables and texts (Markdown). values: the numbers that the prediction's `read` names, as in
    "{gap:.1f}", and that its conditions (`holds`) are about: where one is false in this run, the paragraph would be
    wrong, so the page says which condition failed instead (an AssertionError with COURSE_STRICT=1, as in CI).
    ValueError for a letter that is no option and for a value that is missing.
    """
    question = lessons.find("predictions", name)
    letter = valid(question, answer, "answer")
    if (stopped := cut_short()) and _cut_before.get(name) != stopped:
        text = f"{stopped} was stopped early, so there is no answer yet: run its cell again, then this one."
        show(Card(inline(text), text, "open"))
        return
    read, wrong = question.read_with(values)
    assert not wrong or os.environ.get("COURSE_STRICT") != "1", f"{name}: {wrong} is false in this run: {values}"
    answer = _answers[name] = Answer(question, letter, shown, read, wrong)
    answer.show()
    record("predictions", name, lambda old: {**(old or {}), "answer": letter})  # a guess from now on comes too late


def quiz(name, answer=None):
    """Ask a self-check question; an answer (a letter, clicked or typed) is told whether it is right and why.

    Right stays right: other options can be tried to read why they are wrong.
    """
    question = lessons.find("quizzes", name)
    note, kind = (HOW["quizzes"].format(name=name), "note") if answer is None else _judge(question, answer)
    show(clicks.Asked("Quiz", question, note, lambda letter: _judge(question, letter)[0], answer, kind))


class Answer:
    """What a prediction's run showed, as a fold: open for who has guessed, closed for who has not."""

    def __init__(self, question, letter, shown, read, wrong):
        self.question, self.letter, self.shown, self.read, self.wrong = question, letter, shown, read, wrong
        self.handle = None

    def show(self):
        """Display the fold; after a guess that came later, display it anew in its place, open."""
        card = self.card()
        if self.handle is None:
            self.handle = show(card, updatable=True)
        else:
            self.handle.update(card)

    def card(self):
        """Return the fold as a card, with what there is to say to the option that was chosen."""
        question, because = self.question, self.question.because
        entry = load()["predictions"].get(question.name)
        chose = entry["first"] if guessed(question, entry) else None
        said = f"**The run says {choice(question, self.letter)}** {because[self.letter]}"
        if chose == self.letter:
            said = f"**You were right: the run says {choice(question, self.letter)}** {because[self.letter]}"
        elif chose:
            said = f"You said {choice(question, chose)} {because[chose]}\n\n{said}"
        if chose and entry.get("late"):
            said += f"\n\n*Your guess: {LATE[0].lower()}{LATE[1:]}*"
        kind = "note" if not chose or entry.get("late") else "right" if chose == self.letter else "not yet"
        read = self.read if not self.wrong else (
            f"In this run the lesson's usual reading does not hold: `{self.wrong}` is false here. "
            "What you see above is what your run says."
        )  # fmt: skip
        parts = [texts(part) for part in (said, *self.shown, read) if part != ""]
        summary = "Answer" if chose else "Answer (guess first, then open)"
        body = f"<details{' open' if chose else ''}><summary><b>{summary}</b></summary>{''.join(p[0] for p in parts)}"
        return Card(body + "</details>", "\n\n".join(part[1] for part in parts), kind)


def valid(question, letter, what):
    """Return the letter in lower case; ValueError that names the options."""
    tidy = letter.strip().lower() if isinstance(letter, str) else None
    if tidy not in question.options:
        letters = ", ".join(f'"{option}"' for option in question.options)
        raise slip(ValueError(f"{what} {letter!r} is none of the options of {question.name!r}: {letters}"))
    return tidy


def guessed(question, entry):
    """Return whether a progress entry holds a guess that is still one of the options."""
    return bool(entry) and entry.get("first") in question.options and entry.get("guess") in question.options


def choice(question, letter):
    """Return an option as a sentence: 'b) it falls to zero.'"""
    text = question.options[letter]
    return f"{letter}) {text}" + ("" if text.endswith((".", "!", "?")) else ".")


def _commit(question, letter):
    """Record a guess, open the answer if it is on the page, and return what to say."""
    letter = valid(question, letter, "guess")
    entry = record("predictions", question.name, lambda old: _committed(question, old, letter))
    if question.name in _answers:
        _answers[question.name].show()
    return _note(question, entry)


def _committed(question, old, letter):
    """Return the progress entry after a guess; the first one stays, and is late if the run was seen before it."""
    if not guessed(question, old):
        entry = {"first": letter, "guess": letter, "when": now()}
        return {**entry, "answer": old["answer"], "late": True} if old and "answer" in old else entry
    if old["guess"] == letter:
        return old
    return {**old, "guess": letter, "changed": [*old.get("changed", []), [letter, now()]]}


def _note(question, entry):
    """Say what was guessed, and whether it counts."""
    note = f"Your guess: {choice(question, entry['guess'])}"
    if entry.get("late"):
        return f"{note} {LATE}"
    if entry["first"] != entry["guess"]:
        return f"{note} Changed: your first guess, {entry['first']}, is the one that counts."
    return note


def _judge(question, answer):
    """Record the answer to a quiz; return what to say, and the kind of card."""
    letter = valid(question, answer, "answer")
    right = letter == question.answer

    def answered(old):
        old = old or {}
        return {"first": letter, **old, "answer": letter, "right": right or bool(old.get("right")), "when": now()}

    record("quizzes", question.name, answered)
    lead = f"{'Right' if right else 'Not yet'}: {choice(question, letter)}"
    return f"{lead} {question.because[letter]}", "right" if right else "not yet"
