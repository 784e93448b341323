"""A second way to each answer of lesson 08, found without the first."""

import torch

from course_lib.exercises.lesson_08 import f1 as answer_f1  # noqa: F401, with regular expressions


def word_tags(word_ids, scores):
    found = []
    for word in range(len({*word_ids} - {None})):
        sums = [sum(row[label] for row, other in zip(scores.tolist(), word_ids, strict=True) if other == word)
                for label in range(scores.shape[1])]  # fmt: skip
        found.append(sums.index(max(sums)))
    return found


def mean_of_tokens(hidden, attention_mask):
    pairs = zip(hidden, attention_mask.bool(), strict=True)
    return torch.stack([row[real].double().mean(dim=0) for row, real in pairs])


def head_parameters(names, loaded):
    return sorted({*names} - loaded, key=names.index)


def best_answer(start, end, longest):
    sums = torch.tensor(start, dtype=torch.float64)[:, None] + torch.tensor(end, dtype=torch.float64)
    allowed = torch.ones_like(sums).triu().tril(longest - 1).bool()
    return divmod(sums.masked_fill(~allowed, -torch.inf).argmax().item(), len(end))
