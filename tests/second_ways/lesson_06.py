"""A second way to each answer of lesson 06, found without the first."""


def fitted_pair(a, b, length, cls, sep):
    room = length - 3
    in_a = min(len(a), max(room - len(b), (room + 1) // 2))
    in_b = min(len(b), room - in_a)
    ids = [cls] + [a[t] for t in range(in_a)] + [sep] + [b[t] for t in range(in_b)] + [sep]
    return ids, [int(t > in_a + 1) for t in range(len(ids))]


def draw_negatives(documents, d, i, n, rng):
    places, here, drawn = [(j, k) for j in range(len(documents)) for k in range(len(documents[j]))], documents[d], []
    while len(drawn) < n:
        j, k = rng.choice(places)
        follows = any(here[m] == here[i] and here[m + 1] == documents[j][k] for m in range(len(here) - 1))
        if j != d and not follows:
            drawn.append(documents[j][k])
    return drawn


def pair_loss(logits, labels):
    losses = [(row - row[label]).logsumexp(0) for row, label in zip(logits, labels.tolist(), strict=True)]
    return sum(losses) / len(losses)


def area_under_curve(positives, negatives):
    everything = sorted([*positives, *negatives])
    ranks = [everything.index(s) + (everything.count(s) + 1) / 2 for s in positives]  # ties share their mean rank
    n = len(positives)
    return (sum(ranks) - n * (n + 1) / 2) / (n * len(negatives))
