"""The probes of lesson 05's experiments: kinds of places, the head's answers, and questions about pieces."""

import pytest
import torch

from course_lib import experiments, runtime
from course_lib.experiments import lesson_05, materials
from course_lib.experiments.copy_probe import Places
from course_lib.experiments.lesson_05 import HIDDEN, VISIBLE, LossEverywhere, Probes
from course_lib.model import bodies
from course_lib.text.tokenization import train_wordpiece
from course_lib.train.masking import Masking
from course_lib.train.objectives import MaskedLM

DATA = experiments.material(rows=2000)
TOKENIZER, ORACLE = DATA.tokenizer, DATA.oracle
ROWS = DATA.held_out[:40]


@pytest.fixture(scope="module")
def places():
    return Places(TOKENIZER, ROWS)


def test_every_ordinary_place_is_of_one_kind(places):
    kinds = torch.stack(list(places.kinds.values())).sum(dim=0)
    assert torch.equal(kinds == 1, places.ordinary) and torch.equal(kinds == 0, ~places.ordinary)
    assert (places.input_ids[places.kinds["hidden"]] == TOKENIZER.mask_token_id).all()
    assert (places.input_ids[places.kinds["wrong"]] != ROWS[places.kinds["wrong"]]).all()
    counts = {kind: int(mark.sum()) for kind, mark in places.kinds.items()}
    assert counts["hidden"] > counts["wrong"] > 0 and counts["right"] > 20 * len(ROWS)


def test_the_four_shares_of_known_answers(places):
    assert places.shares(ROWS) == {
        "names the hidden word": 1.0, "repeats a right word": 1.0, "repairs a wrong word": 1.0,
        "repeats a wrong word": 0.0,
    }  # fmt: skip
    copied = places.shares(places.input_ids)
    assert copied == {
        "names the hidden word": 0.0, "repeats a right word": 1.0, "repairs a wrong word": 0.0,
        "repeats a wrong word": 1.0,
    }  # fmt: skip
    half = ROWS.clone()
    half[::2] = 0
    assert 0.3 < places.shares(half)["repeats a right word"] < 0.7


def test_answers_are_the_model_s_best_guesses_and_leave_special_tokens(places):
    runtime.seed_all(0)
    model = bodies.tiny_bert(TOKENIZER).train()
    said = places.answers(model)
    assert model.training and torch.equal(said[~places.ordinary], ROWS[~places.ordinary])
    with torch.no_grad(), bodies.autocast(model.device):
        logits = model.eval()(places.input_ids).logits
    short = logits.amax(dim=-1) - logits.gather(2, said[..., None])[..., 0]  # by how much each answer misses the best
    assert short[places.ordinary].max() < 0.1  # equal but for ties and rounding


def test_the_perfect_reader_s_numbers_are_those_of_the_recipe(places):
    settings = {"rate": 5 / 30, "most": 20}
    proofreader = places.perfect(ORACLE, random=0.1, keep=0.1, **settings)
    assert proofreader["repairs a wrong word"] > 0.6 > 0.2 > proofreader["repeats a wrong word"]
    assert 0.6 < proofreader["names the hidden word"] < 1 and proofreader["repeats a right word"] > 0.9
    never_kept = places.perfect(ORACLE, random=0.2, keep=0.0, **settings)
    assert never_kept["repeats a right word"] < 0.9 and never_kept["repeats a wrong word"] < 0.1
    copyist = places.perfect(ORACLE, random=0.0, keep=0.2, **settings)
    assert copyist == {"repeats a right word": 1.0, "repairs a wrong word": 0.0, "repeats a wrong word": 1.0}
    assert places.perfect(ORACLE, random=0.0, keep=0.0, **settings) == {}, "nobody is asked about a word in view"


def test_the_perfect_reader_is_asked_about_few_places(places, monkeypatch):
    asked, restore = [], ORACLE.restore
    monkeypatch.setattr(ORACLE, "restore", lambda seen, at, **given: asked.append(at) or restore(seen, at, **given))
    places.perfect(ORACLE, rate=5 / 30, random=0.1, keep=0.1, most=3)
    rows = places.kinds["wrong"].any(dim=1).nonzero()[:3, 0]
    not_right = (places.kinds["wrong"] | places.kinds["hidden"])[rows].sum(dim=1)
    assert [len(at) for at in asked] == (not_right + 1).tolist(), "hidden and wrong words, and one right word"


@pytest.mark.parametrize("arm", experiments.find("masking-rate").arms)
def test_rates_are_named_by_what_is_counted(arm):
    """In rows of 32 tokens BERT's rounding makes 5/15/40/60% of the tokens 6.7/16.7/43.3/63.3% of the words."""
    rate = experiments.find("masking-rate").arms[arm]["rate"]
    selected = Masking.of(TOKENIZER, rate=rate)(ROWS, torch.Generator().manual_seed(0)).selected.sum(dim=1)
    assert {f"{100 * n / 30:.0f}%" for n in selected.tolist()} == {arm}
    if arm in lesson_05.TEST_RATES:
        assert lesson_05.TEST_RATES[arm] == rate


def test_every_seed_reads_and_is_asked_about_a_text_of_its_own():
    one, other = (materials.material(rows=50, held_out=1000, seed=seed) for seed in (0, 1))
    told = {tuple(row) for row in [*one.rows.tolist(), *one.held_out.tolist()]}
    assert not told & {tuple(row) for row in [*other.rows.tolist(), *other.held_out.tolist()]}
    first, second = (materials.material(rows=50, held_out=50, seed=seed, pieces=150) for seed in (0, 1))
    assert not torch.equal(first.rows, second.rows) and not torch.equal(first.held_out, second.held_out)
    assert first.tokenizer.get_vocab() == second.tokenizer.get_vocab()


def test_probes_measure_every_model_on_the_same_questions():
    runtime.seed_all(0)
    model = bodies.tiny_bert(TOKENIZER)
    one, other = (Probes(DATA, MaskedLM(Masking.of(TOKENIZER, rate=rate))) for rate in (0.15, 0.4))
    a, b = one(model), other(model)
    assert set(a) == set(b) and {name for name in a if a[name] != b[name]} == {"own nats", "own accuracy"}
    assert all(0 <= a[name] <= 1 for name in a if "nats" not in name)


@pytest.mark.slow
def test_a_run_gives_lists_over_training(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    settings = {"mask": 1.0, "random": 0.0, "steps": 10, "batch_size": 4, "rows": 2000}
    first, second = (lesson_05.corrupted(0, **settings) for _ in "ab")
    assert first == second, "the second run comes from the cache"
    assert {len(values) for values in first.values()} == {4} and first["tokens"][-1] == 10 * 4 * 32
    _, history, *_ = lesson_05.pretrained(0, **settings)
    assert history.evals["fill 17% nats"] == first["fill 17% nats"]


@pytest.mark.slow
def test_tags_are_learned_by_a_frozen_and_by_a_fine_tuned_body(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    found = lesson_05.tagged(0, labelled=16, mask=1.0, random=0.0, steps=20, batch_size=8, rows=2000)
    assert found["tokens"] == 20 * 8 * 32
    for what in ("", ", new words"):
        ways = [found[f"{way}{what} accuracy"] for way in ("frozen", "fine-tuned")]
        assert all(0 <= way <= 1 for way in ways)
        assert found[f"frozen minus fine-tuned{what} accuracy"] == ways[0] - ways[1]
    assert found["fine-tuned accuracy"] > 0.8  # always O: 0.77


def test_tied_means_one_matrix():
    runtime.seed_all(0)
    for tied in (True, False):
        model = bodies.tiny_bert(TOKENIZER, tie_word_embeddings=tied)
        assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) is tied


def test_a_loss_everywhere_asks_for_every_word_of_the_same_corrupted_text():
    masking = Masking.of(TOKENIZER)
    goals = MaskedLM(masking), LossEverywhere(masking)
    right, wrong = (goal(ROWS, torch.Generator().manual_seed(1)) for goal in goals)
    assert torch.equal(right.input_ids, wrong.input_ids)
    assert torch.equal(wrong.select, masking.ordinary(ROWS)) and torch.equal(wrong.targets, ROWS[wrong.select])
    logits = torch.randn(*ROWS.shape, len(TOKENIZER), generator=torch.Generator().manual_seed(2))
    words = logits[wrong.select]
    mean_first = torch.nn.functional.cross_entropy(words, ROWS[wrong.select])  # already one number
    selected = right.select[wrong.select].float()
    masked_too_late = (mean_first * selected).sum() / selected.sum()
    assert torch.isclose(masked_too_late, wrong.loss(words, None))


# --- pieces
WORDPIECE = train_wordpiece(["unfair unfairly fairly playing played replay player fair play un re ly ing"] * 3, 40)


def test_one_piece_of_one_split_word_is_asked_for_in_each_row():
    texts = ["unfairly play fair", "fair play", "playing replay player"]
    rows = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(WORDPIECE(text)["input_ids"]) for text in texts], batch_first=True,
        padding_value=WORDPIECE.pad_token_id,
    )  # fmt: skip
    asked = lesson_05.one_piece_each(WORDPIECE, rows)
    near, far = asked[VISIBLE].batch, asked[HIDDEN].batch
    assert torch.equal(near.select, far.select) and torch.equal(near.targets, far.targets)
    assert near.select.sum(dim=1).tolist() == [1] * len(near.select) and len(near.select) >= 2
    mask = WORDPIECE.mask_token_id
    assert torch.equal(near.input_ids == mask, near.select)
    assert ((far.input_ids == mask).sum(dim=1) > 1).all() and (far.input_ids == mask)[near.select].all()
    words = lesson_05.WholeWordMasking.of(WORDPIECE).words(asked[VISIBLE].rows)
    for number, hidden in zip(words, far.input_ids == mask, strict=True):
        (word,) = number[hidden].unique().tolist()
        assert torch.equal(number == word, hidden), "the whole word is hidden, and nothing else"
