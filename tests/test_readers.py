"""The sequence mixers of lesson 02: of one size, and each sees exactly what its structure allows."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.experiments import sequence_mixers
from course_lib.experiments.sequence_mixers import DILATIONS, FORGET, MIXERS, WIDTH, Convolutions, reach
from course_lib.model.attention import leakage
from course_lib.model.bodies import parameters

T, WORDS, ANSWERS = 64, 50, 24
IDS = torch.randint(WORDS, (T,), generator=torch.Generator().manual_seed(0))


def build(name):
    torch.manual_seed(0)
    return sequence_mixers.build(name, WORDS, ANSWERS, T)


def test_they_are_of_about_one_size_so_that_none_wins_by_weight():
    sizes = [parameters(build(name)) for name in MIXERS]
    assert max(sizes) < 1.12 * min(sizes)


@pytest.mark.parametrize("name", MIXERS)
def test_a_reader_scores_the_answers_at_every_position(name):
    scores = build(name)(IDS[None].expand(3, T))
    assert scores.shape == (3, T, ANSWERS) and torch.isfinite(scores).all()


@pytest.mark.parametrize("name", MIXERS)
def test_one_position_of_each_row_may_be_asked_for(name):
    model, ids, at = build(name), IDS[None].expand(3, T), torch.tensor([5, 63, 0])
    torch.testing.assert_close(model(ids, at), model(ids)[torch.arange(3), at])


@pytest.mark.parametrize("name", MIXERS)
def test_a_reader_sees_to_the_left_exactly_as_far_as_its_reach(name):
    seen = leakage(build(name), IDS)[-1].flip(0) > 0  # [T], by distance from the last word
    furthest = int(seen.nonzero().max())
    assert furthest == min(reach(name), T - 1)
    if name not in DILATIONS:
        assert seen.all()


@pytest.mark.parametrize("name", MIXERS)
def test_only_the_lstm_and_causal_attention_are_blind_to_what_follows(name):
    later = bool((leakage(build(name), IDS).triu(1) > 0).any())
    assert later is (name not in (*FORGET, "causal attention"))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_stacked_convolutions_reach_the_sum_of_their_dilations(dilations):
    torch.manual_seed(0)
    stack, far = Convolutions(8, tuple(dilations)).double(), sum(dilations)
    x = torch.randn(1, 2 * far + 3, 8, dtype=torch.float64).requires_grad_()
    middle = far + 1
    slope = torch.autograd.grad(stack(x)[0, middle].square().sum() + stack(x)[0, middle].sum(), x)[0][0]
    moved = slope.abs().amax(dim=-1) > 0
    assert moved[[middle - far, middle + far]].all() and not moved[[0, -1]].any()


def test_convolutions_are_torch_s():
    torch.manual_seed(0)
    stack, x = Convolutions(8, (3,)), torch.randn(2, 20, 8)
    weight = stack.layers[0].weight.view(8, 3, 8).transpose(1, 2)  # [out, in, place]
    theirs = nn.functional.conv1d(x.transpose(1, 2), weight, stack.layers[0].bias, padding=3, dilation=3)
    torch.testing.assert_close(stack(x), stack.norms[0](x + theirs.transpose(1, 2).relu()))


def test_dilations_of_powers_of_the_kernel_leave_no_word_out():
    stack = DILATIONS["dilated convolutions"]
    seen = leakage(build("dilated convolutions"), IDS)[-1].flip(0) > 0
    assert stack == tuple(3**n for n in range(len(stack))) and seen[: sum(stack) + 1].all()


def test_the_attention_readers_share_every_weight():
    two_sided, causal = build("bidirectional attention"), build("causal attention")
    assert two_sided.answer.in_features == WIDTH
    assert all(torch.equal(a, b) for a, b in zip(two_sided.parameters(), causal.parameters(), strict=True))
    assert not torch.allclose(two_sided(IDS[None])[0, 0], causal(IDS[None])[0, 0], atol=1e-3)


def test_lstms_differ_in_their_forget_gate_s_bias_alone():
    lstms, hidden = {bias: build(name).mix for name, bias in FORGET.items()}, 84
    for bias, lstm in lstms.items():
        moved = {name: each - getattr(lstms[0.0], name) for name, each in lstm.named_parameters()}
        torch.testing.assert_close(moved["bias_ih_l0"][hidden : 2 * hidden], torch.full((hidden,), bias))
        moved["bias_ih_l0"] = torch.cat([moved["bias_ih_l0"][:hidden], moved["bias_ih_l0"][2 * hidden :]])
        assert all(not each.any() for each in moved.values())


def test_the_forget_bias_keeps_what_came_long_ago():
    """An open forget gate lets an untrained LSTM feel the 60th word back more."""
    felt = [leakage(build(name), IDS)[-1].flip(0) for name in FORGET]
    weaker = [float(line[1] / line[60]) for line in felt]
    assert weaker[0] > 1e9 > weaker[1] > 1e3 > weaker[2]
