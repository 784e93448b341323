"""Write what `make bench --save` found: RESULTS.md with every table, and one plot."""

import suite
import training_speed

__all__ = ["save"]


def save(found, machine, folder):
    """Write RESULTS.md and, if training or scaling was measured, results.png; return the names of the files."""
    written = []
    if {"training", "scaling"} <= set(found):
        _plot(found).savefig(folder / "results.png", dpi=110, bbox_inches="tight", metadata={"Software": None})
        written.append("benchmarks/results.png")
    (folder / "RESULTS.md").write_text(_page(found, machine, bool(written)), encoding="utf-8")
    return [*written, "benchmarks/RESULTS.md"]


def _page(found, machine, has_plot):
    lines = [
        "# What `make bench` found", "",
        "One run of `python -m course_lib bench --save`; [README.md](README.md) says what is measured and how.", "",
        f"Machine: {machine['cpu']} ({', '.join(machine['features'])}), {machine['threads']} threads of "
        f"{machine['cores']} processors; trained on {machine['device']}, {machine['precision']}. {machine['system']}; "
        + ", ".join(f"{name} {version}" for name, version in machine["packages"].items()) + ".", "",
    ]  # fmt: skip
    if machine["device"] == "cpu":
        lines += ["**Missing:** the same tables on a CUDA GPU and on Apple's MPS: no such machine was at hand.", ""]
    if has_plot:
        lines += ["![Training speed of each contender, and how a step's time grows with batch, length, width and the "
                  "number of seeds.](results.png)", ""]  # fmt: skip
    for part, data in found.items():
        if part == "training":
            lines += ["## Training", "", "```text", training_speed.report(data).rstrip(), "```", ""]
            continue
        lines += [f"## {data['title']}", "", "| " + " | ".join(map(str, data["header"])) + " |",
                  "|---" + "|---:" * (len(data["header"]) - 1) + "|"]  # fmt: skip
        lines += ["| " + " | ".join(suite._shown(x) for x in row) + " |" for row in data["rows"]]
        lines += ["", data["note"], ""] if "note" in data else [""]
    return "\n".join(lines).rstrip() + "\n"


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
