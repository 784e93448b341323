"""The exercises of lesson 05: references, other right answers and known mistakes."""

import torch

from course_lib.exercises.lesson_05.corrupting import CORRUPT
from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


def become(tokens, rate=0.15):
    selected = tokens * rate
    return 0.8 * selected, 0.1 * selected, 0.1 * selected, selected


def become_cases():
    yield (1000,)
    yield (30_522,)
    yield 512, 0.15
    yield 1000, 0.4


def become_by_shares(tokens, rate=0.15):
    return tuple(share * rate * tokens for share in (0.8, 0.1, 0.1, 1.0))


def all_become_mask(tokens, rate=0.15):
    return tokens * rate, 0.0, 0.0, tokens * rate


def shares_of_all(tokens, rate=0.15):
    return 0.8 * tokens, 0.1 * tokens, 0.1 * tokens, rate * tokens


def loss_at_masks_only(tokens, rate=0.15):
    return *become(tokens, rate)[:3], 0.8 * rate * tokens


def loss_everywhere(tokens, rate=0.15):
    return *become(tokens, rate)[:3], float(tokens)


def masked_labels(original, corrupted, selected):
    return original.masked_fill(~selected, -100)


def masked_labels_cases():
    yield (torch.tensor([[2, 17, 9, 30, 3]]), torch.tensor([[2, 4, 9, 30, 3]]),
           torch.tensor([[False, True, False, True, False]]))  # fmt: skip
    yield (torch.tensor([[2, 8, 30, 11, 3], [2, 5, 6, 21, 3]]), torch.tensor([[2, 4, 30, 27, 3], [2, 5, 4, 21, 3]]),
           torch.tensor([[False, True, False, True, False], [False, True, True, False, False]]))  # fmt: skip


def masked_labels_by_where(original, corrupted, selected):
    return torch.where(selected, original, torch.tensor(-100))


def masked_labels_by_copy(original, corrupted, selected):
    labels = original.clone()
    labels[~selected] = -100
    return labels


def labels_of_the_input(original, corrupted, selected):
    return corrupted.masked_fill(~selected, -100)


def labels_where_changed(original, corrupted, selected):
    return original.masked_fill(original == corrupted, -100)


def labels_with_zero(original, corrupted, selected):
    return original.masked_fill(~selected, 0)


def labels_everywhere(original, corrupted, selected):
    return original.clone()


def labels_at_the_others(original, corrupted, selected):
    return original.masked_fill(selected, -100)


def whole_words(pieces):
    words = []
    for t, piece in enumerate(pieces):
        if piece in ("[CLS]", "[SEP]", "[PAD]"):
            continue
        if piece.startswith("##"):
            words[-1].append(t)
        else:
            words.append([t])
    return words


def whole_words_cases():
    yield (["[CLS]", "play", "##ing", "chess", "[SEP]"],)
    yield (["[CLS]", "token", "##i", "##za", "##tion", "is", "un", "##fair", ".", "[SEP]", "[PAD]", "[PAD]"],)
    yield (["[CLS]", "a", "b", "[SEP]", "doc", "##string", "##s", "[SEP]"],)


def whole_words_by_starts(pieces):
    ordinary = [t for t, piece in enumerate(pieces) if piece not in {"[CLS]", "[SEP]", "[PAD]"}]
    starts = [t for t in ordinary if not pieces[t].startswith("##")]
    return [[t for t in ordinary if a <= t < b] for a, b in zip(starts, [*starts[1:], len(pieces)], strict=True)]


def each_piece_alone(pieces):
    return [[t] for t, piece in enumerate(pieces) if piece not in ("[CLS]", "[SEP]", "[PAD]")]


def special_tokens_too(pieces):
    words = []
    for t, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(t)
        else:
            words.append([t])
    return words


def beginnings_only(pieces):
    return [word[:1] for word in whole_words(pieces)]


def counted_without_specials(pieces):
    return whole_words([piece for piece in pieces if piece not in ("[CLS]", "[SEP]", "[PAD]")])


def split_words_only(pieces):
    return [word for word in whole_words(pieces) if len(word) > 1]


def answer_at_visible(p, shown, random, keep):
    likelihood = torch.full_like(p, random / len(p))  # any true word may have been replaced by the shown one
    likelihood[shown] += keep  # only the shown word can have been kept
    joint = p * likelihood
    return joint / joint.sum()


def answer_at_visible_cases():
    p = torch.tensor([0.7, 0.2, 0.05, 0.05])
    yield p, 1, 0.1, 0.1
    yield p, 0, 0.1, 0.1
    yield p, 3, 0.0, 0.2
    yield p, 2, 0.2, 0.0
    yield torch.tensor([0.0, 0.5, 0.25, 0.125, 0.125]), 0, 0.1, 0.1


def answer_by_loop(p, shown, random, keep):
    joint = [p[w] * (random / len(p) + (keep if w == shown else 0.0)) for w in range(len(p))]
    return torch.stack(joint) / sum(joint)


def answer_by_mixture(p, shown, random, keep):
    was_kept = keep * p[shown]  # P(kept, and this word shown)
    was_replaced = random / len(p)  # P(replaced, and this word shown), whatever the true word was
    copy = torch.zeros_like(p)
    copy[shown] = 1.0
    return (was_kept * copy + was_replaced * p) / (was_kept + was_replaced)


def context_alone(p, shown, random, keep):
    return p.clone()


def copies_always(p, shown, random, keep):
    out = torch.zeros_like(p)
    out[shown] = 1.0
    return out


def context_forgotten(p, shown, random, keep):
    likelihood = torch.full_like(p, random / len(p))
    likelihood[shown] += keep
    return likelihood / likelihood.sum()


def not_divided(p, shown, random, keep):
    likelihood = torch.full_like(p, random / len(p))
    likelihood[shown] += keep
    return p * likelihood


def random_for_each(p, shown, random, keep):
    likelihood = torch.full_like(p, random)
    likelihood[shown] += keep
    return p * likelihood / (p * likelihood).sum()


EXERCISES = (
    Exercise(
        name="become", lesson=5, minutes=3, difficulty=1,
        reference=become, cases=become_cases,
        mistakes=(
            Mistake("all [MASK]", all_become_mask,
                    "you turned all selected tokens into [MASK]: only 80% of them are, so 12% of all tokens at the "
                    "usual rate."),
            Mistake("shares of all", shares_of_all,
                    "80/10/10 are shares of the selected tokens, not of all tokens."),
            Mistake("loss at [MASK]", loss_at_masks_only,
                    "the loss is also taken at the selected tokens that were replaced or left as they were."),
            Mistake("loss everywhere", loss_everywhere,
                    "the loss is not taken at tokens that were not selected: the model could copy them."),
        ),
        hints=("First: how many are selected? Everything else is a share of these.",
               "For 1,000 tokens: 150 are selected, and 80% of 150 become [MASK]."),
        alternatives=(become_by_shares,),
    ),
    CORRUPT,
    Exercise(
        name="masked_labels", lesson=5, minutes=4, difficulty=1,
        reference=masked_labels, cases=masked_labels_cases,
        mistakes=(
            Mistake("of the input", labels_of_the_input,
                    "the labels come from the corrupted text: the model would be asked to predict [MASK] itself."),
            Mistake("where changed", labels_where_changed,
                    "selected tokens that stayed as they were are not asked for. Without them nobody asks the model "
                    "about a right word that it sees: the 10% that are kept would be for nothing."),
            Mistake("zero", labels_with_zero,
                    "0 is a token of its own ([PAD] in BERT): cross-entropy leaves out the label -100 only."),
            Mistake("everywhere", labels_everywhere,
                    "every position is asked for: at visible words the answer stands in the input."),
            Mistake("the others", labels_at_the_others,
                    "you kept the labels of the positions that were not selected."),
        ),
        hints=("Which of the two texts holds the right answers?", "`original.masked_fill(...)` with -100."),
        alternatives=(masked_labels_by_where, masked_labels_by_copy),
    ),
    Exercise(
        name="whole_words", lesson=5, minutes=6, difficulty=2,
        reference=whole_words, cases=whole_words_cases,
        mistakes=(
            Mistake("each alone", each_piece_alone,
                    "every piece is a group of its own: a piece that begins with '##' belongs to the word before it."),
            Mistake("special tokens", special_tokens_too,
                    "[CLS], [SEP] or [PAD] are among the words: they are never masked."),
            Mistake("beginnings", beginnings_only,
                    "only the first piece of each word is there: the '##' pieces are lost."),
            Mistake("shifted", counted_without_specials,
                    "the positions do not count [CLS]: they must point into `pieces`."),
            Mistake("split words", split_words_only,
                    "words of a single piece are missing: they can be chosen as well."),
        ),
        hints=("Walk through the pieces and keep a list of words; when does a new word begin?",
               "`piece.startswith('##')`: then append the position to the last word."),
        alternatives=(whole_words_by_starts,),
    ),
    Exercise(
        name="answer_at_visible", lesson=5, minutes=10, difficulty=3,
        reference=answer_at_visible, cases=answer_at_visible_cases,
        mistakes=(
            Mistake("context alone", context_alone,
                    "the word that stands there is ignored: it may have been kept, so it is evidence."),
            Mistake("copy", copies_always,
                    "you always trust the word that you see: it may be one of those that were replaced."),
            Mistake("no context", context_forgotten,
                    "what the context says (`p`) is forgotten: that is Bayes' rule without the prior."),
            Mistake("not divided", not_divided, "the probabilities do not add up to 1: divide by their sum."),
            Mistake("random for each", random_for_each,
                    "a replaced word is drawn from V words: the shown one comes up with random / V, not `random`."),
        ),
        hints=("Bayes: P(true word) times P(this word is shown | true word), divided by the sum.",
               "If the true word is w: shown because replaced, random / V; and if w is the shown word, also because "
               "kept, + keep."),
        alternatives=(answer_by_loop, answer_by_mixture),
    ),
)  # fmt: skip
