"""Exercises about answers in a text: the best span, and how near an answer is to the right one."""

from collections import Counter

import torch

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


def best_answer(start, end, longest):
    spans = [(s, e) for s in range(len(start)) for e in range(s, min(s + longest, len(end)))]
    return max(spans, key=lambda span: start[span[0]] + end[span[1]])


def best_answer_cases():
    yield [0.0, 3.0, 1.0], [2.0, 0.5, 1.0], 3
    yield [5.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 4.5], 2
    yield [0.0, 4.0, 0.0, 0.0], [1.0, 2.0, 0.0, 3.0], 2
    yield [-1.0, -4.0, -2.0, -8.0], [-7.0, -3.0, -1.0, -5.0], 4
    yield [0.1, 2.0, 0.3, 1.9, -1.0, 0.2], [1.0, -3.0, 0.4, 0.2, 2.5, 3.5], 3


def best_answer_by_loops(start, end, longest):
    best, answer = float("-inf"), None
    for e in range(len(end)):
        for s in range(max(0, e - longest + 1), e + 1):
            if start[s] + end[e] > best:
                best, answer = start[s] + end[e], (s, e)
    return answer


def best_answer_by_table(start, end, longest):
    sums = torch.tensor(start, dtype=torch.float64)[:, None] + torch.tensor(end, dtype=torch.float64)
    allowed = torch.ones_like(sums).triu().tril(longest - 1).bool()
    return divmod(sums.masked_fill(~allowed, -torch.inf).argmax().item(), len(end))


def each_for_itself(start, end, longest):
    return max(range(len(start)), key=start.__getitem__), max(range(len(end)), key=end.__getitem__)


def any_length(start, end, longest):
    return best_answer(start, end, len(end))


def start_first(start, end, longest):
    s = max(range(len(start)), key=start.__getitem__)
    return s, max(range(s, min(s + longest, len(end))), key=end.__getitem__)


def product_of_scores(start, end, longest):
    spans = [(s, e) for s in range(len(start)) for e in range(s, min(s + longest, len(end)))]
    return max(spans, key=lambda span: start[span[0]] * end[span[1]])


def one_word_too_many(start, end, longest):
    return best_answer(start, end, longest + 1)


def answer_f1(answer, gold):
    shared = (Counter(answer) & Counter(gold)).total()
    return 2 * shared / (len(answer) + len(gold))


def answer_f1_cases():
    yield ["the", "kitchen"], ["kitchen"]
    yield ["Anna"], ["Ben"]
    yield ["dog", "and", "dog"], ["dog", "and", "cat"]
    yield ["in", "the", "old", "kitchen", "of", "the", "farm"], ["the", "old", "kitchen"]


def answer_f1_by_two_shares(answer, gold):
    shared = sum(min(answer.count(word), gold.count(word)) for word in set(answer))
    if not shared:
        return 0.0
    precision, recall = shared / len(answer), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def as_sets(answer, gold):
    shared = len(set(answer) & set(gold))
    return 2 * shared / (len(set(answer)) + len(set(gold)))


def exact_match(answer, gold):
    return float(answer == gold)


def precision_only(answer, gold):
    return (Counter(answer) & Counter(gold)).total() / len(answer)


def recall_only(answer, gold):
    return (Counter(answer) & Counter(gold)).total() / len(gold)


def plain_mean(answer, gold):
    return (precision_only(answer, gold) + recall_only(answer, gold)) / 2


EXERCISES = (
    Exercise(
        name="best_answer", lesson=8, minutes=8, difficulty=2,
        reference=best_answer, cases=best_answer_cases,
        mistakes=(
            Mistake("each for itself", each_for_itself,
                    "start and end are chosen independently, so an answer can end before it begins."),
            Mistake("any length", any_length, "the answer may be longer than `longest` words."),
            Mistake("start first", start_first,
                    "the best start is fixed first and then the best end for it: another pair may have a larger sum."),
            Mistake("product", product_of_scores,
                    "the scores are multiplied: they are log-probabilities up to a constant, so add them."),
            Mistake("one too many", one_word_too_many,
                    "answers of longest + 1 words are let through: from s to e there are e - s + 1 words."),
        ),
        hints=("Write down all allowed pairs (s, e): s <= e, and at most `longest` words.",
               "`max(pairs, key=lambda pair: start[pair[0]] + end[pair[1]])`."),
        alternatives=(best_answer_by_loops, best_answer_by_table),
    ),
    Exercise(
        name="answer_f1", lesson=8, minutes=6, difficulty=1,
        reference=answer_f1, cases=answer_f1_cases,
        mistakes=(
            Mistake("sets", as_sets,
                    "words are counted once however often they occur: SQuAD's score counts them with repetition."),
            Mistake("exact match", exact_match,
                    "that is exact match, SQuAD's other score: F1 gives credit for a part of the answer."),
            Mistake("precision", precision_only,
                    "that is the precision, the share of your answer that is right: one right word would score 1."),
            Mistake("recall", recall_only,
                    "that is the recall, the share of the gold answer that was found: the whole text would score 1."),
            Mistake("plain mean", plain_mean,
                    "precision and recall are averaged plainly: F1 is their harmonic mean."),
        ),
        hints=("How many words do both have in common, counted with repetition? `Counter(a) & Counter(b)`.",
               "F1 = 2 * shared / (words of the answer + words of the gold answer)."),
        alternatives=(answer_f1_by_two_shares,),
    ),
)  # fmt: skip
