"""Say what a training run is made of, down to the code, so that a cache never serves another recipe's model.

What the course itself defines is described by its bytecode as it stands in memory, with the values that it holds and
everything that it calls inside the course: an edit, another constant or a function put in another's place makes another
description. What anybody else defines cannot be described, and neither can a hook or an open file: :class:`Unknown`
is raised, and the caller trains anew.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

__all__ = ["Unknown", "describe", "describe_model"]

COURSE = __name__.partition(".")[0]
# installed packages are described by name here and by their versions in the cache's key
LIBRARIES = frozenset(sys.stdlib_module_names) | {
    "IPython", "filelock", "huggingface_hub", "joblib", "matplotlib", "numpy", "psutil", "safetensors", "tokenizers",
    "torch", "tqdm", "transformers", "typing_extensions", "yaml",
}  # fmt: skip
SURROUNDINGS = (f"{COURSE}.runtime", f"{COURSE}.places")  # what they know is of the machine, not of the recipe
PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), torch.dtype, torch.device)
NAMELESS = ("__doc__", "__annotate__", "__annotate_func__")  # change no result, and not the same in each process


class Unknown(Exception):
    """Say that something is not the course's own, or may be anything: a result made with it must not be kept."""


def describe(*values) -> str:
    """Describe values, functions and classes of the course: 64 hexadecimal digits, the same in every process.

    Raises Unknown for anything that the course does not define, wherever it is reached from.
    """
    return _hash(_Walk().value(value, given=True) for value in values)


def describe_model(model: PreTrainedModel) -> str:
    """Describe a model: configuration, weights, which of them are trained, and its modules as they stand.

    Raises Unknown where a forward pass is not that of the libraries or of the course: hooks, parametrizations,
    classes and methods of the caller's own.
    """
    walk, told = _Walk(), [repr(_plain(model.config.to_dict())), model.config._attn_implementation]
    for place in ("torch.nn.modules.module", "torch.optim.optimizer"):
        if any(hooks for name, hooks in vars(sys.modules[place]).items() if _holds_hooks(name, "_global_")):
            raise Unknown("a hook on all modules or optimizers")
    if function := ALL_ATTENTION_FUNCTIONS.get(model.config._attn_implementation):
        told.append(walk.value(function, given=True))
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module):
            raise Unknown(f"a parametrization of {name!r}")
        told += [name, walk.type(type(module)), *_attributes(walk, name, module)]
    for name, weight in model.named_parameters():
        if weight._backward_hooks or weight._post_accumulate_grad_hooks:
            raise Unknown(f"a hook on the gradient of {name!r}")
        told += [name, repr(weight.requires_grad), walk.value(weight.detach(), given=True)]
    told += [name + walk.value(buffer, given=True) for name, buffer in model.named_buffers()]
    files = {type(module).__module__ for module in model.modules()} | {"torch", "torch.nn.functional"}
    for file in sorted(files):
        walk.unpatched(vars(sys.modules[file]).values())
    return _hash(told)


def _attributes(walk: _Walk, name: str, module: nn.Module) -> Iterator[str]:
    """Describe what a module holds apart from its weights, buffers and parts."""
    for key, value in sorted(vars(module).items()):
        if _holds_hooks(key):
            if value:
                raise Unknown(f"a hook on {name or type(module).__name__!r}")
        elif key not in ("_parameters", "_buffers", "_modules", "config", "generation_config", "training"):
            yield key + walk.value(value, given=False)


def _holds_hooks(name: str, start: str = "_") -> bool:
    return name.startswith(start) and name.endswith("_hooks")


class _Walk:
    """One walk through values and code; what was met before is told by its number."""

    def __init__(self):
        self.seen: dict[tuple, int] = {}
        self.kept: list = []  # an id is a name only as long as its object lives

    def value(self, value, given: bool) -> str:
        """Describe a value. One that the caller gave must be known; of a global of the course its type may do."""
        if isinstance(value, np.generic):
            value = value.item()
        if type(value) in PLAIN:
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, torch.Tensor):
            try:
                value = value.detach().cpu()
                value = (value.view(torch.uint8) if value.dtype == torch.bfloat16 else value).numpy()
            except (TypeError, RuntimeError) as error:  # a layout or a type that NumPy does not have
                raise Unknown(f"a tensor of {value.dtype}") from error
        if isinstance(value, np.ndarray) and value.dtype != object:
            data = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            return f"array {value.shape} {value.dtype} {data}"
        if (met := self.seen.get((id(value), given))) is not None:
            return f"met {met}"
        self.seen[id(value), given] = len(self.seen)
        self.kept.append(value)
        return _hash([type(value).__qualname__, *self._parts(value, given)])

    def _parts(self, value, given: bool) -> Iterator[str]:
        inner = functools.partial(self.value, given=given)
        if type(value) in (set, frozenset):
            yield from sorted(inner(item) for item in value)
        elif type(value) in (tuple, list) or (isinstance(value, tuple) and _root(type(value)) == COURSE):
            yield from map(inner, value)
        elif isinstance(value, dict) and _known(type(value)):
            yield from (_hash([inner(key), inner(item)]) for key, item in value.items())
        elif isinstance(value, re.Pattern):
            yield from (repr(value.pattern), str(value.flags))
        elif isinstance(value, Path):
            yield hashlib.sha256(value.read_bytes()).hexdigest() if value.is_file() else value.name
        elif isinstance(value, functools.partial):
            yield from map(inner, (value.func, value.args, value.keywords))
        elif isinstance(value, MethodType):
            yield from map(inner, (value.__self__, value.__func__))
        elif isinstance(value, FunctionType):
            yield from self.function(value, given)
        elif isinstance(value, (classmethod, staticmethod, functools._lru_cache_wrapper)):
            yield inner(value.__wrapped__)
        elif isinstance(value, property):
            yield from map(inner, (value.fget, value.fset))
        elif isinstance(value, functools.cached_property):
            yield inner(value.func)
        elif isinstance(value, type):
            yield self.type(value)
        elif isinstance(value, ModuleType):
            yield from self.module(value, frozenset())
        elif isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType | type(None)):
            yield f"{value.__module__} {value.__qualname__}"
        elif isinstance(value, PreTrainedTokenizerBase) and _known(type(value)):
            yield from (value.backend_tokenizer.to_str(), repr(value.special_tokens_map))
        elif _root(type(value)) == COURSE:
            yield from self._object(value)
        elif _known(type(value)) and not given:  # a lock, a logger: a name is all there is to tell
            yield f"{type(value).__module__}"
        else:
            raise Unknown(f"{type(value).__module__}.{type(value).__qualname__}")

    def _object(self, value) -> Iterator[str]:
        """Describe an object of a course class by its class and its ``fingerprint``, or by all that it holds."""
        kind, held = type(value), dict(getattr(value, "__dict__", {}))
        yield self.type(kind)
        made = {name for base in kind.__mro__ for name, v in vars(base).items()
                if isinstance(v, functools.cached_property)}  # fmt: skip
        if hasattr(kind, "fingerprint"):
            yield self.value(value.fingerprint, given=True)
            held = {name: item for name, item in held.items() if isinstance(item, FunctionType | MethodType)}
        yield from (name + self.value(item, given=True) for name, item in sorted(held.items()) if name not in made)

    def function(self, function: FunctionType, given: bool) -> Iterator[str]:
        """Describe a function: its code, what is bound to it, and what it names."""
        place, cells = function.__globals__.get("__name__", "?"), function.__closure__ or ()
        root = place.partition(".")[0]
        held = [cell.cell_contents for cell in cells if not _is_empty(cell)]
        yield f"{function.__module__}.{function.__qualname__} {_code(function.__code__)}"
        if root in LIBRARIES:  # as far as it wraps something, such as a function of the course under no_grad
            yield from (self.value(item, given=False) for item in held if isinstance(item, FunctionType | type))
            return
        if root != COURSE:
            raise Unknown(f"{function.__module__}.{function.__qualname__}")
        if place in SURROUNDINGS:
            return
        bound = [function.__defaults__, function.__kwdefaults__, *held, *dict(sorted(vars(function).items())).values()]
        yield from (self.value(item, given) for item in bound)
        names = frozenset(_names(function.__code__))
        for name in sorted(names):
            found = function.__globals__.get(name, sys.modules.get(name))
            if isinstance(found, ModuleType):
                yield from self.module(found, names)
            elif name in function.__globals__:
                yield name + self.value(found, given=False)

    def module(self, module: ModuleType, names: frozenset[str]) -> Iterator[str]:
        """Describe what a function that uses these names may take from a module."""
        root, named = module.__name__.partition(".")[0], sys.modules.get(module.__name__)
        if named is not module and (kind := next(filter(_is_type, vars(module).values()), None)):
            root = _root(kind)  # a part of a compiled library: tokenizers.trainers calls itself 'trainers'
        yield module.__name__
        if not _known(root):
            raise Unknown(f"the module {module.__name__}")
        if (id(module), names) in self.seen:
            return
        self.seen[id(module), names] = len(self.seen)
        for name in sorted(names & vars(module).keys()):
            found = vars(module)[name]
            if isinstance(found, ModuleType):
                if root == COURSE or found.__name__.startswith(module.__name__):
                    yield from self.module(found, names)
            elif root == COURSE or isinstance(found, FunctionType | type):
                yield name + self.value(found, given=False)

    def type(self, kind: type) -> str:
        """Describe a class: its name and, as far as they are the course's, its functions and constants."""
        if not _known(kind):
            raise Unknown(f"the class {kind.__module__}.{kind.__qualname__}")
        if (kind,) in self.seen:
            return f"met {self.seen[kind,]}"
        self.seen[kind,] = len(self.seen)
        told = [f"{kind.__module__}.{kind.__qualname__}"]
        for base in kind.__mro__:
            if _root(base) == COURSE:
                told += [name + self.value(item, given=False) for name, item in sorted(vars(base).items())
                         if name not in NAMELESS and (callable(item) or not name.startswith("__"))]  # fmt: skip
            elif _known(base):
                self.unpatched(vars(base).values())
            else:
                raise Unknown(f"the class {base.__module__}.{base.__qualname__}")
        return _hash(told)

    def unpatched(self, values: Iterable) -> None:
        """Raise Unknown if somebody has put a function of their own among those of a library."""
        for item in list(values):
            item = getattr(item, "__func__", item)
            item = item.fget if isinstance(item, property) else item
            if isinstance(item, FunctionType) and not _known(item.__globals__.get("__name__", "?").partition(".")[0]):
                raise Unknown(f"{item.__module__}.{item.__qualname__}")


def _root(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _known(what: type | str) -> bool:
    root = _root(what) if isinstance(what, type) else what
    return root == COURSE or root in LIBRARIES


def _is_type(value) -> bool:
    return isinstance(value, type)


def _is_empty(cell) -> bool:
    try:
        return cell.cell_contents is None
    except ValueError:  # a name that its function has not set yet
        return True


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names(part)


@functools.cache
def _code(code: CodeType) -> str:
    """Hash what code does; where it stands in a file makes no difference."""
    constants = [_code(part) if isinstance(part, CodeType) else _plain(part) for part in code.co_consts]
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return _hash([repr(shape), repr(names), code.co_code.hex(), code.co_exceptiontable.hex(), repr(constants)])


def _plain(value):
    """Bring sets and dictionaries into one order: that of strings differs from process to process."""
    if isinstance(value, dict):
        return sorted((str(key), _plain(item)) for key, item in value.items())
    if isinstance(value, tuple | list):
        return [type(value).__name__, *map(_plain, value)]
    return ["set", *sorted(map(repr, value))] if isinstance(value, set | frozenset) else value


def _hash(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
