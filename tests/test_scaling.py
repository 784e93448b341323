"""Seeds stacked on one device equal the plain loop."""

import math
from dataclasses import dataclass, fields

import pytest
import torch

from course_lib import runtime
from course_lib.model.bodies import causal_bert, tiny_bert, tiny_gpt
from course_lib.text.tokenization import word_tokenizer
from course_lib.train.evaluation import HeldOut
from course_lib.train.loop import Diverged, Stopped, train
from course_lib.train.masking import Masking
from course_lib.train.objectives import Batch, BothMasks, CausalLM, MaskedLM
from course_lib.train.scaling import can_stack, train_seeds

WORDS = "one two three four five six seven eight".split()  # noqa: SIM905
TOKENIZER = word_tokenizer(WORDS)
SMALL = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2)
MASKED, CAUSAL = MaskedLM(Masking.of(TOKENIZER)), CausalLM.of(TOKENIZER)
BOTH = BothMasks(MASKED, CAUSAL)


def random_rows(n=60, length=10):
    """Rows of [CLS] words [SEP]; the last third ends in padding, so that rows are asked for different numbers."""
    ids = torch.randint(5, len(TOKENIZER), (n, length), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, -1] = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id
    ids[2 * n // 3 :, -3:] = torch.tensor([TOKENIZER.sep_token_id, *[TOKENIZER.pad_token_id] * 2])
    return ids


ROWS = random_rows()


pytestmark = pytest.mark.usefixtures("one_cold_cpu")


def bert(**overrides):
    return tiny_bert(TOKENIZER, **SMALL | overrides)


def decoder():
    return causal_bert(TOKENIZER, **SMALL)


def gpt():
    return tiny_gpt(TOKENIZER, n_embd=32)


def together(build, seeds, objective, steps, evaluate=lambda model: {}, **settings):
    asking = {"evaluate": [evaluate] * len(seeds), "learning_rate": 3e-3}
    each = ([one] * len(seeds) for one in (build, ROWS, objective))
    return train_seeds(*each, steps, seeds, **asking | settings)


def alone(build, seed, objective, steps, **settings):
    runtime.seed_all(seed)
    model = build()
    return model, train(model, ROWS, objective, steps, seed=seed, **settings)


def apart(a, b):
    """The largest difference of two models' weights, keys' biases aside.

    Adding the same number to all of a query's scores changes no softmax: these biases have no gradient but rounding
    noise, which Adam scales up to whole steps.
    """
    return max(
        (p - q).abs().max().item()
        for (name, p), q in zip(a.named_parameters(), b.parameters(), strict=True)
        if not name.endswith("key.bias")
    )


# --- many seeds at once
@pytest.mark.parametrize(
    "build,objective",
    [
        (bert, MASKED), (bert, MaskedLM(Masking.of(TOKENIZER, exact=False, rate=0.4))), (decoder, CAUSAL),
        (gpt, CausalLM.of(TOKENIZER, 0.5)), (bert, BOTH),
    ],
    ids=["BERT", "BERT, each token for itself", "causal BERT", "GPT", "both masks"],
)  # fmt: skip
def test_stacked_seeds_learn_what_each_learns_alone(build, objective):
    seeds, settings = [0, 5, 2], dict(batch_size=16, learning_rate=2e-3)
    held_out = HeldOut(ROWS[:20], objective)
    stacked = together(build, seeds, objective, 10, evaluate=held_out, **settings)
    assert len(stacked) == 3
    for seed, (model, history) in zip(seeds, stacked, strict=True):
        one, expected = alone(build, seed, objective, 10, evaluate=held_out, **settings)
        assert apart(model, one) < 1e-4
        assert history.loss == pytest.approx(expected.loss, abs=1e-5)
        assert history.accuracy == pytest.approx(expected.accuracy)
        assert (history.steps, history.tokens) == (expected.steps, expected.tokens)
        assert history.eval_tokens == expected.eval_tokens and history.evals.keys() == expected.evals.keys()
        for key, values in expected.evals.items():
            assert history.evals[key] == pytest.approx(values, abs=1e-4)
        assert not model.training and type(model) is type(one)
        assert model.config.to_dict() == one.config.to_dict()
        assert model.config._attn_implementation == one.config._attn_implementation
    assert apart(stacked[0][0], stacked[1][0]) > 0.1  # the seeds differ


def test_gradients_are_clipped_for_each_seed():
    """One seed's steep start must not shorten the steps of the others."""
    steep = lambda: bert(initializer_range=0.5 if torch.initial_seed() == 1 else 0.02)  # noqa: E731
    settings = dict(batch_size=16, learning_rate=1e-3)
    (gentle, _), (other, _) = together(steep, [0, 1], MASKED, 6, **settings)
    assert apart(gentle, alone(steep, 0, MASKED, 6, **settings)[0]) < 1e-4  # 1e-3 if both were clipped as one
    assert apart(other, alone(steep, 1, MASKED, 6, **settings)[0]) < 2e-3  # Adam enlarges what processors round


def test_a_stack_in_bfloat16_learns_alike(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "bf16")
    for seed, (_, history) in enumerate(together(bert, [0, 1], MASKED, 20, batch_size=16)):
        expected = alone(bert, seed, MASKED, 20, batch_size=16)[1]
        assert history.loss == pytest.approx(expected.loss, abs=0.02)


@dataclass(frozen=True)
class Paired(Batch):
    """A batch that asks for more than this module knows."""

    is_next: torch.Tensor | None = None


def test_what_cannot_be_stacked_is_known_before_training():
    assert can_stack(bert(), ROWS, MASKED) and can_stack(gpt(), ROWS, BOTH)
    with_dropout = lambda: bert(hidden_dropout_prob=0.1)  # noqa: E731
    paired = lambda rows, g: Paired(**parts(MASKED(rows, g)), is_next=torch.ones(len(rows)))  # noqa: E731
    assert not can_stack(with_dropout(), ROWS, MASKED) and not can_stack(bert(), ROWS, paired)


def test_one_seed_that_diverges_is_named():
    broken = lambda: bert(initializer_range=math.inf if torch.initial_seed() == 7 else 0.02)  # noqa: E731
    with pytest.raises(ValueError, match="starts with NaN or infinity in 'bert"):
        together(broken, [0, 7], MASKED, 5, batch_size=8)
    with pytest.raises(Diverged, match="'model, seed [01]' became .*Try a lower rate") as caught:
        together(bert, [0, 1], MASKED, 30, batch_size=8, learning_rate=1e38)
    assert all(torch.isfinite(p).all() for p in caught.value.model.parameters())


def test_interrupted_stacks_keep_what_they_have():
    calls = []

    def stop(model):
        calls.append(parameters(model))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return {"x": 1.0}

    with pytest.raises(Stopped) as caught:
        together(bert, [0, 1], MASKED, 20, batch_size=8, evaluate=stop)
    assert caught.value.history.interrupted and caught.value.history.steps[-1] == 4
    assert torch.equal(parameters(caught.value.model), calls[2])


def parameters(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def parts(batch):
    return {field.name: getattr(batch, field.name) for field in fields(batch)}
