"""The exercises of lesson 02: references, other right answers and known mistakes."""

import math

import torch
from torch.nn import functional as F

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["EXERCISES"]


def one_head(x, W_q, W_k, W_v):
    """Return the outputs of one attention head: words [T, D], matrices [D, d] -> [T, d]."""
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    scores = q @ k.T / q.shape[-1] ** 0.5  # [T, T]: who looks, at whom
    return scores.softmax(dim=-1) @ v


def one_head_cases():
    for seed, (T, D, d) in enumerate([(2, 3, 3), (4, 5, 2), (6, 8, 8)]):
        generator = torch.Generator().manual_seed(seed)
        yield tuple(torch.randn(shape, generator=generator) for shape in [(T, D), (D, d), (D, d), (D, d)])


def one_head_by_torch(x, W_q, W_k, W_v):
    return F.scaled_dot_product_attention((x @ W_q)[None], (x @ W_k)[None], (x @ W_v)[None])[0]


def one_head_by_loop(x, W_q, W_k, W_v):
    outputs = []
    for word in x:
        scores = torch.stack([(word @ W_q) @ (other @ W_k) for other in x]) / math.sqrt(W_q.shape[1])
        weights = (scores - scores.max()).exp()
        outputs.append(sum(w * (other @ W_v) for w, other in zip(weights / weights.sum(), x, strict=True)))
    return torch.stack(outputs)


def three_bugs(x, W_q, W_k, W_v):
    q, k = x @ W_q, x @ W_k
    weights = (q @ k.T).softmax(dim=0) / math.sqrt(q.shape[-1])
    return weights @ x


def scores_of(x, W_q, W_k, scale=0.5):
    return (x @ W_q) @ (x @ W_k).T / W_q.shape[1] ** scale


HEAD = Exercise(
    name="one_head", lesson=2, minutes=6, difficulty=2, reference=one_head, cases=one_head_cases,
    alternatives=(one_head_by_torch, one_head_by_loop),
    mistakes=(
        Mistake("as given", three_bugs,
                "this is still the colleague's function. It has three bugs: check what is summed, where the scaling "
                "stands, and which sums are 1."),
        Mistake("columns", lambda x, W_q, W_k, W_v: scores_of(x, W_q, W_k).softmax(dim=0) @ (x @ W_v),
                "your columns sum to 1, not your rows: the softmax shares out what one **query** has to give, so it "
                "runs over the keys (`dim=-1`)."),
        Mistake("scaled too late", lambda x, W_q, W_k, W_v:
                scores_of(x, W_q, W_k, 0).softmax(dim=-1) / W_q.shape[1] ** 0.5 @ (x @ W_v),
                "you scale the weights after the softmax, so that they no longer sum to 1. Scale the scores before."),
        Mistake("not scaled", lambda x, W_q, W_k, W_v: scores_of(x, W_q, W_k, 0).softmax(dim=-1) @ (x @ W_v),
                "the scores are not divided by the square root of d."),
        Mistake("scaled by d", lambda x, W_q, W_k, W_v: scores_of(x, W_q, W_k, 1).softmax(dim=-1) @ (x @ W_v),
                "you divide by d. Scores spread like the **square root** of d."),
        Mistake("sums words", lambda x, W_q, W_k, W_v: scores_of(x, W_q, W_k).softmax(dim=-1) @ x,
                "you sum the words. Attention sums their **values**, `x @ W_v`."),
        Mistake("swapped", lambda x, W_q, W_k, W_v: scores_of(x, W_k, W_q).softmax(dim=-1) @ (x @ W_v),
                "queries and keys have changed places: row i must hold query i against all keys."),
    ),
    hints=("Compute the row sums of the weights. Which direction shares out a whole?",
           "The scaling tames the scores before the softmax; after it, it would only shrink the output.",
           "ATT-02: what is added up are projections of the words, the values."),
)  # fmt: skip


def split_heads(x, H):
    """Cut each vector into H parts: [B, T, D] -> [B, H, T, D / H]."""
    B, T, D = x.shape
    return x.view(B, T, H, D // H).transpose(1, 2)


def split_heads_cases():
    yield torch.arange(8.0).reshape(1, 2, 4), 2
    yield torch.arange(60.0).reshape(1, 5, 12), 3
    yield torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0)), 4


HEADS = Exercise(
    name="split_heads", lesson=2, minutes=5, difficulty=2, reference=split_heads, cases=split_heads_cases,
    alternatives=(lambda x, H: torch.stack(x.chunk(H, dim=-1), dim=1),
                  lambda x, H: x.unflatten(-1, (H, -1)).permute(0, 2, 1, 3)),
    mistakes=(
        Mistake("view only", lambda x, H: x.reshape(x.shape[0], H, x.shape[1], -1),
                "the shape is right and the content is not: `view` alone cuts the row of **words** into H pieces, so "
                "that a head gets whole vectors of some words, run together. Cut the last axis, then `transpose`."),
        Mistake("not transposed", lambda x, H: x.unflatten(-1, (H, -1)),
                "this is `[B, T, H, D / H]`: the cut is right. Now bring the heads in front of the positions."),
        Mistake("interleaved", lambda x, H: x.unflatten(-1, (-1, H)).permute(0, 3, 1, 2),
                "head 0 gets every H-th number. BERT gives each head a **contiguous** part: `(H, D / H)`, not the "
                "other way round."),
        Mistake("turned", lambda x, H: split_heads(x, H).transpose(2, 3),
                "positions and features have changed places: the last axis is what a head sees of one word."),
        Mistake("heads swapped with words", lambda x, H: x.unflatten(-1, (H, -1)).permute(0, 3, 1, 2),
                "the axes are `[B, D / H, T, H]`: the second must count the heads."),
    ),
    hints=("One word, D numbers: the first D / H go to head 0, the next to head 1, ...",
           "First `view(B, T, H, D // H)`: it cuts each vector. Which two axes have to change places?"),
)  # fmt: skip


def needed_lead(T, share):
    """Return the lead over T - 1 equal scores at which one word gets this share of the weight."""
    return math.log(share / (1 - share) * (T - 1))


def needed_lead_cases():
    yield 2, 0.5
    yield 6, 0.5
    yield 64, 0.9
    yield 512, 0.99


def needed_lead_by_search(T, share):
    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.exp(middle) / (math.exp(middle) + T - 1) < share else (low, middle)
    return low


LEAD = Exercise(
    name="needed_lead", lesson=2, minutes=6, difficulty=3, reference=needed_lead, cases=needed_lead_cases,
    alternatives=(lambda T, share: math.log(share) - math.log1p(-share) + math.log(T - 1), needed_lead_by_search),
    mistakes=(
        Mistake("two words", lambda T, share: math.log(share / (1 - share)),
                "that lead would do against one other word. Here there are T - 1 of them, and each takes its part."),
        Mistake("T others", lambda T, share: math.log(share / (1 - share) * T),
                "the word itself is one of the T: it has T - 1 rivals."),
        Mistake("inverted", lambda T, share: math.log((1 - share) / share * (T - 1)),
                "your lead falls when the share grows: share and 1 - share have changed places."),
        Mistake("no rest", lambda T, share: math.log(share * (T - 1)) if share * (T - 1) > 0 else 0.0,
                "divide by what is left for the others, 1 - share, as well."),
        Mistake("base two", lambda T, share: math.log2(share / (1 - share) * (T - 1)),
                "that is the logarithm to base 2; the softmax uses the exponential function, so take `math.log`."),
    ),
    hints=("Give the others the score 0 and the word the score s. What is its weight?",
           "exp(s) / (exp(s) + T - 1) = share. Solve for s."),
)  # fmt: skip


def conv_reach(kernel, dilations):
    """Return how many words to the left can move an output of stacked, centred convolutions."""
    return sum((kernel - 1) // 2 * dilation for dilation in dilations)


def conv_reach_cases():
    yield 3, [1]
    yield 5, [1, 1]
    yield 3, [1, 2, 4]
    yield 7, [1, 3]


def conv_reach_by_sets(kernel, dilations):
    half, seen = kernel // 2, {0}
    for dilation in dilations:
        seen = {place + dilation * step for place in seen for step in range(-half, half + 1)}
    return max(seen)


REACH = Exercise(
    name="conv_reach", lesson=2, minutes=4, difficulty=1, reference=conv_reach, cases=conv_reach_cases,
    alternatives=(conv_reach_by_sets, lambda kernel, dilations: kernel // 2 * sum(dilations)),
    mistakes=(
        Mistake("both sides", lambda kernel, dilations: (kernel - 1) * sum(dilations),
                "that counts both sides: half of it lies to the right."),
        Mistake("whole field", lambda kernel, dilations: 1 + (kernel - 1) * sum(dilations),
                "that is the whole receptive field, the word itself and both sides. Asked for is how far it goes to "
                "the left."),
        Mistake("kernels added", lambda kernel, dilations: kernel * sum(dilations),
                "a kernel of 3 does not add 3 words to the left but 1: one of its words is the middle, one is to the "
                "right."),
        Mistake("no dilation", lambda kernel, dilations: kernel // 2 * len(dilations),
                "you left out the dilations: a layer with dilation 4 steps 4 words at a time."),
        Mistake("multiplied", lambda kernel, dilations: math.prod(kernel // 2 * d for d in dilations),
                "steps of stacked layers **add up**; they do not multiply."),
    ),
    hints=("One layer with kernel 5: which words does the middle one see?",
           "Each layer adds its own (kernel - 1) / 2 steps, each as long as its dilation."),
)  # fmt: skip


def attention_products(T, D, H):
    """Count the multiplications of a self-attention layer for one row of T words of width D."""
    projections = 4 * T * D * D  # query, key, value, output
    scores = T * T * D  # H heads of T x T scores, each of D / H products
    sums = T * T * D  # the weighted sums of the values
    return projections + scores + sums


def attention_products_cases():
    yield 1, 2, 1
    yield 6, 8, 2
    yield 128, 64, 4
    yield 512, 768, 12


ATTENTION = Exercise(
    name="attention_products", lesson=2, minutes=5, difficulty=2,
    reference=attention_products, cases=attention_products_cases,
    alternatives=(lambda T, D, H: 2 * T * D * (2 * D + T),
                  lambda T, D, H: 4 * T * D**2 + H * (T * (D // H) * T + T * T * (D // H))),
    mistakes=(
        Mistake("no sums", lambda T, D, H: 4 * T * D * D + T * T * D,
                "the second big product is missing: weights times values, T x T by T x D / H in each head."),
        Mistake("no projections", lambda T, D, H: 2 * T * T * D,
                "the projections are missing: query, key, value and output, each T x D by D x D."),
        Mistake("no output", lambda T, D, H: 3 * T * D * D + 2 * T * T * D,
                "there is a fourth projection: after the heads are joined, an output matrix of D x D mixes them."),
        Mistake("times heads", lambda T, D, H: 4 * T * D * D + 2 * T * T * D * H,
                "you gave every head the whole width. A head works on D / H numbers, so that H heads together cost "
                "what one wide head would."),
        Mistake("linear", lambda T, D, H: 4 * T * D * D + 2 * T * D,
                "every word is compared with every word: T x T scores."),
    ),
    hints=("A product of matrices [a, b] and [b, c] takes a * b * c multiplications. List the six products.",
           "Four projections. Then, per head: scores [T, D / H] by [D / H, T], sums [T, T] by [T, D / H]."),
)  # fmt: skip

EXERCISES = (HEAD, HEADS, LEAD, REACH, ATTENTION)
