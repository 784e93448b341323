"""Episodes of pairs: each holds to its mapping, and the best possible score is what perfect look-up reaches."""

from types import SimpleNamespace

import pytest
import torch

from course_lib.apply import in_context_data
from course_lib.apply.in_context_data import DIGITS, LETTERS, answers, best_accuracy, draw
from course_lib.exercises import compare as values


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pairs_of(row):
    said = in_context_data.tokenizer().convert_ids_to_tokens(row.tolist())
    assert (said[0], said[-1]) == ("[CLS]", "[SEP]")
    return list(zip(said[1:-1:2], said[2:-1:2], strict=True))


def test_an_episode_holds_to_its_mapping_and_knows_what_was_shown():
    drawn = draw(40, 12, seeded())
    assert drawn.rows.shape == (40, 26) and drawn.shown.shape == (40, 12)
    for row, shown in zip(drawn.rows, drawn.shown.tolist(), strict=True):
        pairs = pairs_of(row)
        assert len(set(pairs)) == len({letter for letter, _ in pairs}) <= 4
        assert shown == [letter in [earlier for earlier, _ in pairs[:i]] for i, (letter, _) in enumerate(pairs)]


def test_letters_and_digits_are_drawn_evenly():
    drawn = draw(4000, 1, seeded())
    pairs = [pair for row in drawn.rows for pair in pairs_of(row)]
    for place, names in enumerate((LETTERS, DIGITS)):
        for name in names:
            count = sum(pair[place] == name for pair in pairs)
            assert values.within_binomial(count, 4000, 1 / len(names))


def test_mappings_are_new_or_all_the_same():
    drawn = draw(3000, 60, seeded())
    said = [tuple(sorted(set(pairs_of(row)))) for row in drawn.rows]
    full = {}  # 60 pairs show all four letters, but for a few episodes
    for number, mapping in zip(drawn.mappings.tolist(), said, strict=True):
        if len(mapping) == 4:
            assert full.setdefault(number, mapping) == mapping
    assert len(full) == len(set(full.values())) > 2900
    fixed = draw(50, 9, seeded(), torch.arange(8))
    assert all(DIGITS.index(d) == LETTERS.index(letter) for row in fixed.rows for letter, d in pairs_of(row))
    assert torch.equal(draw(5, 4, seeded(7)).rows, draw(5, 4, seeded(7)).rows)


def test_known_mappings_are_left_out():
    training, test = draw(500, 3, seeded(1)), draw(60, 3, seeded(2))
    mixed = in_context_data.Episodes(*(torch.cat([getattr(e, part) for e in (training, test)])
                                for part in ("rows", "mappings", "shown")))  # fmt: skip
    left = mixed.without(training)
    assert torch.equal(left.rows, test.without(training).rows) and len(left.rows) > 55
    assert not set(left.mappings.tolist()) & set(training.mappings.tolist())


class LookUp:
    """Answer with the digit that stood after this letter before, else always '1'; or always '1'."""

    device = torch.device("cpu")

    def __init__(self, looks=True):
        self.looks = looks

    def __call__(self, rows):
        words = in_context_data.tokenizer()
        logits = torch.zeros(*rows.shape, len(words))
        logits[..., words.convert_tokens_to_ids("1")] = 1.0
        logits[..., words.convert_tokens_to_ids("a")] = 9.0  # not a digit: does not count as an answer
        for r, row in enumerate(rows.tolist()):
            for t in range(3, len(row) - 1, 2):
                for s in range(1, t, 2):
                    if self.looks and row[s] == row[t]:
                        logits[r, t, row[s + 1]] = 2.0
        return SimpleNamespace(logits=logits)


def test_the_best_accuracy_is_what_perfect_look_up_reaches():
    drawn = draw(2000, 10, seeded(3))
    right = answers(LookUp(), drawn)
    assert right[drawn.shown].all()
    for shown in range(10):
        assert values.within_binomial(int(right[:, shown].sum()), 2000, best_accuracy(shown))
    guessed = answers(LookUp(looks=False), drawn)
    assert values.within_binomial(int(guessed[:, 5].sum()), 2000, best_accuracy(0))


def test_the_best_accuracy_rises_from_a_guess_towards_one():
    best = [best_accuracy(n) for n in range(60)]
    assert best[0] == 1 / 8 and best == sorted(best) and 0.999 < best[-1] < 1


@pytest.mark.slow
def test_the_experiment_measures_on_a_tiny_budget():
    from course_lib.experiments.lesson_09 import SHOWN, learn

    run = learn(0, "anew", layers=1, steps=10, pairs=10).train(0)
    assert {f"{n} shown accuracy" for n in SHOWN} < set(run)
    assert {"tokens", "letter shown accuracy", "letter not shown accuracy", "old mapping accuracy"} < set(run)
    assert {len(column) for column in run.values()} == {10} and run["tokens"][-1] == 10 * 32 * 22
