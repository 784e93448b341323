"""Say what a training run is made of, so that the cache never serves another recipe's model.

A run is made of the course's source files, of the model as built, and of the values that it is given. Whoever changes
the course while it runs, in a file or in memory, or brings a function, a class or a hook of their own, has made
something that no key tells: then nothing is kept and nothing is served.
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
from torch.nn.utils import parametrize
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from course_lib import runtime
from course_lib.town.language import GRAMMAR_FILE

__all__ = ["Unknown", "describe", "key", "remember"]

COURSE, HERE = __name__.partition(".")[0], Path(__file__).resolve().parent.parent
ALWAYS = ("town", "text", "model", "train", "apply", "runtime.py")  # part of every key; another folder where it is used
LIBRARIES = frozenset(sys.stdlib_module_names) | {
    "IPython", "filelock", "huggingface_hub", "joblib", "matplotlib", "numpy", "platformdirs", "psutil", "safetensors",
    "tokenizers", "torch", "tqdm", "transformers", "yaml",
}  # fmt: skip
LOOKED_AT = re.compile(
    rf"{COURSE}\.(town|text|model|train(?!\.(checkpoints|provenance))|apply|experiments|runtime)\b|torch\.nn\.(functional|modules)\b"
    r"|torch\.optim(\.adamw?|\.optimizer)?$|transformers\.models\..*\.modeling_\w+$"
)
PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.device)


class Unknown(Exception):
    """Say that something is not as the course or a library defines it: what is made with it must not be kept."""


def key(model: PreTrainedModel, *run) -> str | None:
    """Hash all that makes a run: 16 hexadecimal digits, the same in every process; None where that cannot be told."""
    device = runtime.device()
    around = [transformers.__version__, str(torch.__version__), str(torch.get_default_dtype()), device.type,
              str(runtime.precision(device)), torch.get_float32_matmul_precision(), GRAMMAR_FILE.read_bytes(),
              *(SOURCES[name] for name in ALWAYS)]  # fmt: skip
    try:
        _require_unchanged()
        return _hash(*_of_model(model), describe(torch.get_rng_state(), around, *run))[:16]
    except (Unknown, RecursionError):
        return None


# ---------------------------------------------------------------------------------------------- the course's own code
def remember() -> None:
    """Take a picture of the course as it was loaded: what changes in memory from here on is seen."""
    for name, face in _faces().items():
        _picture.setdefault(name, face)


def _require_unchanged() -> None:
    """Raise Unknown if the course, or what it trains with, is not what was loaded; modules loaded since are added."""
    if _sources() != SOURCES:
        raise Unknown("the course's files have changed since they were loaded")
    for name, face in _faces().items():
        what = face[0] if isinstance(face, tuple) else face
        if isinstance(what, FunctionType | type) and not name[0].startswith("torch."):  # which has odd ones of its own
            _named(what)
        if _picture.setdefault(name, face) != face:
            raise Unknown(".".join(name))
    for place in ("torch.nn.modules.module", "torch.optim.optimizer"):
        if _hooked({name: value for name, value in vars(sys.modules[place]).items() if name.startswith("_global_")}):
            raise Unknown("a hook on all modules or optimizers")


def _sources() -> dict[str, str]:
    """Hash the course's source, folder by folder."""
    found: dict[str, list[bytes]] = {}
    for file in sorted(HERE.rglob("*.py")):
        found.setdefault(file.relative_to(HERE).parts[0], []).append(file.read_bytes())
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


# ------------------------------------------------------------------------------------------- what the course is given
def describe(*values) -> str:
    """Hash values by content, the same in every process. Raises Unknown for what may be anything."""
    return _hash(*map(_told, values))


def _told(value) -> str:
    """Describe one value by its kind and what it holds."""
    if isinstance(value, torch.Tensor) and value.layout == torch.strided:
        array = value.detach().cpu().flatten().contiguous().view(torch.uint8).numpy()
        return f"{value.dtype} {tuple(value.shape)} {hashlib.sha256(array).hexdigest()}"
    value = value.item() if isinstance(value, np.generic) else value
    kind = type(value)
    if isinstance(value, PLAIN):
        return f"{kind.__name__} {value!r}"
    if kind in (tuple, list):
        parts = map(_told, value)
    elif kind in (set, frozenset):
        parts = sorted(map(_told, value))
    elif kind is dict:
        parts = [_told(item) for pair in value.items() for item in pair]
    elif kind is functools.partial:
        parts = map(_told, (value.func, value.args, value.keywords))
    elif isinstance(value, MethodType) and getattr(type(value.__self__), value.__name__, None) is value.__func__:
        parts = [_told(value.__self__), value.__name__]
    elif isinstance(value, FunctionType) and vars(sys.modules[value.__module__]).get(value.__name__) is value:
        parts = [_named(value)]
    elif isinstance(value, PreTrainedTokenizerBase):
        parts = [_named(kind), value.backend_tokenizer.to_str(), repr(value.special_tokens_map)]
    elif kind.__module__.startswith(f"{COURSE}."):
        parts = [_named(kind)]
        for name, item in sorted(vars(value).items()):
            if not isinstance(getattr(kind, name, None), functools.cached_property):  # it makes these for itself
                parts += [name, _told(item)]
    else:
        raise Unknown(f"a {kind.__module__}.{kind.__qualname__}")
    return _hash(kind.__name__, *parts)


def _of_model(model: PreTrainedModel) -> list[str]:
    """Describe a model: its configuration, weights and modules as they stand. Raises Unknown for hooks and the like."""
    attention = ALL_ATTENTION_FUNCTIONS.get(kind := model.config._attn_implementation)
    told = [str(sorted(model.config.to_dict().items(), key=str)), kind, _named(attention) if attention else ""]
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module) or _hooked(vars(module)):
            raise Unknown(f"a hook on {name or type(module).__name__!r}, or a parametrization")
        told += [name, _named(type(module))]
        for what, value in sorted(vars(module).items()):
            if isinstance(value, PLAIN):
                told += [what, repr(value)]
            elif isinstance(value, FunctionType | MethodType):
                told += [what, _named(value)]
    for name, weight in [*model.named_parameters(), *model.named_buffers()]:
        if weight._backward_hooks or getattr(weight, "_post_accumulate_grad_hooks", None):
            raise Unknown(f"a hook on the gradient of {name!r}")
        told += [name, str(weight.requires_grad), _told(weight)]
    return told


def _named(what: FunctionType | MethodType | type) -> str:
    """Name a function or class of a library or of the course, and then with its folder's source; others are Unknown."""
    if isinstance(what, type):
        place, roots = what.__module__, {base.__module__.partition(".")[0] for base in what.__mro__}
    else:
        place, roots = what.__globals__["__name__"], set()  # where it was made; its __module__ says what wraps() likes
    root, _, rest = place.partition(".")
    if not {root, *roots} <= LIBRARIES | {COURSE}:
        raise Unknown(f"{what.__module__}.{what.__qualname__}")
    return f"{place}.{what.__qualname__} {SOURCES.get(rest.partition('.')[0], '') if root == COURSE else ''}"


def _hooked(held: dict) -> bool:
    return any(value for name, value in held.items() if name.endswith("_hooks"))


def _hash(*parts: str) -> str:
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")).hexdigest()


SOURCES, _picture = _sources(), {}
