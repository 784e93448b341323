"""Build one-mask-apart.html: the view, a trained model and the exact reader's grammar in one file, with no request.

    python -m course_lib.glass.build [--to one-mask-apart.html]
"""

from __future__ import annotations

import argparse
import base64
import json
import re
from pathlib import Path

import numpy as np
import safetensors.numpy

from course_lib.glass.reading import CHECKPOINT, rounded
from course_lib.paths import DATA
from course_lib.tinytown import TinyTown

__all__ = ["STORIES", "grammar", "moments", "page"]

PAGE = Path(__file__).parent / "page"
SCRIPTS = (  # in the order of what they need
    "masks.js", "model.js", "reader.js", "state.js", "arrows.js", "answers.js", "opened.js", "walk.js", "main.js",
)  # fmt: skip
POSITIONS = 32  # of the view: [CLS], 30 words, [SEP]

STORIES = (  # text, and the place that is hidden when it is opened
    ("tomorrow Ben will go to the school .", 0),
    ("Ben walked to the school with his dog . he saw an essay on the table .", 11),
    ("Oscar rode to the station with his cat . the driver smiled at Oscar .", 4),
    ("yesterday Ben went to the school . it was hot , so he took his hat .", 1),
    ("Leo and his aunt met the dancer at the theatre . there were three ducks near the dancer .", 11),
    ("Clara walked to the garden with her dog . it was wet , so she took her umbrella .", 11),
    ("Ben walked to the school with his dog .", 6),
)


def page(checkpoint: Path = CHECKPOINT) -> str:
    """Put style, scripts and data together. A script's imports and exports are dropped: all of them share one scope."""
    style, code = (PAGE / "style.css").read_text("utf-8"), '"use strict";\n'
    for name in SCRIPTS:
        source = (PAGE / name).read_text("utf-8")
        source = re.sub(r"^import [^;]*;\n", "", source, flags=re.MULTILINE)
        code += re.sub(r"^export ", "", source, flags=re.MULTILINE)
    data = json.dumps(_data(checkpoint), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    whole = (PAGE / "index.html").read_text("utf-8")
    for mark, text in (("/*STYLE*/", style), ("/*DATA*/", data), ("/*CODE*/", f"(() => {{\n{code}}})();\n")):
        whole = whole.replace(mark, text)
    return whole


def grammar() -> dict:
    """Number Tiny Town for the page's exact reader: kinds of sentences, paths, slots and words."""
    town = TinyTown.load()
    kinds, names = list(town.chain), list(town.variables)
    number = {word: n for n, word in enumerate(town.vocabulary)}
    slots = {}
    for name, (variable, choices) in town.slots.items():
        values = town.variables[variable] if variable else [None]
        which = names.index(variable) if variable else -1
        slots[name] = [which, [[number[word] for word in choices[value]] for value in values]]
    paths = [
        [kinds.index(path.kind), path.probability, [p[1:-1] if p.startswith("{") else number[p] for p in path.parts]]
        for path in town.paths
    ]
    chain = [[town.chain[kind].get(after, 0) for after in kinds] for kind in kinds]
    sizes = [len(values) for values in town.variables.values()]
    return {"sizes": sizes, "words": len(number), "start": kinds.index(town.start), "chain": chain, "paths": paths,
            "slots": slots}  # fmt: skip


def weights_of(file: Path) -> dict[str, np.ndarray]:
    """Read what the view needs of a checkpoint: no second segment, no positions that it never reaches."""
    kept = {}
    for name, value in safetensors.numpy.load_file(file).items():
        if "position_embeddings" in name:
            value = value[:POSITIONS]
        elif "token_type_embeddings" in name:
            value = value[:1]
        if "decoder" not in name:  # tied to the word embeddings and to the head's bias
            kept[name] = value
    return kept


def moments(checkpoint: Path = CHECKPOINT) -> list[tuple[str, dict[str, np.ndarray]]]:
    """List the moments of a training, the last one last: name and weights."""
    recipe = json.loads((checkpoint / "recipe.json").read_text("utf-8"))
    files = {int(file.stem): file for file in sorted((checkpoint / "moments").glob("*.safetensors"))}
    found = []
    for percent, file in (files | {100: checkpoint / "model.safetensors"}).items():
        words = recipe["tokens"] * percent / 100
        found.append((f"{words / 1e6:.2g} million words" if words else "untrained", weights_of(file)))
    return found


def _data(checkpoint: Path) -> dict:
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    recipe = json.loads((checkpoint / "recipe.json").read_text("utf-8"))
    vocabulary = json.loads((checkpoint / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    kept = moments(checkpoint)
    shape = {
        "width": config["hidden_size"], "heads": config["num_attention_heads"], "layers": config["num_hidden_layers"],
        "vocabulary": sorted(vocabulary, key=vocabulary.get),
        "tensors": [[name, list(value.shape)] for name, value in kept[-1][1].items()],
    }  # fmt: skip
    foot = (
        f"{recipe['parameters']:,} weights in {shape['layers']} layers of {shape['heads']} heads, width "
        f"{shape['width']}, trained from nothing on {recipe['tokens'] / 1e6:.0f} million words of Tiny Town under all "
        "four masks in turn; "
        f"the best of four candidates: on average {recipe['total variation']['mean']:.1%} of its probability lies "
        f"elsewhere than the exact reader's ({recipe['total variation']['questions']} questions, each mask). "
        "The exact reader knows the town's grammar and adds up every story that fits. Everything runs in this page; "
        "nothing is fetched or sent."
    )
    return {
        "model": shape, "grammar": grammar(), "foot": foot,
        "stories": [{"text": text, "hidden": hidden} for text, hidden in STORIES],
        "moments": [
            {"name": name, "weights": base64.b64encode(rounded(weights)[0]).decode()} for name, weights in kept
        ],
    }  # fmt: skip


def main(arguments=None) -> int:
    """Write the page; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m course_lib.glass.build", description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=DATA.parent / "one-mask-apart.html")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    options = parser.parse_args(arguments)
    options.to.write_text(page(options.checkpoint), encoding="utf-8")
    print(f"{options.to}: {options.to.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
