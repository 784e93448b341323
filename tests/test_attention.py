"""The masks, the attention by hand and the leak tests, held against `transformers` itself."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaConfig,
    RobertaForMaskedLM,
)
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask, create_sliding_window_causal_mask

from course_lib.model.attention import (
    attend,
    bidirectional_mask,
    causal_mask,
    combine,
    cross_mask,
    leakage,
    padding_mask,
    prefix_mask,
    sees_future,
    sliding_window_mask,
    visible,
)

LOWEST = torch.finfo(torch.float32).min
B, T, D, V, H = 2, 7, 32, 40, 4
LENGTHS = torch.tensor([[1] * 7, [1] * 4 + [0] * 3])


def bert_config(**overrides):
    small = dict(
        vocab_size=V, hidden_size=D, num_hidden_layers=2, num_attention_heads=H, intermediate_size=64,
        max_position_embeddings=32, attn_implementation="eager",
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.3,
    )  # fmt: skip
    return BertConfig(**(small | overrides))


def gpt_config(**overrides):
    small = dict(
        vocab_size=V, n_embd=D, n_layer=2, n_head=H, n_positions=32, attn_implementation="eager",
        bos_token_id=1, eos_token_id=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        initializer_range=0.3,
    )  # fmt: skip
    return GPT2Config(**(small | overrides))


def build(model_class, config, seed=0):
    torch.manual_seed(seed)
    return model_class(config).eval()


@pytest.fixture(scope="module")
def bert():
    return build(BertForMaskedLM, bert_config())


@pytest.fixture(scope="module")
def gpt():
    return build(GPT2LMHeadModel, gpt_config())


@pytest.fixture(scope="module")
def ids():
    return torch.randint(5, V, (B, T), generator=torch.Generator().manual_seed(1))


def expanded(mask, rows=T):
    return mask.expand(B, 1, rows, mask.shape[-1])


# ------------------------------------------------------------------------------- masks against transformers
def test_padding_mask_is_the_one_transformers_builds_from_a_2d_mask():
    theirs = create_bidirectional_mask(bert_config(), torch.zeros(B, T, D), LENGTHS)
    assert torch.equal(expanded(padding_mask(LENGTHS)), theirs.expand(B, 1, T, T))


def test_causal_mask_is_the_one_transformers_builds():
    theirs = create_causal_mask(gpt_config(), torch.zeros(B, T, D), None, None)
    assert torch.equal(expanded(causal_mask(T)), expanded(theirs))


def test_causal_and_padding_combined_are_the_ones_transformers_builds():
    theirs = create_causal_mask(gpt_config(), torch.zeros(B, T, D), LENGTHS, None)
    assert torch.equal(combine(causal_mask(T), padding_mask(LENGTHS)), theirs)


@pytest.mark.parametrize("window", [1, 2, 3, T, T + 5])
def test_sliding_window_mask_is_the_one_transformers_builds(window):
    config = gpt_config()
    config.sliding_window = window
    theirs = create_sliding_window_causal_mask(config, torch.zeros(B, T, D), None, None)
    assert torch.equal(expanded(sliding_window_mask(window, T)), expanded(theirs))


def test_cross_mask_is_the_one_transformers_builds():
    target = torch.zeros(B, 5, D)
    theirs = create_bidirectional_mask(bert_config(), target, LENGTHS, encoder_hidden_states=torch.zeros(B, T, D))
    assert torch.equal(cross_mask(LENGTHS, 5), theirs.expand(B, 1, 5, T))


def test_prefix_mask_is_the_one_transformers_builds_with_an_or_function():
    theirs = create_causal_mask(
        gpt_config(), torch.zeros(B, T, D), None, None, or_mask_function=lambda b, h, q, k: k < 3
    )
    assert torch.equal(expanded(prefix_mask(3, T)), expanded(theirs))


@pytest.mark.parametrize("mask", [causal_mask(T), prefix_mask(3, T), sliding_window_mask(2, T)])
def test_models_obey_a_four_dimensional_mask(bert, gpt, ids, mask):
    for model in (bert, gpt):
        moved = leakage(model, ids[:1], attention_mask=mask)
        reach = (visible(mask)[0, 0].float() @ visible(mask)[0, 0].float()) > 0  # two layers: two hops
        assert torch.equal(moved > 1e-6, reach)


def test_passing_the_causal_mask_to_bert_equals_is_decoder(bert, ids):
    decoder = build(BertLMHeadModel, bert_config(is_decoder=True))
    decoder.load_state_dict(bert.state_dict())
    with torch.no_grad():
        theirs = decoder(ids, attention_mask=LENGTHS).logits
        ours = bert(ids, attention_mask=combine(causal_mask(T), padding_mask(LENGTHS))).logits
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


# ------------------------------------------------------------------------- attention against transformers
def heads(tensor):
    return tensor.view(B, -1, H, D // H).transpose(1, 2)


def merge(tensor):
    return tensor.transpose(1, 2).reshape(B, -1, D)


BOTH = combine(causal_mask(T), padding_mask(LENGTHS))


@pytest.mark.parametrize("mask", [None, padding_mask(LENGTHS), BOTH])
def test_attention_by_hand_equals_berts_self_attention_layer(bert, mask):
    layer = bert.bert.encoder.layer[0].attention.self
    x = torch.randn(B, T, D, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        theirs, their_weights = layer(x, mask)
        output, weights = attend(heads(layer.query(x)), heads(layer.key(x)), heads(layer.value(x)), mask)
    torch.testing.assert_close(merge(output), theirs, atol=1e-6, rtol=0)
    torch.testing.assert_close(weights, their_weights, atol=1e-6, rtol=0)


def test_attention_by_hand_equals_gpt2s_whole_attention_block(gpt):
    block = gpt.transformer.h[0].attn
    x = torch.randn(B, T, D, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        theirs, their_weights = block(x, attention_mask=BOTH)
        q, k, v = map(heads, block.c_attn(x).split(D, dim=2))
        output, weights = attend(q, k, v, BOTH)
    torch.testing.assert_close(block.c_proj(merge(output)), theirs, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(weights, their_weights, atol=1e-6, rtol=0)


def test_attention_by_hand_equals_the_weights_that_a_whole_model_reports(ids):
    model = build(BertModel, bert_config(initializer_range=0.02))
    with torch.no_grad():
        result = model(ids, attention_mask=LENGTHS, output_attentions=True, output_hidden_states=True)
        layer, x = model.encoder.layer[1].attention.self, result.hidden_states[1]
        _, weights = attend(heads(layer.query(x)), heads(layer.key(x)), heads(layer.value(x)), padding_mask(LENGTHS))
    torch.testing.assert_close(weights, result.attentions[1], atol=1e-6, rtol=0)


def test_cross_attention_by_hand_equals_berts():
    config = bert_config(is_decoder=True, add_cross_attention=True)
    layer = build(BertLMHeadModel, config).bert.encoder.layer[0].crossattention.self
    generator = torch.Generator().manual_seed(4)
    target, source = torch.randn(B, 5, D, generator=generator), torch.randn(B, T, D, generator=generator)
    mask = cross_mask(LENGTHS, 5)
    with torch.no_grad():
        theirs = layer(target, source, mask)[0]
        k, v = heads(layer.key(source)), heads(layer.value(source))
        output, _ = attend(heads(layer.query(target)), k, v, mask)
    torch.testing.assert_close(merge(output), theirs, atol=1e-6, rtol=0)


def test_attend_agrees_with_pytorch():
    q, k, v = torch.randn(3, B, H, T, 8, generator=torch.Generator().manual_seed(5))
    theirs = nn.functional.scaled_dot_product_attention(q, k, v, visible(causal_mask(T)))
    torch.testing.assert_close(attend(q, k, v, causal_mask(T))[0], theirs, atol=1e-6, rtol=0)


def test_a_fully_masked_row_gives_numbers_with_finfo_min_and_nan_with_infinity():
    q, k, v = torch.randn(3, 1, 1, 3, 4, generator=torch.Generator().manual_seed(6))
    mask = padding_mask(torch.tensor([[0, 0, 0]]))
    output, weights = attend(q, k, v, mask)
    assert torch.isfinite(output).all()
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / 3))  # everything hidden = nothing hidden
    assert attend(q, k, v, torch.full_like(mask, float("-inf")))[0].isnan().all()


def test_combine_does_not_overflow_where_a_sum_would():
    twice = combine(causal_mask(T), padding_mask(LENGTHS))
    assert twice.min() == LOWEST
    assert torch.isinf(causal_mask(T) + padding_mask(LENGTHS)).any()


def test_inputs_are_left_alone():
    mask = causal_mask(T)
    before = mask.clone()
    combine(mask, sliding_window_mask(2, T))
    assert torch.equal(mask, before)


# ---------------------------------------------------------------------------------------------- leak tests
@pytest.mark.parametrize("method", ["gradient", "perturbation"])
def test_the_planted_leak_is_found_and_honest_models_pass(ids, method):
    one = ids[:1]
    leaky = build(BertLMHeadModel, bert_config())  # no is_decoder: looks causal by name, is not
    honest = build(BertLMHeadModel, bert_config(is_decoder=True))
    assert sees_future(leakage(leaky, one, method))
    assert not sees_future(leakage(honest, one, method))
    assert not sees_future(leakage(build(GPT2LMHeadModel, gpt_config()), one, method))


def test_gradients_across_a_causal_mask_are_exactly_zero(gpt, ids):
    assert leakage(gpt, ids[:1]).triu(1).max() == 0


@pytest.mark.parametrize("method", ["gradient", "perturbation"])
def test_a_single_leaking_pair_is_found_and_named(gpt, ids, method):
    mask = causal_mask(T)
    mask[0, 0, 2, 5] = 0
    matrix = leakage(gpt, ids[:1], method, attention_mask=mask)
    assert sees_future(matrix)
    future = matrix.triu(1) > 1e-6
    assert future[2, 5] and not future[:2].any()


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_a_bool_mask_leaks_silently_under_eager_only(ids, implementation):
    """True adds 1 and False adds 0: every key stays visible. Under sdpa the same tensor is right."""
    model = build(BertForMaskedLM, bert_config(attn_implementation=implementation))
    mask = visible(causal_mask(T))
    assert sees_future(leakage(model, ids[:1], attention_mask=mask)) is (implementation == "eager")
    assert not sees_future(leakage(model, ids[:1], attention_mask=causal_mask(T)))


def test_roberta_is_measured_without_moving_its_positions(ids):
    config = RobertaConfig(
        vocab_size=V, hidden_size=D, num_hidden_layers=1, num_attention_heads=H, intermediate_size=64,
        max_position_embeddings=34, type_vocab_size=1, attn_implementation="eager", is_decoder=True,
    )  # fmt: skip
    matrix = leakage(build(RobertaForMaskedLM, config), ids[:1], "perturbation")
    assert not sees_future(matrix) and (matrix.diagonal() > 0).all()


class Shift(nn.Module):
    """Output i is input i + offset: a module of one's own, with a known leak."""

    def __init__(self, offset):
        super().__init__()
        self.offset, self.embed, self.drop = offset, nn.Embedding(V, 8), nn.Dropout(0.5)

    def forward(self, ids):
        embedded = self.embed(ids)
        embedded += 0  # in place: the leaf must survive this
        return self.drop(embedded).roll(-self.offset, dims=1)


@pytest.mark.parametrize("method", ["gradient", "perturbation"])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_modules_of_ones_own_are_measured_exactly(method, offset):
    model = Shift(offset).train()
    matrix = leakage(model, torch.arange(T), method)
    expected = torch.eye(T).roll(-offset, dims=0).bool()
    assert torch.equal(matrix > 0, expected)
    assert model.training and model.drop.training and not model.embed._forward_hooks
    assert sees_future(matrix) is (offset > 0)


def test_padding_hides_keys_and_not_rows(bert, ids):
    matrix = leakage(bert, ids[1:], attention_mask=LENGTHS[1:])
    assert (matrix[:4, 4:] == 0).all()  # nobody real reads the padding
    assert (matrix[4:] > 0).any(dim=1).all()  # the padding's own rows are still computed


# ------------------------------------------------------------------------------------------------ properties
lengths = st.integers(1, 12)


@given(lengths, st.integers(0, 5))
def test_a_window_as_long_as_the_text_is_the_causal_mask(length, more):
    assert torch.equal(sliding_window_mask(length + more, length), causal_mask(length))


@given(lengths)
def test_prefix_runs_from_causal_to_bidirectional(length):
    assert torch.equal(prefix_mask(0, length), causal_mask(length))
    assert torch.equal(prefix_mask(length, length), bidirectional_mask(length))


@given(lengths, st.data())
def test_a_longer_prefix_and_a_wider_window_only_open_more(length, data):
    small = data.draw(st.integers(0, length - 1))
    opened = visible(prefix_mask([small, small + 1], length))
    assert (opened[1] >= opened[0]).all()
    narrow, wide = sliding_window_mask(small + 1, length), sliding_window_mask(small + 2, length)
    assert (visible(wide) >= visible(narrow)).all()


@given(st.lists(st.integers(0, 8), min_size=1, max_size=4))
def test_padding_hides_exactly_the_keys_beyond_each_length(real):
    mask = (torch.arange(8)[None] < torch.tensor(real)[:, None]).long()
    assert visible(padding_mask(mask)).sum((1, 2, 3)).tolist() == real


@given(lengths, st.integers(0, 2**31))
def test_rows_of_the_weights_sum_to_one_under_every_mask(length, seed):
    q, k, v = torch.randn(3, 1, 1, length, 4, generator=torch.Generator().manual_seed(seed))
    for mask in (causal_mask(length), bidirectional_mask(length), sliding_window_mask(1, length)):
        weights = attend(q, k, v, mask)[1]
        torch.testing.assert_close(weights.sum(-1), torch.ones(1, 1, length))
        assert (weights[~visible(mask)] == 0).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.data())
def test_gradient_and_perturbation_agree_on_any_mask(seed, data):
    closed = data.draw(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4))))
    mask = bidirectional_mask(5)
    for query, key in closed:
        if query != key:
            mask[0, 0, query, key] = LOWEST
    model = build(BertForMaskedLM, bert_config(num_hidden_layers=1), seed=seed % 1000)
    ids = torch.randint(5, V, (5,), generator=torch.Generator().manual_seed(seed))
    by_gradient = leakage(model, ids, attention_mask=mask)
    by_change = leakage(model, ids, "perturbation", attention_mask=mask)
    assert torch.equal(by_gradient > 0, visible(mask)[0, 0])
    assert torch.equal(by_change > 1e-4 * by_change.max(), visible(mask)[0, 0])
    assert sees_future(by_gradient) is sees_future(by_change)


# ------------------------------------------------------------------------------------------------- bad input
q = torch.zeros(1, 1, T, 4)
tiny = Shift(0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: prefix_mask(9, T), ValueError, "prefix is 9, but the length is 7: use 0 to 7"),
        (lambda: prefix_mask([1, -1], T), ValueError, r"prefix is \[1, -1\]"),
        (lambda: sliding_window_mask(0, T), ValueError, "window is 0.*use 1 or more"),
        (lambda: sliding_window_mask(-2, T), ValueError, "window is -2.*use 1 or more"),
        (lambda: padding_mask(torch.tensor([[1, 2]])), ValueError, "holds 2: use 1 for a real token and 0"),
        (lambda: padding_mask(causal_mask(T)[0, 0]), ValueError, "The padding mask holds -3.40282e"),
        (lambda: cross_mask(torch.tensor([[1, 2]]), 3), ValueError, "holds 2: use 1 for a real token and 0"),
        (lambda: attend(q, q, q, visible(causal_mask(T))), TypeError, "torch.bool.*hide nothing"),
        (lambda: attend(q, q, q, torch.ones(T, T)), ValueError, "holds 1, which would"),
        (lambda: visible(torch.ones(T, dtype=torch.long)), TypeError, "torch.int64"),
        (lambda: leakage(tiny, torch.zeros(2, T).long()), ValueError, r"shape \(2, 7\).*one sequence"),
        (lambda: leakage(tiny, torch.zeros(T)), ValueError, "torch.float32"),
        (lambda: leakage(nn.Linear(2, 2), torch.zeros(T).long()), TypeError, "Linear has no nn.Embedding"),
        (lambda: sees_future(torch.zeros(3, 3)), ValueError, "largest entry of the matrix is 0.0"),
        (lambda: sees_future(torch.full((3, 3), torch.nan)), ValueError, "nan"),
    ],
)  # fmt: skip
def test_errors_name_the_value_and_the_fix(call, error, words):
    with pytest.raises(error, match=words):
        call()
