"""What decides an object's behaviour, as a digest: code, numbers and structure. It is the same in every process that holds the same object.

Of a function: its compiled code, its defaults, what it closes over, and whatever it names outside of itself, as far as that is not part of an installed
library. Of a class: its functions. Of an object: its class and what it holds. Of a library's function or class: its name and the library's version.
Where that cannot be had (a function made in C that has no name, an open file), the digest is one of this process alone.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import os
import sys
import sysconfig
import types
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor, nn

PROCESS = uuid4().hex  # stands for what has no content of its own
_LIBRARIES = tuple(os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_OF_MODULES = frozenset(vars(nn.Module())) | {"_trainer", "_fabric", "_is_full_backward_hook"}  # bookkeeping of torch and of Lightning
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))


@dataclass
class Source:
    """A digest under way. opaque: what could not be looked into; where there is something, the digest is of this process alone."""

    hash: Any = field(default_factory=hashlib.sha256)  # its class has no public name
    opaque: list[str] = field(default_factory=list[str])
    seen: dict[int, int] = field(default_factory=dict[int, int])
    kept: list[object] = field(default_factory=list[object])  # an id is only good while its object is there
    spared: frozenset[int] = frozenset()  # ids of tensors of which only the shape decides anything

    def hexdigest(self) -> str:
        """16 hex digits."""
        return self.hash.hexdigest()[:16]

    def add(self, value: object) -> None:
        """Let the digest depend on a value."""
        if isinstance(value, _PLAIN):
            self._say(f"{type(value).__name__}:{value!r}")
            return
        if id(value) in self.spared:
            self._say("weights")
            return
        if id(value) in self.seen:
            self._say(f"again:{self.seen[id(value)]}")
            return
        self.seen[id(value)] = len(self.seen)
        self.kept.append(value)
        self._look(value)

    def _look(self, value: object) -> None:
        match value:
            case Tensor():
                self._say(f"tensor:{value.dtype}:{tuple(value.shape)}")
                self.hash.update(bytes_of(value))
            case np.ndarray() | np.generic():
                array = np.ascontiguousarray(value)
                self._say(f"array:{array.dtype}:{array.shape}")
                if array.dtype.hasobject:
                    self._each(array.ravel().tolist())
                else:
                    self.hash.update(array.tobytes())
            case types.CodeType():
                self._code(value)
            case types.FunctionType():
                self._function(value)
            case types.MethodType():
                self._say("method")
                self._each((value.__func__, value.__self__))
            case functools.partial():
                self._say("partial")
                self._each((value.func, value.args, value.keywords))
            case weakref.ReferenceType():
                self._say("reference")
                self.add(value())
            case type():
                self._class(value)
            case types.ModuleType():
                self._say(f"module:{value.__name__}:{_version(value.__name__)}")
            case Mapping():
                self._say(f"{type(value).__name__}:{len(value)}")
                self._each(part for pair in value.items() for part in pair)
            case list() | tuple():
                self._say(f"{type(value).__name__}:{len(value)}")
                self._each(value)
            case set() | frozenset():
                self._say(f"set:{sorted(map(repr, value))}")
            case torch.dtype() | torch.device() | torch.Size() | torch.layout() | torch.memory_format():
                self._say(repr(value))
            case _:
                self._object(value)

    def _object(self, value: object) -> None:
        kind = type(value)
        name = getattr(value, "__qualname__", None)
        if isinstance(name, str) and callable(value):  # a function made in C
            module = getattr(value, "__module__", None) or getattr(getattr(value, "__objclass__", None), "__module__", None)
            self._say(f"named:{module}.{name}:{_version(module)}")
            owner = getattr(value, "__self__", None)
            if owner is not None and not isinstance(owner, type | types.ModuleType):
                self.add(owner)
            return
        held = getattr(value, "__dict__", None)
        slots = [s for base in kind.__mro__ for s in _slots(base)]
        if isinstance(value, range | slice):
            self._say(repr(value))
            return
        if held is None and not slots:
            self._reduced(value)
            return
        self._class(kind)
        if isinstance(value, nn.Module):
            self._module(value)
            return
        self._each((*(held or {}).items(), *((s, getattr(value, s)) for s in slots if hasattr(value, s))))

    def _reduced(self, value: object) -> None:
        """What is made in C and holds something, such as a date: what it would be pickled as. Nothing is pickled."""
        try:
            parts = value.__reduce_ex__(4)
        except TypeError:  # a lock, a generator, an open file
            self.opaque.append(type(value).__qualname__)
            self._say(f"opaque:{PROCESS}:{id(value)}")
            return
        self._say(f"made:{type(value).__module__}.{type(value).__qualname__}")
        self.add(parts)

    def _module(self, module: nn.Module) -> None:
        """Its parts and its own values."""
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            self._say(f"{name}:{tuple(tensor.shape)}")
            if id(tensor) not in self.spared:
                self.add(tensor)
        for name, value in sorted(vars(module).items()):
            if name not in _OF_MODULES:
                self._say(name)
                self.add(value)
        for name, part in module.named_children():
            self._say(f"part:{name}")
            self.add(part)

    def _class(self, kind: type) -> None:
        self._say(f"class:{kind.__qualname__}")
        for base in kind.__mro__:
            if _of_library(base.__module__):
                self._say(f"library:{base.__module__}.{base.__qualname__}:{_version(base.__module__)}")
                continue
            if id(base) in self.seen and base is not kind:
                continue
            self.seen.setdefault(id(base), len(self.seen))
            self.kept.append(base)
            for name, value in sorted(vars(base).items()):
                value = value.fget if isinstance(value, property) else value.__func__ if isinstance(value, classmethod | staticmethod) else value
                if isinstance(value, types.FunctionType) or (isinstance(value, _PLAIN) and not name.startswith("__")):
                    self._say(name)
                    self.add(value)

    def _function(self, function: types.FunctionType) -> None:
        if _of_library(function.__module__):
            self._say(f"library:{function.__module__}.{function.__qualname__}:{_version(function.__module__)}")
            cells = function.__closure__ or ()
            self._each(cell.cell_contents for cell in cells if _filled(cell))
            return
        self._say("function")
        self._code(function.__code__)
        self._each((function.__defaults__, function.__kwdefaults__))
        self._each(cell.cell_contents for cell in function.__closure__ or () if _filled(cell))
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__:
                self._say(name)
                self.add(function.__globals__[name])

    def _code(self, code: types.CodeType) -> None:
        self._say(f"code:{sys.version_info[:2]}:{code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]}:{code.co_names}")
        self.hash.update(code.co_code)
        self._each(c for c in code.co_consts)

    def _each(self, values: Iterable[object]) -> None:
        for value in values:
            self.add(value)

    def _say(self, text: str) -> None:
        self.hash.update(text.encode("utf-8", "surrogateescape") + b"\0")


def digest_of(*values: object, without: nn.Module | None = None) -> tuple[str, tuple[str, ...]]:
    """The digest of some objects together, and what could not be looked into. without: a network whose saved weights do not count, but for their shapes."""
    source = Source(spared=frozenset() if without is None else frozenset(map(id, without.state_dict(keep_vars=True).values())))
    for value in values:
        source.add(value)
    return source.hexdigest(), tuple(dict.fromkeys(source.opaque))


def bytes_of(tensor: Tensor) -> memoryview:
    """A tensor's numbers as bytes, in order."""
    plain = tensor.detach().to("cpu").contiguous().resolve_neg().resolve_conj()
    return memoryview(cast("Any", plain.reshape(-1).view(torch.uint8).numpy())) if plain.numel() else memoryview(b"")


def _names(code: types.CodeType) -> set[str]:
    own = {str(i.argval) for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(_names(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # empty
        return False


def _slots(base: type) -> tuple[str, ...]:
    found = vars(base).get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(s for s in found if s not in ("__dict__", "__weakref__"))


@functools.cache
def _of_library(module: str | None) -> bool:
    """Whether a module is a part of Python, or of something that was installed."""
    if module is None or module in sys.builtin_module_names or module.partition(".")[0] == "explorer":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return False
    real = Path(os.path.realpath(file))
    return bool(_INSTALLED & set(real.parts)) or any(real.is_relative_to(folder) for folder in _LIBRARIES)


@functools.cache
def _version(module: str | None) -> str:
    top = (module or "").partition(".")[0]
    try:
        return version(next(iter(_distributions().get(top, ())), top))
    except (PackageNotFoundError, ValueError):
        return ""


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()
