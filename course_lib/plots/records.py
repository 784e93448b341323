"""Draw and tabulate a recorded experiment in one call: it names the record and a metric, and little else.

A record has ``runs[arm][seed][metric]``, ``margins``, ``own_text``, and the methods final, band, difference, finding
and equivalent (course_lib.experiments.Record). metric is a name, or {arm: name} where arms are measured in different
ways; '{}' in a name stands for the arm. pairs are [(arm, control)], {what stands for it: (arm, control)}, or the name
of a control that all other arms are held against. found: the verdicts that the text beside a table relies on, a list
or one word for all; AssertionError where the record says otherwise.
"""

from collections.abc import Mapping
from types import SimpleNamespace

from course_lib.plots.bars import bars, differences, interval
from course_lib.plots.curves import against, curve
from course_lib.plots.heat import heatmap
from course_lib.plots.tables import markdown, table

__all__ = [
    "along", "averages", "by_seed", "contrasts", "curves", "effects", "ends", "expected", "grid", "held", "means",
    "said", "share", "spelled",
]  # fmt: skip


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


def effects(record, metrics, pairs, *, scale=1, across=None, **options):
    """Draw arm minus control with its 95% interval, and the margin stated before the run.

    metrics: a name, a list, or {what stands for it: name}. Options: those of `differences`.
    """
    names = _names(metrics)
    rows = [
        (label if len(names) == 1 else f"{label}, {name}", *(scale * x for x in record.difference(metric, *pair)))
        for label, pair in _pairs(record, pairs) for name, metric in names.items()
    ]  # fmt: skip
    margins = {record.margins.get(metric) for metric in names.values()}
    margin = margins.pop() if len(margins) == 1 else None
    across = across or f"{', '.join(names)}: difference, 95% interval"
    return differences(rows, metric=across, margin=None if margin is None else scale * margin, **options)


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
    """Draw arms by metrics as a heat map of means over seeds. more: {name: values}, rows below. Options: of `heatmap`."""
    names = _names(metrics)
    rows = averages(record, names.values(), arms) | dict(more or {})
    return heatmap([*rows.values()], [*rows], [*names], axes=axes, **options)


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
    return table([*shown, *rows], [first, *names], caption or f"mean of {_seeds(record)}", digits)


def averages(record, metrics, arms=None, scale=1):
    """Return {arm: [mean over seeds at the end of training, one per metric]}."""
    return {arm: [scale * interval(record.final(arm, name))[0] for name in metrics] for arm in arms or record.runs}


def by_seed(record, metric, arms=None, *, scale=1, digits=2, in_order=False, caption=None):
    """Show a table of arms by seeds at the end of training. in_order: from the lowest seed to the highest."""
    found = {arm: [scale * x for x in record.final(arm, name)] for arm, name in _by_arm(record, metric, arms).items()}
    seeds = len(next(iter(found.values())))
    columns = ["lowest", *[""] * (seeds - 2), "highest"] if in_order else [f"seed {n}" for n in range(seeds)]
    rows = {arm: sorted(values) if in_order else values for arm, values in found.items()}
    return table(rows, [_measure(metric), *columns], caption, digits)


def contrasts(record, metrics, pairs, *, scale=1, digits=3, wide=False, unit="", caption=None, found=None):
    """Show a table of arm minus control: mean, 95% interval, and what the interval allows to say.

    metrics: a name, a list, or {what stands for it: name}. wide: one column per metric and no verdicts. A verdict adds
    'equivalent' where the interval lies within the margin that was stated before the run. unit: 'of 100 words'.
    """
    names, pairs = _names(metrics), _pairs(record, pairs)
    if not caption:
        stated = [record.margins.get(name) for name in names.values()]
        margin = f"; equivalent: within {scale * stated[0]:g}, stated before the run" if [*{*stated}] == stated[:1] else ""
        caption = f"{unit and unit + ', '}95% intervals over {_seeds(record)}" + (margin if stated[0] else "")
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
        under, over = (-float("inf") if least is None else least), (float("inf") if most is None else most)
        verdict = "held" if under <= low and high <= over else "failed" if high < under or low > over else "not settled"
        limits = [f"{scale * x:.4g}" for x in (least, most) if x is not None]
        stated = " to ".join(limits) if len(limits) == 2 else f"at {'least' if most is None else 'most'} {limits[0]}"
        rows.append([part, stated, *(scale * x for x in (mean, low, high)), verdict])
    return _agreed(table(rows, [first, "range", "found", "low", "high", "verdict"], caption, digits), found)


def said(lead, spans, record=None, *, scale=1, digits=1, sign="+"):
    """Say 95% intervals in a sentence: 'lead one **+1.0 to +2.0**; other **-1.0 to +0.5**.'

    spans: {label: what}, what as in `held`. sign: '+' for differences, '' for means.
    """
    parts = []
    for label, what in spans.items():
        _, low, high = (scale * x for x in _span(record, what))
        parts.append(f"{label} **{low:{sign}.{digits}f} to {high:{sign}.{digits}f}**".strip())
    return markdown(f"{lead} {'; '.join(parts)}.")


def expected(experiment, before="Expected, and written down before the runs"):
    """Show what an experiment (`experiments.find(name)`) was expected to give, as a quotation."""
    day = f" ({experiment.written})" if experiment.written else ""
    return markdown(f"{before}{day}:\n\n> {experiment.expectation}")


def share(run, metric):
    """Return how far one run went from floor (0) to ceiling (1): before training, and at each moment of it."""
    low, high = run[f"floor {metric}"][0], run[f"ceiling {metric}"][0]
    return [(value - low) / (high - low) for value in (run[f"untrained {metric}"][0], *run[metric])]


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


def _by_arm(record, metric, arms):
    """Return {arm: metric} for a metric that is given once, by arm, or with '{}' for the arm."""
    metric = metric if isinstance(metric, Mapping) else {arm: metric.replace("{}", arm) for arm in record.runs}
    return {arm: metric[arm] for arm in arms or metric}


def _measure(metric):
    """Name an axis for a metric that is given once or by arm."""
    return metric.replace("{}", "").strip() if isinstance(metric, str) else "accuracy"


def _names(metrics):
    """Return {what stands for it: metric}."""
    metrics = [metrics] if isinstance(metrics, str) else metrics
    return metrics if isinstance(metrics, Mapping) else {name: name for name in metrics}


def _seeds(record):
    """Say over what a mean was taken."""
    return f"{len(next(iter(record.runs.values())))} seeds{', each with a text of its own' if record.own_text else ''}"


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
