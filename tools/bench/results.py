"""Write what `make bench --save` found: RESULTS.md with every table, and one plot."""

from tools.bench import __main__ as suite
from tools.bench import training_speed

__all__ = ["save"]


def save(found, machine, folder):
    """Write RESULTS.md and, if training or scaling was measured, results.png; return the names of the files."""
    written = []
    if {"training", "scaling"} <= set(found):
        _plot(found).savefig(folder / "results.png", dpi=110, bbox_inches="tight", metadata={"Software": None})
        written.append("tools/bench/results.png")
    (folder / "RESULTS.md").write_text(_page(found, machine, bool(written)), encoding="utf-8")
    return [*written, "tools/bench/RESULTS.md"]


def _page(found, machine, has_plot):
    lines = [
        "# What `make bench` found", "",
        "One run of `make bench ARGS=--save`; [README.md](README.md) says what is measured and how.", "",
        f"Machine: {machine['cpu']} ({', '.join(machine['features'])}), {machine['threads']} threads of "
        f"{machine['cores']} processors; trained on {machine['device']}, {machine['precision']}. {machine['system']}; "
        + ", ".join(f"{name} {version}" for name, version in machine["packages"].items()) + ".", "",
    ]  # fmt: skip
    if machine["device"] == "cpu":
        lines += ["**Missing:** the same tables on a CUDA GPU (`make gpu-check` makes them) and on Apple's MPS: no "
                  "such machine was at hand.", ""]  # fmt: skip
    if absent := [part for part in suite.PARTS if part not in found]:
        lines += [f"**Not part of this run:** {', '.join(absent)}.", ""]
    if has_plot:
        lines += ["![Training speed of each contender, and how a step's time grows with batch, length, width and the "
                  "number of seeds.](results.png)", ""]  # fmt: skip
    if "training" in found:
        lines += _goals(found)
    for part, data in found.items():
        if part == "training":
            lines += ["## Training", "", "```text", training_speed.report(data).rstrip(), "```", ""]
            continue
        lines += [f"## {data['title']}", "", "| " + " | ".join(map(str, data["header"])) + " |",
                  "|---" + "|---:" * (len(data["header"]) - 1) + "|"]  # fmt: skip
        lines += ["| " + " | ".join(suite._shown(x) for x in row) + " |" for row in data["rows"]]
        lines += ["", data["note"], ""] if "note" in data else [""]
    return "\n".join(lines).rstrip() + "\n"


def _goals(found):
    """Hold the goals that were set for the engine against this run: a table, and for what was missed the reason."""
    speeds, machine = suite.medians(found["training"]), found["training"]["machine"]
    peaks, runs = found["training"]["peak_flops"], found["training"]["runs"]
    rows, reasons = [], []

    def goal(what, least, value, shown, unit=""):
        rows.append(f"| {what} | {least}{unit} | {shown}{unit} | {'met' if value >= least else 'not met'} |")
        return value >= least

    if "course, bf16" in speeds:
        goal("training with bfloat16, x Trainer in float32", 3, round(speeds["course, bf16"][1], 2),
             f"{speeds['course, bf16'][1]:.2f}")  # fmt: skip
    if not goal("training in float32, x Trainer", 1.5, round(speeds["course, fp32"][1], 2),
                f"{speeds['course, fp32'][1]:.2f}"):  # fmt: skip
        share = _share(runs["course, fp32"], peaks, "fp32")
        work = [runs[name][0]["flops_per_token"] / 1e6 for name in ("course, fp32", "Trainer, fp32")]
        reasons.append(f"In float32 the course's products take {share:.0%} of what this machine gives in that format; "
                       f"its gain is the work that it leaves out ({work[0]:.2f} instead of {work[1]:.2f} MFLOP "
                       "per token).")  # fmt: skip
    best = "bf16" if "course, bf16" in speeds else "fp32"
    share = _share(runs[f"course, {best}"], peaks, best)
    if not goal("share of the matrix-product peak", 50, 100 * share, f"{100 * share:.0f}", "%") and "where" in found:
        parts = {row[0].removeprefix("time of a step: "): row[1] for row in found["where"]["rows"]}
        reasons.append("Half of the peak is out of reach for this model: matrix products are "
                       f"{parts['matrix products']} of a step's time. The rest, element-wise work and conversions "
                       "between formats that cost one pass through memory each, would have to be fused into them "
                       "(torch.compile does a part of it, and takes longer to compile than a lesson trains).")

    more, told = _smaller_goals(found)
    title = ["## The goals", "", "| | goal | this run | |", "|---|---:|---:|---|", *rows, *more, ""]
    note = f"Ratios move by a tenth from run to run on {machine['cores']} shared processors."
    return [*title, *(f"- {reason}" for reason in [*reasons, *told, note]), ""]


def _smaller_goals(found):
    """Hold the goals of the other parts against this run; returns rows of the table, and reasons."""
    rows, reasons = [], []
    if "learning" in found:
        seconds = found["learning"]["rows"][0][2]
        reached = isinstance(seconds, (int, float))
        rows.append(f"| seconds of training to 97% of the ceiling | at most 30 | {seconds:.0f} | "
                    f"{'met' if reached and seconds <= 30 else 'not met'} |" if reached else
                    "| seconds of training to 97% of the ceiling | at most 30 | not reached | not met |")  # fmt: skip
    if "masking" in found:
        table = [row for row in found["masking"]["rows"] if row[1] == "course, each token for itself"]
        shown = "; ".join(f"{row[3]:.0f} at {row[0]} rows" for row in table)
        enough = [row[0] for row in table if row[3] >= 20]
        verdict = f"met from {min(enough)} rows up" if enough else "not met"
        rows.append(f"| masking, x collator, drawn in its way | 20 | {shown} | {verdict} |")
        reasons.append("Masking: a call has a fixed cost, so that small batches gain less; and drawing a fixed count "
                       "per row, as the original BERT does, costs about as much again.")  # fmt: skip
    if "start" in found:
        seconds = found["start"]["rows"][0][1]
        rows.append(f"| seconds to import course_lib | at most 0.3 | {seconds:.2f} | "
                    f"{'met' if seconds <= 0.3 else 'not met'} |")  # fmt: skip
    if "memory" in found:
        mb = found["memory"]["rows"][0][1]
        rows.append(f"| MB of one kernel | at most 1000 | {mb:.0f} | {'met' if mb <= 1000 else 'not met'} |")
    return rows, reasons


def _share(runs, peaks, precision):
    """Return the median share of the machine's peak in a format that a contender's products take."""
    shares = [run["tokens_per_second"] * run["flops_per_token"] / peak[precision]
              for run, peak in zip(runs, peaks, strict=True)]  # fmt: skip
    return sorted(shares)[len(shares) // 2]


def _plot(found):
    from matplotlib.figure import Figure

    from course_lib import plots

    with plots.style():
        fig = Figure(figsize=(11, 4.2), layout="constrained")
        left, right = fig.subplots(1, 2)
        speeds = suite.medians(found["training"])
        names = list(speeds)[::-1]
        left.barh(names, [speeds[name][0] / 1000 for name in names], color="#56B4E9")
        for i, name in enumerate(names):
            left.annotate(f" {speeds[name][1]:.2g} x", (speeds[name][0] / 1000, i), va="center")
        left.margins(x=0.15)
        left.set(xlabel="thousand tokens per second", title="Training (ratio to Trainer, fp32)")
        base = next(row for row in found["scaling"]["rows"] if row[1] == "")
        for what, start, marker in (("length", 32, "o"), ("width", 128, "s"), ("batch", 32, "^"), ("seeds", 1, "D")):
            rows = [[row[1], row[2]] for row in found["scaling"]["rows"] if row[0] == what] + [[start, base[2]]]
            rows.sort()
            right.plot([x / start for x, _ in rows], [ms / base[2] for _, ms in rows], marker=marker, label=what)
        ends = [1 / 4, 16]
        right.plot(ends, ends, color="0.6", linestyle=":", label="in proportion")
        right.set(xscale="log", yscale="log", xlabel="times as large", ylabel="times as long", title="Cost of a step")
        ticks = [1 / 4, 1, 4, 16]
        for axis in (right.xaxis, right.yaxis):
            axis.set_ticks(ticks, ["1/4", "1", "4", "16"])
            axis.set_minor_formatter("")
        right.legend(frameon=False)
    return fig
