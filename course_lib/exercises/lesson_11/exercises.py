"""The exercises of lesson 11 with their reference answers and known mistakes."""

import torch

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


def permutation_mask(order):
    turn = torch.empty(len(order), dtype=torch.long)
    turn[torch.tensor(order)] = torch.arange(len(order))  # turn[i]: when position i is predicted
    return turn[None, :] <= turn[:, None]


def permutation_mask_cases():
    yield ([1, 0],)
    yield ([2, 0, 1],)
    yield ([0, 1, 2, 3],)
    yield ([3, 1, 4, 0, 2],)


def permutation_mask_by_loop(order):
    mask = torch.zeros(len(order), len(order), dtype=torch.bool)
    for step, position in enumerate(order):
        mask[position, order[: step + 1]] = True
    return mask


def permutation_mask_by_sorting(order):
    turn = torch.tensor(order).argsort()
    return turn.unsqueeze(1) >= turn.unsqueeze(0)


def order_for_turns(order):
    turn = torch.tensor(order)
    return turn[None, :] <= turn[:, None]


def follows_probability(logits):
    return logits.softmax(dim=-1)[:, 0]


def follows_probability_cases():
    yield (torch.tensor([[2.0, 0.0]]),)
    yield (torch.tensor([[0.5, -1.0], [-3.0, 2.0], [0.0, 0.0]]),)


def follows_by_sigmoid(logits):
    return torch.sigmoid(logits[:, 0] - logits[:, 1])


def follows_by_log(logits):
    return (logits[:, 0] - logits.logsumexp(dim=1)).exp()


def cross_tensors(names):
    marks = ("cross", "encdecattention", "encoder_attn")
    return [name for name in names if any(mark in name.lower() for mark in marks)]


GPT2 = ["transformer.h.0.attn.c_attn.weight", "transformer.h.0.ln_1.weight"]
CROSSED = ["transformer.h.0.crossattention.q_attn.weight", "transformer.h.0.ln_cross_attn.weight"]
BERT = ["bert.encoder.layer.0.attention.self.query.weight", "bert.encoder.layer.0.attention.output.dense.weight"]
T5 = ["encoder.block.0.layer.0.SelfAttention.q.weight", "decoder.block.0.layer.1.EncDecAttention.q.weight"]
BART = [
    "model.encoder.layers.0.self_attn.k_proj.weight", "model.decoder.layers.0.self_attn.k_proj.weight",
    "model.decoder.layers.0.encoder_attn.k_proj.weight", "model.decoder.layers.0.encoder_attn_layer_norm.weight",
]  # fmt: skip


def cross_tensors_cases():
    yield (list(GPT2),)
    yield (GPT2 + CROSSED,)
    yield (list(BERT),)
    yield (list(T5),)
    yield (list(BART),)


def cross_tensors_by_loop(names):
    found = []
    for name in names:
        small = name.lower()
        if "cross" in small or "encdec" in small or "encoder_attn" in small:
            found.append(name)
    return found


def cross_tensors_by_pattern(names):
    import re

    return [name for name in names if re.search("cross|EncDec|encoder_attn", name)]


def one_library(names):
    return [name for name in names if "cross" in name]


def every_encoder(names):
    return [name for name in names if "cross" in name or "enc" in name.lower()]


def small_letters_only(names):
    return [name for name in names if any(mark in name for mark in ("cross", "encdecattention", "encoder_attn"))]


def all_attention(names):
    return [name for name in names if "att" in name.lower()]


def electra_labels(original, sampled, selected):
    corrupted = torch.where(selected, sampled, original)
    return (corrupted != original).long()


def electra_labels_cases():
    yield torch.tensor([[7, 8, 9]]), torch.tensor([[7, 5, 6]]), torch.tensor([[True, True, False]])
    original = torch.tensor([[4, 5, 6, 7, 8], [9, 8, 7, 6, 5]])
    sampled = torch.tensor([[4, 9, 9, 7, 1], [2, 8, 3, 6, 6]])
    yield original, sampled, torch.tensor([[1, 1, 0, 1, 0], [0, 1, 1, 0, 0]]).bool()


def electra_by_logic(original, sampled, selected):
    return torch.logical_and(selected, sampled.ne(original)).int()


def electra_by_product(original, sampled, selected):
    return selected.long() * (sampled != original)


def span_corruption(tokens, spans):
    inputs, targets, at = [], [], 0
    for number, (start, end) in enumerate(spans):
        sentinel = f"<extra_id_{number}>"
        inputs += [*tokens[at:start], sentinel]
        targets += [sentinel, *tokens[start:end]]
        at = end
    return inputs + tokens[at:], [*targets, f"<extra_id_{len(spans)}>"]


PARTY = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week", "."]


def span_corruption_cases():
    yield ["a", "b", "c"], [(1, 2)]
    yield list(PARTY), [(2, 4), (8, 9)]
    yield list(PARTY), [(0, 1), (4, 7), (9, 11)]


def span_corruption_from_the_end(tokens, spans):
    inputs, targets = list(tokens), [f"<extra_id_{len(spans)}>"]
    for number, (start, end) in reversed(list(enumerate(spans))):
        targets = [f"<extra_id_{number}>", *inputs[start:end], *targets]
        inputs[start:end] = [f"<extra_id_{number}>"]
    return inputs, targets


def span_corruption_by_position(tokens, spans):
    span_of = {i: n for n, (start, end) in enumerate(spans) for i in range(start, end)}
    inputs, targets, opened = [], [], set()
    for i, token in enumerate(tokens):
        number = span_of.get(i)
        if number is None:
            inputs.append(token)
            continue
        if number not in opened:
            opened.add(number)
            inputs.append(f"<extra_id_{number}>")
            targets.append(f"<extra_id_{number}>")
        targets.append(token)
    return inputs, [*targets, f"<extra_id_{len(spans)}>"]


def without_the_last(tokens, spans):
    inputs, targets = span_corruption(tokens, spans)
    return inputs, targets[:-1]


def one_mask_per_token(tokens, spans):
    hidden = [i for start, end in spans for i in range(start, end)]
    return span_corruption(tokens, [(i, i + 1) for i in hidden])


def one_sentinel(tokens, spans):
    inputs, targets = span_corruption(tokens, spans)
    return tuple(["<extra_id_0>" if t.startswith("<extra_id_") else t for t in part] for part in (inputs, targets))


def whole_text(tokens, spans):
    return span_corruption(tokens, spans)[0], list(tokens)


EXERCISES = (
    Exercise(
        name="permutation_mask", lesson=11, minutes=8, difficulty=2,
        reference=permutation_mask, cases=permutation_mask_cases,
        mistakes=(
            Mistake("order for turns", order_for_turns,
                    "you compare the entries of `order` as if they were turns. `order[0]` is the position that comes "
                    "first, not the turn of position 0: you need the inverse of the permutation."),
            Mistake("transposed", lambda order: permutation_mask(order).T,
                    "your mask is transposed: rows are those who look, and they look at what came before them."),
            Mistake("strict", lambda order: permutation_mask(order) & ~torch.eye(len(order), dtype=torch.bool),
                    "nobody sees itself. That is XLNet's other stream, the one that predicts; asked for is the stream "
                    "that holds the contents, in which a position sees itself too."),
            Mistake("reading order", lambda order: torch.ones(len(order), len(order)).tril().bool(),
                    "that is the causal mask of the reading order: it does not depend on `order` at all."),
        ),
        hints=("First find the turn of each position: order = [2, 0, 1] means that position 2 has turn 0.",
               "With the turns in hand it is the causal mask once more: turn[j] <= turn[i].",
               "`torch.tensor(order).argsort()` is the inverse of a permutation."),
        alternatives=(permutation_mask_by_loop, permutation_mask_by_sorting),
    ),
    Exercise(
        name="follows_probability", lesson=11, minutes=3, difficulty=1,
        reference=follows_probability, cases=follows_probability_cases,
        mistakes=(
            Mistake("label 1", lambda logits: logits.softmax(dim=-1)[:, 1],
                    "that is the probability that B does **not** follow: in the code of BERT and in transformers label "
                    "0 means next (the notes, and a published docstring, have it the other way round)."),
            Mistake("over the batch", lambda logits: logits.softmax(dim=0)[:, 0],
                    "the softmax runs over the batch, so that pairs compete with each other: it belongs over the two "
                    "labels of each pair."),
            Mistake("one logit", lambda logits: torch.sigmoid(logits[:, 0]),
                    "you look at one logit only. There are two, and what counts is their difference."),
            Mistake("verdict", lambda logits: (logits.argmax(dim=-1) == 0).float(),
                    "that is a verdict, yes or no, and not a probability."),
        ),
        hints=("Each row holds the logits of label 0 and of label 1.", "Softmax over the last axis, then which "
        "column?"),
        alternatives=(follows_by_sigmoid, follows_by_log),
    ),
    Exercise(
        name="cross_tensors", lesson=11, minutes=5, difficulty=1,
        reference=cross_tensors, cases=cross_tensors_cases,
        mistakes=(
            Mistake("one library", one_library,
                    "your test knows one spelling only, and clears T5 (`EncDecAttention`) and BART (`encoder_attn`), "
                    "which are full of cross-attention. A probe that cannot find the thing proves nothing by not "
                    "finding it."),
            Mistake("every encoder", every_encoder,
                    "you accuse BERT: its tensors begin with `bert.encoder.`, and that is no cross-attention."),
            Mistake("small letters", small_letters_only,
                    "T5 writes `EncDecAttention` with capitals: compare in small letters."),
            Mistake("all attention", all_attention,
                    "you count self-attention as well; asked for is attention to an encoder."),
        ),
        hints=("Three spellings: `cross...` in BERT and GPT-2, `EncDecAttention` in T5, `encoder_attn` in BART.",
               "`name.lower()` makes capitals irrelevant."),
        alternatives=(cross_tensors_by_loop, cross_tensors_by_pattern),
    ),
    Exercise(
        name="electra_labels", lesson=11, minutes=5, difficulty=2,
        reference=electra_labels, cases=electra_labels_cases,
        mistakes=(
            Mistake("selected", lambda original, sampled, selected: selected.long(),
                    "a selected token whose guess happens to be the right one is called replaced. In the paper it "
                    "counts as original: nobody could tell it from one."),
            Mistake("inverted", lambda original, sampled, selected: 1 - electra_labels(original, sampled, selected),
                    "0 and 1 have changed places: 1 means replaced."),
            Mistake("sampled everywhere", lambda original, sampled, selected: (sampled != original).long(),
                    "where a token was not selected the sample is thrown away, and the original stays: no "
                    "replacement."),
            Mistake("only selected", lambda original, sampled, selected: electra_labels(
                original, sampled, selected).masked_fill(~selected, -100),
                    "you ask only at the selected tokens. ELECTRA asks at all of them, which is where most of its gain "
                    "comes from."),
        ),
        hints=("First build the text that the second model reads: `torch.where(selected, sampled, original)`.",
               "Then compare it with the original text."),
        alternatives=(electra_by_logic, electra_by_product),
    ),
    Exercise(
        name="span_corruption", lesson=11, minutes=10, difficulty=2,
        reference=span_corruption, cases=span_corruption_cases,
        mistakes=(
            Mistake("no end", without_the_last,
                    "the target lacks its last sentinel, which tells the decoder that nothing more is missing."),
            Mistake("one per token", one_mask_per_token,
                    "each hidden token has a sentinel of its own, as with [MASK]. A **span** has one, so that the "
                    "input does not tell how long it was."),
            Mistake("one sentinel", one_sentinel,
                    "all sentinels are the same: then the target cannot say which gap it fills."),
            Mistake("whole text", whole_text,
                    "the target is the whole text. T5's holds only what is missing, so that it is short."),
        ),
        hints=("Walk over the spans and remember where the last one ended.",
               "Each span adds its sentinel to both sides; its tokens go to the target.",
               "The target ends with one sentinel more than there are spans."),
        alternatives=(span_corruption_from_the_end, span_corruption_by_position),
    ),
)  # fmt: skip
