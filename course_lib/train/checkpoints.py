"""Keep finished work on disk: written atomically, verified on load, made again if damaged.

An entry is a folder in the cache whose name is a hash of everything that made it. Two notebooks
that make the same entry at once do not break each other: the first to finish wins.

Checksums find damage, not malice: whoever can write into a cache can put other weights into it. So never share a
cache that others can write. A class is given its models ready-made by COURSE_CLASS_CACHE=folder, which is only read:
a teacher fills it (as COURSE_CACHE) and takes the others' right to write; what it lacks goes into each one's own cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from course_lib import runtime
from course_lib.train.history import History

__all__ = ["fingerprint", "load", "load_model", "save", "save_model"]

MANIFEST = "checksums.json"


def fingerprint(**made_of) -> str:
    """Hash everything that made a result: JSON-like values only. Returns 16 hexadecimal digits."""
    text = json.dumps(made_of, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(name: str) -> Path | None:
    """Find an entry and verify its checksums. Returns its folder, or None when it must be made.

    Nothing is written. A damaged entry of one's own cache is removed with a message, so that the caller makes it
    again; one that may not be read (another user's) stays, and the message says so.
    """
    for place, own in _places():
        folder = place / name
        try:
            if not folder.is_dir():
                continue
            sums = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if sums and {file: _checksum(folder / file) for file in sums} == sums:
                return folder
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
            pass
        except OSError as error:
            print(f"The cached {name} cannot be read ({error.strerror or error}); it is made again. "
                  "Set COURSE_CACHE to a folder of your own.")  # fmt: skip
            continue
        print(f"The cached {name} is damaged; it is made again.")
        if own:
            shutil.rmtree(folder, ignore_errors=True)
    return None


def _places() -> list[tuple[Path, bool]]:
    """List the folders to look in, and whether they are the user's own."""
    places = []
    with contextlib.suppress(runtime.CacheError):
        places.append((runtime.cache_place(), True))
    if shared := os.environ.get("COURSE_CLASS_CACHE", "").strip():
        places.append((Path(shared).expanduser(), False))
    return places


def save(name: str, write: Callable[[Path], None]) -> Path | None:
    """Let ``write(folder)`` fill a new entry, then move it into place in one step.

    Returns its folder, or None with a message when the cache cannot be written (read-only, full): the
    result in memory is unharmed and the course goes on.
    """
    draft = None
    try:
        cache = runtime.cache_dir()
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache))
        write(draft)
        files = sorted(p for p in draft.rglob("*") if p.is_file())
        sums = {p.relative_to(draft).as_posix(): _checksum(p) for p in files}
        (draft / MANIFEST).write_text(json.dumps(sums, indent=1), encoding="utf-8")
        try:
            os.replace(draft, cache / name)
        except OSError:  # another process was first: its entry is as good as ours
            if not (cache / name).is_dir():
                raise
        return cache / name
    except Exception as error:  # the libraries that write raise their own kinds: a full disk must lose nothing
        if not _is_disk_trouble(error):
            raise
        print(f"Not kept for next time ({error}). Nothing else is lost; free some space or set COURSE_CACHE.")
        return None
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def _is_disk_trouble(error: Exception) -> bool:
    """Tell a full or read-only disk from a mistake in the code (safetensors wraps the former)."""
    return isinstance(error, OSError) or "os error" in str(error).lower() or "no space" in str(error).lower()


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def save_model(name: str, model, tokenizer, history: History) -> None:
    """Keep a trained model, so that ``from_pretrained`` and the pipelines open it too. Nothing here may cost it."""

    def write(draft: Path) -> None:
        model.save_pretrained(draft)
        (_for_writing(tokenizer) if model.can_generate() else tokenizer).save_pretrained(draft)
        (draft / "history.json").write_text(json.dumps(asdict(history)), encoding="utf-8")

    try:
        save(name, write)
    except (Exception, KeyboardInterrupt) as error:
        print(f"{history.name}: trained, but not kept for next time ({type(error).__name__}: {error}).")


def load_model(name: str, model) -> History | None:
    """Put the weights of a kept model into one like it and return its history; None, the model as it was, if none fits.

    Of tied weights one is stored.
    """
    from safetensors import SafetensorError, torch

    folder = load(name)
    if folder is None:
        return None
    try:
        weights = torch.load_file(folder / "model.safetensors")
        history = History(**json.loads((folder / "history.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, SafetensorError):  # deleted while it was being read
        return None
    model.load_state_dict(weights, strict=False)
    return history


def _for_writing(tokenizer):
    """Copy a tokenizer so that a text begins with [CLS] but stays open: a model that writes goes on after it.

    The pipeline "text-generation" would end the prompt with [SEP], after which no training row goes on.
    """
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    backend, first = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), tokenizer.cls_token
    backend.post_processor = TemplateProcessing(
        single=f"{first} $A", special_tokens=[(first, tokenizer.cls_token_id)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False, **tokenizer.special_tokens_map,
    )  # fmt: skip
