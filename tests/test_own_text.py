"""Every seed of a record reads and is asked a text of its own, so that an interval covers the text too."""

from dataclasses import replace

import pytest

from course_lib.apply import fine_tuning, in_context_data
from course_lib.experiments import EXPERIMENTS, lesson_04, lesson_10, materials, topics, world
from course_lib.text import corpora
from course_lib.town.language import TinyTown
from course_lib.train import loop
from tools import evidence


class Stop(Exception):
    """Raised where training would begin: by then all text has been drawn."""


ROWS = ("path-length", "last-named")  # draw rows of names themselves: tests/test_distance.py
OWN = [(n, e) for n, e in enumerate(EXPERIMENTS.values()) if e.own_text and e.name not in ROWS]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "experiment"), OWN, ids=[experiment.name for _, experiment in OWN])
def test_own_text_means_that_every_draw_moves_with_the_seed(number, experiment, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    tell, split, draw, play = TinyTown.stories, corpora.Corpus.split, lesson_10.sentences, in_context_data.draw
    drawn, bring, little = set(), materials.text, corpora.tiny_town(200, seed=3)  # for a long extraction
    little = replace(little, groups=[f"{topics.TOPICS[n % 4]}/{n}" for n in range(len(little))])

    def stories(town, n, seed=0, **settings):
        drawn.add(seed)
        return tell(town, min(n, 2500), seed, **settings)

    def sentences(n, seed=0, held_out=False):
        drawn.add(seed)
        return draw(min(n, 2500), seed, held_out)

    def held_out(corpus, share, seed):
        drawn.add(seed)
        return split(corpus, share, seed)

    def episode(n, pairs, generator, mapping=None):
        drawn.add(generator.initial_seed())
        return play(n, pairs, generator, mapping)

    def begin(*_, **__):
        raise Stop

    monkeypatch.setattr(TinyTown, "stories", stories)
    monkeypatch.setattr(in_context_data, "draw", episode)
    monkeypatch.setattr(lesson_10, "sentences", sentences)
    monkeypatch.setattr(corpora.Corpus, "split", held_out)
    monkeypatch.setattr(materials, "text", lambda corpus: little if corpus == "docstrings" else bring(corpus))
    monkeypatch.setattr(world, "VOCABULARY", 300)
    for asked in ("LABELLED", "ASKED"):
        monkeypatch.setattr(topics, asked, 1)
    for module, name in ((loop, "train"), (fine_tuning, "fine_tune"), (lesson_04, "limits"), (world, "counted")):
        monkeypatch.setattr(module, name, begin)
    materials.material.cache_clear()
    found = []
    for seed in (7001 + 10 * number, 7002 + 10 * number):  # nobody else's: what is kept in memory would hide a draw
        drawn.clear()
        with pytest.raises(Stop):
            evidence.train_arm(experiment.run, [seed], experiment.settings(experiment.control))
        if experiment.name == "whole-words":
            drawn.discard(0)  # its vocabulary is one for all
        found.append({draws - seed for draws in drawn})
    assert found[0] == found[1] != set(), "every draw moves with the seed"
