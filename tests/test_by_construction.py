"""What claims of the notes turn on, shown on the real classes of transformers (data/claims.yaml names these tests)."""


import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertLMHeadModel,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaModel,
)

from course_lib.model.attention import leakage
from course_lib.model.bodies import parameters
from course_lib.train.masking import Masking, StaticMasking

V, T, D = 40, 10, 32
BERT = dict(vocab_size=V, hidden_size=D, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            max_position_embeddings=16, initializer_range=0.3)  # fmt: skip
GPT2 = dict(vocab_size=V, n_embd=D, n_layer=2, n_head=4, n_positions=16, initializer_range=0.3)
IDS = torch.randint(5, V, (1, T), generator=torch.Generator().manual_seed(0))


def bert(kind=BertForMaskedLM, **changes):
    torch.manual_seed(0)
    return kind(BertConfig(**BERT | {"attn_implementation": "eager"} | changes)).eval()


def gpt2(**changes):
    torch.manual_seed(0)
    config = GPT2Config(**GPT2 | {"attn_implementation": "eager", "bos_token_id": 0, "eos_token_id": 0} | changes)
    return GPT2LMHeadModel(config).eval()


def shapes(build):
    """Return a published model without its numbers: built on the device that allocates nothing."""
    with torch.device("meta"):
        return build()


# --- who has cross-attention
def test_neither_bert_nor_gpt2_has_cross_attention():
    for model in (shapes(lambda: BertForMaskedLM(BertConfig())), shapes(lambda: GPT2LMHeadModel(GPT2Config()))):
        assert not [name for name in model.state_dict() if "cross" in name]
    asked_for = bert(BertLMHeadModel, is_decoder=True, add_cross_attention=True)
    assert [name for name in asked_for.state_dict() if "cross" in name]  # the search would find it


def test_cross_attention_is_eight_more_tensors_per_layer():
    """Weights of query (GPT-2), key and value, projection and norm, with their biases."""
    for layers in (1, 3):
        plain, asked = gpt2(n_layer=layers), gpt2(n_layer=layers, add_cross_attention=True)
        new = set(asked.state_dict()) - set(plain.state_dict())
        assert len(new) == 8 * layers and set(plain.state_dict()) < set(asked.state_dict())
        decoder = dict(kind=BertLMHeadModel, num_hidden_layers=layers, is_decoder=True)
        more = set(bert(**decoder, add_cross_attention=True).state_dict()) - set(bert(**decoder).state_dict())
        assert len(more) == 10 * layers  # BERT keeps key and value apart
        assert all("crossattention" in name or "ln_cross_attn" in name for name in new | more)


# --- one block
def test_the_stacks_of_bert_gpt2_and_roberta_are_of_one_size():
    stacks = [
        shapes(lambda: BertModel(BertConfig())).encoder,
        shapes(lambda: GPT2LMHeadModel(GPT2Config())).transformer.h,
        shapes(lambda: RobertaModel(RobertaConfig())).encoder,
    ]
    assert [parameters(stack) for stack in stacks] == [85_054_464] * 3


def test_roberta_adds_embeddings_and_drops_the_second_segment():
    """The figures of RoBERTa, section 4.4: about 15 and 20 million more, and nothing else grows."""
    released = dict(vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1)
    large = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)
    for size, millions in (({}, 15), (large, 20)):
        ours = shapes(lambda size=size: RobertaModel(RobertaConfig(**released | size)))
        theirs = shapes(lambda size=size: BertModel(BertConfig(**size)))
        words = parameters(ours.embeddings.word_embeddings) - parameters(theirs.embeddings.word_embeddings)
        assert round(words / 1e6) == millions
        rest = parameters(ours) - parameters(theirs) - words
        assert rest == ours.config.hidden_size * (2 - 1)  # two positions more, one segment less
    torch.manual_seed(0)
    tiny = RobertaForMaskedLM(RobertaConfig(**BERT | {"type_vocab_size": 1}))
    with pytest.raises(IndexError):
        tiny(IDS, token_type_ids=torch.ones_like(IDS))
    assert not [name for name in tiny.state_dict() if "seq_relationship" in name or "pooler" in name]


# --- reading
def test_the_last_word_reaches_every_other_in_one_layer_under_either_mask():
    for model in (bert(num_hidden_layers=1), bert(BertLMHeadModel, num_hidden_layers=1, is_decoder=True)):
        assert (leakage(model, IDS)[-1] > 0).all()


@torch.no_grad()
def test_one_pass_equals_word_by_word_for_a_decoder_only():
    """Every position of a causal model already answers in the pass over the whole text."""

    def gap(model):
        at_once = model(IDS).logits[0]  # [T, V]
        grown = torch.stack([model(IDS[:, : t + 1]).logits[0, -1] for t in range(T)])
        return (at_once - grown).abs().max()

    assert gap(gpt2()) < 1e-5 and gap(bert(BertLMHeadModel, is_decoder=True)) < 1e-5
    assert gap(bert()) > 0.1


@torch.no_grad()
def test_order_reaches_an_encoder_through_its_positions_only():
    model, turned = bert(BertModel), torch.arange(T).flip(0)
    with_positions = model(IDS).last_hidden_state[:, turned] - model(IDS[:, turned]).last_hidden_state
    assert with_positions.abs().max() > 0.1
    model.embeddings.position_embeddings.weight.zero_()
    without = model(IDS).last_hidden_state[:, turned] - model(IDS[:, turned]).last_hidden_state
    assert without.abs().max() < 1e-4


@torch.no_grad()
def test_an_encoder_takes_any_length_up_to_its_positions():
    model = bert()
    for length in (1, 7, 16):
        assert model(torch.full((1, length), 7)).logits.shape == (1, length, V)
    with pytest.raises((IndexError, RuntimeError, ValueError)):
        model(torch.full((1, 17), 7))


@torch.no_grad()
def test_bert_gives_one_vector_per_token_and_a_pooled_one():
    result = bert(BertModel)(IDS)
    assert result.last_hidden_state.shape == (1, T, D) and result.pooler_output.shape == (1, D)


# --- pairs
def test_both_segments_of_a_pair_read_each_other():
    """Under a causal mask the second reads the first, and that is all."""
    first, second = slice(0, 5), slice(5, T)
    for model, back in ((bert(), True), (bert(BertLMHeadModel, is_decoder=True), False)):
        moved = leakage(model, IDS) > 0
        assert moved[second, first].all() and bool(moved[first, second].any()) is back


@torch.no_grad()
def test_the_pair_head_gives_two_scores_per_pair_and_no_words():
    model, pairs = bert(BertForNextSentencePrediction), IDS.expand(3, T)
    result = model(pairs)
    assert result.logits.shape == (3, 2) and V not in result.logits.shape
    asked = model(pairs, labels=torch.tensor([0, 1, 0])).loss
    torch.testing.assert_close(asked, -result.logits.log_softmax(-1)[range(3), [0, 1, 0]].mean())


@torch.no_grad()
def test_the_pair_head_reads_cls_through_the_pooler():
    model = bert(BertForNextSentencePrediction)
    cls = model.bert(IDS).last_hidden_state[:, 0]
    pooled = torch.tanh(model.bert.pooler.dense(cls))
    torch.testing.assert_close(model(IDS).logits, model.cls.seq_relationship(pooled))
    assert not torch.allclose(model(IDS).logits, model.cls.seq_relationship(cls), atol=0.01)


def test_masked_words_do_not_train_the_pooler():
    model = bert(BertForPreTraining)
    words = model(IDS).prediction_logits.log_softmax(-1).sum()
    words.backward()
    assert all(p.grad is None for p in model.bert.pooler.parameters())
    model(IDS, labels=IDS, next_sentence_label=torch.tensor([0])).loss.backward()
    assert all(p.grad.abs().max() > 0 for p in model.bert.pooler.parameters())
    assert bert().bert.pooler is None  # the class for masked words has none at all


# --- masks over epochs
def masks_of_each_row(masking, epochs=40, rows=40):
    """Return how many different masks each row is fed with over the epochs."""
    ids = torch.randint(5, V, (rows, 20), generator=torch.Generator().manual_seed(2))
    stream = torch.Generator().manual_seed(1)
    fed = [masking(ids, stream).selected.tolist() for _ in range(epochs)]
    return [len({tuple(epoch[row]) for epoch in fed}) for row in range(rows)]


def test_ten_copies_show_ten_masks_however_long_one_trains():
    """Over the 40 epochs of RoBERTa's section 4.1 each of ten masks comes back; dynamic ones keep changing."""
    recipe = Masking(mask_id=4, special_ids=(0, 1, 2, 3, 4), vocab_size=V)
    assert set(masks_of_each_row(StaticMasking(recipe, 1))) == {1}
    assert set(masks_of_each_row(StaticMasking(recipe, 10))) <= {8, 9, 10}
    assert set(masks_of_each_row(StaticMasking(recipe, 10), epochs=400)) <= {9, 10}
    assert min(masks_of_each_row(recipe)) > 30
