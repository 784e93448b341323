"""Draw and tabulate a recorded experiment in one call: it names the record and a metric, and little else.

A record has ``runs[arm][seed][metric]``, ``margins``, and the methods final, band, difference, finding and equivalent
(course_lib.experiments.Record). metric is a name, or {arm: name} where arms are measured in different ways; pairs are
[(arm, control)], {what stands for it: (arm, control)}, or the name of a control that all other arms are held against.
"""

from collections.abc import Mapping
from types import SimpleNamespace

from course_lib.plots.bars import bars, differences, interval
from course_lib.plots.curves import against, curve
from course_lib.plots.tables import table

__all__ = ["along", "averages", "contrasts", "curves", "effects", "ends", "held", "means", "share", "spelled"]


def curves(record, metric, arms=None, *, live=(), live_metric=None, floor=None, ceiling=None, up=None, **options):
    """Draw arms over training: the mean over seeds with its 95% interval, floor, ceiling and the untrained model.

    live: histories that you have trained, named as arms, drawn over the recorded seeds by their live_metric.
    floor, ceiling: as in `ends`. up: the name of the vertical axis. Options: those of `curve`.
    """
    up, of = up or live_metric or _measure(metric), _by_arm(record, metric, arms)
    bands = {arm: record.band(arm, name) for arm, name in of.items()}
    lines = {arm: (band["tokens"], band["mean"]) for arm, band in bands.items()}
    for history in [live] if hasattr(live, "tokens") else live:
        lines[history.name] = history.eval_tokens, history.evals[live_metric]
    shown = [SimpleNamespace(name=arm, eval_tokens=x, evals={up: y}) for arm, (x, y) in lines.items()]
    below, above = _labelled(record, "floor", floor, of), _labelled(record, "ceiling", ceiling, of)
    below |= _labelled(record, "untrained", None, of) if floor is None else {}
    return curve(shown, up, below or None, above or None, bands, **options)


def ends(record, metric, arms=None, *, floor=None, ceiling=None, across=None, **options):
    """Draw arms at the end of training as bars: every seed, the 95% interval, floor and ceiling on the same axes.

    floor, ceiling: a number, the name of a metric that the record holds, or {arm: one of them}; left out, the record's
    'floor METRIC' and 'ceiling METRIC' where it has them. across: what the axis measures. Options: those of `bars`.
    """
    of = _by_arm(record, metric, arms)
    limits = _limit(record, "floor", floor, of), _limit(record, "ceiling", ceiling, of)
    across = across or _measure(metric)
    return bars({arm: record.final(arm, name) for arm, name in of.items()}, *limits, metric=across, **options)


def effects(record, metric, pairs, *, scale=1, across=None, **options):
    """Draw arm minus control with its 95% interval, and the margin stated before the run. Options: of `differences`."""
    rows = [(label, *(scale * x for x in record.difference(metric, *pair))) for label, pair in _pairs(record, pairs)]
    margin = scale * record.margins[metric] if metric in record.margins else None
    return differences(rows, metric=across or metric, margin=margin, **options)


def along(record, metric, places, arms=None, *, floor=None, ceiling=None, more=None, **options):
    """Draw arms at the end over a quantity that stands in the metric's name, with 95% intervals as bands.

    metric: 'topic, {} labels'; places: the numbers for {}. arms: a list, or {label: arm}. more: {name: values}, other
    lines. Options: those of `against` (across, up, alt, ...).
    """
    arms = arms if isinstance(arms, Mapping) else {arm: arm for arm in arms or record.runs}
    spans = {name: [interval(record.final(arm, metric.format(n))) for n in places] for name, arm in arms.items()}
    return against(places, (more or {}) | spans, floor, ceiling, **options)


def means(record, metrics, arms=None, *, first="", rows=(), scale=1, spread=False, digits=2, caption=None):
    """Show a table of arms by metrics, means over seeds at the end of training.

    metrics: a list, or {column: metric}; first: the heading of the arms; rows: more rows below. scale: 100 for shares
    'of 100'; spread: write 'mean ± half of the 95% interval'.
    """
    names = _names(metrics)

    def cell(arm, name):
        mean, _, high = interval([scale * x for x in record.final(arm, name)])
        return f"{mean:.{digits}f} ± {high - mean:.{digits}f}" if spread else mean

    shown = [[arm, *(cell(arm, name) for name in names.values())] for arm in arms or record.runs]
    return table([*shown, *rows], [first, *names], caption or f"mean of {_seeds(record)} seeds", digits)


def averages(record, metrics, arms=None, scale=1):
    """Return {arm: [mean over seeds at the end of training, one per metric]}."""
    return {arm: [scale * interval(record.final(arm, name))[0] for name in metrics] for arm in arms or record.runs}


def contrasts(record, metrics, pairs, *, scale=1, digits=3, wide=False, caption=None):
    """Show a table of arm minus control: mean, 95% interval, and what the interval allows to say.

    metrics: a name, a list, or {what stands for it: name}. wide: one column per metric and no verdicts. A verdict adds
    'equivalent' where the interval lies within the margin that was stated before the run.
    """
    names = _names([metrics] if isinstance(metrics, str) else metrics)
    pairs, caption = _pairs(record, pairs), caption or f"95% intervals over {_seeds(record)} seeds"
    if wide:
        rows = [[label, *(spelled(record.difference(m, *pair), scale, digits) for m in names.values())]
                for label, pair in pairs]  # fmt: skip
        return table(rows, ["arm minus control", *names], caption)
    rows = [
        [*([name] if len(names) > 1 else []), label, *(scale * x for x in record.difference(m, *pair)),
         _verdict(record, m, *pair)] for name, m in names.items() for label, pair in pairs
    ]  # fmt: skip
    header = ["measured", "arm minus control", "mean", "low", "high", "verdict"][len(names) == 1 :]
    return table(rows, header, caption, digits)


def held(parts, *, scale=1, digits=2, first="expected", caption=None):
    """Show what was expected beside what was found: a part 'held' or 'failed' with its whole interval, or neither.

    parts: [(part, (mean, low, high), least, most)]; None for a side that was left open.
    """
    rows = []
    for part, (mean, low, high), least, most in parts:
        under, over = (-float("inf") if least is None else least), (float("inf") if most is None else most)
        found = "held" if under <= low and high <= over else "failed" if high < under or low > over else "not settled"
        said = [f"{scale * x:.4g}" for x in (least, most) if x is not None]
        said = " to ".join(said) if len(said) == 2 else f"at {'least' if most is None else 'most'} {said[0]}"
        rows.append([part, said, *(scale * x for x in (mean, low, high)), found])
    return table(rows, [first, "range", "found", "low", "high", "verdict"], caption, digits)


def share(run, metric):
    """Return how far one run went from floor (0) to ceiling (1): before training, and at each moment of it."""
    low, high = run[f"floor {metric}"][0], run[f"ceiling {metric}"][0]
    return [(value - low) / (high - low) for value in (run[f"untrained {metric}"][0], *run[metric])]


def spelled(span, scale=1, digits=3):
    """Write (mean, low, high) as '+0.12 (+0.08 to +0.16)'."""
    mean, low, high = (scale * x for x in span)
    return f"{mean:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def _verdict(record, metric, arm, control):
    """Say what the interval of arm minus control allows: 'higher', 'lower' or 'not told apart', and 'equivalent'."""
    within = metric in record.margins and record.equivalent(metric, arm, control)
    return record.finding(metric, arm, control) + (", equivalent" if within else "")


def _by_arm(record, metric, arms):
    """Return {arm: metric} for a metric that is given once or by arm."""
    metric = metric if isinstance(metric, Mapping) else dict.fromkeys(record.runs, metric)
    return {arm: metric[arm] for arm in arms or metric}


def _measure(metric):
    """Name an axis for a metric that is given once or by arm."""
    return metric if isinstance(metric, str) else "accuracy"


def _names(metrics):
    return metrics if isinstance(metrics, Mapping) else {name: name for name in metrics}


def _seeds(record):
    return len(next(iter(record.runs.values())))


def _pairs(record, pairs):
    """Return [(label, (arm, control))]."""
    if isinstance(pairs, str):
        pairs = {f"{arm} minus {pairs}": (arm, pairs) for arm in record.runs if arm != pairs}
    return [*(pairs.items() if isinstance(pairs, Mapping) else ((" minus ".join(pair), pair) for pair in pairs))]


def _limit(record, kind, given, of):
    """Return a floor or ceiling as one number where all arms have the same, else {arm: number}; None without one."""
    found = {}
    for arm, metric in of.items():
        one = given.get(arm) if isinstance(given, Mapping) else f"{kind} {metric}" if given is None else given
        if not isinstance(one, str):
            found[arm] = one
        elif one in next(iter(record.runs[arm].values())):
            found[arm] = interval(record.final(arm, one))[0]
    found = {arm: value for arm, value in found.items() if value is not None}
    same = len(found) == len(of) and len({round(value, 3) for value in found.values()}) == 1
    return next(iter(found.values())) if same else found or None


def _labelled(record, kind, given, of):
    """Return {label: number} of a floor or ceiling; one that is given so already stays as it is."""
    if isinstance(given, Mapping) and not set(given) <= set(of):
        return dict(given)
    found = _limit(record, kind, given, of)
    one = {} if found is None else {kind: found}
    return {f"{arm} {kind}": value for arm, value in found.items()} if isinstance(found, Mapping) else one
