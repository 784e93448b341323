"""Say what a training run is made of, so that the cache never serves another recipe's model.

A run is made of the course's source files, the libraries, the model as built and the values that it is given; all are
hashed by content. What may be anything (a function, a class or a hook that neither the course nor a library defines)
has no such hash. Then, and after a change of the course since it was loaded, in a file or in memory, nothing is kept
and nothing is served.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections import OrderedDict
from pathlib import Path
from types import BuiltinFunctionType, FunctionType

import numpy as np
import torch
import transformers
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from course_lib import runtime
from course_lib.town.language import GRAMMAR_FILE

__all__ = ["Unknown", "describe", "key", "remember"]

HERE = Path(__file__).resolve().parent.parent
LIBRARIES = frozenset(sys.stdlib_module_names) | {
    "IPython", "course_lib", "filelock", "huggingface_hub", "joblib", "matplotlib", "numpy", "platformdirs", "psutil",
    "safetensors", "tokenizers", "torch", "tqdm", "transformers", "yaml",
}  # fmt: skip
TAKES_PART = re.compile(
    r"course_lib\.(town|text|model|train(?!\.(checkpoints|provenance))|apply|experiments|runtime)\b"
    r"|torch\.nn\.(functional|modules)\b|torch\.optim(\.adamw?|\.optimizer)?$|transformers\.models\..*\.modeling_\w+$"
)
PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.device)


class Unknown(Exception):
    """Say that something is not as the course or a library defines it: what is made with it must not be kept."""


def key(model: PreTrainedModel, *run) -> str | None:
    """Hash all that makes a run: 16 hexadecimal digits, the same in every process; None where that cannot be told."""
    device = runtime.device()
    around = [transformers.__version__, str(torch.__version__), torch.get_default_dtype(), device.type,
              runtime.precision(device), torch.get_float32_matmul_precision(), GRAMMAR_FILE.read_bytes(), SOURCES,
              torch.get_rng_state()]  # fmt: skip
    hooks = [held for place in ("torch.nn.modules.module", "torch.optim.optimizer")
             for name, held in vars(sys.modules[place]).items() if name.startswith("_global_")]  # fmt: skip
    try:
        _require_unchanged()
        return describe(model, around, hooks, *run)[:16]
    except (Unknown, RecursionError):
        return None


def remember() -> None:
    """Take a picture of the course as it was loaded: what changes in memory from here on is seen."""
    _loaded.update(_standing())


def _require_unchanged() -> None:
    """Raise Unknown if the course, or what it trains with, is not what was loaded; modules loaded since are added."""
    if _sources() != SOURCES:
        raise Unknown("the course's files have changed since they were loaded")
    for name, value in _standing().items():
        if _loaded.get(name, value) is not value:
            raise Unknown(".".join(name))
        if isinstance(value, FunctionType | type) and not name[0].startswith("torch."):  # which has odd ones of its own
            _named(value)
        _loaded[name] = value


def _sources() -> str:
    """Hash the course's source files."""
    return _hash(*(file.read_text(encoding="utf-8") for file in sorted(HERE.rglob("*.py"))))


def _standing() -> dict[tuple[str, ...], object]:
    """List what stands under each name of the modules that take part, and of their classes."""
    found = {}
    for place, module in list(sys.modules.items()):
        if TAKES_PART.match(place):
            for name, value in list(vars(module).items()):
                found[place, name] = value
                if isinstance(value, type) and value.__module__ == place:
                    found |= {(place, name, part): _unhooked(item) for part, item in vars(value).items()}
    return found


def _unhooked(item):
    """Return a method as it was written: torch wraps an optimizer's ``step`` when the first one is made."""
    hooked = getattr(item, "hooked", False) and item.__globals__["__name__"] == "torch.optim.optimizer"
    return item.__wrapped__ if hooked else item


def describe(*values) -> str:
    """Hash values by content, the same in every process. Raises Unknown for what may be anything."""
    return _hash(*map(_told, values))


def _told(value) -> str:
    """Describe one value by its kind and what it holds."""
    value = value.item() if isinstance(value, np.generic) else value
    kind = type(value)
    if isinstance(value, PLAIN):
        return f"{kind.__name__} {value!r}"
    if isinstance(value, torch.Tensor) and value.layout == torch.strided:
        array = value.detach().cpu().flatten().contiguous().view(torch.uint8).numpy()
        hooks = value._backward_hooks, getattr(value, "_post_accumulate_grad_hooks", None)
        parts = [str(value.dtype), str(value.shape), str(value.requires_grad), hashlib.sha256(array).hexdigest(),
                 *map(_told, hooks)]  # fmt: skip
    elif kind in (tuple, list):
        parts = map(_told, value)
    elif kind in (set, frozenset):
        parts = sorted(map(_told, value))
    elif kind in (dict, OrderedDict):
        parts = [_told(item) for pair in value.items() for item in pair]
    elif isinstance(value, FunctionType | BuiltinFunctionType | type):
        parts = [_named(value)]
        if getattr(sys.modules.get(value.__module__), value.__name__, None) is not value:
            raise Unknown(f"{value!r} cannot be found by its name")
    elif isinstance(value, PreTrainedTokenizerBase):
        parts = [_named(kind), value.backend_tokenizer.to_str(), repr(value.special_tokens_map)]
    elif isinstance(value, PreTrainedConfig):
        attention = value._attn_implementation
        parts = [repr(sorted(value.to_dict().items())), str(attention), _told(ALL_ATTENTION_FUNCTIONS.get(attention))]
    elif isinstance(value, torch.nn.Module) or kind.__module__.startswith("course_lib."):
        parts = [_named(kind)]
        for name, item in sorted(vars(value).items()):
            made = isinstance(getattr(kind, name, None), functools.cached_property)  # by itself, from the rest
            parts += [] if made or isinstance(item, GenerationConfig) else [name, _told(item)]
    else:
        raise Unknown(f"a {kind.__module__}.{kind.__qualname__}")
    return _hash(kind.__name__, *parts)


def _named(what: FunctionType | BuiltinFunctionType | type) -> str:
    """Name a function or class of the course or a library; raises Unknown for others."""
    if isinstance(what, type):
        places = {base.__module__ for base in what.__mro__}
    else:  # where it was made; its __module__ says what wraps() likes
        places = {getattr(what, "__globals__", {"__name__": str(what.__module__)})["__name__"]}
    if not {place.partition(".")[0] for place in places} <= LIBRARIES:
        raise Unknown(f"{what.__module__}.{what.__qualname__}")
    return f"{what.__module__}.{what.__qualname__}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")).hexdigest()


SOURCES, _loaded = _sources(), {}
