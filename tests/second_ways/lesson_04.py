"""A second way to each answer of lesson 04, found without the first."""

import torch


def draw_questions(tokens, goal, hidden=()):
    every, drawn = range(len(tokens)), []
    for answer, token in enumerate(tokens):
        asked = answer - 1 if goal == "causal" else answer
        if answer in hidden or (goal == "causal" and answer > 0):
            drawn.append((asked, token, [j for j in every if j <= asked or goal == "masked"]))
    return drawn


def which_fault(ids, said, floor, ceiling):
    found = []
    for k, name in enumerate(("labels not shifted", "fine", "labels shifted twice")):
        rows = zip(said.tolist(), ids.tolist(), strict=True)
        pairs = [(s, i) for row, words in rows for s, i in zip(row, words[k:], strict=False)]
        found.append((sum(s == i for s, i in pairs) / len(pairs), -k, name))
    share, _, name = max(found)
    if share <= floor:
        return "untrained"
    return "sees the answer" if name == "fine" and share > ceiling else name


def fill_with_few(log_p, row, at, budget):
    def whole(word):
        words = [*row[:at].tolist(), word, *row[at + 1 :].tolist()]
        said = log_p(torch.tensor([words]))[0]
        return sum(said[t, after].item() for t, after in enumerate(words[1:]))

    left = log_p(row[None])[0, at - 1].tolist()
    first = sorted(range(len(left)), key=lambda word: -left[word])[: budget - 1]
    return max(first, key=whole)


def selected_loss(logits, labels):
    terms = [
        row.logsumexp(0) - row[label]
        for rows, asked in zip(logits, labels, strict=True)
        for row, label in zip(rows, asked, strict=True)
        if label >= 0
    ]
    return sum(terms) / len(terms)
