"""Writing and filling by hand: equal to transformers, exact with exact readers, and judged by the grammar."""

import math
import random
from types import SimpleNamespace

import brute_force
import numpy as np
import pytest
import torch
from transformers import BertModel

from course_lib import runtime
from course_lib.apply import generation
from course_lib.apply.generation import (
    AnyRate,
    divergence,
    fill,
    first_impossible,
    is_sentence,
    judge,
    next_words,
    words_of,
    write,
)
from course_lib.exercises import compare as values
from course_lib.experiments import materials
from course_lib.model import bodies
from course_lib.model.attention import bidirectional_mask, causal_mask
from course_lib.text import tokenization
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle

READER = SimpleNamespace(
    config=SimpleNamespace(vocab_size=1000, max_position_embeddings=99, pad_token_id=None, model_type="bert")
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def split(text):
    return text.split()


@pytest.fixture(scope="module")
def town():
    return TinyTown.load()


@pytest.fixture(scope="module")
def oracle(town):
    return Oracle(town)


@pytest.fixture(scope="module")
def tokenizer(town):
    return tokenization.word_tokenizer(town.vocabulary)


@pytest.fixture(scope="module")
def gpt(tokenizer):
    torch.manual_seed(0)
    return bodies.tiny_gpt(tokenizer, initializer_range=0.4).eval()  # far from uniform


@pytest.fixture(scope="module")
def small():
    """A town of few words, its exact reader and its tokenizer."""
    reader = Oracle(TinyTown.from_dict(brute_force.GRAMMAR))
    return reader, tokenization.word_tokenizer(reader.vocabulary)


# --- choosing a word
@pytest.mark.parametrize("wrong", [0, -1.0, "warm"])
def test_a_temperature_is_above_zero(gpt, wrong):
    with pytest.raises(ValueError, match=f"temperature={wrong} must be a number above 0; use 'greedy'"):
        write(gpt, torch.tensor([[2]]), 1, wrong)


def test_greedy_writing_is_generate_s_and_leaves_the_prompt_alone(gpt):
    prompt = torch.tensor([[2, 10, 11], [2, 40, 7]])
    before = prompt.clone()
    theirs = gpt.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=20,
                          min_new_tokens=20, use_cache=True)  # fmt: skip
    blocked = gpt.generation_config.eos_token_id  # min_new_tokens never lets it end
    ours = write(gpt, prompt, 20, "greedy")
    if blocked not in ours[:, 3:]:
        assert torch.equal(ours, theirs)
    assert torch.equal(ours, write(gpt, prompt, 20, "greedy", cache=False))
    assert torch.equal(prompt, before) and ours.shape == (2, 23)


def test_the_cache_changes_no_drawn_text(gpt):
    prompt = torch.tensor([[2]] * 6)
    drawn = [write(gpt, prompt, 25, 0.9, seeded(3), cache=cache) for cache in (True, False)]
    assert torch.equal(*drawn)
    assert len({tuple(row) for row in drawn[0].tolist()}) > 1
    assert not torch.equal(drawn[0], write(gpt, prompt, 25, 0.9, seeded(4)))


def test_words_are_drawn_as_often_as_the_model_says(gpt):
    n, prompt = 4000, torch.tensor([[2, 30]])
    p = gpt(prompt).logits[0, -1].div(0.7).softmax(0)
    drawn = write(gpt, prompt.expand(n, -1), 1, 0.7, seeded())[:, -1]
    for word in p.topk(3).indices.tolist():
        assert values.within_binomial(int((drawn == word).sum()), n, p[word].item())


def test_writing_past_the_last_position_is_refused(gpt):
    with pytest.raises(ValueError, match=r"1 \+ 128 tokens do not fit a model with 128 positions"):
        write(gpt, torch.tensor([[2]]), 128)


def test_a_prompt_with_padding_is_refused(gpt, tokenizer):
    for padded in ([[2, 10, 11], [2, 40, 0]], [[0, 0, 2], [2, 40, 7]]):
        with pytest.raises(ValueError, match="1 of 2 prompts hold padding, .*at a time.*padding_side='left'"):
            write(gpt, torch.tensor(padded), 3)
    batch = tokenizer(["Anna", "Anna she"], padding=True, return_tensors="pt")["input_ids"]
    with pytest.raises(ValueError, match="prompts hold padding"):
        write(gpt, batch, 1, "greedy")


@pytest.mark.parametrize("build", [bodies.tiny_bert, bodies.pair_bert, bodies.BertLMHeadModel, BertModel])
def test_a_bidirectional_model_cannot_write(build, tokenizer):
    whole = build in (bodies.BertLMHeadModel, BertModel)  # from a configuration without is_decoder
    model, prompt = build(bodies._bert_config(tokenizer) if whole else tokenizer), torch.tensor([[2]])
    for what in (lambda: write(model, prompt, 3), lambda: write(model, prompt, 3, cache=False)):
        with pytest.raises(TypeError, match=f"{type(model).__name__} is none: it is bidirectional.*bodies.tiny_gpt"):
            what()


def test_a_causal_bert_writes_with_and_without_the_cache(tokenizer):
    torch.manual_seed(0)
    model = bodies.causal_bert(tokenizer, initializer_range=0.4).eval()
    drawn = [write(model, torch.tensor([[2]] * 3), 9, 0.9, seeded(3), cache=cache) for cache in (True, False)]
    assert torch.equal(*drawn)


@pytest.mark.parametrize(
    "prompt,settings,message",
    [
        (torch.zeros(2, 0).long(), {}, r"shape \[N, T\], not torch.int64 \(2, 0\)"),
        (torch.tensor([2, 7]), {}, r"rows must be token ids .int64. of shape \[N, T\]"),
        ([[2, 7]], {}, "not list"),
        (torch.tensor([[2.0]]), {}, "not torch.float32"),
        (torch.tensor([[2, 5000]]), {}, "Token id 5000 is outside the model's vocabulary of"),
        (torch.tensor([[2, -1]]), {}, "Token id -1 is outside"),
        (torch.tensor([[2]]), {"temperature": "hot"}, "temperature=hot must be a number above 0; use 'greedy'"),
    ],
)
def test_writing_says_what_is_wrong(gpt, prompt, settings, message):
    with pytest.raises(ValueError, match=message):
        write(gpt, prompt, 2, **settings)


# --- filling masks
def test_filling_does_not_read_the_padding(tokenizer):
    torch.manual_seed(0)
    bert = bodies.tiny_bert(tokenizer, initializer_range=0.4).eval()
    short = torch.tensor([[2, 9, 4, 30, 4, 3]])
    padded = torch.cat([short, torch.zeros(1, 5).long()], dim=1)
    filled = [fill(bert, ids, 4, "left to right", "greedy")[:, :6] for ids in (short, padded)]
    assert torch.equal(*filled)


def test_filling_refuses_a_writer_and_rows_without_masks(gpt, tokenizer):
    with pytest.raises(TypeError, match="GPT2LMHeadModel says what comes next, not what a mask hides: use write"):
        fill(gpt, torch.tensor([[2, 4, 3]]), 4)
    with pytest.raises(ValueError, match=r"Rows have \[0\] masks, id 4: each must have the same number, 1 or more"):
        fill(bodies.tiny_bert(tokenizer), torch.tensor([[2, 7, 3]]), 4)
    with pytest.raises(ValueError, match="Token id 777 is outside"):
        fill(bodies.tiny_bert(tokenizer), torch.tensor([[2, 4, 777]]).clamp(min=4), 4)


@pytest.fixture
def spy(monkeypatch):
    """Replace the model's reading by a function that notes its calls and answers word 9."""
    calls = []

    def read(model, ids, at, mask):
        calls.append((ids.clone(), at[:, 0].tolist()))
        return torch.nn.functional.one_hot(torch.full_like(at, 9), 12).float() * 99

    monkeypatch.setattr(generation, "logits_at", read)
    return calls


def test_filling_goes_in_the_order_that_is_asked_for(spy):
    ids = torch.tensor([[2, 4, 7, 4, 4, 3], [2, 4, 4, 4, 8, 3]])
    before = ids.clone()
    assert fill(READER, ids, 4, "left to right").tolist() == [[2, 9, 7, 9, 9, 3], [2, 9, 9, 9, 8, 3]]
    assert [at for _, at in spy] == [[1, 1], [3, 2], [4, 3]]
    assert all((seen == 4).sum() == 2 * left for (seen, _), left in zip(spy, (3, 2, 1), strict=True))
    spy.clear()
    fill(READER, ids, 4, "random", generator=seeded(), sweeps=2)
    rounds = [sorted(at[0] for _, at in spy[i : i + 3]) for i in (0, 3, 6)]
    assert rounds == [[1, 3, 4]] * 3 and len(spy) == 9
    assert all((seen == 4).sum() == 2 for seen, _ in spy[3:]), "a sweep hides one word at a time in each row"
    assert torch.equal(ids, before)


def test_random_orders_differ_between_rows_and_are_equally_frequent(spy):
    fill(READER, torch.full((3000, 3), 4), 4, "random", generator=seeded())
    orders = list(zip(*(at for _, at in spy), strict=True))
    assert len(set(orders)) == 6
    assert all(values.within_binomial(orders.count(o), 3000, 1 / 6) for o in set(orders))


def test_filling_says_what_is_wrong(spy):
    with pytest.raises(ValueError, match="order='upwards' is unknown"):
        fill(READER, torch.tensor([[4]]), 4, "upwards")
    with pytest.raises(ValueError, match=r"Rows have \[1, 2\] masks"):
        fill(READER, torch.tensor([[4, 4], [4, 9]]), 4)


def exact_filler(reader, tokenizer):
    """Answer as the exact reader of a town does, in place of a BERT."""
    vocabulary = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))

    def read(model, ids, at, mask):
        out = torch.full((len(ids), 1, len(tokenizer)), -torch.inf)
        for row, (seen, place) in enumerate(zip(ids.tolist(), at[:, 0].tolist(), strict=True)):
            words = [None if t == tokenizer.mask_token_id else vocabulary[t] for t in seen]
            p = reader.restore(words, [place])[0]
            out[row, 0, tokenizer.convert_tokens_to_ids(reader.vocabulary)] = torch.from_numpy(p).log().float()
        return out

    return read


@pytest.mark.parametrize("order", generation.ORDERS)
def test_with_exact_answers_filling_writes_the_language_in_any_order(small, order, monkeypatch):
    """The procedure is right; what a BERT lacks is the exact answers."""
    reader, tokenizer = small
    monkeypatch.setattr(generation, "logits_at", exact_filler(reader, tokenizer))
    n, length, language = 300, 5, brute_force.texts(5)
    mask = tokenizer.mask_token_id
    filled = fill(READER, torch.full((n, length), mask), mask, order, 1.0, seeded())
    texts = [tuple(words) for words in words_of(tokenizer, filled)]
    assert set(texts) <= set(language)
    likely = sorted(language, key=language.get)[-4:]
    assert all(values.within_binomial(texts.count(text), n, language[text]) for text in likely)


def test_exact_answers_give_one_probability_in_any_order(small):
    """By the chain rule, read in any order; a BERT's answers give another number for each order."""
    reader, _ = small
    language = brute_force.texts(6)
    rng = np.random.default_rng(0)
    for text in sorted(language)[:: len(language) // 8]:
        for _ in range(3):
            seen, total = [None] * 6, 0.0
            for place in rng.permutation(6):
                total += math.log(reader.restore(seen, [int(place)])[0][reader.word_id[text[place]]])
                seen[place] = text[place]
            assert total == pytest.approx(math.log(language[text]), abs=1e-9)


def test_a_product_of_masked_conditionals_is_no_probability(oracle):
    """Each of two hidden words gives the other away: the perfect reader's product sums to 2, the chain's to 1."""
    hidden, V = [0, 2], len(oracle.vocabulary)
    words = [None, "Anna", None, "to", "the", "kitchen", "."]

    def given(at, other):  # [V, V]: P(word at | the other word), one row for each other word that is possible
        rows = np.zeros((V, V))
        p = oracle.restore(words, [other])[0]
        for word in np.flatnonzero(p > 1e-12):
            seen = words.copy()
            seen[other] = oracle.vocabulary[word]
            rows[word] = oracle.restore(seen, [at])[0]
        return rows

    first, second = given(*hidden), given(*hidden[::-1])
    assert (first.T * second).sum() == pytest.approx(2, abs=1e-9)  # yesterday ... went, today ... goes
    assert (oracle.restore(words, [0])[0][:, None] * second).sum() == pytest.approx(1, abs=1e-9)


# --- masks at every rate
def test_any_number_of_words_is_hidden_equally_often(tokenizer):
    N, n = 6, 6000
    rows = torch.randint(5, 40, (n, N + 2), generator=seeded(1))
    rows[:, 0], rows[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    before = rows.clone()
    batch = AnyRate.of(tokenizer)(rows, seeded())
    hidden = batch.select.sum(dim=1)
    for count in range(1, N + 1):
        assert values.within_binomial(int((hidden == count).sum()), n, 1 / N)
    for place in range(1, N + 1):
        assert values.within_binomial(int(batch.select[:, place].sum()), n, (N + 1) / 2 / N)
    assert not batch.select[:, [0, -1]].any() and torch.equal(rows, before)
    assert torch.equal(batch.targets, rows[batch.select])
    assert (batch.input_ids[batch.select] == tokenizer.mask_token_id).all()
    assert torch.equal(batch.input_ids[~batch.select], rows[~batch.select])


# --- what was written
def test_words_of_drops_the_ends(tokenizer):
    with_both = torch.tensor([tokenizer("Anna ran .")["input_ids"]])
    assert words_of(tokenizer, with_both) == words_of(tokenizer, with_both[:, :-1]) == [["Anna", "ran", "."]]
    assert words_of(tokenizer, with_both[:, 1:-1]) == [["Anna", "ran", "."]]


def test_every_sentence_of_the_grammar_is_one_and_a_changed_one_is_not(town):
    for story in town.stories(60, seed=5):
        assert all(is_sentence(town, sentence) for sentence in story.sentences)
    assert is_sentence(town, split("Anna and her dog left the cook slowly ."))
    for wrong in ("Anna and his dog left the cook slowly .", "she saw a egg on the floor .", "Anna Anna .", ".", "",
                  "the cook and Anna cooked the boat together .", "Anna and her dog left the cook slowly"):  # fmt: skip
        assert not is_sentence(town, split(wrong))


def test_is_sentence_agrees_with_counting_all_sentences():
    small, language = TinyTown.from_dict(brute_force.GRAMMAR), set()
    for kind in brute_force.SENTENCES:
        language |= {words for hidden in brute_force.HIDDEN for words, _ in brute_force.sentences(kind, hidden)}
    assert all(is_sentence(small, list(words)) for words in language)
    rng, vocabulary = np.random.default_rng(0), small.vocabulary
    for words in list(language) * 5:
        other = list(words)
        other[rng.integers(len(other))] = vocabulary[rng.integers(len(vocabulary))]
        assert is_sentence(small, other) == (tuple(other) in language)


def test_the_first_impossible_word_is_found(oracle, town):
    story = town.story(random.Random(2)).words
    assert first_impossible(oracle, story) is None
    for at in (0, 3, len(story) - 1):
        assert first_impossible(oracle, [*story[:at], "[MASK]", *story[at + 1 :]]) == at
    wrong = split("yesterday Anna went to the kitchen . he saw a pan on the floor .")
    assert first_impossible(oracle, wrong) == wrong.index("he")
    assert first_impossible(oracle, ["boat"]) == 0 and first_impossible(oracle, []) is None


def test_the_grammar_s_own_stories_pass_and_their_surprise_is_the_entropy(oracle, town):
    texts = [story.words[:30] for story in town.stories(150, seed=9)]
    found = judge(oracle, texts)
    assert (found.sentences, found.stories) == (1, 1)
    nats = [-oracle.log_prob(words) / 30 for words in texts]
    assert found.surprise == pytest.approx(np.mean(nats), abs=1e-9)
    assert 0.6 < found.surprise < 0.85 and 0.8 < found.distinct < 1


def test_judging_counts_wrong_and_repeated_sentences(oracle):
    good, wrong = split("Anna ran to the farm with her dog ."), split("Anna ran to the farm with his dog .")
    found = judge(oracle, [good, good, wrong, good + ["she"]])
    assert (found.sentences, found.stories, found.distinct) == (0.75, 0.75, 0.5)
    kept = [good, good, wrong[:6], good + ["she"]]
    nats = -sum(map(oracle.log_prob, kept))
    assert found.surprise == pytest.approx(nats / sum(map(len, kept)))
    with pytest.raises(ValueError, match="None of the 1 texts holds a finished sentence"):
        judge(oracle, [["Anna"]])


class Exact(bodies.GPT2LMHeadModel):
    """A writer that says what the language says, or nothing (uniform)."""

    device = torch.device("cpu")

    def __init__(self, oracle, tokenizer, uniform=False):
        torch.nn.Module.__init__(self)
        self.config = bodies.GPT2Config()
        self.oracle, self.tokenizer, self.uniform = oracle, tokenizer, uniform

    def __call__(self, rows):
        p = np.stack([self.oracle.next_word(words) for words in words_of(self.tokenizer, rows)])
        out = torch.full((*rows.shape, len(self.tokenizer)), -torch.inf, dtype=torch.float64)
        order = self.tokenizer.convert_tokens_to_ids(self.oracle.vocabulary)
        out[:, : p.shape[1], order] = torch.from_numpy(np.full_like(p, 1 / p.shape[2]) if self.uniform else p).log()
        return SimpleNamespace(logits=out)


def test_the_divergence_of_a_perfect_writer_is_zero_and_only_at_temperature_one(oracle, tokenizer, town):
    texts = [" ".join(story.words[:20]) for story in town.stories(12, seed=3)]
    rows = torch.tensor(tokenizer(texts)["input_ids"])
    perfect = Exact(oracle, tokenizer)
    assert divergence(perfect, oracle, tokenizer, rows) == pytest.approx(0, abs=1e-5)
    away = [divergence(perfect, oracle, tokenizer, rows, t) for t in (0.5, 0.8, 1.3)]
    assert away[0] > away[1] > 0.001 and away[2] > 0.001
    p = np.concatenate([oracle.next_word(split(text)) for text in texts])
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(1).mean()
    blind = divergence(Exact(oracle, tokenizer, uniform=True), oracle, tokenizer, rows)
    assert blind == pytest.approx(math.log(len(oracle.vocabulary)) - entropy, abs=1e-5)


@pytest.mark.slow
# --- the experiments' measuring functions
def test_the_writers_of_the_experiments_on_a_tiny_budget(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    from course_lib.experiments import lesson_09

    expected = {"tokens", "valid sentences", "valid stories", "distinct sentences", "surprise nats"}
    monkeypatch.setattr(generation, "judge", lambda oracle, texts: judge(oracle, [[*texts[0], "."], *texts]))
    cold = lesson_09.by_temperature(0, 0.5, steps=2, stories=3)
    assert set(cold) == expected | {"divergence nats"} and cold["tokens"] == 2 * 32 * 32
    for objective, order in (("causal", "left to right"), ("masked", "random"), ("any rate", "left to right")):
        assert set(lesson_09.by_filling(0, objective, order, sweeps=0, steps=2, stories=3)) == expected


def test_an_honest_mask_says_the_same_word_by_word_and_in_one_pass_and_an_open_one_does_not(monkeypatch):
    data = materials.material(rows=64)
    rows, tokenizer = data.rows[:40], data.tokenizer
    monkeypatch.setenv("COURSE_PRECISION", "bf16")  # scores are never rounded: 4 of 1000 words would differ
    runtime.seed_all(0)
    model, (_, T) = bodies.tiny_bert(tokenizer).train(), rows.shape
    honest, opened = ([next_words(model, rows, mask, cut) for cut in (False, True)] for mask in
                      (causal_mask(T), bidirectional_mask(T)))  # fmt: skip
    assert model.training and honest[0].shape == (len(rows), T - 1) and torch.equal(*honest)
    assert (opened[0] != opened[1]).float().mean() > 0.2
    with torch.no_grad():
        third = model.eval()(rows[:, :3], attention_mask=causal_mask(3)).logits[:, -1].argmax(-1)
    assert torch.equal(honest[1][:, 2], third)
