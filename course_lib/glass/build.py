"""Build one-mask-apart.html: the view, a trained model and the exact reader's grammar in one file that asks for nothing.

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

from course_lib.paths import DATA
from course_lib.tinytown import TinyTown

__all__ = ["CHECKPOINT", "STORIES", "grammar", "page", "rounded"]

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("masks.js", "model.js", "reader.js", "state.js", "arrows.js", "answers.js", "opened.js", "walk.js", "main.js")
CHECKPOINT = DATA / "checkpoints" / "town-both"
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


def rounded(weights: dict[str, np.ndarray], bits: int) -> tuple[bytes, dict[str, np.ndarray]]:
    """Pack weights into fp16, or int8 with one fp16 scale per row; returns the bytes and what they say."""
    packed, said = [], {}
    for name, value in weights.items():
        if bits == 16:
            half = value.astype("<f2")
            packed.append(half.tobytes())
            said[name] = half.astype(np.float32)
            continue
        rows = value.reshape(len(value) if value.ndim > 1 else 1, -1).astype(np.float32)
        scales = np.nextafter((np.abs(rows).max(axis=1) / 127).astype("<f2"), np.float16(np.inf))
        whole = np.round(rows / scales[:, None].astype(np.float32)).astype(np.int8)
        packed += [part for scale, row in zip(scales, whole, strict=True) for part in (scale.tobytes(), row.tobytes())]
        said[name] = (whole * scales[:, None].astype(np.float32)).reshape(value.shape)
    return b"".join(packed), said


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


def moments(checkpoint: Path) -> list[tuple[str, int, dict[str, np.ndarray]]]:
    """List the moments of a training, earliest first: name, bits to keep, weights."""
    recipe = json.loads((checkpoint / "recipe.json").read_text("utf-8"))
    found = []
    for file in sorted((checkpoint / "moments").glob("*.safetensors")):
        words = recipe["tokens"] * int(file.stem) / 100
        name = "untrained" if not words else f"{words / 1e6:.2g} million words"
        found.append((name, 8, weights_of(file)))
    return found


def _data(checkpoint: Path) -> dict:
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    recipe = json.loads((checkpoint / "recipe.json").read_text("utf-8"))
    vocabulary = json.loads((checkpoint / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    kept = moments(checkpoint)
    shape = {
        "width": config["hidden_size"], "heads": config["num_attention_heads"], "layers": config["num_hidden_layers"],
        "vocabulary": sorted(vocabulary, key=vocabulary.get),
        "tensors": [[name, list(value.shape)] for name, value in kept[-1][2].items()],
    }  # fmt: skip
    foot = (
        f"{recipe['parameters']:,} weights: {shape['layers']} layers of {shape['heads']} heads, width {shape['width']}; "
        f"trained from nothing on {recipe['tokens'] / 1e6:.0f} million words of Tiny Town under all four masks in turn. "
        "The exact reader knows the town's grammar and adds up every story that fits. Everything runs in this page; "
        "nothing is fetched or sent."
    )
    return {
        "model": shape, "grammar": grammar(), "foot": foot,
        "stories": [{"text": text, "hidden": hidden} for text, hidden in STORIES],
        "moments": [
            {"name": name, "bits": bits, "weights": base64.b64encode(rounded(weights, bits)[0]).decode()}
            for name, bits, weights in kept
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
