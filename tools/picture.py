"""Draw README's pictures, the one from the record alone, the other from the shipped model: writes docs/*.png.

    python -m tools.picture
"""

from pathlib import Path

from course_lib import experiments, glass, plots, runtime
from course_lib.glass import picture as still
from course_lib.train import loop

OUT = Path(__file__).resolve().parent.parent / "docs" / "picture.png"
SWITCH = OUT.with_name("glass.png")
NAMES = {"two-sided": "bidirectional", "left-only": "causal"}  # of the record's arms, here
ASKED = {"bidirectional": "fill two-sided accuracy", "causal": "fill left-only accuracy"}


def mean(record: experiments.Record, arm: str, metric: str) -> float:
    """Average the last value of a metric over the seeds of an arm."""
    return sum(record.final(arm, metric)) / len(record.runs[arm])


def picture(record: experiments.Record) -> bytes:
    """Draw both arms over training, from the untrained start on, between floor and ceilings: a PNG."""
    record = record.called(NAMES)
    bands = {arm: record.band(arm, metric) for arm, metric in ASKED.items()}
    lines = []
    for arm, band in bands.items():
        start = mean(record, arm, f"untrained {ASKED[arm]}")
        bands[arm] = {"tokens": [0, *band["tokens"]]} | {k: [start, *band[k]] for k in ("low", "mean", "high")}
        tokens, accuracy = bands[arm]["tokens"], bands[arm]["mean"]
        lines.append(loop.History(arm, tokens=tokens, eval_tokens=tokens, evals={"accuracy": accuracy}))
    drawn = plots.curve(
        lines, "accuracy", spread=bands, limits=(0, 1),
        floor=mean(record, "bidirectional", "floor fill two-sided accuracy"),
        ceiling={f"{arm} ceiling": mean(record, arm, f"ceiling {metric}") for arm, metric in ASKED.items()},
        title="Hidden words filled in: same model, same data, one mask apart",
        alt="Accuracy of filling in hidden words over tokens, bidirectional and causal mask, from floor to ceilings.",
    )  # fmt: skip
    return drawn.png


def switch() -> bytes:
    """Draw the glass model under both masks, one under the other: a PNG."""
    masks = {"bidirectional": "as in BERT", "causal": "as in GPT: no weight has changed"}
    found = [glass.read("tomorrow Ben will go to the school .", 1, mask) for mask in masks]
    titles = [f"{mask} mask, {what}" for mask, what in masks.items()]
    return still.png(still.draw(*found, titles=titles))


if __name__ == "__main__":
    runtime.setup()
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_bytes(picture(experiments.load("one-mask-apart")))
    SWITCH.write_bytes(switch())
    print(f"written: {OUT.name}, {SWITCH.name}")
