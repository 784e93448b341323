"""Ask before showing: predictions that a run answers, and multiple-choice questions that the reader answers.

In a notebook: `predict("causal-leak", guess=None)  # type "a", "b" or "c"`, then the experiment, then
`reveal("causal-leak", answer)` with an answer computed from the run. `quiz("mask-or-pad", answer=None)` is
the same without an experiment.
"""

from course_lib.exercises import lessons
from course_lib.notes.cards import Card, inline, plain, show, slip
from course_lib.notes.progress import load, now, record

__all__ = ["predict", "quiz", "reveal"]


def predict(name, guess=None):
    """Show a question before its experiment; with a guess (a letter), record it. Your first guess counts."""
    question = lessons.find("predictions", name)
    if guess is None:
        entry = load()["predictions"].get(name)
        note = 'What do you expect? Type a letter instead of None, as in guess="a", and run the cell.'
        if guessed(question, entry):
            note = f"Your guess so far: {choice(question, entry['guess'])}"
    else:
        letter = valid(question, guess, "guess")
        entry = record("predictions", name, lambda old: committed(question, old, letter))
        note = f"Your guess: {choice(question, letter)}"
        if entry.get("late"):
            note += " It was made after the run had been seen, so it does not count."
        elif entry["first"] != letter:
            note += f" Changed: your first guess, {entry['first']}, is the one that counts."
    show(card("Predict", question, note))


def reveal(name, answer, because=None):
    """Say what the run answered (a letter computed from it), and whether your guess was right.

    `because` replaces the question's own sentence for this answer, for a text with computed numbers.
    """
    question = lessons.find("predictions", name)
    letter = valid(question, answer, "answer")
    entry = load()["predictions"].get(name)
    said = f"the run says {choice(question, letter)}"
    if not guessed(question, entry):
        lead, kind = f"You made no guess; {said}", "note"
    elif entry.get("late"):
        lead, kind = f"Your guess came after the run, so it does not count; {said}", "note"
    elif entry["first"] == letter:
        lead, kind = f"Your guess was right: {said}", "right"
    else:
        lead, kind = f"You guessed {choice(question, entry['first'])} Instead, {said}", "not yet"
    because = question.because[letter] if because is None else because
    body = f"<b>{inline(lead)}</b>" + (f"<br>{inline(because)}" if because else "")
    show(Card(body, plain(lead) + (f"\n{plain(because)}" if because else ""), kind))
    record("predictions", name, lambda old: {**(old or {}), "answer": letter})  # a guess from now on comes too late


def quiz(name, answer=None):
    """Show a self-check question; with an answer (a letter), say whether it is right and why. Right stays right."""
    question = lessons.find("quizzes", name)
    if answer is None:
        show(card("Quiz", question, 'Type a letter instead of None, as in answer="a", and run the cell.'))
        return
    letter = valid(question, answer, "answer")
    right = letter == question.answer
    lead = f"{'Right' if right else 'Not yet'}: {choice(question, letter)}"
    show(card("Quiz", question, f"{lead} {question.because[letter]}", "right" if right else "not yet"))

    def answered(old):
        old = old or {}
        return {"first": letter, **old, "answer": letter, "right": right or bool(old.get("right")), "when": now()}

    record("quizzes", name, answered)


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


def committed(question, old, letter):
    """Return the progress entry after a guess; the first one stays, and is late if the run was seen before it."""
    if not guessed(question, old):
        entry = {"first": letter, "guess": letter, "when": now()}
        return {**entry, "answer": old["answer"], "late": True} if old and "answer" in old else entry
    if old["guess"] == letter:
        return old
    return {**old, "guess": letter, "changed": [*old.get("changed", []), [letter, now()]]}


def choice(question, letter):
    """Return an option as a sentence: 'b) it falls to zero.'"""
    text = question.options[letter]
    return f"{letter}) {text}" + ("" if text.endswith((".", "!", "?")) else ".")


def card(title, question, note, kind="note"):
    """Return a question with its options and a note below."""
    options = "".join(f"<li><b>{letter})</b> {inline(text)}</li>" for letter, text in question.options.items())
    body = (
        f"<b>{title}:</b> {inline(question.text)}"
        f'<ul style="list-style:none;padding-left:1em;margin:0.3em 0">{options}</ul><i>{inline(note)}</i>'
    )
    lines = [f"{title}: {plain(question.text)}"]
    lines += [f"  {letter}) {plain(text)}" for letter, text in question.options.items()]
    return Card(body, "\n".join([*lines, plain(note)]), kind)
