"""MNIST and its likes (Fashion-MNIST, KMNIST, …): a folder of IDX files, plain or .gz.

The four files keep their usual names: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,
t10k-labels-idx1-ubyte, each with or without `.gz`. Inputs (n, 1, height, width), scaled to 0 … 1 and then to
(x − mean) / std; the t10k files are the test set.

An IDX header is two zero bytes, a type (8: unsigned bytes), the number of dimensions, and each dimension as a big-endian
32-bit number. It is believed only as far as the file is exactly as long as it says.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import IO, Annotated, cast

import numpy as np
import torch
from torch import Tensor

from explorer.core.allowed_folders import opened
from explorer.core.errors import Refused
from explorer.core.registry import Range
from explorer.problems.data import LIMIT_BYTES, Dataset, class_names, reading, regular

FOLDER = "a folder with train-images-idx3-ubyte and its three companions"


def load(
    path: Path | None,
    *,
    mean: Annotated[float, Range(-1000, 1000)] = 0.0,
    std: Annotated[float, Range(1e-6, 1e6)] = 1.0,
    classes: tuple[str, ...] = (),
) -> Dataset:
    """Mean and standard deviation that the inputs are normalised with; names of the classes."""
    if path is None:
        raise Refused(f"A path is expected here: {FOLDER}. Give one in problem.toml, under [data].")
    with reading(path):
        if not path.is_dir():
            raise Refused(f"{path} is not a folder; expected: {FOLDER}." if path.exists() else f"There is no {path}. Correct the path of the data.")
    parts = [_pair(path, part) for part in ("train", "t10k")]
    (train, train_labels), (test, test_labels) = parts
    if train.shape[1:] != test.shape[1:]:
        raise Refused(f"The training images of {path} are {_size(train)} pixels and the test images {_size(test)}. Use files of one data set.")
    images = torch.cat([train, test])[:, None].float().div_(255).sub_(mean).div_(std)
    labels = torch.cat([train_labels, test_labels]).long()
    return Dataset(images, labels, class_names(labels, classes), test=len(train))


def _pair(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    images, labels = _read(folder, f"{part}-images-idx3-ubyte", 3), _read(folder, f"{part}-labels-idx1-ubyte", 1)
    if len(images) != len(labels):
        raise Refused(f"{folder} has {len(images)} {part} images and {len(labels)} {part} labels. Use files of one data set.")
    return images, labels


def _size(images: Tensor) -> str:
    return "×".join(map(str, images.shape[1:]))


def _read(folder: Path, name: str, dimensions: int) -> Tensor:
    with reading(folder):
        found = [p for p in (folder / name, folder / f"{name}.gz") if p.exists()]
    if not found:
        raise Refused(f"{folder} lacks {name} (or {name}.gz). Expected: {FOLDER}.")
    path = regular(found[0], "an IDX file")
    with reading(path), opened(path) as held, cast("IO[bytes]", gzip.open(held) if path.suffix == ".gz" else held) as file:
        try:
            return _parse(file, path.name, dimensions)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Refused(f"{path.name} is damaged or cut off ({error}). Copy it again.") from error


def _parse(file: IO[bytes], name: str, dimensions: int) -> Tensor:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise Refused(f"{name} is not an IDX file: it starts with {magic.hex() or 'nothing'}, not with two zero bytes.")
    if magic[2] != 8 or magic[3] != dimensions:
        raise Refused(f"{name} should hold unsigned bytes (type 8) in {dimensions} dimensions; it says type {magic[2]} in {magic[3]} dimensions.")
    header = file.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise Refused(f"{name} ends within its header. Copy it again.")
    shape = cast("tuple[int, ...]", struct.unpack(f">{dimensions}I", header))
    size = prod(shape)
    if size > LIMIT_BYTES // 4:  # four bytes each, once they are float32
        raise Refused(f"{name} claims {size:,} bytes, more than can be read. Use a smaller data set.")
    data = _at_most(file, size + 1)
    if len(data) != size:
        raise Refused(f"{name} says that {size:,} bytes follow its header, and there are {'fewer' if len(data) < size else 'more'}. Copy it again.")
    if size == 0:
        raise Refused(f"{name} holds no samples.")
    return torch.from_numpy(np.frombuffer(data, dtype=np.uint8).reshape(shape))


def _at_most(file: IO[bytes], size: int) -> bytearray:
    """Up to so many bytes, in pieces: memory grows with what the file holds, not with what its header claims."""
    data = bytearray()
    while len(data) < size and (piece := file.read(min(size - len(data), 2**20))):
        data += piece
    return data
