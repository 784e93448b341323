"""Draw a recorded experiment in one call: it names the record and a metric, and little else.

A record has ``runs[arm][seed][metric]``, ``margins``, ``own_text``, and the methods final, band, difference, finding
and equivalent (course_lib.experiments.Record). metric is a name, or {arm: name} where arms are measured in different
ways; '{}' in a name stands for the arm. pairs are [(arm, control)], {what stands for it: (arm, control)}, or the name
of a control that all other arms are held against.
"""

from collections.abc import Mapping
from types import SimpleNamespace

from course_lib.plots.bars import bars, differences, interval
from course_lib.plots.curves import against, curve
from course_lib.plots.findings import averages, by_arm, margin_of, measure, names_of, pairs_of, shares
from course_lib.plots.heat import heatmap

__all__ = ["along", "curves", "effects", "ends", "grid", "ways"]


def curves(record, metric, arms=None, *, live=(), live_metric=None, floor=None, ceiling=None, up=None, **options):
    """Draw arms over training: the mean over seeds with its 95% interval, floor, ceiling and the untrained model.

    live: histories that you have trained, named as arms, drawn over the recorded seeds by their live_metric.
    floor, ceiling: as in `ends`. up: the name of the vertical axis. Options: those of `curve`.
    """
    up, of = up or live_metric or measure(metric), by_arm(record, metric, arms)
    bands = {arm: record.band(arm, name) for arm, name in of.items()}
    shown = {arm: SimpleNamespace(name=arm, eval_tokens=band["tokens"], evals={up: band["mean"]})
             for arm, band in bands.items()}  # fmt: skip
    for history in [live] if hasattr(live, "tokens") else live:
        ours = {up: history.evals[live_metric]}
        shown[history.name] = SimpleNamespace(name=history.name, eval_tokens=history.eval_tokens, evals=ours,
                                              interrupted=getattr(history, "interrupted", False))  # fmt: skip
    below, above = _labelled(record, "floor", floor, of), _labelled(record, "ceiling", ceiling, of)
    below |= _labelled(record, "untrained", None, of) if floor is None else {}
    return curve(list(shown.values()), up, below or None, above or None, bands, **options)


def ends(record, metric, arms=None, *, floor=None, ceiling=None, across=None, **options):
    """Draw arms at the end of training as bars: every seed, the 95% interval, floor and ceiling on the same axes.

    floor, ceiling: a number, the name of a metric that the record holds, or {arm: one of them}; left out, the record's
    'floor METRIC' and 'ceiling METRIC' where it has them. across: what the axis measures. Options: those of `bars`.
    """
    of = by_arm(record, metric, arms)
    limits = _limit(record, "floor", floor, of), _limit(record, "ceiling", ceiling, of)
    across = across or measure(metric)
    return bars({arm: record.final(arm, name) for arm, name in of.items()}, *limits, metric=across, **options)


def effects(record, metrics, pairs, *, scale=1, across=None, **options):
    """Draw arm minus control with its 95% interval, and the margin stated before the run.

    metrics: a name, a list, or {what stands for it: name}. Options: those of `differences`.
    """
    names = names_of(metrics)
    rows = [
        (label if len(names) == 1 else f"{label}, {name}", *(scale * x for x in record.difference(metric, *pair)))
        for label, pair in pairs_of(record, pairs) for name, metric in names.items()
    ]  # fmt: skip
    margin = margin_of(record, names)
    metric = f"{'' if len(names) > 1 else [*names][0] + ': '}difference, 95% interval"
    return differences(rows, metric=across or metric, margin=None if margin is None else scale * margin, **options)


def along(record, metric, places, arms=None, *, floor=None, ceiling=None, more=None, **options):
    """Draw arms at the end over a quantity that stands in a name, with 95% intervals as bands.

    metric: 'topic, {} labels'; places: the numbers for {}. arms: a list, {label: arm}, or {label: (metric, arm)} where
    the arms have the quantity in their names. more: {name: values}, other lines. Options: those of `against`
    (across, up, ...).
    """
    arms = arms if isinstance(arms, Mapping) else {arm: arm for arm in arms or record.runs}
    spans = {}
    for label, arm in arms.items():
        measured, arm = (metric, arm) if isinstance(arm, str) else arm
        spans[label] = [interval(record.final(arm.format(n), measured.format(n))) for n in places]
    return against(places, (more or {}) | spans, floor, ceiling, **options)


def grid(record, metrics, arms=None, *, more=None, axes=("trained on", "asked about"), **options):
    """Draw arms by metrics as a heat map of means. more: {name: values}, rows below. Options: those of `heatmap`."""
    names = names_of(metrics)
    rows = averages(record, names.values(), arms) | dict(more or {})
    return heatmap([*rows.values()], [*rows], [*names], axes=axes, **options)


def ways(lines, **options):
    """Draw how far arms of one or several records went from floor (0) to ceiling (1), with 95% intervals over seeds.

    lines: {name: (record, arm, metric)}. Options: those of `against`.
    """
    tokens, found = shares(lines)
    spans = {name: [interval(moment) for moment in zip(*runs, strict=True)] for name, runs in found.items()}
    defaults = {"limits": (None, 1.02), "across": "thousand tokens seen", "up": "share of the way"}
    return against([n / 1000 for n in tokens], spans, 0, 1, **(defaults | options))


def _limit(record, kind, given, of):
    """Return a floor or ceiling as one number where all arms have the same, else {arm: number}; None without one."""
    found = {}
    for arm, metric in of.items():
        one = given.get(arm) if isinstance(given, Mapping) else f"{kind} {metric}" if given is None else given
        if not isinstance(one, str):
            found[arm] = one
        elif (one := one.replace("{}", arm)) in next(iter(record.runs[arm].values())):
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
