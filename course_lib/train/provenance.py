"""Say what a training run is made of, so that the cache never serves another recipe's model.

A run is made of the course's source files, of the model as built, and of the values that it is given. Whoever changes
the course while it runs, in a file or in memory, or brings a function, a class or a hook of their own, has made
something that a key cannot tell: then nothing is kept and nothing is served.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from pathlib import Path
from types import FunctionType, MethodType

import numpy as np
import torch
import transformers
from torch import nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from course_lib import runtime
from course_lib.town.language import GRAMMAR_FILE

__all__ = ["Unknown", "describe", "describe_model", "key", "remember"]

COURSE, HERE = __name__.partition(".")[0], Path(__file__).resolve().parent.parent
ALWAYS = ("town", "text", "model", "train", "apply", "runtime.py")  # part of every key; other folders when used
LIBRARIES = frozenset(sys.stdlib_module_names) | {"huggingface_hub", "joblib", "numpy", "safetensors", "tokenizers",
                                                  "torch", "tqdm", "transformers", "yaml"}  # fmt: skip
LOOKED_AT = re.compile(
    rf"{COURSE}\.(town|text|model|train|apply|experiments|runtime)\b|torch\.nn\.(functional|modules)\b"
    r"|torch\.optim(\.adamw?|\.optimizer)?$|transformers\.models\..*\.modeling_\w+$"
)
PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.device)


class Unknown(Exception):
    """Say that something is not as the course or a library defines it: what is made with it must not be kept."""


def key(model: PreTrainedModel, *run) -> str | None:
    """Hash all that makes a run: 16 hexadecimal digits, the same in every process; None where that cannot be told."""
    device = runtime.device()
    around = [torch.__version__, transformers.__version__, device.type, str(runtime.precision(device)),
              str(torch.get_default_dtype()), torch.get_float32_matmul_precision(),
              *(SOURCES[name] for name in ALWAYS), _hash(GRAMMAR_FILE.read_text("utf-8"))]  # fmt: skip
    *values, settings = run
    settings = {name: value for name, value in settings.items() if name != "name"}
    try:
        _require_unchanged()
        return _hash(describe_model(model), describe(torch.get_rng_state(), *values, settings, around))[:16]
    except (Unknown, RecursionError):
        return None


def remember() -> None:
    """Take a picture of the course as it was loaded: what changes in memory from here on is seen."""
    for name, face in _faces().items():
        PICTURE.setdefault(name, face)


def _require_unchanged() -> None:
    """Raise Unknown where the course or what it trains with is not what was loaded; modules loaded since are added."""
    if _sources() != SOURCES:
        raise Unknown("the course's files have changed since they were loaded")
    for name, face in _faces().items():
        what = face[0] if isinstance(face, tuple) else face
        if isinstance(what, FunctionType | type) and not name[0].startswith("torch."):  # which has odd ones of its own
            _named(what)
        if PICTURE.setdefault(name, face) != face:
            raise Unknown(".".join(name))
    for place in ("torch.nn.modules.module", "torch.optim.optimizer"):
        if any(value for name, value in vars(sys.modules[place]).items() if name.startswith("_global") and _hooks(name)):
            raise Unknown("a hook on all modules or optimizers")


def _sources() -> dict[str, str]:
    """Hash the course's source, folder by folder."""
    found: dict[str, list[bytes]] = {}
    for file in sorted(HERE.rglob("*.py")):
        found.setdefault(file.relative_to(HERE).parts[0], []).append(file.read_bytes().replace(b"\r\n", b"\n"))
    return {name: hashlib.sha256(b"\0".join(texts)).hexdigest() for name, texts in found.items()}


def _faces() -> dict[tuple[str, ...], object]:
    """List what stands under each name of the modules that take part: functions, classes and constants."""
    found = {}
    for place, module in list(sys.modules.items()):
        if LOOKED_AT.match(place):
            for name, value in list(vars(module).items()):
                found[place, name] = _face(name, value)
                if isinstance(value, type) and value.__module__ == place:
                    found |= {(place, name, part): _face(part, item) for part, item in vars(value).items()}
    return found


def _face(name: str, value):
    """Tell a function by itself and its code, a class by itself, a constant by its value; others not at all."""
    for inside in ("__func__", "fget", "func"):  # of a classmethod, a property, a cached_property
        value = getattr(value, inside, value) if not isinstance(value, functools.partial) else value
    if isinstance(value, FunctionType):
        return value, value.__code__, repr(value.__defaults__), repr(value.__kwdefaults__)
    return value if isinstance(value, type) else repr(value) if name.isupper() else None


def describe(*values) -> str:
    """Hash values by content: 64 hexadecimal digits. Raises Unknown for what may be anything."""
    return _hash(*map(_told, values))


def describe_model(model: PreTrainedModel) -> str:
    """Hash a model: its configuration, weights and modules as they stand. Raises Unknown where it has foreign parts."""
    attention = ALL_ATTENTION_FUNCTIONS.get(name := model.config._attn_implementation)
    told = [str(sorted(model.config.to_dict().items(), key=str)), name, _named(attention) if attention else ""]
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module) or any(value for key, value in vars(module).items() if _hooks(key)):
            raise Unknown(f"hooks or a parametrization of {name or type(module).__name__!r}")
        told += [name, _named(type(module))]
        for what, value in sorted(vars(module).items()):
            if isinstance(value, PLAIN):
                told += [what, repr(value)]
            elif isinstance(value, FunctionType | MethodType | type):
                told += [what, _named(value)]
    for name, weight in [*model.named_parameters(), *model.named_buffers()]:
        if weight._backward_hooks or getattr(weight, "_post_accumulate_grad_hooks", None):
            raise Unknown(f"a hook on the gradient of {name!r}")
        told += [name, str(weight.requires_grad), _told(weight.detach())]
    return _hash(*told)


def _told(value) -> str:
    """Describe one value by what it holds."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in PLAIN:
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, torch.Tensor) and value.layout == torch.strided:
        value = (value.detach().cpu().contiguous().view(torch.uint8).numpy(), str(value.dtype), tuple(value.shape)) \
            if value.ndim else (value.item(), str(value.dtype))
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"array {value.shape} {value.dtype} {hashlib.sha256(np.ascontiguousarray(value)).hexdigest()}"
    kind, parts = type(value), None
    if kind in (tuple, list):
        parts = map(_told, value)
    elif kind is dict:
        parts = (_hash(_told(name), _told(item)) for name, item in value.items())
    elif kind in (set, frozenset):
        parts = sorted(map(_told, value))
    elif kind is functools.partial:
        parts = map(_told, (value.func, value.args, value.keywords))
    elif isinstance(value, MethodType):
        parts = (_told(value.__self__), value.__name__)
        if getattr(type(value.__self__), value.__name__, None) is not value.__func__:
            raise Unknown(f"the method {value.__qualname__}")
    elif isinstance(value, FunctionType | type):
        parts = [_named(value)]
        if getattr(sys.modules[value.__module__], value.__name__, None) is not value:
            raise Unknown(f"{value.__qualname__} is made in a function")
    elif isinstance(value, PreTrainedTokenizerBase):
        parts = (_named(kind), value.backend_tokenizer.to_str(), repr(value.special_tokens_map))
    elif kind.__module__.partition(".")[0] == COURSE:
        made = {name for base in kind.__mro__ for name, item in vars(base).items()
                if isinstance(item, functools.cached_property)}  # fmt: skip; tables that it makes for itself
        parts = [_named(kind), *(_hash(name, _told(item)) for name, item in sorted(vars(value).items())
                                 if name not in made)]  # fmt: skip
    if parts is None:
        raise Unknown(f"a {kind.__module__}.{kind.__qualname__}")
    return _hash(kind.__name__, *parts)


def _named(what: FunctionType | MethodType | type) -> str:
    """Give the name of a function or class of the course or a library, with the hash of its folder if the course's."""
    is_type = isinstance(what, type)
    place = what.__module__ if is_type else what.__globals__.get("__name__", "?")  # __module__ can be set by wraps()
    root, _, rest = place.partition(".")
    bases = {base.__module__.partition(".")[0] for base in what.__mro__} if is_type else set()
    if not {root, *bases} <= LIBRARIES | {COURSE}:
        raise Unknown(f"{what.__module__}.{what.__qualname__}")
    own = SOURCES.get(rest.partition(".")[0], "") if root == COURSE else ""
    return f"{place}.{what.__qualname__} {own}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


def _hooks(name: str) -> bool:
    return name.startswith("_") and name.endswith("_hooks")


SOURCES, PICTURE = _sources(), {}
