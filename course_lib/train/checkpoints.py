"""Keep trained models on disk: a folder for each, written in one step, made again if it cannot be read.

The folder's name is a hash of everything that made the model. Two notebooks that make the same one at once do not
break each other: the first to finish wins.

Whoever can write into a cache can put other weights into it. So never share a cache that others can write. A class is
given its models ready-made by COURSE_CLASS_CACHE=folder, which is only read: a teacher fills it (as COURSE_CACHE) and
takes the others' right to write; what it lacks goes into each one's own cache.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from course_lib import runtime
from course_lib.train.history import History, Stopped

__all__ = ["load", "save"]


def load(name: str, model) -> History | None:
    """Put the weights of a kept model into one like it and return its history; None, the model as it was, if none is.

    Of tied weights one is stored. What cannot be read is removed from one's own cache with a message, so that the
    caller makes it again.
    """
    shared = os.environ.get("COURSE_CLASS_CACHE", "").strip()
    caches = [Path(shared).expanduser()] if shared else []
    with contextlib.suppress(runtime.CacheError):
        caches.insert(0, runtime.cache_dir())
    for folder in (cache / name for cache in caches):
        if not os.path.isdir(folder):
            continue
        try:
            weights = safetensors.torch.load_file(folder / "model.safetensors")
            history = History(**json.loads((folder / "history.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, SafetensorError) as error:
            print(f"The cached {name} cannot be read ({error}); it is made again.")
            if not shared or folder.parent != caches[-1]:
                shutil.rmtree(folder, ignore_errors=True)
            continue
        model.load_state_dict(weights, strict=False)
        return history
    return None


def save(name: str, model, tokenizer, history: History) -> None:
    """Keep a trained model, so that ``from_pretrained`` and the pipelines open it too.

    Whatever goes wrong (a full disk), the model in memory is unharmed and a message says so. Raises Stopped when the
    user stops it.
    """
    try:
        cache = runtime.cache_dir()
        with tempfile.TemporaryDirectory(dir=cache, prefix=".draft-") as draft:
            entry = Path(draft) / name
            model.save_pretrained(entry)
            (_for_writing(tokenizer) if model.can_generate() else tokenizer).save_pretrained(entry)
            (entry / "history.json").write_text(json.dumps(asdict(history)), encoding="utf-8")
            try:
                entry.rename(cache / name)
            except OSError:  # another process was first: its model is as good as ours
                if not (cache / name).is_dir():
                    raise
    except KeyboardInterrupt:
        said = f"{history.name}: stopped by you when it was trained to its end, and about to be kept for next time."
        raise Stopped(said, model, history) from None
    except Exception as error:  # the libraries that write raise their own kinds
        print(f"{history.name}: trained, but not kept for next time ({type(error).__name__}: {error}). Nothing else is "
              "lost. Where the disk is full, free some space or set COURSE_CACHE.")  # fmt: skip


def _for_writing(tokenizer):
    """Copy a tokenizer so that a text begins with [CLS] but stays open: a model that writes goes on after it.

    The pipeline "text-generation" would end the prompt with [SEP], after which no training row goes on.
    """
    backend, first = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), tokenizer.cls_token
    backend.post_processor = TemplateProcessing(single=f"{first} $A", special_tokens=[(first, tokenizer.cls_token_id)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False, **tokenizer.special_tokens_map,
    )  # fmt: skip
