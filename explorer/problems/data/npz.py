"""Arrays of your own: a NumPy .npz file with `x` and `y`, or with `x` alone for a loss that needs no targets.

`x` (n, …) and `y`: labels int (n,), or next tokens int (n, L) beside tokens int (n, L), or targets of a regression float
(n,) or (n, d). `x_test` and `y_test` beside them fix the test set; `x_train` and `y_train` are taken for `x` and `y`.
Under a loss of numbers whole numbers are numbers, too. Whole numbers that the network embeds stay so, as do those of 32 or 64 bits (n, L) without `y`; other
inputs become float32 and then (x · scale − mean) / std: scale = 0.00392156862745098 for bytes. Without names in `classes` there are as many classes or
tokens as the network tells apart.

A network of several inputs: `inputs = ["image", "meta"]` names the arrays, called as the arguments of its forward are, or `argument=array`; each may have any
shape (n, …), and `image_test`, `meta_test` and `y_test` fix the test set. Whole numbers of 32 or 64 bits and truth values reach the network as they are.

Nothing is unpickled. What an array's header claims is compared with the size of its zip member before it is read.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Annotated, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explorer.core.allowed_folders import opened
from explorer.core.errors import Refused
from explorer.core.files import listed, short
from explorer.core.registry import Range, UnlessGiven
from explorer.problems.data import ANY, LIMIT_BYTES, Dataset, Purpose, class_names, reading, regular
from explorer.problems.parts import asked, packed

WANTED = "an .npz file with the arrays x and y"
ONE = ("x", "y", "x_train", "y_train", "x_test", "y_test")
_Array = NDArray[np.generic]

# What zipfile and NumPy's reader of headers raise on damaged bytes. Fuzzed; wide, and therefore only around those calls.
_MALFORMED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    TokenError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    SyntaxError,
    ArithmeticError,
    MemoryError,
)


def load(
    path: Path | None,
    *,
    scale: Annotated[float, Range(1e-9, 1e9)] = 1.0,
    mean: Annotated[float, Range(-1e9, 1e9)] = 0.0,
    std: Annotated[float, Range(1e-9, 1e9)] = 1.0,
    classes: tuple[str, ...] = (),
    inputs: Annotated[tuple[str, ...], UnlessGiven()] = (),
    purpose: Purpose = ANY,
) -> Dataset:
    """What inputs are multiplied with, then their mean and standard deviation; names of the classes; of several inputs, the arrays."""
    path = regular(path, WANTED)
    if inputs:
        if (scale, mean, std) != (1.0, 0.0, 1.0):
            raise Refused("scale, mean and std are for one input. Where there are several, save the arrays as the network takes them.")
        return _several(path, asked(inputs), classes, purpose)
    arrays = _arrays(path, ONE)

    def inputs_of(x: _Array) -> Tensor:
        if x.dtype.kind in "iu" and purpose.embeds(x.shape[1:]):
            return torch.from_numpy(x.astype(np.int64))
        return torch.from_numpy(_single(x)).mul_(scale).sub_(mean).div_(std)

    if arrays.keys() == {"x"}:
        return _unlabelled(arrays["x"], path.name, inputs_of)
    x, y = _pair(arrays, path.name, ("x", "x_train"), ("y", "y_train"))
    test = None
    if "x_test" in arrays or "y_test" in arrays:
        x_test, y_test = _pair(arrays, path.name, ("x_test",), ("y_test",))
        if x.shape[1:] != x_test.shape[1:] or y.shape[1:] != y_test.shape[1:] or y.dtype.kind != y_test.dtype.kind:
            came = "; ".join(f"{n} {a.dtype} {a.shape}" for n, a in (("x", x), ("x_test", x_test), ("y", y), ("y_test", y_test)))
            raise Refused(f"{path.name}: x and x_test, y and y_test must agree in everything but their length; they are {came}.")
        test = len(x)
        x, y = np.concatenate([x, x_test]), np.concatenate([y, y_test])
    targets = _targets(y, path.name, numbers=purpose.numbers)
    if targets.dim() == 2 and not targets.is_floating_point():
        if x.dtype.kind not in "iu" or x.shape != y.shape:
            raise Refused(
                f"{path.name}: y {y.shape} is read as next tokens, so x must be whole numbers of the same shape; it is {x.dtype} {x.shape}."
            )
        tokens = torch.from_numpy(x.astype(np.int64))
        return Dataset(tokens, targets, class_names(torch.stack([tokens.max(), targets.max()]), classes), test, open=not classes)
    if targets.is_floating_point():
        return Dataset(inputs_of(x), targets, (), test)
    return Dataset(inputs_of(x), targets, class_names(targets, classes), test, open=not classes)


def _several(path: Path, inputs: dict[str, str], classes: tuple[str, ...], purpose: Purpose) -> Dataset:
    names = list(dict.fromkeys((*inputs.values(), "y")))
    arrays = _arrays(path, (*names, *(f"{n}_test" for n in names)))
    if missing := [n for n in inputs.values() if n not in arrays]:
        raise Refused(f"{path.name} has no array {missing[0]!r}, which is one of the inputs. Correct 'inputs', or write the file with it.")
    parts = [{n: arrays[f"{n}{end}"] for n in names if f"{n}{end}" in arrays} for end in ("", "_test")]
    parts = parts if parts[1] else parts[:1]
    for arrays in parts:
        if (lost := parts[0].keys() ^ arrays.keys()) or len({a.shape[:1] for a in arrays.values()}) > 1 or any(not a.ndim for a in arrays.values()):
            came = ", ".join(f"{n} {a.shape}" for n, a in arrays.items())
            raise Refused(
                f"{path.name}: each input and y need one row for each sample, and all or none of them a _test; there are {came}, and not {', '.join(lost) or 'as many of each'}."
            )
    for n in parts[0]:
        if len({(a[n].shape[1:], a[n].dtype.kind) for a in parts}) > 1 or parts[0][n].dtype.kind not in "fiub":
            raise Refused(
                f"{path.name}: {n} must hold numbers, of one shape in training and test; it is {' and '.join(f'{a[n].dtype} {a[n].shape}' for a in parts)}."
            )
    whole = {n: np.concatenate([a[n] for a in parts]) for n in parts[0]}
    packs, said = packed({name: _as_it_is(whole[n]) for name, n in inputs.items()})
    test = len(parts[0][names[0]]) if len(parts) > 1 else None
    if "y" not in whole:
        return Dataset(packs, torch.empty(len(packs), 0), (), test, parts=said)
    targets = _targets(whole["y"], path.name, numbers=purpose.numbers)
    if targets.is_floating_point():
        return Dataset(packs, targets, (), test, parts=said)
    return Dataset(packs, targets, class_names(targets, classes), test, open=not classes, parts=said)


def _as_it_is(x: _Array) -> Tensor:
    if x.dtype.kind == "b":
        return torch.from_numpy(x.copy())
    return torch.from_numpy(x.astype(np.int64) if x.dtype.kind in "iu" and x.dtype.itemsize >= 4 else _single(x))


def _pair(arrays: dict[str, _Array], name: str, xs: tuple[str, ...], ys: tuple[str, ...]) -> tuple[_Array, _Array]:
    for names in (xs, ys):
        if len(both := [n for n in names if n in arrays]) > 1:
            raise Refused(f"{name} has {' and '.join(both)}, which mean the same. Keep one of them.")
    x, y = (next((arrays[n] for n in names if n in arrays), None) for names in (xs, ys))
    if x is None or y is None:
        raise Refused(f"{name} has no array {(xs if x is None else ys)[0]!r}; it has {', '.join(sorted(arrays)) or 'none'}. Expected: {WANTED}.")
    _admit(x, name)
    if y.ndim not in (1, 2) or y.dtype.kind not in "fiub":
        raise Refused(f"{name}: targets must be numbers of shape (n,) or (n, d); they are {y.dtype} {y.shape}.")
    if len(x) != len(y):
        raise Refused(f"{name} has {len(x)} inputs and {len(y)} targets; each input needs one target.")
    if x.size == 0 or y.size == 0:
        raise Refused(f"{name} holds no samples: inputs {x.shape}, targets {y.shape}.")
    return x, y


def _admit(x: _Array, name: str) -> None:
    if x.ndim < 2 or x.dtype.kind not in "fiub":
        raise Refused(f"{name}: inputs must be numbers of shape (n, …) with at least two dimensions; they are {x.dtype} {x.shape}.")


def _unlabelled(x: _Array, name: str, inputs_of: Callable[[_Array], Tensor]) -> Dataset:
    _admit(x, name)
    tokens = x.dtype.kind in "iu" and x.dtype.itemsize >= 4 and x.ndim == 2
    return Dataset(torch.from_numpy(x.astype(np.int64)) if tokens else inputs_of(x), torch.empty(len(x), 0), ())


def _targets(y: _Array, name: str, *, numbers: bool) -> Tensor:
    if y.dtype.kind == "f" or numbers:
        return torch.from_numpy(_single(y).reshape(len(y), -1))
    if y.dtype.kind == "u" and int(np.max(cast("NDArray[np.unsignedinteger]", y))) > np.iinfo(np.int64).max:
        raise Refused(f"{name}: a label is too large. Number the classes 0, 1, 2, ….")
    return torch.from_numpy(y.astype(np.int64))


def _single(values: _Array) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and Dataset refuses that
        return values.astype(np.float32)


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, _Array]:
    """Those arrays of the file that are asked for, by name."""
    wanted = {f"{name}.npy" for name in names}
    try:
        with reading(path), opened(path) as held, zipfile.ZipFile(held) as archive:
            members = [m for m in archive.infolist() if m.filename in wanted]
            if (total := sum(m.file_size for m in members)) > LIMIT_BYTES:
                raise Refused(f"{path.name} unpacks to {total:,} bytes, more than the {LIMIT_BYTES:,} that can be read. Use a smaller data set.")
            arrays: dict[str, _Array] = {}
            for member in members:
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise Refused(f"{path.name} is compressed in a way that NumPy does not write. Write it with numpy.savez_compressed.")
                with archive.open(member) as file:
                    arrays[member.filename.removesuffix(".npy")] = _array(file, f"{path.name}: {member.filename}", member.file_size)
            return arrays or _empty(path, archive)
    except Refused:
        raise
    except _MALFORMED as error:
        why = short(str(error) or type(error).__name__)
        raise Refused(f"{path.name} cannot be read as .npz ({why}). Write it with numpy.savez({path.name!r}, x=…, y=…).") from error


def _empty(path: Path, archive: zipfile.ZipFile) -> dict[str, _Array]:
    names = [n.removesuffix(".npy") for n in archive.namelist()]
    raise Refused(f"{path.name} holds {listed(names) or 'nothing'}. Expected: {WANTED}.")


def _array(file: IO[bytes], name: str, size: int) -> _Array:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise Refused(f"{name} is of .npy version {version}, and 1.0 and 2.0 are read. Write it with numpy.savez.")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = cast("tuple[tuple[int, ...], bool, np.dtype[np.generic]]", header(file))
    if dtype.hasobject:
        raise Refused(f"{name} holds Python objects, and reading those could run code. Save plain numbers.")
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != size - file.tell():
        raise Refused(f"{name} says that it is {dtype} {shape}, which is not the size of what is stored. Write the file again.")
    if prod(shape) * 4 > LIMIT_BYTES:  # four bytes each, once they are float32
        raise Refused(f"{name} has {prod(shape):,} numbers, more than can be read. Use a smaller data set.")
    flat = np.frombuffer(file.read(), dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")
