"""Exercises of lesson 09 that keep the past: references, other right answers and known mistakes."""

import torch
from torch.nn import functional as F

from course_lib.exercises.old import Exercise, Mistake

__all__ = ["CACHING"]


def attend_with_cache(q, k, v, past_k, past_v):
    keys, values = torch.cat([past_k, k]), torch.cat([past_v, v])  # [t + 1, D]
    weights = (q @ keys.T / q.shape[1] ** 0.5).softmax(dim=1)  # [1, t + 1]: all are past or present
    return weights @ values, keys, values


def attend_with_cache_cases():
    for t, D, seed in ((0, 2, 0), (1, 2, 1), (4, 3, 2), (9, 8, 3)):
        generator = torch.Generator().manual_seed(seed)
        yield tuple(2 * torch.randn(n, D, generator=generator) for n in (1, 1, 1, t, t))


def attend_by_torch(q, k, v, past_k, past_v):
    keys, values = torch.vstack([past_k, k]), torch.vstack([past_v, v])
    out = F.scaled_dot_product_attention(q[None, None], keys[None, None], values[None, None])
    return out[0, 0], keys, values


def attend_by_loop(q, k, v, past_k, past_v):
    keys, values = [*past_k, k[0]], [*past_v, v[0]]
    scores = torch.stack([(q[0] * key).sum() / len(key) ** 0.5 for key in keys]).exp()
    out = sum(score * value for score, value in zip(scores, values, strict=True)) / scores.sum()
    return out[None], torch.stack(keys), torch.stack(values)


def causal_mask_at_the_top_left(q, k, v, past_k, past_v):
    keys, values = torch.cat([past_k, k]), torch.cat([past_v, v])
    mask = torch.ones(1, len(keys)).tril().bool()
    scores = (q @ keys.T / q.shape[1] ** 0.5).masked_fill(~mask, float("-inf"))
    return scores.softmax(dim=1) @ values, keys, values


def blind_to_itself(q, k, v, past_k, past_v):
    keys, values = torch.cat([past_k, k]), torch.cat([past_v, v])
    if not len(past_k):
        return torch.zeros_like(q), keys, values
    return (q @ past_k.T / q.shape[1] ** 0.5).softmax(dim=1) @ past_v, keys, values


def cache_not_grown(q, k, v, past_k, past_v):
    return attend_with_cache(q, k, v, past_k, past_v)[0], past_k, past_v


def newest_in_front(q, k, v, past_k, past_v):
    out = attend_with_cache(q, k, v, past_k, past_v)[0]
    return out, torch.cat([k, past_k]), torch.cat([v, past_v])


def not_scaled(q, k, v, past_k, past_v):
    keys, values = torch.cat([past_k, k]), torch.cat([past_v, v])
    return (q @ keys.T).softmax(dim=1) @ values, keys, values


def cache_bytes(layers, width, tokens, rows=1, bytes_each=2):
    return 2 * layers * width * tokens * rows * bytes_each


def cache_bytes_cases():
    yield 1, 1, 1
    yield 2, 128, 32
    yield 12, 768, 1024
    yield 48, 1600, 1024, 4
    yield 96, 12288, 2048, 1, 4


def cache_bytes_by_matrix(layers, width, tokens, rows=1, bytes_each=2):
    matrix = tokens * width * bytes_each  # one K or one V
    return sum(matrix for _ in range(layers) for _ in ("K", "V")) * rows


def keys_only(layers, width, tokens, rows=1, bytes_each=2):
    return layers * width * tokens * rows * bytes_each


def attention_weights_kept(layers, width, tokens, rows=1, bytes_each=2):
    return 2 * layers * width * tokens**2 * rows * bytes_each


def queries_too(layers, width, tokens, rows=1, bytes_each=2):
    return 3 * layers * width * tokens * rows * bytes_each


def numbers_not_bytes(layers, width, tokens, rows=1, bytes_each=2):
    return 2 * layers * width * tokens * rows


CACHING = (
    Exercise(
        name="attend_with_cache", lesson=9, minutes=10, difficulty=2,
        reference=attend_with_cache, cases=attend_with_cache_cases,
        mistakes=(
            Mistake("top-left mask", causal_mask_at_the_top_left,
                    "a causal mask of one row, cut at the top left, hides everything but the first token. With a cache "
                    "the one query is the *last* row of the mask and may look at all (pytorch/pytorch #103082)."),
            Mistake("blind to itself", blind_to_itself,
                    "the new token does not look at itself: append its key and value first, then attend."),
            Mistake("cache not grown", cache_not_grown,
                    "the caches come back as they were: the next token will not find this one."),
            Mistake("in front", newest_in_front,
                    "the newest key and value stand in front: the cache is kept in the order of the text."),
            Mistake("no scaling", not_scaled,
                    "the scores are not divided by the square root of D."),
        ),
        hints=("Append first, attend second.",
               "The query is a single row: there is no future to hide, so no mask is needed."),
        alternatives=(attend_by_torch, attend_by_loop),
    ),
    Exercise(
        name="cache_bytes", lesson=9, minutes=4, difficulty=1,
        reference=cache_bytes, cases=cache_bytes_cases,
        mistakes=(
            Mistake("keys only", keys_only, "you counted one matrix per layer: both the keys and the values are kept."),
            Mistake("squared", attention_weights_kept,
                    "it grows with the square of the length: the attention weights do, but they are not kept."),
            Mistake("queries too", queries_too,
                    "you kept the queries as well: an old token's query is never asked again."),
            Mistake("numbers", numbers_not_bytes, "that is the number of numbers: each takes `bytes_each` bytes."),
        ),
        hints=("What does a new token need of each old one, in every layer?",
               "Two vectors of the model's width per token and layer, shared out among the heads."),
        alternatives=(cache_bytes_by_matrix,),
    ),
)  # fmt: skip
