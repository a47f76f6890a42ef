"""Samples in memory: tensors in tuples and dicts as a network is given them, or single ones that are put together for each batch."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

KEPT_BYTES = 2**28

Tree: TypeAlias = "Tensor | dict[str, Tree] | tuple[Tree, ...] | list[Tree]"


@dataclass(frozen=True)
class Stacked:
    """Samples as tensors (n, …): one, or several in tuples and dicts as the network is given them."""

    tree: Tree
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(leaves(self.tree)[0])

    def batch(self, rows: Tensor) -> Tree:
        """Some of them together."""
        return mapped(lambda t: t[rows.to(t.device)], self.tree)

    def content(self) -> object:
        """What their digest is made of."""
        return self.tree


@dataclass(frozen=True)
class Loose:
    """Samples that cannot be stacked, such as graphs or texts of different lengths: put together by the loader's own function for each batch.

    The same batches are asked for at every point: as many as fit into KEPT_BYTES are kept.
    """

    items: tuple[object, ...]
    collate: Callable[[list[object]], object]
    classes: tuple[str, ...] = ()
    kept: dict[tuple[int, ...], object] = field(default_factory=dict[tuple[int, ...], object], compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def batch(self, rows: Tensor) -> object:
        """Some of them together."""
        key = tuple(rows.tolist())
        if key in self.kept:
            return self.kept[key]
        with untouched():
            batch = self.collate([self.items[i] for i in key])
        if sum(t.nbytes for b in (batch, *self.kept.values()) for t in leaves(b)) <= KEPT_BYTES and leaves(batch):
            self.kept[key] = batch
        return batch

    def content(self) -> object:
        """What their digest is made of."""
        return self.items, self.collate


Samples: TypeAlias = "Stacked | Loose"


def leaves(tree: object) -> list[Tensor]:
    """The tensors of a tree, in order."""
    match tree:
        case Tensor():
            return [tree]
        case Mapping():
            return [leaf for part in tree.values() for leaf in leaves(part)]
        case tuple() | list():
            return [leaf for part in tree for leaf in leaves(part)]
        case _:
            return []


def mapped(function: Callable[[Tensor], Tensor], tree: object, other: Callable[[Any], Any] = lambda part: part) -> Any:
    """The tree with a function applied to each tensor, and another to whatever else is in it."""
    match tree:
        case Tensor():
            return function(tree)
        case Mapping():
            return {key: mapped(function, part, other) for key, part in tree.items()}
        case tuple() if hasattr(tree, "_fields"):
            return type(tree)(*(mapped(function, part, other) for part in tree))
        case tuple() | list():
            return type(tree)(mapped(function, part, other) for part in tree)
        case _:
            return other(tree)


@contextmanager
def untouched(seed: int = 0) -> Generator[None, None, None]:
    """Within: random generators begin at a seed; afterwards they stand where they stood."""
    others = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)  # that of the CPU alone
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(others[0])
            np.random.set_state(others[1])


def tensors_of(value: object) -> Tree | None:
    """Arrays and tables as tensors, in the same tuples and dicts; None where something is neither."""
    match value:
        case Tensor():
            return value.detach().to("cpu")
        case bool() | int() | float():
            return torch.tensor(value)
        case np.ndarray() if value.dtype.kind in "biuf":
            return torch.from_numpy(np.ascontiguousarray(value).copy())
        case Mapping():
            parts = {str(key): tensors_of(part) for key, part in value.items()}
            return None if any(p is None for p in parts.values()) else cast("Tree", parts)
        case tuple() | list() if len(cast("Sequence[object]", value)):
            several = tuple(tensors_of(part) for part in cast("Sequence[object]", value))
            return None if any(p is None for p in several) else cast("Tree", several)
        case _ if hasattr(value, "to_numpy"):
            array = np.asarray(cast("Any", value).to_numpy())
            return torch.from_numpy(array.copy()) if array.dtype.kind in "biuf" else None
        case _:
            return None


def joined(parts: Sequence[Tree]) -> Tree:
    """Several trees of one shape, one behind the other."""
    first = parts[0]
    match first:
        case Tensor():
            return torch.cat(list(cast("Sequence[Tensor]", parts)))
        case dict():
            return {key: joined([cast("dict[str, Tree]", p)[key] for p in parts]) for key in first}
        case _:
            return tuple(joined([cast("Sequence[Tree]", p)[i] for p in parts]) for i in range(len(first)))


def lengths(tree: object) -> set[int]:
    """How many rows its tensors have; −1 of one without rows."""
    return {len(t) if t.dim() else -1 for t in leaves(tree)}
