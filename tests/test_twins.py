"""The matched twins: a folder of data, a finished folder per run, its numbers; and the floor."""

import hashlib
import json
from collections import Counter
from math import log

import pytest
import safetensors.torch
import small_twin
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from course_lib.experiments.world import under_causal_mask
from course_lib.model import bodies
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking
from course_lib.train.objectives import CausalLM, MaskedLM
from tools import world
from tools.bench import twins
from tools.bench.ngrams import trigram_floor

SMALL = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
LITTLE = dict(tokens=4096, batch_size=8, moments=2)  # eight steps


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(twins, "BODY", twins.BODY | SMALL)
    return small_twin.data(tmp_path / "data")


@pytest.mark.parametrize("arm", twins.ARMS)
def test_an_arm_leaves_a_folder_that_opens_and_says_how_it_was_made(arm, data, tmp_path):
    arguments = ["train", "--arm", arm, "--seed", "3", "--data", str(data), "--to", str(tmp_path / "runs")]
    arguments += ["--tokens", "2048", "--batch-size", "8", "--moments", "2"]
    twins.main(arguments)
    folder = tmp_path / "runs" / f"{arm}-3"
    run = json.loads((folder / "run.json").read_text())
    assert run["numbers"]["tokens"] == [0, 1024, 2048] and run["settings"]["steps"] == 4
    assert all(len(values) == 3 for values in run["numbers"].values())
    opened = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    assert len(AutoTokenizer.from_pretrained(folder)) == len(twins.Data.load(data).tokenizer)
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float16}
    assert bodies.parameters(opened) == run["parameters"]
    questions = {name: [asked] for name, asked in twins.Data.load(data).questions.items()}
    for name, value in twins.measure(opened, questions).items():
        assert value == pytest.approx(run["numbers"][name][-1], abs=0.02), name
    before = (folder / "run.json").stat().st_mtime_ns
    twins.main(arguments)  # finished: nothing is done again
    assert (folder / "run.json").stat().st_mtime_ns == before
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [folder.name]


def test_a_finished_run_is_shipped_with_its_recipe_and_an_unfinished_one_is_not(data, tmp_path, capsys):
    loaded, runs, to = twins.Data.load(data), tmp_path / "runs", tmp_path / "checkpoints" / "small"
    arguments = ["ship", "--arm", "both", "--data", str(data), "--runs", str(runs), "--to", str(to)]
    with pytest.raises(FileNotFoundError, match="is not finished: `python -m tools.bench.twins train --arm both"):
        twins.main(arguments)
    run = twins.train("both", 0, loaded, runs, **LITTLE)
    twins.main(arguments)
    twins.main(arguments)  # again: it is replaced
    assert capsys.readouterr().out.split()[-1] == str(to) and [path.name for path in to.parent.iterdir()] == ["small"]
    told, recipe = (json.loads(file.read_text()) for file in (run / "run.json", to / "recipe.json"))
    assert recipe["scores"] == {name: pytest.approx(values[-1], abs=1e-4)
                                for name, values in told["numbers"].items() if name != "tokens"}  # fmt: skip
    assert recipe["tokens"] == 4096 and recipe["floors"]["fill unigram accuracy"] == 0.0123
    assert recipe["seed"] == 0 and recipe["steps"] == 8 and recipe["torch"] and recipe["text"]["source"] == "small"
    weights = (to / "model.safetensors").read_bytes()
    assert recipe["sha256"] == {"text": "small", "rows": "small", "weights": hashlib.sha256(weights).hexdigest()}
    assert recipe["counts"] == [int((loaded.rows == id_).sum()) for id_ in range(len(loaded.tokenizer))]
    one, other = (AutoTokenizer.from_pretrained(folder) for folder in (run, to))
    assert one("the cat's mat")["input_ids"] == other("the cat's mat")["input_ids"]
    assert AutoModelForMaskedLM.from_pretrained(to).num_parameters() == recipe["parameters"]
    facts = json.loads((data / "facts.json").read_text())
    (data / "facts.json").write_text(json.dumps(facts | {"rows digest": "other"}))
    with pytest.raises(ValueError, match="trained on other data"):
        twins.main(arguments)


def test_all_arms_start_from_the_same_weights_and_read_the_same_rows_in_the_same_order(data, tmp_path, monkeypatch):
    """Over several epochs, though their objectives draw differently."""
    orders, firsts, draw = {}, {}, twins._objective

    def watched(arm, tokenizer):
        objective = draw(arm, tokenizer)

        def watch(rows, generator):
            orders.setdefault(arm, []).append(rows.clone())
            return objective(rows, generator)

        return watch

    monkeypatch.setattr(twins, "_objective", watched)
    measured = twins.measure
    monkeypatch.setattr(twins, "measure", lambda model, asked: firsts.setdefault(len(firsts), measured(model, asked)))
    for arm in twins.ARMS:
        twins.train(arm, 0, twins.Data.load(data), tmp_path / "runs", tokens=8 * 64 * 7, batch_size=8, moments=1)
    first = torch.cat(orders["causal"])
    assert first.shape == (56, 64)
    assert all(torch.equal(torch.cat(rows), first) for rows in orders.values())
    assert firsts[0] == firsts[2] == firsts[4] != firsts[1]  # before the first step, and at the end


def test_the_numbers_are_those_of_the_library_under_each_mask(data):
    loaded = twins.Data.load(data)
    tokenizer = loaded.tokenizer
    model = bodies.modern_bert(tokenizer, **twins.BODY | dict(initializer_range=0.3)).eval()
    found = twins.measure(model, {name: list(asked.split(3)) for name, asked in loaded.questions.items()})
    fill = MaskedLM(Masking.of(tokenizer, mask=1.0, random=0.0))
    following = under_causal_mask(CausalLM.of(tokenizer), 64)
    asked = {"fill two-sided": fill, "fill left-only": under_causal_mask(fill, 64), "next word": following}
    for name, goal in asked.items():
        score = HeldOut(loaded.held_out, goal).score(model)
        assert found[f"{name} nats"] == pytest.approx(score.loss, abs=2e-2)
        assert found[f"{name} accuracy"] == pytest.approx(score.accuracy, abs=2e-2)
    assert found["fill two-sided nats"] != pytest.approx(found["fill left-only nats"], abs=1e-3)


@pytest.mark.parametrize("arm", twins.ARMS)
def test_a_run_that_was_stopped_goes_on_to_the_same_end(arm, data, tmp_path, monkeypatch):
    loaded, keep = twins.Data.load(data), twins._Run.keep
    whole = twins.train(arm, 1, loaded, tmp_path / "whole", **LITTLE)

    def stop(run, step):
        keep(run, step)
        if step == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(twins._Run, "keep", stop)
    with pytest.raises(KeyboardInterrupt):
        twins.train(arm, 1, loaded, tmp_path / "parts", **LITTLE)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [f".{arm}-1.pt"], "nothing that looks finished"
    with pytest.raises(ValueError, match="begun with other settings"):
        twins.train(arm, 1, loaded, tmp_path / "parts", **LITTLE | {"learning_rate": 1.0})
    parts = twins.train(arm, 1, loaded, tmp_path / "parts", **LITTLE)
    one, other = (safetensors.torch.load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in one)
    ends = [json.loads((folder / "run.json").read_text())["numbers"] for folder in (whole, parts)]
    assert ends[0].keys() == ends[1].keys() and ends[0]["tokens"] == ends[1]["tokens"] == [0, 2048, 4096]
    assert ends[0]["fill two-sided nats"] == pytest.approx(ends[1]["fill two-sided nats"], abs=1e-3)


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


def test_what_is_told_are_the_finished_runs_and_the_page_judges_them(data, tmp_path, monkeypatch):
    runs, to = tmp_path / "runs", tmp_path / "told.json"
    with pytest.raises(FileNotFoundError, match="is finished"):
        twins.tell(twins.Data.load(data), runs, to)
    twins.train("bidirectional", 0, twins.Data.load(data), runs, **LITTLE)
    kept = json.loads(twins.tell(twins.Data.load(data), runs, to).read_text())
    [first] = kept["runs"].pop("bidirectional")
    assert not kept["runs"] and first["seed"] == 0 and first["numbers"]["training nats"][0] is None

    def run(seed, device, two_sided):
        made = json.loads(json.dumps(first | {"seed": seed, "environment": first["environment"] | {"device": device}}))
        numbers = made["numbers"]
        numbers["fill two-sided accuracy"][-1], numbers["fill left-only accuracy"][-1] = two_sided, 0.35
        return made

    kept["runs"] = {"bidirectional": [run(0, "cpu", 0.40)], "both": [run(0, "cpu", 0.42)]}
    to.write_text(json.dumps(kept))
    monkeypatch.setattr(twins, "TOLD", to)
    said = "\n".join(world.matched())
    assert "One seed each" in said and "Still to be trained: causal." in said
    assert "| bidirectional | 40.0% | 35.0% |" in said and "OVER_SEEDS" not in said
    lines = [line for line in said.splitlines() if line.startswith(("| 1.", "| 3.", "| 5."))]
    assert [line.split(" | ")[-1].rstrip(" |") for line in lines] == ["held", "failed", "failed"]
    # several seeds of another device: they are judged, by their interval
    kept["runs"]["bidirectional"] += [run(seed, "cuda", 0.38 + seed / 100) for seed in range(3)]
    kept["runs"]["both"] += [run(seed, "cuda", 0.36 + seed / 50) for seed in range(3)]
    to.write_text(json.dumps(kept))
    said = "\n".join(world.matched())
    assert "3 seeds each" in said and "| bidirectional | 39.0% (36.5% to 41.5%) |" in said
    lines = [line for line in said.splitlines() if line.startswith(("| 1.", "| 3.", "| 5."))]
    assert [line.split(" | ")[-1].rstrip(" |") for line in lines] == ["held", "not settled", "failed"]
    again = json.loads(twins.tell(twins.Data.load(data), runs, to).read_text())["runs"]  # the new run, and the others
    ends = {arm: [one["numbers"]["fill two-sided accuracy"][-1] for one in found] for arm, found in again.items()}
    assert ends["both"] == pytest.approx([0.42, 0.36, 0.38, 0.40])
    assert ends["bidirectional"][1:] == pytest.approx([0.38, 0.39, 0.40])
    assert ends["bidirectional"][0] == first["numbers"]["fill two-sided accuracy"][-1] and len(ends) == 2
    twins.train("bidirectional", 1, twins.Data.load(data), runs, **LITTLE)
    to.write_text(json.dumps(kept | {"floors": {}}))
    again = json.loads(twins.tell(twins.Data.load(data), runs, to).read_text())["runs"]
    assert [run["seed"] for run in again["bidirectional"]] == [0, 1]
    assert list(json.loads(twins.tell(twins.Data.load(data), runs, to).read_text())["runs"]) == ["bidirectional"]


def test_what_was_expected_of_other_seeds_is_held_against_all_runs():
    """By hand: two seeds on a GPU, the first of them on a processor too."""

    def runs(fill, mixed, following, nats=4.0):
        names = ("tokens", "training nats", twins.FILL, twins.CAUSALLY, "next word accuracy", twins.NEXT)
        each = {"bidirectional": (1, 1, fill, 0.1, 0.0, 9.0), "causal": (1, 1, 0.0, 0.0, following, nats),
                "both": (1, 1, mixed, 0.1, 0.2, 4.5)}  # fmt: skip
        return {arm: dict(zip(names, ([value] * 2 for value in values), strict=True)) for arm, values in each.items()}

    told = {"floors": {"next word trigram nats": 5.0}, "runs": {arm: [] for arm in twins.ARMS}}
    for device, seed, given in (("cpu", 0, runs(0.31, 0.33, 0.2)), ("cuda", 0, runs(0.30, 0.33, 0.25)),
                                ("cuda", 1, runs(0.28, 0.33, 0.25, 4.2))):  # fmt: skip
        for arm, numbers in given.items():
            told["runs"][arm].append({"seed": seed, "environment": {"device": device}, "numbers": numbers})
    assert list(twins.by_seed(told)) == [0, 1] and list(twins.by_seed(told, "cpu")) == [0]
    found = {says[:2] + str(n): (span[0], verdict) for n, (says, _, span, verdict) in enumerate(twins.steadiness(told))}
    assert found["a.0"] == (pytest.approx(0.05), "failed")
    assert found["b.1"] == (pytest.approx(0.02 / 2**0.5), "failed")
    assert found["b.2"] == (pytest.approx(0.2 / 2**0.5), "held")
    assert found["c.3"] == (pytest.approx(-0.04), "not settled")
    # settled before, open over two seeds: filling (0.28 to 0.30), trigrams, both minus causal, reading causally
    assert found["c.4"] == (pytest.approx(4), "failed")


def test_each_part_of_the_expectation_is_a_number_of_the_runs():
    moments = {"tokens": [10, 20, 30, 40]}
    runs = {
        "bidirectional": moments | {twins.FILL: [0.1, 0.3, 0.2, 0.4], twins.CAUSALLY: [0.0, 0.1, 0.1, 0.15]},
        "causal": moments | {"next word accuracy": [0.2, 0.25, 0.25, 0.3], twins.NEXT: [6.0, 4.0, 4.5, 4.25]},
        "both": moments | {twins.FILL: [0.1, 0.2, 0.3, 0.375], twins.NEXT: [6.0, 5.0, 4.5, 4.5]},
    }
    found = {says: number(runs, {"next word trigram nats": 5.0}) for says, _, number, *_ in twins.PARTS}
    assert list(found.values()) == pytest.approx([0.4, 0.75, 0.025, 0.25, 1.0, 0.25, 0.25])
    for _, arms, number, *_ in twins.PARTS:
        number({arm: runs[arm] for arm in arms}, {"next word trigram nats": 5.0})  # and of no other arm
    early = runs["bidirectional"] | {twins.FILL: [0.1, 0.3, 0.3, 0.4]}
    assert twins.crossing(early, runs["causal"]) == 0.5
    assert twins.crossing(early | {twins.FILL: [0.3, 0.3, 0.3, 0.4]}, runs["causal"]) == 0.25
    assert twins.crossing(early | {twins.FILL: [0.3, 0.3, 0.3, 0.3]}, runs["causal"]) == float("inf")
