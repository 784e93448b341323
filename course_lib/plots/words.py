"""Say in words what a figure shows: its alt text, made from what is drawn, and the same without the numbers."""

__all__ = ["described", "listed", "number", "path"]

LONGEST = 400  # letters of an alt text: who listens to it cannot skim


def described(lead, kind, title, values, rest=()):
    """Return (alt text, plain text) of a figure.

    lead: what the picture shows, in the author's words, or None; kind: 'Bars of accuracy'; values: [(name, what is
    said of it)]; rest: what comes before them, floor and ceiling. The plain text has no measured number, because nbval
    compares it between machines.
    """
    lead, head = " ".join((lead or "").split()), f'{kind}, "{title}"' if title else kind
    named = [(_cut(name), value) for name, value in values]
    entries = [*rest, *(f"{name} {value}".strip() for name, value in named)]
    alt = f"{lead} {_until(LONGEST - len(lead), head, entries)}" if lead else _until(LONGEST, head, entries)
    return " ".join(alt.split()), lead or _until(LONGEST, head, [name.rstrip(":") for name, _ in named if name])


def _cut(name):
    """Return a name that does not take an alt text for itself."""
    name = str(name)
    return name if len(name) <= 60 else f"{name[:59]}…"


def _until(room, head, entries):
    """Join a head and entries; where they take more room than there is, say how many are left out."""
    entries = [*entries]
    for shown in range(len(entries), 0, -1):
        more = [] if shown == len(entries) else [f"and {len(entries) - shown} more"]
        text = f"{head}: {'; '.join([*entries[:shown], *more])}."
        if len(text) <= room:
            return text
    return f"{head[: LONGEST // 2]}."


def listed(names, room=60):
    """Name the first, and the last, of many names."""
    names = [str(name)[:20] for name in names]
    whole = ", ".join(names)
    return whole if len(whole) <= room else f"{names[0]}, {names[1]} … {names[-1]}"


def number(value):
    """Write a number as it stands beside a line: 0.123, 12.3."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.3g}"


def path(values):
    """Say where a line goes: from, to, and a turning point that lies beyond both."""
    first, last, low, high = values[0], values[-1], min(values), max(values)
    turn = (high - low) / 10
    said = f"from {number(first)} to {number(last)}" if len(values) > 1 else number(last)
    said += f", lowest {number(low)}" if low < min(first, last) - turn else ""
    return said + (f", highest {number(high)}" if high > max(first, last) + turn else "")
