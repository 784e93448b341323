"""The runs behind lesson 10: pairs that do not leak, one argument per arm, and numbers that can be recorded."""

import pytest
import torch

from course_lib import runtime
from course_lib.apply.translation import tiny_encoder_decoder
from course_lib.experiments import lesson_10
from course_lib.experiments.lesson_10 import sentence_pairs, town_bert, translate
from course_lib.model import bodies

NUMBERS = {f"sentence accuracy{which}" for which in ("", ", short", ", long")} | {"tokens", "word accuracy", "nats"}
SHORT_RUN = {"reader": "encoder-decoder", "pairs": 64, "steps": 10, "batch_size": 8, "learning_rate": 2e-3}


def test_what_is_asked_was_never_seen():
    data = sentence_pairs(500)
    assert len(data.rows) == 500 and len(data.held_out) == 400 == len(set(data.held_out_sentences))
    assert not set(data.sentences) & set(data.held_out_sentences)
    assert data.held_out_sentences == sentence_pairs(64).held_out_sentences  # the same questions for every run
    lengths = [len(sentence) for sentence in data.held_out_sentences]
    assert sum(n <= lesson_10.SHORT for n in lengths) > 40 and sum(n >= lesson_10.LONG for n in lengths) > 40
    assert data.tokenizer.unk_token_id not in data.held_out


@pytest.mark.slow
def test_everything_that_is_asked_can_be_known():
    """The ceiling of 1 would be a fiction if a held-out translation had a word that no pair of training shows."""
    for agreement in ("next word", "last word"):
        check_that_it_can_be_known(sentence_pairs(agreement=agreement))


def check_that_it_can_be_known(data):
    shown = {word for sentence in data.sentences for word in data.language.translate(sentence)}
    assert all(shown.issuperset(data.language.translate(sentence)) for sentence in data.held_out_sentences)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [
    {}, {"view": "[CLS] alone"}, {"bert_steps": 2}, {"reader": "prefix"},
    {"reader": "causal", "agreement": "last word"},
], ids=str)  # fmt: skip
def test_a_run_gives_ten_moments_of_each_number(settings):
    run = translate(100, **SHORT_RUN | settings)
    aligned = set() if "view" in settings else {"alignment accuracy", "alignment accuracy, next word"}
    assert set(run) == NUMBERS | aligned
    assert {len(values) for values in run.values()} == {10}
    assert all(0 <= x <= 1 for name, values in run.items() if "accuracy" in name for x in values)
    assert run["tokens"] == sorted(run["tokens"]) and run["nats"][-1] < run["nats"][0]


@pytest.mark.slow
def test_all_arms_read_the_same_pairs_in_the_same_order():
    readers = ("encoder-decoder", "prefix", "causal")
    counts = [translate(3, **SHORT_RUN | {"reader": reader})["tokens"] for reader in readers]
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.slow
def test_a_warm_encoder_is_the_only_thing_that_differs(monkeypatch):
    """Taken from the plan before any training: with and without a BERT, decoder and cross-attention start alike."""
    built = []

    def only_build(plan, seed):
        runtime.seed_all(seed)
        built.append(plan.build())

    monkeypatch.setattr(lesson_10.Plan, "train", only_build)
    for steps in (0, 2):
        translate(7, bert_steps=steps, **SHORT_RUN)
    cold, warm = built
    for name, value in cold.decoder.state_dict().items():
        assert torch.equal(value, warm.decoder.state_dict()[name]), name
    bert = town_bert(7, 2).bert.state_dict()
    assert all(torch.equal(value.cpu(), bert[name].cpu()) for name, value in warm.encoder.state_dict().items())
    words = "embeddings.word_embeddings.weight"
    assert not torch.equal(cold.encoder.state_dict()[words].cpu(), bert[words].cpu())


@pytest.mark.slow
def test_the_controls_are_what_they_are_called(monkeypatch):
    """Mixed numbers keep their sizes and lose their places; a deeper stack has more layers; each seed its own pairs."""
    plans = []
    monkeypatch.setattr(lesson_10.Plan, "train", lambda plan, seed: plans.append(plan))
    translate(7, bert_steps=2, shuffled=True, **SHORT_RUN)
    for seed in (7, 8):
        translate(seed, layers=4, **SHORT_RUN | {"reader": "prefix"})
    mixed, bert = plans[0].build().encoder.state_dict(), town_bert(7, 2).bert.state_dict()
    for name, value in bert.items():
        assert torch.equal(mixed[name].flatten().sort().values, value.cpu().flatten().sort().values), name
    words = "embeddings.word_embeddings.weight"
    assert not torch.equal(mixed[words], bert[words].cpu())
    assert plans[1].build().config.num_hidden_layers == 4
    assert not torch.equal(plans[1].rows, plans[2].rows)


def test_the_readers_differ_in_size_as_the_lesson_says():
    tokenizer = sentence_pairs(64).tokenizer
    both, stack = (bodies.parameters(build(tokenizer)) for build in (tiny_encoder_decoder, bodies.tiny_bert))
    assert 1.8 < both / stack < 2.4
