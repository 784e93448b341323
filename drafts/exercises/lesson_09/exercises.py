"""The exercises of lesson 09: references, other right answers and known mistakes."""

import torch
from torch.nn import functional as F

from course_lib.exercises.engine import Exercise, Mistake

__all__ = ["EXERCISES"]


def nucleus(p, top_p):
    largest, order = p.sort(descending=True)
    before = largest.cumsum(0) - largest  # mass of the words that are more probable
    kept = torch.where(before < top_p, largest, 0.0)
    out = torch.zeros_like(p)
    out[order] = kept / kept.sum()
    return out


def nucleus_cases():
    yield torch.tensor([0.5, 0.3, 0.15, 0.05]), 0.6
    yield torch.tensor([0.05, 0.15, 0.5, 0.3]), 0.85
    yield torch.tensor([0.1, 0.7, 0.2]), 0.3
    for seed, top_p in ((0, 0.9), (1, 0.5), (2, 0.99)):
        logits = 2 * torch.randn(30, generator=torch.Generator().manual_seed(seed))
        yield logits.softmax(0), top_p


def nucleus_by_loop(p, top_p):
    kept, mass = torch.zeros_like(p), 0.0
    while mass < top_p:
        word = torch.where(kept > 0, -1.0, p).argmax()
        kept[word] = p[word]
        mass += p[word].item()
    return kept / kept.sum()


def nucleus_by_warper(p, top_p):
    from transformers import TopPLogitsWarper

    return TopPLogitsWarper(top_p)(None, p.log()[None])[0].softmax(0)


def without_the_crossing_word(p, top_p):
    largest, order = p.sort(descending=True)
    keep = largest.cumsum(0) <= top_p
    keep[0] = True
    out = torch.zeros_like(p)
    out[order] = torch.where(keep, largest, 0.0) / largest[keep].sum()
    return out


def not_renormalised(p, top_p):
    largest, order = p.sort(descending=True)
    out = torch.zeros_like(p)
    out[order] = torch.where(largest.cumsum(0) - largest < top_p, largest, 0.0)
    return out


def not_sorted(p, top_p):
    kept = torch.where(p.cumsum(0) - p < top_p, p, 0.0)
    return kept / kept.sum()


def left_in_order_of_size(p, top_p):
    largest = p.sort(descending=True).values
    kept = torch.where(largest.cumsum(0) - largest < top_p, largest, 0.0)
    return kept / kept.sum()


def least_probable_first(p, top_p):
    smallest, order = p.sort()
    kept = torch.where(smallest.cumsum(0) - smallest < top_p, smallest, 0.0)
    out = torch.zeros_like(p)
    out[order] = kept / kept.sum()
    return out


def grow(read, prompt, n):
    ids = prompt
    for _ in range(n):
        logits = read(ids)  # [T, V]
        ids = torch.cat([ids, logits[-1].argmax()[None]])
    return ids


def counting_model(ids):
    """Read like a causal model whose answer depends on the newest token, on how many there are and on the oldest."""
    V, seen = 11, torch.arange(1, len(ids) + 1)
    wanted = (ids * 3 + seen * 2 + ids.cumsum(0)) % V
    return F.one_hot(wanted, V).float()


def grow_cases():
    yield counting_model, torch.tensor([4]), 1
    yield counting_model, torch.tensor([4]), 3
    yield counting_model, torch.tensor([2, 9, 1]), 6
    yield counting_model, torch.tensor([7, 7]), 0


def grow_in_a_list(read, prompt, n):
    ids = prompt.tolist()
    while len(ids) < len(prompt) + n:
        ids.append(int(torch.tensor(read(torch.tensor(ids)).tolist()[-1]).argmax()))
    return torch.tensor(ids)


def grow_by_recursion(read, prompt, n):
    if n == 0:
        return prompt
    return grow_by_recursion(read, torch.hstack([prompt, read(prompt)[-1].max(0).indices]), n - 1)


def all_at_once(read, prompt, n):
    ids = prompt
    for _ in range(n):
        ids = torch.cat([prompt[:1], read(ids).argmax(1)])
    return ids


def from_the_first_position(read, prompt, n):
    ids = prompt
    for _ in range(n):
        ids = torch.cat([ids, read(ids)[0].argmax()[None]])
    return ids


def reads_only_the_last(read, prompt, n):
    ids = prompt
    for _ in range(n):
        ids = torch.cat([ids, read(ids[-1:])[-1].argmax()[None]])
    return ids


def without_the_prompt(read, prompt, n):
    return grow(read, prompt, n)[len(prompt) :]


def never_fed_back(read, prompt, n):
    new = [read(prompt)[-1].argmax() for _ in range(n)]
    return torch.cat([prompt, torch.stack(new)]) if new else prompt


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


def pseudo_mass(joint):
    first = joint / joint.sum(dim=0, keepdim=True)  # P(x1 | x2): for each x2, over x1
    second = joint / joint.sum(dim=1, keepdim=True)  # P(x2 | x1): for each x1, over x2
    return (first * second).sum()


def pseudo_mass_cases():
    yield (torch.tensor([[0.5, 0.0], [0.0, 0.5]]),)
    yield (torch.tensor([[0.25, 0.25], [0.25, 0.25]]),)
    yield (torch.tensor([[0.6, 0.1], [0.05, 0.25]]),)
    yield (torch.tensor([[0.1, 0.2, 0.05], [0.3, 0.05, 0.05], [0.05, 0.05, 0.15]]),)


def pseudo_mass_in_one_line(joint):
    return (joint**2 / (joint.sum(0)[None] * joint.sum(1)[:, None])).sum()


def pseudo_mass_by_loop(joint):
    V, total = len(joint), 0.0
    for a in range(V):
        for b in range(V):
            total += (joint[a, b] / joint[:, b].sum() * joint[a, b] / joint[a].sum()).item()
    return total


def chain_mass(joint):
    first = joint.sum(dim=1, keepdim=True)
    return (first * (joint / first)).sum()


def same_side_twice(joint):
    return ((joint / joint.sum(dim=0, keepdim=True)) ** 2).sum()


def marginals_multiplied(joint):
    return (joint.sum(dim=0)[None] * joint.sum(dim=1)[:, None] * joint).sum()


def added(joint):
    return (joint / joint.sum(dim=0, keepdim=True) + joint / joint.sum(dim=1, keepdim=True)).sum()


def best_in_context(shown, keys, values):
    unseen = (1 - 1 / keys) ** shown
    return (1 - unseen) + unseen / values


def best_in_context_cases():
    yield 0, 8, 8
    yield 1, 8, 8
    yield 1, 2, 4
    yield 8, 8, 8
    yield 15, 8, 10
    yield 40, 26, 2


def best_by_steps(shown, keys, values):
    known = 0.0
    for _ in range(shown):
        known += (1 - known) / keys
    return known + (1 - known) / values


def no_lucky_guess(shown, keys, values):
    return 1 - (1 - 1 / keys) ** shown


def never_shown_twice(shown, keys, values):
    known = min(1, shown / keys)
    return known + (1 - known) / values


def always_a_guess(shown, keys, values):
    return 1 / values


def known_or_guess_added(shown, keys, values):
    return 1 - (1 - 1 / keys) ** shown + 1 / values


EXERCISES = (
    Exercise(
        name="grow", lesson=9, minutes=6, difficulty=1,
        reference=grow, cases=grow_cases,
        mistakes=(
            Mistake("first position", from_the_first_position,
                    "you take the first position's answer: what comes next is what the last position says."),
            Mistake("only the last token", reads_only_the_last,
                    "only the newest token is read, so that the text before it is forgotten. That is allowed with a "
                    "cache of the past, which this `read` does not have."),
            Mistake("prompt lost", without_the_prompt,
                    "you return the new tokens without the prompt."),
            Mistake("not fed back", never_fed_back,
                    "the new token never becomes input, so that the same word comes again and again."),
            Mistake("all at once", all_at_once,
                    "you keep the answers of all positions: the prompt itself is replaced by what the model would have "
                    "said. Only the last answer is new."),
        ),
        hints=("One pass gives a row of scores for every position. Which row is about a token that is not there yet?",
               "`torch.cat([ids, logits[-1].argmax()[None]])` makes the text one token longer."),
        alternatives=(grow_in_a_list, grow_by_recursion),
    ),
    Exercise(
        name="nucleus", lesson=9, minutes=8, difficulty=2,
        reference=nucleus, cases=nucleus_cases,
        mistakes=(
            Mistake("the crossing word", without_the_crossing_word,
                    "the word that crosses top_p is missing, so that less than top_p is left: a bug published several "
                    "times (rasbt/reasoning-from-scratch #164). Compare the mass *before* each word with top_p."),
            Mistake("not renormalised", not_renormalised,
                    "what is left does not sum to 1: divide by its sum."),
            Mistake("not sorted", not_sorted,
                    "you went through the words in the order of the vocabulary: go from the most probable down."),
            Mistake("order of size", left_in_order_of_size,
                    "the right probabilities at the wrong words: after sorting, put each back in its place."),
            Mistake("upside down", least_probable_first,
                    "you kept the least probable words: sort in descending order."),
        ),
        hints=("Sort from large to small. How much mass stands before each word?",
               "Keep a word while the mass before it is below top_p; `out[order] = kept` undoes the sorting."),
        alternatives=(nucleus_by_loop, nucleus_by_warper),
    ),
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
    Exercise(
        name="pseudo_mass", lesson=9, minutes=8, difficulty=2,
        reference=pseudo_mass, cases=pseudo_mass_cases,
        mistakes=(
            Mistake("chain rule", chain_mass,
                    "that is the chain rule, P(x1) P(x2 | x1), as in GPT: it always sums to 1. Condition each word on "
                    "the other."),
            Mistake("same side twice", same_side_twice,
                    "you used P(x1 | x2) twice: the second factor is P(x2 | x1), normalised along the other axis."),
            Mistake("marginals", marginals_multiplied,
                    "you multiplied marginals: a conditional is the joint probability *divided* by a marginal."),
            Mistake("added", added, "you added the two conditionals: the pseudo-likelihood is their product."),
        ),
        hints=("joint[a, b] is P(x1 = a, x2 = b). Along which axis does P(x1 | x2) sum to 1?",
               "`joint / joint.sum(dim=0, keepdim=True)` is P(x1 | x2)."),
        alternatives=(pseudo_mass_in_one_line, pseudo_mass_by_loop),
    ),
    Exercise(
        name="best_in_context", lesson=9, minutes=6, difficulty=2,
        reference=best_in_context, cases=best_in_context_cases,
        mistakes=(
            Mistake("no luck", no_lucky_guess,
                    "a letter that was not shown can still be guessed, right once in `values` times."),
            Mistake("no repeats", never_shown_twice,
                    "you let every pair show a new letter: they are drawn with repetition, so that some come twice."),
            Mistake("a guess", always_a_guess, "the pairs that were shown do not help in your formula."),
            Mistake("counted twice", known_or_guess_added,
                    "guessing counts only where the letter was not shown: multiply it by that probability."),
        ),
        hints=("How probable is it that none of the pairs had the letter that is asked for?",
               "Shown: right for certain. Not shown: right with probability 1 / values."),
        alternatives=(best_by_steps,),
    ),
)  # fmt: skip
