"""A second way to each answer of lesson 05, found without the first."""

import torch

SPECIAL = ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]")


def become(tokens, rate=0.15):
    return tuple(share * rate * tokens for share in (0.8, 0.1, 0.1, 1))


def count_fates(input_ids, labels, mask_id):
    pairs = zip(input_ids.flatten().tolist(), labels.flatten().tolist(), strict=True)
    fates = ["hidden" if seen == mask_id else seen == true for seen, true in pairs if true != -100]
    return fates.count("hidden"), fates.count(False), fates.count(True)


def corrupt_words(ids, selected, mask_id, ordinary, generator):
    out = ids.clone()
    for b, t in selected.nonzero().tolist():
        fate = torch.randint(10, (), generator=generator).item()
        others = [word for word in ordinary.tolist() if word != ids[b, t]]
        if fate == 0:
            out[b, t] = others[torch.randint(len(others), (), generator=generator)]
        elif fate > 1:
            out[b, t] = mask_id
    return out


def whole_words(pieces):
    starts = [t for t, piece in enumerate(pieces) if piece not in SPECIAL and piece[:2] != "##"]
    ends = [next((t for t in range(a + 1, len(pieces)) if pieces[t][:2] != "##"), len(pieces)) for a in starts]
    return [list(range(a, b)) for a, b in zip(starts, ends, strict=True)]


def answer_at_visible(p, shown, random, keep):
    joint = [p[w] * (random / len(p) + (keep if w == shown else 0.0)) for w in range(len(p))]
    return torch.stack(joint) / sum(joint)
