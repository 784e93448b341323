"""Draw README's picture from the recorded evidence: `.venv/bin/python scripts/picture.py` writes docs/picture.png."""

from pathlib import Path

from course_lib import evaluation, experiments, plots, training

town, record = experiments.material(), experiments.load("one-mask-apart")
fill = town.fill()
top = {left: evaluation.ceiling(town.oracle, town.tokenizer, fill, left_only=left).accuracy for left in (False, True)}
metrics = {"two-sided": "fill two-sided accuracy", "left-only": "fill left-only accuracy"}
bands = {arm: record.band(arm, metric) for arm, metric in metrics.items()}
lines = [
    training.History(arm, tokens=band["tokens"], eval_tokens=band["tokens"], evals={"accuracy": band["mean"]})
    for arm, band in bands.items()
]
picture = plots.curve(
    lines,
    "accuracy",
    floor=evaluation.floor(town.rows, fill, town.tokenizer.all_special_ids).accuracy,
    ceiling={"two-sided ceiling": top[False], "left-only ceiling": top[True]},
    spread=bands,
    limits=(0, 1),
    title="Hidden words filled in: same body, same data, one mask apart",
    alt="Accuracy of filling in hidden words over tokens seen, two-sided and left-only, between floor and ceilings.",
)
out = Path(__file__).resolve().parent.parent / "docs" / "picture.png"
out.parent.mkdir(exist_ok=True)
out.write_bytes(picture.png)
print(f"written: {out.relative_to(Path.cwd()) if out.is_relative_to(Path.cwd()) else out.name}")
