"""The matched twins: a folder of data, a finished folder per run, its numbers; and the floor."""

import json
from collections import Counter
from math import log

import pytest
import safetensors.torch
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from course_lib import runtime
from course_lib.model import bodies
from course_lib.text.tokenization import train_byte_bpe
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM
from tools.bench import twins
from tools.bench.ngrams import trigram_floor

SMALL = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Data as prepare writes it, without a corpus: random rows of 64."""
    monkeypatch.setattr(twins, "BODY", twins.BODY | SMALL)
    tokenizer = train_byte_bpe(["the cat sat on the mat and the dog ate the cat"], vocab_size=270)
    rows = torch.randint(5, len(tokenizer), (24, 64), generator=torch.Generator().manual_seed(0))
    rows[:, 0], rows[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    folder = tmp_path / "data"
    tokenizer.save_pretrained(folder / "tokenizer")
    safetensors.torch.save_file(
        {"train": rows[:16].short().clone(), "held_out": rows[16:].short().clone()}, folder / "rows.safetensors"
    )
    facts = dict.fromkeys(("corpus", "digest", "rows digest", "rows", "rows held out"), "small")
    (folder / "facts.json").write_text(json.dumps(facts))
    return folder


@pytest.mark.parametrize("arm", twins.ARMS)
def test_an_arm_leaves_a_folder_that_opens_and_says_how_it_was_made(arm, data, tmp_path):
    arguments = ["train", "--arm", arm, "--seed", "3", "--data", str(data), "--to", str(tmp_path / "runs")]
    arguments += ["--tokens", "2048", "--batch-size", "8", "--moments", "2"]
    twins.main(arguments)
    folder = tmp_path / "runs" / f"{arm}-3"
    run = json.loads((folder / "run.json").read_text())
    assert run["numbers"]["tokens"] == [1024, 2048] and run["settings"]["steps"] == 4
    assert {f"{name} {what}" for name in twins.LEFT for what in ("accuracy", "nats")} == set(run["untrained"])
    assert all(len(values) == 2 for values in run["numbers"].values())
    causal = arm in ("left-only", "causal")
    opened = (AutoModelForCausalLM if causal else AutoModelForMaskedLM).from_pretrained(folder, dtype=torch.float32)
    assert opened.config.is_decoder == causal
    assert len(AutoTokenizer.from_pretrained(folder)) == len(twins.Data.load(data).tokenizer)
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float16}
    assert sum(weight.numel() for weight in stored.values()) == bodies.parameters(opened) == run["parameters"]
    questions = {name: [asked] for name, asked in twins.Data.load(data).questions.items()}
    again = twins.measure(opened, questions)
    for name, values in run["numbers"].items():
        if name != "tokens":
            assert again[name] == pytest.approx(values[-1], abs=0.02), name
    before = (folder / "run.json").stat().st_mtime_ns
    twins.main(arguments)  # finished: nothing is done again
    assert (folder / "run.json").stat().st_mtime_ns == before
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [folder.name]


def test_all_arms_start_from_the_same_weights(data):
    tokenizer, found = twins.Data.load(data).tokenizer, []
    for arm in twins.ARMS:
        causal, _ = twins._objective(arm, tokenizer)
        runtime.seed_all(0)
        found.append((bodies.causal_bert if causal else bodies.tiny_bert)(tokenizer, **twins.BODY).state_dict())
    assert all(torch.equal(one[name], found[0][name]) for one in found for name in found[0])


def test_all_arms_read_the_same_rows_in_the_same_order(data, tmp_path, monkeypatch):
    """Over several epochs, though their objectives draw differently."""
    orders, draw = {}, twins._objective

    def watched(arm, tokenizer):
        causal, objective = draw(arm, tokenizer)

        def watch(rows, generator):
            orders.setdefault(arm, []).append(rows.clone())
            return objective(rows, generator)

        return causal, watch

    monkeypatch.setattr(twins, "_objective", watched)
    for arm in twins.ARMS:
        twins.train(arm, 0, twins.Data.load(data), tmp_path / "runs", tokens=8 * 64 * 7, batch_size=8, moments=1)
    first = torch.cat(orders["causal"])
    assert first.shape == (56, 64)
    assert all(torch.equal(torch.cat(rows), first) for rows in orders.values())


def test_the_numbers_are_those_of_the_library_under_each_mask(data):
    loaded = twins.Data.load(data)
    tokenizer = loaded.tokenizer
    model = bodies.tiny_bert(tokenizer, **twins.BODY | dict(initializer_range=0.3)).eval()
    found = twins.measure(model, {name: list(asked.split(3)) for name, asked in loaded.questions.items()})
    fill = HeldOut(loaded.held_out, MaskedLM(Masking.of(tokenizer, mask=1.0, random=0.0)))
    following = HeldOut(loaded.held_out, CausalLM.of(tokenizer))
    for name, asked in (("fill two-sided", fill), ("fill left-only", fill), ("next word", following)):
        score = asked.score(bodies.with_mask(model, causal=name != "fill two-sided"))
        assert found[f"{name} nats"] == pytest.approx(score.loss, abs=2e-2)
        assert found[f"{name} accuracy"] == pytest.approx(score.accuracy, abs=2e-2)
    assert found["fill two-sided nats"] != pytest.approx(found["fill left-only nats"], abs=1e-3)


def test_a_run_that_is_cut_off_leaves_nothing_that_looks_finished(data, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(twins.loop, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        twins.train("causal", 0, twins.Data.load(data), tmp_path / "runs", tokens=1024)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_the_trigram_floor_is_kneser_neys_formula_written_out():
    """Against slow loops over counts, on 12 rows of a vocabulary of 9, with an unseen word and an unseen context."""
    generator, special, size, d = torch.Generator().manual_seed(0), [0, 1, 2, 3, 4], 9, 0.75

    def some(n, low=5):
        rows = torch.randint(low, size, (n, 8), generator=generator)
        rows[:, 0], rows[:, -1], rows[0, 4] = 2, 3, 3
        return rows

    def events(rows):
        return [(None if t == 0 else row[t - 1], row[t], row[t + 1])
                for row in rows.tolist() for t in range(7) if row[t + 1] not in special]  # fmt: skip

    train, held_out = some(12, low=6), some(6)
    triples = Counter(events(train))
    pairs = Counter((b, c) for _, b, c in triples)
    words = Counter(c for _, c in pairs)

    def interpolate(counts, context, c, shorter):
        of_context = [n for key, n in counts.items() if key[:-1] == context]
        if not of_context:
            return shorter
        seen = max(counts[(*context, c)] - d, 0)
        return (seen + d * len(of_context) * shorter) / sum(of_context)

    def p(a, b, c):
        alone = (words[c] + 0.1) / (sum(words.values()) + 0.1 * 4)
        return interpolate(triples, (a, b), c, interpolate(pairs, (b,), c, alone))

    score = trigram_floor(train, HeldOut(held_out, CausalLM(tuple(special))), special, size)
    asked = events(held_out)
    assert score.nats == pytest.approx([-log(p(*event)) for event in asked])
    best = [max(range(5, 9), key=lambda c, a=a, b=b: p(a, b, c)) for a, b, _ in asked]
    assert score.right.tolist() == [guess == c for guess, (_, _, c) in zip(best, asked, strict=True)]
    assert sum(p(*asked[0][:2], c) for c in range(5, 9)) == pytest.approx(1)
