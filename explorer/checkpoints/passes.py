"""One tensor of several models, gone through in blocks as often as it is needed: what a merge is made of, in memory as from file to file.

A *kernel* is called with the passes over a tensor and yields the result, block after block. What works entry by entry makes one pass; what needs to know
the whole tensor first (an angle, a threshold) makes a pass for it before. Both places cut a tensor alike and hand out the same numbers, so a merge has the
same bits in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import fsum, prod
from typing import Literal, Protocol, TypeAlias

from torch import Tensor

from explorer.checkpoints.arithmetic import wide
from explorer.core.errors import Refused
from explorer.core.files import short

BLOCK = 2**16  # entries: what is worked on stays in a core's cache, and memory for it is taken and given back without asking the system

Cut: TypeAlias = Literal["entries", "rows", "whole"]
"""entries: flat blocks of BLOCK. rows: whole rows, (rows, entries), as many as fit into BLOCK but one at least; a tensor of one axis is one row, flat.
whole: the tensor as it is stored, in its own shape and dtype. Blocks of entries and rows come in the precision that is computed in."""


class Passes(Protocol):
    """`passes(i, j)`: once more over the tensor, block by block, in the models i and j alone; without numbers, in all of them."""

    @property
    def name(self) -> str: ...
    @property
    def numel(self) -> int: ...
    def __call__(self, *which: int) -> Iterator[list[Tensor]]: ...


Kernel: TypeAlias = Callable[[Passes], Iterable[Tensor]]
"""`kernel(passes)`: the blocks of one tensor of the result, in order. It keeps nothing from tensor to tensor: several threads call it at once."""


Found: TypeAlias = Callable[[Passes], Kernel]
"""`found(passes)`: a kernel that depends on what the passes show, such as an angle or a threshold; of each tensor (`each`) or of the whole models."""


@dataclass(frozen=True)
class FromAll:
    """A kernel that is found on passes over all parameters, one tensor after another, and is then the same for each of them."""

    found: Found


def each(found: Found) -> Kernel:
    """The kernel that is found again for every tensor."""
    return lambda passes: found(passes)(passes)


@dataclass(frozen=True)
class MergeRule:
    """How the tensors of a result are made: parameters by the kernel, statistics as a mean with `buffers` for coefficients (`shares`)."""

    kernel: Kernel | FromAll
    buffers: tuple[float, ...]
    cut: Cut = "entries"

    @property
    def shares(self) -> tuple[float, ...]:
        """The coefficients of statistics: negative ones left out, the others made to sum to 1; the first model alone where none is positive."""
        positive = [max(c, 0.0) for c in self.buffers]
        total = fsum(positive)
        return tuple(c / total for c in positive) if total > 0 else (1.0, *(0.0 for _ in positive[1:]))


@dataclass(frozen=True)
class InMemory:
    """The passes over tensors that are in memory."""

    name: str
    tensors: Sequence[Tensor]
    cut: Cut

    @property
    def numel(self) -> int:
        return self.tensors[0].numel()

    def __call__(self, *which: int) -> Iterator[list[Tensor]]:
        tensors = [self.tensors[i] for i in which] if which else list(self.tensors)
        if self.cut == "whole":
            yield tensors
            return
        shape = tuple(tensors[0].shape)
        flat = [t.reshape(-1) for t in tensors]
        for start, stop in cuts(shape, self.cut):
            yield [shaped(wide(t[start:stop]), shape, self.cut) for t in flat]


@dataclass(frozen=True)
class All:
    """The passes over many tensors, one after another."""

    parts: Sequence[Passes]
    name: str = "the whole model"

    @property
    def numel(self) -> int:
        return sum(part.numel for part in self.parts)

    def __call__(self, *which: int) -> Iterator[list[Tensor]]:
        return chain.from_iterable(part(*which) for part in self.parts)


def cuts(shape: Sequence[int], cut: Cut) -> list[tuple[int, int]]:
    """Where the blocks of a tensor begin and end, in entries; a tensor without any is one block."""
    numel, step = prod(shape), BLOCK
    if cut == "whole" or (cut == "rows" and len(shape) < 2):
        step = numel
    elif cut == "rows":
        row = numel // shape[0] if shape[0] else 0
        step = max(BLOCK // max(row, 1), 1) * row
    return [(start, min(start + step, numel)) for start in range(0, numel, max(step, 1))] or [(0, 0)]


def shaped(block: Tensor, shape: Sequence[int], cut: Cut) -> Tensor:
    """A flat block of a tensor of that shape as the cut wants it: of rows (rows, entries)."""
    return block.view(-1, prod(shape[1:])) if cut == "rows" and len(shape) > 1 and block.numel() else block


def made(kernel: Kernel, passes: Passes) -> Iterator[Tensor]:
    """The kernel's blocks; Refused where they do not add up to the tensor."""
    count = 0
    for block in kernel(passes):
        if (count := count + block.numel()) > passes.numel:
            break
        yield block
    if count != passes.numel:
        raise Refused(f"What was made of {short(passes.name)} has another number of entries than its {passes.numel:,}. A kernel keeps the shape.")
