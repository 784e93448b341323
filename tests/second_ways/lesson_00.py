"""A second way to the answer of lesson 00, found without the first."""


def best_share(gaps):
    """Count in a thousand billion imagined stories, gap by gap."""
    stories, right = 10**12, 0
    for gap in gaps:
        likeliest = sorted(gap, key=gap.get)[-1]
        right += stories * gap[likeliest]
    return right / (stories * len(gaps))
