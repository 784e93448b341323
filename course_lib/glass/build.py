"""Build one-mask-apart.html: the view, a trained model and the exact reader's grammar in one file, with no request.

    python -m course_lib.glass.build            # Tiny Town
    python -m course_lib.glass.build english    # one-mask-apart-english.html, 6 MB, not in git
"""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from transformers import EncoderDecoderModel

from course_lib import runtime
from course_lib.apply import translation
from course_lib.experiments import lesson_10, town_pairs
from course_lib.glass.reading import (
    CHECKPOINT,
    ENGLISH,
    LONGEST,
    PAIR,
    counts,
    grouped,
    load,
    pair_examples,
    pieces,
    rounded,
)  # fmt: skip
from course_lib.places import DATA
from course_lib.town.language import TinyTown

__all__ = ["STORIES", "english", "grammar", "moments", "page", "pair", "translate"]

PAGE = Path(__file__).parent / "page"
HTML = {"town": DATA.parent / "one-mask-apart.html", "english": DATA.parent / "one-mask-apart-english.html"}
SCRIPTS = (  # in the order of what they need
    "dom.js", "masks.js", "model.js", "modernbert.js", "bpe.js", "reader.js", "state.js", "arrows.js", "answers.js",
    "opened.js", "more.js", "walk.js", "main.js",
)  # fmt: skip
TRANSLATE = CHECKPOINT.with_name("town-translate")

STORIES = (  # text, and the place that is hidden when it is opened
    ("tomorrow Ben will go to the school .", 0),
    ("Ben walked to the school with his dog . he saw an essay on the table .", 11),
    ("Oscar rode to the station with his cat . the driver smiled at Oscar .", 4),
    ("yesterday Ben went to the school . it was hot , so he took his hat .", 1),
    ("Leo and his aunt met the dancer at the theatre . there were three ducks near the dancer .", 11),
    ("Clara walked to the garden with her dog . it was wet , so she took her umbrella .", 11),
    ("Ben walked to the school with his dog .", 6),
)
ENGLISH_TEXTS = (  # what is hidden when it is opened stands in brackets: one piece
    "If there is[ no] such element, an error is raised.",
    "This method must be[ called] before the server is started.",
    "Open the[ file] and read its first line.",
    "Raise a[ ValueError] if the argument is not valid.",
    "The number of rows[ and] columns of the matrix.",
    "a tensor of shape (batch_size, sequence_[length], hidden_size)",
)
ENGLISH_NAMES = {  # element of the page -> what it says there instead
    "title": "One Mask Apart: real English, one switch", "lead": "One small model of real English, one switch:",
    "bestname": "word frequencies alone", "ghostname": "this model, both sides in view", "ownname": "Your own text",
    "samename": "The same, as tables",
}  # fmt: skip


def page(data: dict | None = None) -> str:
    """Put style, scripts and data together, the town's or :func:`english`.

    A script's imports and exports are dropped: all of them share one scope.
    """
    code = "".join((PAGE / name).read_text("utf-8") for name in SCRIPTS)
    code = re.sub(r"^import [^;]*;\n|^export ", "", code, flags=re.MULTILINE)
    data = json.dumps(data or _data(), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    whole = (PAGE / "index.html").read_text("utf-8").replace("/*STYLE*/", (PAGE / "style.css").read_text("utf-8"))
    return whole.replace("/*DATA*/", data).replace("/*CODE*/", f'(() => {{\n"use strict";\n{code}}})();\n')


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
    return {
        "sizes": [len(values) for values in town.variables.values()], "words": len(number),
        "start": kinds.index(town.start), "chain": [[town.chain[a].get(b, 0) for b in kinds] for a in kinds],
        "paths": paths, "slots": slots,
    }  # fmt: skip


def weights_of(file: Path, positions: int = LONGEST + 2, segments: int = 1) -> dict[str, np.ndarray]:
    """Read what the view needs of a checkpoint: no segments or positions that it never shows."""
    embeddings = "bert.embeddings.{}_embeddings.weight".format
    shown = {embeddings("position"): positions, embeddings("token_type"): segments}
    return {
        name: value[: shown.get(name)]
        for name, value in safetensors.numpy.load_file(file).items()
        if "predictions.decoder" not in name  # tied to the word embeddings and to the head's bias
    }


def moments() -> list[tuple[str, dict[str, np.ndarray]]]:
    """List the moments of a training, the last one last: name and weights."""
    files = {int(file.stem): file for file in sorted((CHECKPOINT / "moments").glob("*.safetensors"))}
    found = []
    for percent, file in (files | {100: CHECKPOINT / "model.safetensors"}).items():
        words = _json(CHECKPOINT / "recipe.json")["tokens"] * percent / 100
        found.append((f"{words / 1e6:.2g} million words" if words else "untrained", weights_of(file)))
    return found


def shape_of(checkpoint: Path, weights: dict[str, np.ndarray]) -> dict:
    """Describe a model for the page: its sizes, its vocabulary, and its tensors in the order of their bytes."""
    config, vocabulary = _json(checkpoint / "config.json"), _json(checkpoint / "tokenizer.json")["model"]["vocab"]
    return {
        "width": config["hidden_size"], "heads": config["num_attention_heads"], "layers": config["num_hidden_layers"],
        "vocabulary": sorted(vocabulary, key=vocabulary.get),
        "tensors": [[name, list(value.shape)] for name, value in weights.items()],
    }  # fmt: skip


def english(folder: Path = ENGLISH) -> dict:
    """Prepare the page of a ModernBERT that was trained under both masks on English, with its tokenizer.

    Raises FileNotFoundError where there is none, ValueError for layers that do not attend to all positions.
    """
    model, tokenizer = load(folder)
    config, recipe, shown = model.config, _json(folder / "recipe.json"), pieces(tokenizer)
    if set(config.layer_types) != {"full_attention"}:
        raise ValueError(f"layer_types={config.layer_types}: the page knows full_attention alone.")
    weights = grouped(weights_of(folder / "model.safetensors"))
    theta = config.rope_parameters["full_attention"]["rope_theta"]
    shape = shape_of(folder, weights) | {"vocabulary": shown, "modern": {
        "inner": config.intermediate_size, "eps": config.norm_eps, "theta": theta}}  # fmt: skip
    often, scores, floors = counts(folder), recipe["scores"], recipe["floors"]
    stories = []
    for text in ENGLISH_TEXTS:
        before, hidden, after = ([shown[one] for one in tokenizer(part, add_special_tokens=False)["input_ids"]]
                                 for part in re.split(r"[\[\]]", text))  # fmt: skip
        stories.append({"text": " ".join(before + hidden + after), "hidden": len(before)})
    foot = (
        f"{recipe['parameters']:,} weights in {shape['layers']} layers of {shape['heads']} heads, width "
        f"{shape['width']}: ModernBERT, trained from nothing on {recipe['tokens'] / 1e6:.0f} million pieces of the "
        "docstrings of Python packages, half of its batches with hidden pieces under no mask, half with the next piece "
        f"under the causal one. On text it has not read it fills {scores['fill two-sided accuracy']:.1%} of the hidden "
        f"pieces and {scores['next word accuracy']:.1%} of the next ones; word frequencies alone "
        f"{floors['fill unigram accuracy']:.1%} and {floors['next word unigram accuracy']:.1%}. "
        "␣ is a space: it belongs to the piece. "
        "Everything runs in this page; nothing is fetched or sent."
    )
    return {
        "model": shape, "merges": _merges(folder), "frequencies": [round(n / sum(often), 7) for n in often],
        "foot": foot, "texts": ENGLISH_NAMES, "stories": stories, "pair": {"examples": []}, "translate": [],
        "moments": [{"name": "trained", "weights": _text(weights)}],
    }  # fmt: skip


def _merges(folder: Path) -> list[str]:
    merges = _json(folder / "tokenizer.json")["model"]["merges"]
    return [" ".join(merge).replace("\u0120", "\u2423") for merge in merges]


def pair() -> dict:
    """Prepare the model that judges pairs, and held-out pairs with the exact reader's P(B follows A)."""
    weights = weights_of(PAIR / "model.safetensors", town_pairs.LENGTH, 2)
    return {"model": shape_of(PAIR, weights), "weights": _text(weights), "examples": pair_examples()}


def translate() -> list[dict]:
    """Let the encoder-decoder translate six held-out sentences, and keep what each word of the target attended to.

    attention [T][S]: the upper layer's cross-attention, mean over heads, in hundredths.
    """
    model = EncoderDecoderModel.from_pretrained(
        TRANSLATE, attn_implementation="eager", dtype=torch.float32,
        use_safetensors=True, trust_remote_code=False, local_files_only=True,
    ).eval()  # fmt: skip
    data = lesson_10.sentence_pairs(100, held_out=60)
    words, found = data.tokenizer.convert_ids_to_tokens, []
    for row in data.held_out[:6]:
        batch = translation.Translation.of(data.tokenizer)(row[None])
        with torch.no_grad():
            out = model(
                input_ids=batch.source_ids, attention_mask=batch.source_mask, decoder_input_ids=batch.input_ids,
                output_attentions=True,
            )  # fmt: skip
        found.append({
            "source": words(batch.source_ids[0].tolist()), "target": words(batch.targets.tolist()),
            "said": words(out.logits[0].argmax(-1).tolist()),
            "attention": (100 * out.cross_attentions[-1][0].mean(dim=0)).round().int().tolist(),
        })  # fmt: skip
    return found


def _json(file: Path) -> dict:
    return json.loads(file.read_text("utf-8"))


def _text(weights: dict[str, np.ndarray]) -> str:
    """Write weights in base 85, four bytes in five characters: lighter than base 64."""
    return base64.b85encode(rounded(weights)[0], pad=True).decode()


def _data() -> dict:
    recipe, kept = _json(CHECKPOINT / "recipe.json"), moments()
    shape = shape_of(CHECKPOINT, kept[-1][1])
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
        "moments": [{"name": name, "weights": _text(weights)} for name, weights in kept],
    }  # fmt: skip


if __name__ == "__main__":
    runtime.setup()
    named = sys.argv[1] if len(sys.argv) > 1 else "town"
    if named not in HTML:
        sys.exit(f"{named!r} is unknown; choose one of {', '.join(HTML)}.")
    HTML[named].write_text(page(english() if named == "english" else None), encoding="utf-8")
    print(f"{HTML[named].name}: {HTML[named].stat().st_size / 1e6:.2f} MB")
