"""Other right answers to the exercises, found in other ways: {name: functions}. Every check accepts them all."""

import torch


def by_removal(words, position):
    rest = list(words)
    del rest[position:]
    return rest


def hide_by_copy(words, position):
    words = list(words)
    words[position] = "[MASK]"
    return tuple(words)


def last_real_by_flip(outputs, attention_mask):
    last = outputs.shape[1] - 1 - attention_mask.flip(1).argmax(dim=1)
    return outputs.gather(1, last[:, None, None].expand(-1, 1, outputs.shape[2]))[:, 0]


def corrupt_words_by_permutation(ids, selected, mask_id, ordinary, generator):
    places = selected.flatten().nonzero()[:, 0]
    places = places[torch.randperm(len(places), generator=generator)]
    hidden, other = places.tensor_split([round(0.8 * len(places)), round(0.9 * len(places))])[:2]
    out = ids.clone().flatten()
    for word in ordinary:
        at, others = other[ids.flatten()[other] == word], ordinary[ordinary != word]
        out[at] = others[torch.randint(len(others), at.shape, generator=generator)]
    out[hidden] = mask_id
    return out.view_as(ids)


def corrupt_words_by_redrawing(ids, selected, mask_id, ordinary, generator):
    fate = torch.multinomial(torch.tensor([0.8, 0.1, 0.1]), ids.numel(), replacement=True, generator=generator)
    other = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    while (again := other == ids).any():
        other[again] = ordinary[torch.randint(len(ordinary), (int(again.sum()),), generator=generator)]
    fate = fate.view_as(ids).masked_fill(~selected, 2)
    return ids.masked_fill(fate == 0, mask_id).where(fate != 1, other)


def draw_negatives_one_by_one(documents, d, i, n, rng):
    follow = {b for a, b in zip(documents[d], documents[d][1:], strict=False) if a == documents[d][i]}
    good = [s for j, other in enumerate(documents) if j != d for s in other if s not in follow]
    return tuple(good[int(rng.random() * len(good))] for _ in range(n))


def fitted_pair_by_slices(a, b, length, cls, sep):
    of_a, of_b = len(a), len(b)
    while of_a + of_b > length - 3:
        of_a, of_b = (of_a - 1, of_b) if of_a > of_b else (of_a, of_b - 1)
    return [cls, *a[:of_a], sep, *b[:of_b], sep], [0] * (of_a + 2) + [1] * (of_b + 1)


RIGHT = {
    "left_context": [by_removal],
    "hide": [hide_by_copy],
    "padding_keys": [lambda lengths, T: (torch.arange(T) >= lengths[:, None])[:, None, None].double() * -10000.0],
    "sliding_window": [lambda window, T: torch.ones(T, T).tril().triu(1 - window).bool()],
    "causal_weights": [
        lambda q, k: (q @ k.T / q.shape[1] ** 0.5 + torch.full((len(q), len(q)), -1e30).triu(1)).softmax(-1)
    ],
    "last_real": [last_real_by_flip],
    "corrupt_words": [corrupt_words_by_permutation, corrupt_words_by_redrawing],
    "draw_negatives": [draw_negatives_one_by_one],
    "fitted_pair": [fitted_pair_by_slices],
    "pair_loss": [
        torch.nn.functional.cross_entropy,
        lambda logits, labels: torch.nn.functional.softplus((logits[:, 1] - logits[:, 0]) * (1 - 2 * labels)).mean(),
    ],
    "area_under_curve": [
        lambda positives, negatives: (
            (torch.tensor(positives)[:, None] - torch.tensor(negatives)).sign().add(1).div(2).mean()
        )
    ],
    "accumulated_gradient": [lambda parts: sum(g.double() * (n / sum(m for _, m in parts)) for g, n in parts)],
    "same_budget": [lambda steps, batch_size, new: int(steps * batch_size / new)],
}
