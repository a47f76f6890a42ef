"""Corners that stay on their disk: every tensor is read from the mapped file when it is asked for, and let go again.

A mixture is made tensor by tensor, straight into the network's own (weights.mix), so a landscape of models that do not fit into memory together needs one
network, one tensor, and what the samples take; the system's cache keeps as much of the files as there is room for. For `.safetensors`, one file or
shards, that hold the network's tensors under the network's names; anything else is read whole.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from safetensors import SafetensorError, safe_open

from explorer.checkpoints import quantised, sharded
from explorer.checkpoints.checkpoint_file import TIED
from explorer.core import model_path

if TYPE_CHECKING:
    from torch import Tensor

    class _Slice(Protocol):
        def get_shape(self) -> list[int]: ...
        def get_dtype(self) -> str: ...

    class _Open(Protocol):
        """The part of safetensors.safe_open that is used, with the types that its stub leaves out."""

        def keys(self) -> list[str]: ...
        def metadata(self) -> dict[str, str] | None: ...
        def get_tensor(self, name: str) -> Tensor: ...
        def get_slice(self, name: str) -> _Slice: ...


class Streamed(Mapping[str, "Tensor"]):
    """Weights by state_dict name, on the CPU, not to be written to. `of` makes it."""

    def __init__(self, where: Mapping[str, tuple[_Open, str]]) -> None:
        self._where = where

    def __getitem__(self, name: str) -> Tensor:
        file, stored = self._where[name]
        return file.get_tensor(stored)

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)


def open_lazily(path: Path, shapes: Mapping[str, tuple[int, ...]], reals: Collection[str] = ()) -> Streamed | None:
    """The tensors of a checkpoint in the order of the shapes; None unless it is `.safetensors` and has exactly these names, ties resolved, and shapes,
    and is not quantised: none of the `reals` is of whole numbers."""
    chosen = model_path.parse(path)
    index = sharded.index_of(chosen.path)
    files = (chosen.path,) if index is None else index.shards
    if chosen.ending or any(f.suffix.lower() != ".safetensors" for f in files) or quantised.described(chosen.path) is not None:
        return None
    found: dict[str, tuple[_Open, str]] = {}
    with suppress(SafetensorError, OSError, ValueError):
        for file in files:
            opened = cast("_Open", safe_open(file, framework="pt", device="cpu"))
            found |= {name: (opened, name) for name in opened.keys()}  # noqa: SIM118  (no Mapping)
            header = opened.metadata() or {}
            ties = cast("dict[str, str]", json.loads(header[TIED])) if TIED in header else header
            found |= {alias: found[target] for alias, target in ties.items() if alias not in found and target in found}
        if any(found[name][0].get_slice(found[name][1]).get_dtype() in quantised.WHOLE for name in reals if name in found):
            return None
        if found.keys() == shapes.keys() and all(tuple(f.get_slice(n).get_shape()) == shapes[k] for k, (f, n) in found.items()):
            return Streamed({name: found[name] for name in shapes})
    return None
