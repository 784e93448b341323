"""The pairs of lesson 06: what look-alikes share, how exact the exact reader is, what the cosines are taken of."""

import numpy as np
import pytest
import torch

from course_lib import runtime
from course_lib.experiments import lesson_06
from course_lib.experiments import town_pairs as P
from course_lib.model import bodies

TOWN, TOKENIZER = P.town_pairs(2, 2).town, P.town_pairs(2, 2).tokenizer
SMALL, OTHER = (
    P.TownPairs(TOWN, TOKENIZER, tuple(TOWN.stories(n, seed=s) for n, s in ((600, first), (1200, first + 1))))
    for first in (1, 11)
)
PAIRS = 400  # of the held-out ones


each_kind = pytest.mark.parametrize("kind", P.KINDS)


def hidden(document, part):
    story = SMALL.stories[part][document]
    return story.topic, story.hero, story.mood


def halves(pairs, row):
    return tuple(pairs.segments(row))


@each_kind
@pytest.mark.parametrize("part", [0, 1])
def test_half_of_the_pairs_follow_and_the_others_are_what_their_kind_says(kind, part):
    pairs = SMALL.held_out(kind, PAIRS) if part else SMALL.training(kind)
    assert pairs.labels.float().mean() == 0.5 and pairs.input_ids.shape[1] == P.LENGTH
    texts = SMALL.texts(bool(part))
    for row, ((da, a, a_end), (db, b, b_end)) in enumerate(pairs.origins.tolist()):
        assert (a_end - a, b_end - b) == (P.SENTENCES, P.SENTENCES)
        words = [SMALL.tokenizer.convert_ids_to_tokens(ids) for ids in pairs.segments(row)]
        assert words == [" ".join(texts[d][i:j]).split() for d, i, j in ((da, a, a_end), (db, b, b_end))]
        if pairs.labels[row] == 0:
            assert (da, a_end) == (db, b)
        elif kind == "swapped":
            assert (da, b_end) == (db, a)
        elif kind == "same document":
            assert da == db and a_end != b
        else:
            assert da != db
            assert kind != P.LOOKALIKE or hidden(da, part) == hidden(db, part)


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("kind", ["other document", P.LOOKALIKE])
def test_neither_side_alone_gives_a_label_away(kind, part):
    """A story's first sentences follow nothing, so as B they would tell; its last ones precede nothing, as A."""
    data = P.town_pairs()
    made = data.held_out(kind) if part else data.training(kind)
    long = torch.tensor([len(story.sentences) for story in data.stories[part]])
    assert (made.origins[:, 1, 1] >= P.SENTENCES).all()
    assert (made.origins[:, 0, 2] + P.SENTENCES <= long[made.origins[:, 0, 0]]).all()


def test_other_documents_mostly_differ_in_what_look_alikes_share():
    pairs = SMALL.training("other document")
    negatives = pairs.origins[pairs.labels == 1][:, :, 0].tolist()
    assert sum(hidden(a, 0) == hidden(b, 0) for a, b in negatives) < 0.05 * len(negatives)


def test_pronouns_are_those_of_the_heroes():
    pairs = SMALL.held_out("other document", PAIRS)
    same = SMALL.same_pronoun(pairs)
    assert same[pairs.labels == 0].all() and 0.3 < same[pairs.labels == 1].mean() < 0.7
    for row in range(0, len(pairs), 7):
        words = [set(SMALL.tokenizer.convert_ids_to_tokens(ids)) for ids in pairs.segments(row)]
        seen = [("she" if side & {"she", "her"} else "") + ("he" if side & {"he", "his"} else "") for side in words]
        if all(seen):
            assert same[row] == (seen[0] == seen[1])


def test_as_many_pairs_as_asked_for():
    assert len(SMALL.held_out(P.LOOKALIKE, PAIRS)) == len(SMALL.held_out("swapped", PAIRS)) == PAIRS
    with pytest.raises(ValueError, match="negative='random' is unknown"):
        SMALL.training("random")


@each_kind
def test_the_exact_reader_is_as_right_as_it_expects_to_be(kind):
    pairs = SMALL.held_out(kind, PAIRS)
    score = SMALL.exact(kind, pairs)
    q = np.exp(-score.nats)  # what it gave the true label
    expected = -q * np.log(q) - (1 - q) * np.log1p(-np.minimum(q, 1 - 1e-12))
    assert abs((score.nats - expected).mean()) < 4.5 * score.nats.std() / len(pairs) ** 0.5
    assert score.accuracy > 0.6 and ((q > 0.5) == score.right)[q != 0.5].all()


def test_scores_of_look_alikes_stand_in_the_order_of_their_pairs():
    pairs = SMALL.held_out(P.LOOKALIKE, PAIRS)
    whole = SMALL.exact(P.LOOKALIKE, pairs)
    for row in (0, 7, len(pairs) - 1):
        assert SMALL.exact(P.LOOKALIKE, pairs[[row]]).nats[0] == pytest.approx(whole.nats[row])


@pytest.mark.slow
def test_being_told_what_look_alikes_share_is_no_advantage_worth_the_name():
    """Without the shared topic only the order of kinds is left, and that shows in the words, told or not."""
    pairs = SMALL.held_out(P.LOOKALIKE, PAIRS)
    other = SMALL.held_out("other document", PAIRS)
    assert SMALL.exact(P.LOOKALIKE, pairs).accuracy < SMALL.exact("other document", other).accuracy - 0.1


def test_vectors_are_the_model_s_own_and_padding_changes_nothing():
    runtime.seed_all(0)
    model = bodies.pair_bert(SMALL.tokenizer).eval()
    rows = [[10, 11, 12], [13], [14, 15, 16, 17, 18]]
    found = lesson_06.vectors(model, rows, SMALL.tokenizer)
    for n, row in enumerate(rows):
        ids = torch.tensor([[SMALL.tokenizer.cls_token_id, *row, SMALL.tokenizer.sep_token_id]])
        with torch.no_grad(), bodies.autocast(model.device):
            own = model.bert(ids).last_hidden_state[0].float()
        torch.testing.assert_close(found["cls"][n], own[0], atol=0.05, rtol=0.05)  # bfloat16
        torch.testing.assert_close(found["mean"][n], own[1:-1].mean(dim=0), atol=0.05, rtol=0.05)


def test_the_cosine_of_a_text_with_itself_says_nothing_about_neighbours():
    runtime.seed_all(0)
    model = bodies.pair_bert(SMALL.tokenizer).train()
    pairs = SMALL.held_out("swapped", PAIRS)[:60]
    found = lesson_06.geometry(model, pairs, SMALL.tokenizer)
    assert model.training  # as it was
    assert set(found) == {"cls cosine", "cls AUC", "mean cosine", "mean AUC"}
    assert 0.3 < found["mean AUC"] < 0.7 and 0.3 < found["cls AUC"] < 0.7  # swapped: the same texts
    blind = lesson_06.geometry(bodies.pair_bert(SMALL.tokenizer, causal=True), pairs, SMALL.tokenizer)
    assert blind["cls cosine"] > 0.99  # under the causal mask all [CLS] are one


def test_a_reader_reads_first_and_is_found_again(monkeypatch):
    one, again = (lesson_06.reader(SMALL, False, 3, seed=5) for _ in range(2))
    for key, value in one.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    runtime.seed_all(5)
    fresh = lesson_06.reader(SMALL, True, 0, seed=5)
    assert fresh.config.is_decoder and not one.config.is_decoder
    assert not torch.equal(fresh.state_dict()["bert.embeddings.word_embeddings.weight"],
                           one.state_dict()["bert.embeddings.word_embeddings.weight"])  # fmt: skip
    pooler = "bert.pooler.dense.weight"
    runtime.seed_all(5)
    start = bodies.pair_bert(SMALL.tokenizer).state_dict()[pooler]
    assert (one.state_dict()[pooler] - start).abs().max() < 1e-3  # masked words alone: no gradient, a little decay


@pytest.mark.slow
def test_what_needs_no_network_sees_order_only_where_it_reads_the_segments_apart(monkeypatch):
    """Shared words are the same for A, B and B, A; which words stand in B is not: order has a shallow shortcut, too."""
    held_out = P.TownPairs.held_out
    monkeypatch.setattr(P.TownPairs, "held_out", lambda data, kind: held_out(data, kind, PAIRS))
    found = lesson_06.baselines(SMALL, "swapped")
    assert set(found) == {"shared words", *lesson_06.BASELINES, "ceiling"}
    assert abs(found["shared words"] - 0.5) < 0.1  # 400 pairs
    assert 0.6 < found["B only"] < found["by segment"] < found["ceiling"]
    matched = lesson_06.baselines(SMALL, "other document")  # neither side alone tells
    assert abs(matched["B only"] - 0.5) < 0.1 and matched["shared words"] > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"beside": True}, {"judge_at": None}, {"causal": True, "judge_at": "last"}])
def test_one_run_measures_everything_on_a_tiny_budget(change, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(lesson_06, "town_pairs", lambda seed: (SMALL, OTHER)[seed])
    settings = {"negative": "swapped", "causal": False, "judge_at": "first", "words_first": 0} | change
    settings |= {"steps": 10, "batch_size": 4, "learning_rate": 1e-3}
    first, second = (lesson_06.judge_pairs(seed, **settings) for seed in (0, 1))
    names = {f"{kind} accuracy" for kind in P.KINDS} | {"word nats", "word accuracy", "tokens"}
    names |= {"other pronoun rejected", "same pronoun rejected", "cls cosine", "cls AUC", "mean cosine", "mean AUC"}
    if "beside" in change:
        names |= {f"swapped {name}" for name in ("shared words", *lesson_06.BASELINES, "ceiling")}
    assert set(first) == names
    assert first["word nats"] != second["word nats"]


def test_every_seed_has_stories_of_its_own():
    one, other = (P.town_pairs(50, 50, seed=seed) for seed in (0, 1))
    told = [{str(text) for part in (False, True) for text in data.texts(part)} for data in (one, other)]
    assert not told[0] & told[1]
