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
import torch
from transformers import EncoderDecoderModel

from course_lib import runtime
from course_lib.apply import translation
from course_lib.experiments import pairs, translating
from course_lib.glass.reading import CHECKPOINT, PAIR, pair_examples, rounded
from course_lib.places import DATA
from course_lib.town.language import TinyTown

__all__ = ["STORIES", "grammar", "moments", "page", "pair", "translate"]

PAGE = Path(__file__).parent / "page"
SCRIPTS = (  # in the order of what they need
    "masks.js", "model.js", "reader.js", "state.js", "arrows.js", "answers.js", "opened.js", "more.js", "walk.js",
    "main.js",
)  # fmt: skip
TRANSLATE = CHECKPOINT.with_name("town-translate")
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


def weights_of(file: Path, positions: int = POSITIONS, segments: int = 1) -> dict[str, np.ndarray]:
    """Read what the view needs of a checkpoint: no segments or positions that it never shows."""
    kept = {}
    for name, value in safetensors.numpy.load_file(file).items():
        if "position_embeddings" in name:
            value = value[:positions]
        elif "token_type_embeddings" in name:
            value = value[:segments]
        if "predictions.decoder" not in name:  # tied to the word embeddings and to the head's bias
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


def shape_of(checkpoint: Path, weights: dict[str, np.ndarray]) -> dict:
    """Describe a model for the page: its sizes, its vocabulary, and its tensors in the order of their bytes."""
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    vocabulary = json.loads((checkpoint / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    return {
        "width": config["hidden_size"], "heads": config["num_attention_heads"], "layers": config["num_hidden_layers"],
        "vocabulary": sorted(vocabulary, key=vocabulary.get),
        "tensors": [[name, list(value.shape)] for name, value in weights.items()],
    }  # fmt: skip


def pair(checkpoint: Path = PAIR) -> dict:
    """Prepare the model that judges pairs, and held-out pairs with the exact reader's P(B follows A)."""
    weights = weights_of(checkpoint / "model.safetensors", pairs.LENGTH, 2)
    packed = _text(rounded(weights)[0])
    return {"model": shape_of(checkpoint, weights), "weights": packed, "examples": pair_examples()}


def translate(checkpoint: Path = TRANSLATE, wanted: int = 6) -> list[dict]:
    """Let the encoder-decoder translate held-out sentences, and keep what each word of the target attended to.

    attention [T][S]: the upper layer's cross-attention, mean over heads, in hundredths.
    """
    model = EncoderDecoderModel.from_pretrained(
        checkpoint, attn_implementation="eager", dtype=torch.float32,
        use_safetensors=True, trust_remote_code=False, local_files_only=True,
    ).eval()  # fmt: skip
    data = translating.sentence_pairs(100, held_out=60)
    goal, found = translation.Translation.of(data.tokenizer), []
    for row in data.held_out[:wanted]:
        batch = goal(row[None])
        with torch.no_grad():
            out = model(
                input_ids=batch.source_ids, attention_mask=batch.source_mask, decoder_input_ids=batch.input_ids,
                output_attentions=True,
            )  # fmt: skip
        said = data.tokenizer.convert_ids_to_tokens(out.logits[0].argmax(-1).tolist())
        attention = out.cross_attentions[-1][0].mean(dim=0)
        found.append({
            "source": data.tokenizer.convert_ids_to_tokens(batch.source_ids[0].tolist()),
            "target": data.tokenizer.convert_ids_to_tokens(batch.targets.tolist()), "said": said,
            "attention": [[round(100 * float(weight)) for weight in line] for line in attention],
        })  # fmt: skip
    return found


def _text(packed: bytes) -> str:
    """Write bytes as text in base 85, four bytes in five characters: lighter than base 64."""
    return base64.b85encode(packed, pad=True).decode()


def _data(checkpoint: Path) -> dict:
    recipe, kept = json.loads((checkpoint / "recipe.json").read_text("utf-8")), moments(checkpoint)
    shape = shape_of(checkpoint, kept[-1][1])
    foot = (
        f"{recipe['parameters']:,} weights in {shape['layers']} layers of {shape['heads']} heads, width "
        f"{shape['width']}, trained from nothing on {recipe['tokens'] / 1e6:.0f} million words of Tiny Town under all "
        "four masks in turn; "
        f"the best of four candidates: on average {recipe['total variation']['mean']:.1%} of its probability lies "
        f"elsewhere than the exact reader's ({recipe['total variation']['questions']} questions, each mask). "
        "BERT and GPT are trained apart; here one set of weights has learned every mask, so that nothing else differs. "
        "The exact reader knows the town's grammar and adds up every story that fits. Everything runs in this page; "
        "nothing is fetched or sent."
    )
    return {
        "model": shape, "grammar": grammar(), "foot": foot, "pair": pair(), "translate": translate(),
        "stories": [{"text": text, "hidden": hidden} for text, hidden in STORIES],
        "moments": [
            {"name": name, "weights": _text(rounded(weights)[0])} for name, weights in kept
        ],
    }  # fmt: skip


def main(arguments=None) -> int:
    """Write the page; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m course_lib.glass.build", description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=DATA.parent / "one-mask-apart.html")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    options = parser.parse_args(arguments)
    runtime.setup()
    options.to.write_text(page(options.checkpoint), encoding="utf-8")
    print(f"{options.to}: {options.to.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
