"""Random answers are judged by their shares, by place, by variety and by their source of chance (lessons 05 and 06)."""

import re

import pytest
import torch

from course_lib.exercises import lessons
from course_lib.exercises.engine import verdict
from course_lib.exercises.lesson_06 import good_ones


def others(ids, ordinary, generator, steps=None):
    """Another word of `ordinary` for every token; `steps` is the shape of the draws."""
    place = (ids[:, :, None] == ordinary).long().argmax(dim=2)
    return ordinary[(place + torch.randint(1, len(ordinary), steps or ids.shape, generator=generator)) % len(ordinary)]


def by_fate(fate_of, words=others):
    """Return corrupt_words with fate_of(ids, selected, generator): below 0.8 [MASK], from 0.9 on another word."""

    def corrupted(ids, selected, mask_id, ordinary, generator):
        fate = fate_of(ids, selected, generator)
        out = ids.masked_fill(selected & (fate < 0.8), mask_id)
        return out.where(~(selected & (fate >= 0.9)), words(ids, ordinary, generator))

    return corrupted


def uniform(ids, selected, generator):
    return torch.rand(ids.shape, generator=generator)


def by_rank(ids, selected, generator):  # the first 80% of each row's selected tokens
    return (selected.cumsum(1) - 1) / selected.sum(1, keepdim=True).clamp(min=1)


def every_tenth(ids, selected, generator):
    return ((selected.flatten().cumsum(0) - 1) % 10 / 10).view(ids.shape)


def reseeded(ids, selected, generator):
    return torch.rand(ids.shape, generator=generator.manual_seed(generator.initial_seed()))


def not_itself(ids, ordinary, generator):  # one redraw, to the next word: twice as likely as the others
    drawn = torch.randint(len(ordinary), ids.shape, generator=generator)
    place = (ids[:, :, None] == ordinary).long().argmax(dim=2)
    return ordinary[torch.where(drawn == place, (drawn + 1) % len(ordinary), drawn)]


@pytest.mark.parametrize("answer, said", [
    (by_fate(uniform), "^your function gives"),
    (by_fate(lambda ids, selected, g: torch.rand(ids.shape)), "PyTorch's global generator"),
    (by_fate(lambda ids, selected, g: uniform(ids, selected, torch.Generator().manual_seed(1))), "hide nearly"),
    (by_fate(every_tenth), "hide nearly the same places"),
    (by_fate(reseeded, lambda ids, words, g: others(ids, words, torch.Generator().manual_seed(g.initial_seed()))),
     "called twice with one generator"),
    (by_fate(by_rank), r"of \d+ selected tokens in column 0, \d+ are \[MASK\]; of all tokens, 80%"),
    (by_fate(lambda ids, selected, g: torch.rand(len(ids), 1, generator=g)), "selected tokens in row 0"),
    (by_fate(lambda ids, selected, g: torch.rand(1, ids.shape[1], generator=g)), "selected tokens in column 0"),
    (by_fate(lambda ids, selected, g: torch.rand(12, generator=g)[ids]), "with id|same result"),
    (by_fate(uniform, lambda ids, words, g: others(ids, words, g, (len(ids), 1))), "neighbours are replaced alike"),
    (by_fate(uniform, lambda ids, words, g: others(ids, words, g, (1, ids.shape[1]))), "neighbours are replaced alike"),
    (by_fate(uniform, not_itself), r"\d+ of \d+ times id \d+ stands in for id 8"),
    (by_fate(lambda *args: uniform(*args) + 0.01), r"of 100 selected tokens 79\.\d are \[MASK\] \(not 80\)"),
])  # fmt: skip
def test_corruption_is_judged_by_share_place_variety_and_source(answer, said):
    result = verdict(answer, lessons.find("exercises", "corrupt_words"))
    assert re.search(said, result.message) and result.mistake == "", result


def drawn_from(choose):
    return lambda documents, d, i, n, rng: choose(good_ones(documents, d, i), n, rng)


@pytest.mark.parametrize("answer, said", [
    (drawn_from(lambda good, n, rng: rng.choices(good, k=n)), "^your function gives"),
    (drawn_from(lambda good, n, rng: good[:1] * n), "different seeds give the same"),
    (drawn_from(lambda good, n, rng: [rng.choice(good)] * n), r"is \d+\.\d% of the draws, not \d+\.\d%\.$"),
    (drawn_from(lambda good, n, rng: sorted(rng.choices(good, k=n))), "pairs of draws .* are equal"),
    (drawn_from(lambda good, n, rng: (rng.sample(good, len(good)) * n)[:n]), "pairs of draws .* are equal"),
    (drawn_from(lambda good, n, rng: rng.choices(good[1:] or good, k=n)), "of the draws, not"),
    (lambda D, d, i, n, rng: rng.choices([s for one in D if one != D[d] for s in one if s in good_ones(D, d, i)]
                                         or good_ones(D, d, i), k=n), "of the draws, not"),
])  # fmt: skip
def test_negatives_are_judged_by_share_and_independence(answer, said):
    result = verdict(answer, lessons.find("exercises", "draw_negatives"))
    assert re.search(said, result.message) and result.mistake == "", result
