"""Tabulate a recorded experiment, and say it in sentences, in one call: see `records` for record, metric and pairs.

found: the verdicts that the text beside a table relies on, a list or one word for all; AssertionError where the record
says otherwise.
"""

from collections.abc import Mapping

import numpy as np

from course_lib.plots.bars import interval
from course_lib.plots.tables import markdown, table

__all__ = [
    "averages", "by_arm", "by_seed", "contrasts", "expected", "held", "margin_of", "means", "measure", "names_of",
    "pairs_of", "said", "shares", "spelled", "until",
]  # fmt: skip


def means(record, metrics, arms=None, *, first="", rows=(), scale=1, spread=False, digits=2, caption=None):
    """Show a table of arms by metrics, means over seeds at the end of training.

    metrics: a list, or {column: metric}; first: the heading of the arms; rows: more rows below. scale: 100 for shares
    'of 100'; spread: write 'mean ± half of the 95% interval'.
    """
    names = names_of(metrics)

    def cell(arm, name):
        mean, _, high = interval([scale * x for x in record.final(arm, name)])
        return f"{mean:.{digits}f} ± {high - mean:.{digits}f}" if spread else mean

    shown = [[arm, *(cell(arm, name) for name in names.values())] for arm in arms or record.runs]
    said = f"mean of {_seeds(record)}" + (", ± half of the 95% interval" if spread else "")
    return table([*shown, *rows], [first, *names], caption or said, digits)


def averages(record, metrics, arms=None, scale=1):
    """Return {arm: [mean over seeds at the end of training, one per metric]}."""
    return {arm: [scale * interval(record.final(arm, name))[0] for name in metrics] for arm in arms or record.runs}


def by_seed(record, metric, arms=None, *, scale=1, digits=2, in_order=False, caption=None):
    """Show a table of arms by seeds at the end of training. in_order: from the lowest seed to the highest."""
    found = {arm: [scale * x for x in record.final(arm, name)] for arm, name in by_arm(record, metric, arms).items()}
    seeds = len(next(iter(found.values())))
    columns = ["lowest", *[""] * (seeds - 2), "highest"] if in_order else [f"seed {n}" for n in range(seeds)]
    rows = {arm: sorted(values) if in_order else values for arm, values in found.items()}
    return table(rows, [measure(metric), *columns], caption, digits)


def contrasts(record, metrics, pairs, *, scale=1, digits=3, wide=False, unit="", caption=None, found=None):
    """Show a table of arm minus control: mean, 95% interval, and what the interval allows to say.

    metrics: a name, a list, or {what stands for it: name}. wide: one column per metric and no verdicts. A verdict adds
    'equivalent' where the interval lies within the margin that was stated before the run. unit: 'of 100 words'.
    """
    names, pairs = names_of(metrics), pairs_of(record, pairs)
    if not caption:
        margin = margin_of(record, names)
        stated = f"; equivalent: within {scale * margin:g}, stated before the run" if margin else ""
        caption = f"{unit and unit + ', '}95% intervals over {_seeds(record)}{stated}"
    if wide:
        rows = {label: [spelled(record.difference(name, *pair), scale, digits) for name in names.values()]
                for label, pair in pairs}  # fmt: skip
        return table(rows, ["arm minus control", *names], caption)
    rows = [
        [*([name] if len(names) > 1 else []), label, *(scale * x for x in record.difference(m, *pair)),
         _verdict(record, m, *pair)] for name, m in names.items() for label, pair in pairs
    ]  # fmt: skip
    header = ["measured", "arm minus control", "mean", "low", "high", "verdict"][len(names) == 1 :]
    return _agreed(table(rows, header, caption, digits), found)


def held(parts, record=None, *, scale=1, digits=2, first="expected", caption=None, found=None):
    """Show what was expected beside what was found: a part 'held' or 'failed' with its whole interval, or neither.

    parts: [(part, what, least, most)]; None for a side that was left open. what: (mean, low, high), or, of the record
    at the end, (metric, arm) for a mean and (metric, arm, control) for a difference.
    """
    rows = []
    for part, what, least, most in parts:
        mean, low, high = _span(record, what)
        stated, verdict = judged((low, high), least, most, scale)
        rows.append([part, stated, *(scale * x for x in (mean, low, high)), verdict])
    return _agreed(table(rows, [first, "range", "found", "low", "high", "verdict"], caption, digits), found)


def judged(interval, least, most, scale=1):
    """Hold an interval (low, high) against a range: the range in words, and 'held', 'failed' or 'not settled'.

    Held: all of it lies within the range; failed: all of it outside. None for a side that was left open.
    """
    low, high = interval
    under, over = (-float("inf") if least is None else least), (float("inf") if most is None else most)
    verdict = "held" if under <= low and high <= over else "failed" if high < under or low > over else "not settled"
    limits = [f"{scale * x:.4g}" for x in (least, most) if x is not None]
    stated = " to ".join(limits) if len(limits) == 2 else f"at {'least' if most is None else 'most'} {limits[0]}"
    return stated, verdict


def said(lead, spans, record=None, *, scale=1, digits=1, means=False):
    """Say 95% intervals in a sentence: 'lead one **+1.0 to +2.0**; other **-1.0 to +0.5**.'

    spans: {label: what}, what as in `held`. means: they are no differences: 'one **8** (2 to 13)'.
    """
    parts = []
    for label, what in spans.items():
        mean, low, high = (scale * x for x in _span(record, what))
        shown = f"**{low:+.{digits}f} to {high:+.{digits}f}**"
        shown = f"**{mean:.{digits}f}** ({low:.{digits}f} to {high:.{digits}f})" if means else shown
        parts.append(f"{label} {shown}".strip())
    return markdown(f"{lead} {'; '.join(parts)}.")


def expected(experiment, before="Expected, and written down before the runs"):
    """Show what an experiment (`experiments.find(name)`) was expected to give, as a quotation."""
    day = f" ({experiment.written})" if experiment.written else ""
    return markdown(f"{before}{day}:\n\n> {experiment.expectation}")


def shares(lines):
    """Return (tokens, {name: [a path per seed]}): how far each run went from floor (0) to ceiling (1), at each moment.

    lines: {name: (record, arm, metric)}. The first moment is before training. Only seeds that all records have.
    """
    first, arm, _ = next(iter(lines.values()))
    seeds = [seed for seed in first.runs[arm] if all(seed in record.runs[arm] for record, arm, _ in lines.values())]
    found = {name: [_shares(record.runs[arm][seed], metric) for seed in seeds]
             for name, (record, arm, metric) in lines.items()}  # fmt: skip
    return [0, *first.runs[arm][seeds[0]]["tokens"]], found


def _shares(run, metric):
    low, high = run[f"floor {metric}"][0], run[f"ceiling {metric}"][0]
    return [(value - low) / (high - low) for value in (run[f"untrained {metric}"][0], *run[metric])]


def until(goal, lines):
    """Return {name: [tokens per seed]} until a share of the way; between two moments a straight line. lines: `shares`.

    ValueError where a run does not get so far.
    """
    tokens, found = shares(lines)

    def reached(name, path):
        n = next((n for n, share in enumerate(path) if share >= goal), None)
        if n is None:
            raise ValueError(f"{name!r} goes {max(path):.2f} of its way, not {goal}")
        return tokens[n] if n == 0 else float(np.interp(goal, path[n - 1 : n + 1], tokens[n - 1 : n + 1]))

    return {name: [reached(name, path) for path in runs] for name, runs in found.items()}


def spelled(span, scale=1, digits=3):
    """Write (mean, low, high) as '+0.12 (+0.08 to +0.16)'."""
    mean, low, high = (scale * x for x in span)
    return f"{mean:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def _span(record, what):
    """Return (mean, low, high) that is given so, or of (metric, arm) or (metric, arm, control) at the end."""
    if not isinstance(what[0], str):
        return what
    return record.difference(*what) if len(what) == 3 else interval(record.final(what[1], what[0]))


def _verdict(record, metric, arm, control):
    """Say what the interval of arm minus control allows: 'higher', 'lower' or 'not told apart', and 'equivalent'."""
    within = metric in record.margins and record.equivalent(metric, arm, control)
    return record.finding(metric, arm, control) + (", equivalent" if within else "")


def _agreed(shown, found):
    """Return the table; AssertionError where its verdicts are not those that the text relies on."""
    verdicts = [row[-1] for row in shown.rows]
    wanted = [found] * len(verdicts) if isinstance(found, str) else found
    if found is not None and verdicts != [*wanted]:
        raise AssertionError(f"the verdicts are {verdicts}, but the text says {found!r}: one of them must change")
    return shown


def by_arm(record, metric, arms):
    """Return {arm: metric} for a metric that is given once, by arm, or with '{}' for the arm."""
    metric = metric if isinstance(metric, Mapping) else {arm: metric.replace("{}", arm) for arm in record.runs}
    return {arm: metric[arm] for arm in arms or metric}


def measure(metric):
    """Name an axis for a metric that is given once or by arm."""
    return metric.replace("{}", "").strip() if isinstance(metric, str) else "accuracy"


def names_of(metrics):
    """Return {what stands for it: metric}."""
    metrics = [metrics] if isinstance(metrics, str) else metrics
    return metrics if isinstance(metrics, Mapping) else {name: name for name in metrics}


def margin_of(record, names):
    """Return the margin stated before the run that all metrics have in common, or None."""
    margins = {record.margins.get(metric) for metric in names.values()}
    return margins.pop() if len(margins) == 1 else None


def _seeds(record):
    """Say over what a mean was taken."""
    return f"{len(next(iter(record.runs.values())))} seeds{', each with a text of its own' if record.own_text else ''}"


def pairs_of(record, pairs):
    """Return [(label, (arm, control))]."""
    if isinstance(pairs, str):
        pairs = {f"{arm} minus {pairs}": (arm, pairs) for arm in record.runs if arm != pairs}
    return [*(pairs.items() if isinstance(pairs, Mapping) else ((" minus ".join(pair), pair) for pair in pairs))]
