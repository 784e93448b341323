"""The exercises of lesson 03: references, other right answers and known mistakes."""

import torch

from course_lib.exercises import values
from course_lib.exercises.engine import Exercise, Mistake

__all__ = ["EXERCISES"]

LOWEST = torch.finfo(torch.float32).min
HIDDEN = -1e4  # BERT's own code added -10000; anything as low hides a key as well as finfo.min does


def same_mask(got, expected, *args):
    """Accept any additive mask that hides the same keys: finfo.min, -inf, -1e9, in any float precision."""
    if not isinstance(got, torch.Tensor) or not got.is_floating_point() or got.shape != expected.shape:
        return values.same(got, expected)
    return values.same(torch.where(got <= HIDDEN, LOWEST, got.float()), expected.float())


def padding_keys(lengths, T):
    """Return the additive padding mask [B, 1, 1, T] for these numbers of real tokens."""
    real = torch.arange(T)[None, :] < lengths[:, None]  # [B, T]
    hidden = torch.finfo(torch.float32).min
    return torch.where(real, 0.0, hidden)[:, None, None, :]


def padding_keys_by_loop(lengths, T):
    mask = torch.zeros(len(lengths), 1, 1, T)
    for row, length in enumerate(lengths.tolist()):
        mask[row, :, :, length:] = float("-inf")
    return mask


def real_keys(lengths, T):
    return (torch.arange(T) < lengths[:, None])[:, None, None, :]


PADDING = Exercise(
    name="padding_keys", lesson=3, minutes=4, difficulty=1, reference=padding_keys, compare=same_mask,
    cases=lambda: [(torch.tensor([2]), 3), (torch.tensor([4, 1, 3]), 4), (torch.tensor([6, 4]), 6)],
    alternatives=(padding_keys_by_loop, lambda lengths, T: (1 - real_keys(lengths, T).float()) * -10000.0),
    mistakes=(
        Mistake("inverted", lambda lengths, T: torch.where(real_keys(lengths, T), LOWEST, 0.0),
                "your mask hides the real tokens and shows the padding: an additive 0 means **look**."),
        Mistake("0/1 mask", lambda lengths, T: real_keys(lengths, T).float(),
                "this is a 0/1 mask. Added to the scores, a 1 barely favours a real token and hides nothing: "
                "padding needs a hugely negative number, real tokens 0."),
        Mistake("bool mask", real_keys,
                "this is a mask of booleans. Eager attention would add it as 1 and 0, which hides nothing."),
        Mistake("rows", lambda lengths, T: padding_keys(lengths, T).transpose(-2, -1),
                "your mask closes rows (queries). Padding is masked as a **key**: close columns, shape "
                "`[B, 1, 1, T]`."),
        Mistake("two dimensions", lambda lengths, T: padding_keys(lengths, T)[:, 0, 0],
                "the numbers are right, but the shape is `[B, T]`, which lines up sequences with queries. "
                "Put two axes of length 1 in between, for heads and queries."),
        Mistake("one too many", lambda lengths, T: padding_keys(lengths + 1, T),
                "one padding token per sequence stays visible: positions count from 0, so `<`, not `<=`."),
    ),
    hints=("Compare positions with lengths: `torch.arange(T)` against `lengths[:, None]` gives `[B, T]`.",
           "`torch.where(real, 0.0, torch.finfo(torch.float32).min)` turns booleans into an additive mask.",
           "`[:, None, None, :]` puts in the axes for heads and queries."),
)  # fmt: skip


def sliding_window(window, T):
    """Return [T, T] booleans: is key (column) j one of the `window` latest positions up to query i?"""
    query, key = torch.arange(T)[:, None], torch.arange(T)[None, :]
    return (key <= query) & (key > query - window)


def sliding_window_blocks(window, T):
    block = torch.arange(T) // window
    return (block[:, None] == block[None, :]).tril()


WINDOW = Exercise(
    name="sliding_window", lesson=3, minutes=4, difficulty=1, reference=sliding_window,
    cases=lambda: [(2, 4), (1, 3), (3, 6), (9, 5)],
    alternatives=(lambda window, T: torch.ones(T, T).tril().triu(1 - window).bool(),
                  lambda w, T: torch.tensor([[0 <= i - j < w for j in range(T)] for i in range(T)])),
    mistakes=(
        Mistake("one too many", lambda window, T: sliding_window(window + 1, T),
                "your window is one too wide: it counts the position itself, so window 1 sees only itself."),
        Mistake("two-sided", lambda window, T: torch.ones(T, T).tril(window - 1).triu(1 - window).bool(),
                "your window is two-sided, so it looks into the future; here it has to stay causal."),
        Mistake("no window", lambda window, T: torch.ones(T, T).tril().bool(),
                "this is the plain causal mask: nothing forgets the distant past."),
        Mistake("open future", lambda window, T: torch.ones(T, T).triu(1 - window).bool(),
                "the past is cut off rightly, but the future is open: it also needs `key <= query`."),
        Mistake("blocks", sliding_window_blocks,
                "you cut the text into fixed blocks. A **sliding** window moves along with each query."),
        Mistake("turned", lambda window, T: sliding_window(window, T).T,
                "your mask is transposed: rows are those who look, columns those looked at."),
        Mistake("hides", lambda window, T: ~sliding_window(window, T),
                "True and False are swapped: True means **may look** here."),
    ),
    hints=("Write down row 3 for a window of 2: which columns may it see?",
           "Two conditions, joined with `&`: not after the query, and fewer than `window` steps before."),
)  # fmt: skip


def causal_weights(q, k):
    """Return causal attention weights [T, T] for queries and keys [T, D]: masked before the softmax."""
    T, D = q.shape
    scores = q @ k.T / D**0.5
    future = torch.ones(T, T).triu(1).bool()
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


def causal_weights_cases():
    generator = torch.Generator().manual_seed(0)
    yield torch.randn(3, 4, generator=generator), torch.randn(3, 4, generator=generator)
    yield torch.randn(5, 2, generator=generator), torch.randn(5, 2, generator=generator)
    # A later key with a huge score: whatever is normalised after the softmax has already underflowed to 0.
    yield torch.ones(3, 4), torch.tensor([[0.0] * 4, [1.0] * 4, [200.0] * 4])


def causal_weights_row_by_row(q, k):
    weights = torch.zeros(len(q), len(k))
    for i in range(len(q)):
        weights[i, : i + 1] = (k[: i + 1] @ q[i] / q.shape[1] ** 0.5).softmax(0)
    return weights


def scaled(q, k):
    return q @ k.T / q.shape[1] ** 0.5


def upper(scores, diagonal=1):
    return torch.full_like(scores, float("-inf")).triu(diagonal)


def renormalised(q, k):
    weights = scaled(q, k).softmax(-1).tril()
    return weights / weights.sum(-1, keepdim=True)


WEIGHTS = Exercise(
    name="causal_weights", lesson=3, minutes=5, difficulty=2, reference=causal_weights,
    cases=causal_weights_cases,
    alternatives=(causal_weights_row_by_row,
                  lambda q, k: (scaled(q, k) + torch.full((len(q), len(q)), LOWEST).triu(1)).softmax(-1)),
    mistakes=(
        Mistake("after the softmax", lambda q, k: scaled(q, k).softmax(-1).tril(),
                "you mask **after** the softmax: rows no longer sum to 1, and the future is still in the "
                "denominator. Mask the scores instead."),
        Mistake("renormalised", renormalised,
                "you mask after the softmax and renormalise. That is right on paper, but here a later key "
                "has a huge score: every visible weight has underflowed to 0 before you divide: 0/0 is nan."),
        Mistake("zero scores", lambda q, k: scaled(q, k).tril().softmax(-1),
                "you set the scores of the future to 0. A score of 0 is not 'no attention': it counts as "
                "exp(0) = 1. Use a hugely negative score."),
        Mistake("not scaled", lambda q, k: (q @ k.T + upper(q @ k.T)).softmax(-1),
                "the mask is right, but the scores are not divided by the square root of D."),
        Mistake("over queries", lambda q, k: (scaled(q, k) + upper(q @ k.T)).softmax(0),
                "your softmax runs over the queries: columns sum to 1 where rows should (`dim=-1`)."),
        Mistake("hides itself", lambda q, k: (scaled(q, k) + upper(q @ k.T, 0)).softmax(-1),
                "you hide the diagonal too: a position may look at itself, and the first has nothing else."),
        Mistake("no mask", lambda q, k: scaled(q, k).softmax(-1),
                "no mask is applied at all: the weights above the diagonal are not 0."),
    ),
    hints=("Add up a row of the given function's weights. What should it be? What was summed too much?",
           "Everything in the softmax's denominator is seen. Change the scores, before the softmax.",
           "`scores.masked_fill(future, float('-inf'))`, where `future` is True above the diagonal."),
)  # fmt: skip


def leaking_positions(read, ids, V):
    """Return the sorted list of positions whose output moves when some *later* token is replaced."""
    before, found = read(ids), set()
    for j in range(len(ids)):
        other = ids.clone()
        other[j] = (other[j] + 1) % V
        moved = (read(other) - before).abs().amax(dim=-1) > 1e-6  # [T]
        found |= {i for i in range(j) if moved[i]}
    return sorted(found)


def reader(name, sees):
    """Return a little reader: output i sums up the vectors of the tokens that `sees(i, j)` allows."""
    table = torch.randn(11, 4, generator=torch.Generator().manual_seed(3))

    def read(ids):
        T = len(ids)
        seen = torch.tensor([[float(sees(i, j)) for j in range(T)] for i in range(T)])
        return seen @ (table[ids] * (1 + torch.arange(T))[:, None])

    read.__name__ = name
    return read


def leaking_positions_cases():
    for name, sees in (
        ("honest_reader", lambda i, j: j <= i),
        ("two_sided_reader", lambda i, j: True),
        ("reader_that_peeks_one_ahead", lambda i, j: j <= i + 1),
        ("reader_with_one_hole_in_its_mask", lambda i, j: j <= i or (i, j) == (1, 3)),
        ("reader_of_the_next_word_only", lambda i, j: j == i + 1),
    ):
        yield reader(name, sees), torch.tensor([3, 1, 4, 1, 5, 9]), 11


def moves(read, ids, V):
    """Return all pairs (output i, input j) such that output i moves when token j is replaced."""
    others = [torch.where(torch.arange(len(ids)) == j, (ids + 1) % V, ids) for j in range(len(ids))]
    moved = torch.stack([(read(other) - read(ids)).abs().sum(-1) for other in others], dim=1)
    return [tuple(pair) for pair in (moved > 1e-5).nonzero().tolist()]


def leaking_positions_by_tail(read, ids, V):
    tails = [torch.cat([ids[: i + 1], (ids[i + 1 :] + 1) % V]) for i in range(len(ids))]
    return [i for i, other in enumerate(tails) if not torch.allclose(read(other)[i], read(ids)[i])]


def leaking_positions_in_place(read, ids, V):
    before, found = read(ids), set()
    for j in range(len(ids)):
        ids[j] = (ids[j] + 1) % V
        found |= {i for i in range(j) if not torch.allclose(read(ids)[i], before[i])}
    return sorted(found)


LEAKS = Exercise(
    name="leaking_positions", lesson=3, minutes=8, difficulty=3, reference=leaking_positions,
    cases=leaking_positions_cases,
    alternatives=(leaking_positions_by_tail,
                  lambda read, ids, V: sorted({i for i, j in moves(read, ids, V) if j > i})),
    mistakes=(
        Mistake("itself", lambda read, ids, V: sorted({i for i, j in moves(read, ids, V) if j >= i}),
                "you count a position that moves when its **own** token changes; that is what it should do. "
                "Only later tokens are the future."),
        Mistake("last token only",
                lambda read, ids, V: [i for i, j in moves(read, ids, V) if i < j == len(ids) - 1],
                "you change only the last token: a reader that peeks just one word ahead slips through."),
        Mistake("inputs", lambda read, ids, V: sorted({j for i, j in moves(read, ids, V) if j > i}),
                "you list the tokens that are seen too early; asked for are the positions that see them."),
        Mistake("past", lambda read, ids, V: sorted({i for i, j in moves(read, ids, V) if j < i}),
                "you list positions that move when an **earlier** token changes: reading, not leaking."),
        Mistake("in place", leaking_positions_in_place,
                "you change the caller's ids in place, so that the changes pile up. Start from a fresh "
                "`ids.clone()` for each token."),
    ),
    hints=("Two runs and a difference: `read(ids)` and `read(other)`, with one token of `other` replaced.",
           "Another token: `(other[j] + 1) % V`. Which outputs must not move when token j is replaced?",
           "All outputs before j. Collect those that do, for every j, and sort them."),
)  # fmt: skip


def last_real(outputs, attention_mask):
    """Return each sequence's output at its last real token: [B, T, D] and 0/1 [B, T] -> [B, D]."""
    B, T, D = outputs.shape
    last = (attention_mask * torch.arange(T)).argmax(dim=1)  # [B], for padding on either side
    return outputs[torch.arange(B), last]


def last_real_cases():
    for mask in ([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], [[0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]]):
        yield torch.arange(24.0).reshape(3, 4, 2), torch.tensor(mask)


def last_real_by_loop(outputs, attention_mask):
    pairs = zip(outputs, attention_mask, strict=True)
    return torch.stack([rows[mask.bool()][-1] for rows, mask in pairs])


def last_real_by_flip(outputs, attention_mask):
    last = outputs.shape[1] - 1 - attention_mask.flip(1).argmax(dim=1)
    return outputs.gather(1, last[:, None, None].expand(-1, 1, outputs.shape[2]))[:, 0]


LAST = Exercise(
    name="last_real", lesson=3, minutes=5, difficulty=2, reference=last_real, cases=last_real_cases,
    alternatives=(last_real_by_loop, last_real_by_flip),
    mistakes=(
        Mistake("last column", lambda outputs, mask: outputs[:, -1],
                "you read the last position, and there it is padding: its output is a meaningless number."),
        Mistake("count", lambda outputs, mask: outputs[torch.arange(len(outputs)), mask.sum(1) - 1],
                "the number of real tokens minus one is the last position only if the padding is on the "
                "right; in the second batch it is on the left."),
        Mistake("zeroed padding", lambda outputs, mask: (outputs * mask[:, :, None])[:, -1],
                "you set the padding's outputs to 0 and then read the last position: a row of zeros."),
        Mistake("mean", lambda outputs, mask: (outputs * mask[:, :, None]).sum(1) / mask.sum(1)[:, None],
                "this is the mean over the real tokens; asked for is the last one of them."),
        Mistake("all pairs", lambda outputs, mask: outputs[:, (mask * torch.arange(4)).argmax(1)],
                "`outputs[:, last]` takes every sequence at every sequence's last position: `[B, B, D]`. "
                "Pair them up: `outputs[torch.arange(B), last]`."),
    ),
    hints=("Multiply the mask by the positions 0, 1, 2, ...: which number is the largest in a row?",
           "`argmax(dim=1)` of that product is the last real position, wherever the padding is.",
           "`outputs[torch.arange(B), last]` picks one position for each sequence."),
)  # fmt: skip

EXERCISES = (PADDING, WINDOW, WEIGHTS, LAST, LEAKS)
