"""Real transformers classes, one flag apart; our attention and our shortcut equal the slow way."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    BertForMaskedLM,
    BertLMHeadModel,
    GPT2LMHeadModel,
)

from course_lib import runtime
from course_lib.model.attention import causal_mask, combine, leakage, padding_mask, prefix_mask, sees_future
from course_lib.model.bodies import (
    ATTENTION,
    autocast,
    causal_bert,
    logits_at,
    parameters,
    tiny_bert,
    tiny_gpt,
    with_mask,
)
from course_lib.text.tokenization import word_tokenizer

TOKENIZER = word_tokenizer([f"w{i:02d}" for i in range(60)])
SMALL = {
    tiny_bert: dict(hidden_size=32, intermediate_size=64, initializer_range=0.3),
    causal_bert: dict(hidden_size=32, intermediate_size=64, initializer_range=0.3),
    tiny_gpt: dict(n_embd=32, initializer_range=0.3),
}
BUILDERS = pytest.mark.parametrize("build", SMALL)
B, T = 3, 12


def small(build, seed=0, **overrides):
    torch.manual_seed(seed)
    return build(TOKENIZER, **(SMALL[build] | overrides)).eval()


@pytest.fixture
def ids():
    return torch.randint(5, len(TOKENIZER), (B, T), generator=torch.Generator().manual_seed(0))


# --- what they are
@pytest.mark.parametrize(
    "build,kind", [(tiny_bert, BertForMaskedLM), (causal_bert, BertLMHeadModel), (tiny_gpt, GPT2LMHeadModel)]
)
def test_each_is_the_real_class(build, kind):
    model = build(TOKENIZER)
    assert type(model) is kind
    assert model.config.vocab_size == len(TOKENIZER)
    assert model.config.pad_token_id == TOKENIZER.pad_token_id
    assert 350_000 < parameters(model) < 600_000
    assert parameters(model) == model.num_parameters()
    assert model.config._attn_implementation == ATTENTION


def test_first_weights_follow_the_global_seed():
    runtime.seed_all(1)
    one = tiny_bert(TOKENIZER).state_dict()
    runtime.seed_all(1)
    same = tiny_bert(TOKENIZER).state_dict()
    runtime.seed_all(2)
    other = tiny_bert(TOKENIZER).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@BUILDERS
def test_overrides_reach_the_configuration(build):
    layers = "n_layer" if build is tiny_gpt else "num_hidden_layers"
    model = build(TOKENIZER, **{layers: 1, "attn_implementation": "eager"})
    assert model.config.num_hidden_layers == 1
    assert model.config._attn_implementation == "eager"


# --- one body, two masks
def test_with_mask_changes_the_mask_and_no_weight(ids):
    model = small(tiny_bert)
    twin = with_mask(model, causal=True)
    back = with_mask(twin, causal=False)
    assert type(twin) is BertLMHeadModel and twin.config.is_decoder
    assert type(back) is BertForMaskedLM and not back.config.is_decoder
    assert list(twin.state_dict()) == list(model.state_dict())
    for key, value in model.state_dict().items():
        assert torch.equal(twin.state_dict()[key], value)
        assert twin.state_dict()[key].data_ptr() != value.data_ptr()  # a copy: training one leaves the other
    with torch.no_grad():
        before = model(ids).logits
        assert torch.equal(back(ids).logits, before)
        assert not torch.allclose(twin(ids).logits[:, 0], before[:, 0])
        # ... and a causal mask given by hand makes BERT the same reader as its decoder twin
        by_hand = model(ids, attention_mask=causal_mask(T)).logits
        torch.testing.assert_close(twin(ids).logits, by_hand, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", ["gradient", "perturbation"])
def test_who_sees_the_future(ids, method):
    assert sees_future(leakage(small(tiny_bert), ids[0], method))
    assert not sees_future(leakage(small(causal_bert), ids[0], method))
    assert not sees_future(leakage(small(tiny_gpt), ids[0], method))
    assert not sees_future(leakage(with_mask(small(tiny_bert), causal=True), ids[0], method))


@pytest.mark.parametrize("method", ["gradient", "perturbation"])
def test_the_planted_leak_is_found(ids, method):
    """BertLMHeadModel without is_decoder=True warns at most, and sees everything."""
    honest = small(causal_bert)
    config = type(honest.config).from_dict(honest.config.to_dict() | {"is_decoder": False})
    config._attn_implementation = ATTENTION
    leaky = BertLMHeadModel(config)
    leaky.load_state_dict(honest.state_dict())
    matrix = leakage(leaky, ids[0], method)
    assert sees_future(matrix)
    assert (matrix.triu(1)[torch.ones(T, T).triu(1).bool()] > 0).all()


# --- our attention
def masks(build):
    padded = torch.tensor([[1] * T, [1] * 8 + [0] * 4, [1] * 5 + [0] * 7])
    yield "none", None, torch.ones(B, T).bool()
    yield "padding", padded, padded.bool()
    yield "causal 4-D", causal_mask(T), torch.ones(B, T).bool()
    yield "prefix 4-D", prefix_mask(5, T), torch.ones(B, T).bool()
    yield "causal and padding 4-D", combine(causal_mask(T), padding_mask(padded)), padded.bool()


@BUILDERS
def test_our_attention_equals_eager_to_1e_6(build, ids):
    """In float32, relative to the size of the hidden states; real positions only."""
    ours, theirs = small(build), small(build, attn_implementation="eager")
    seen = []
    for name, mask, real in masks(build):
        with torch.no_grad():
            a = ours.base_model(ids, attention_mask=mask).last_hidden_state[real]
            b = theirs.base_model(ids, attention_mask=mask).last_hidden_state[real]
        assert (a - b).abs().max() <= 1e-6 * max(1, b.abs().max()), name
        seen.append(a)
    assert not torch.allclose(seen[0][:T], seen[3][:T], atol=1e-3)  # the masks do something


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", ["none", "bool", "additive", "one row sees nothing"])
@pytest.mark.parametrize("dtype,tolerance", [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
def test_the_attention_function_equals_softmax_by_hand(causal, mask, dtype, tolerance):
    from course_lib.model.fast import course_attention

    g = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, 6, 8, generator=g).to(dtype) for _ in range(3))
    allowed = torch.rand(2, 1, 6, 6, generator=g) > 0.4
    allowed |= torch.eye(6).bool()
    if mask == "one row sees nothing":
        allowed[:, :, 2] = False
    additive = torch.where(allowed, 0.0, torch.finfo(torch.float32).min)
    given = {"none": None, "bool": allowed}.get(mask, additive)
    module = torch.nn.Module()
    module.is_causal = causal
    out, weights = course_attention(module, q, k, v, given)
    assert out.shape == (2, 6, 2, 8) and weights is None and out.is_contiguous()
    assert torch.isfinite(out).all()
    scores = q.double() @ k.double().transpose(2, 3) / 8**0.5
    if given is not None:
        scores = scores + additive.double()  # a given mask wins over is_causal, as in transformers
    elif causal:
        scores = scores + causal_mask(6).double()
    expected = (scores.softmax(3) @ v.double()).transpose(1, 2)
    rows = [i for i in range(6) if mask != "one row sees nothing" or i != 2]  # what it says there is nobody's
    assert (out.double() - expected)[:, rows].abs().max() < tolerance


@BUILDERS
def test_gradients_of_our_attention_equal_eager(build, ids):
    ours, theirs = small(build), small(build, attn_implementation="eager")
    for model in (ours, theirs):
        model(ids, labels=ids).loss.backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-4, msg=name)


@BUILDERS
def test_bfloat16_agrees_with_float32(build, ids, monkeypatch):
    """bfloat16 keeps 8 bits: with the default start, logits agree to 0.05 and log-probabilities too."""
    monkeypatch.setenv("COURSE_PRECISION", "bf16")
    torch.manual_seed(0)
    model, cpu = build(TOKENIZER).eval(), torch.device("cpu")
    everywhere = torch.ones(B, T).bool()
    with torch.no_grad():
        exact = logits_at(model, ids, everywhere)
        with autocast(cpu):
            rounded = logits_at(model, ids, everywhere)
    assert rounded.dtype == torch.bfloat16 and exact.dtype == torch.float32
    assert 0 < (exact - rounded.float()).abs().max() < 0.05
    assert (exact.log_softmax(-1) - rounded.float().log_softmax(-1)).abs().max() < 0.05


def test_autocast_does_nothing_where_bfloat16_is_slow(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "fp32")
    with autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


# --- logits at selected positions
@BUILDERS
def test_logits_at_are_the_full_ones(build, ids):
    model = small(build)
    select = torch.rand(B, T, generator=torch.Generator().manual_seed(1)) < 0.3
    select[1] = False  # a row without any
    for mask in (None, causal_mask(T), torch.tensor([[1] * 9 + [0] * 3] * B)):
        full = model(ids, attention_mask=mask).logits[select]
        ours = logits_at(model, ids, select, mask)
        assert ours.shape == (int(select.sum()), len(TOKENIZER))
        torch.testing.assert_close(ours, full, atol=1e-5, rtol=1e-5)
        for out in (ours, full):
            model.zero_grad()
            out.square().sum().backward()
            grads = [p.grad.clone() if p.grad is not None else torch.zeros(1) for p in model.parameters()]
            if out is ours:
                first = grads
        assert all(torch.allclose(a, b, atol=1e-3, rtol=1e-3) for a, b in zip(first, grads, strict=True))


@BUILDERS
def test_logits_at_listed_positions_are_the_full_ones(build, ids):
    model = small(build)
    positions = torch.tensor([[0, 5, 5], [11, 2, 7], [3, 4, 0]])
    full = model(ids).logits
    ours = logits_at(model, ids, positions)
    assert ours.shape == (B, 3, len(TOKENIZER))
    torch.testing.assert_close(ours, full[torch.arange(B)[:, None], positions], atol=1e-5, rtol=1e-5)


@BUILDERS
def test_logits_at_leaves_the_model_as_it_was(build, ids):
    model = small(build)
    with torch.no_grad():
        before = model(ids).logits
        logits_at(model, ids, torch.eye(B, T).bool())
        assert torch.equal(model(ids).logits, before)
        with pytest.raises(IndexError):
            logits_at(model, ids + 1000, torch.eye(B, T).bool())
        assert torch.equal(model(ids).logits, before)  # no hook stays behind after an error


# --- on disk
@pytest.mark.parametrize("build,auto", [(tiny_bert, AutoModelForMaskedLM), (tiny_gpt, AutoModelForCausalLM)])
def test_a_saved_model_opens_without_the_course(build, auto, ids, tmp_path):
    model = small(build)
    model.save_pretrained(tmp_path)
    opened = auto.from_pretrained(tmp_path).eval()
    assert type(opened) is type(model)
    assert opened.config._attn_implementation != ATTENTION
    with torch.no_grad():
        torch.testing.assert_close(opened(ids).logits, model(ids).logits, atol=1e-5, rtol=1e-5)
    ours = type(model).from_pretrained(tmp_path, attn_implementation=ATTENTION)
    assert ours.config._attn_implementation == ATTENTION
