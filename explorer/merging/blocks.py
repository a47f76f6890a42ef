"""Reading a tensor in blocks, of several models at once: the passes (explorer.checkpoints.passes) over what is on a disk.

Memory does not grow with the tensors, but where a kernel wants them in one piece. Files are read with pread, which has no position: threads share the open
files. A value that is not finite is refused where it is read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from threading import Lock, local

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints import quantised
from explorer.checkpoints.arithmetic import wide
from explorer.checkpoints.lora import Change
from explorer.checkpoints.passes import BLOCK, Cut, cuts, shaped
from explorer.checkpoints.safetensors_header import Stored
from explorer.core.errors import Refused
from explorer.core.files import name_of, short, system
from explorer.core.memory import give_back
from explorer.merging.by_token import ByToken
from explorer.merging.ingredients import Dequantised, Ingredient

DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "I8": torch.int8},
}
GIVEN_BACK = 64  # blocks, after which what is free goes back to the system: a kernel that makes and drops many pieces leaves holes between them


class Files:
    """Files that are open for reading, each once; closed with the block that uses this."""

    def __init__(self) -> None:
        self._open: dict[Path, BufferedReader] = {}
        self._lock = Lock()
        self._own = local()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *raised: object) -> None:
        for handle in self._open.values():
            handle.close()
        self._open.clear()

    def raw(self, stored: Stored, start: int, stop: int) -> memoryview:
        """Bytes of the entries from start to stop, in a buffer of this thread's that the next call overwrites."""
        with self._lock, system(stored.path, "read"):
            if (handle := self._open.get(stored.path)) is None:
                handle = self._open[stored.path] = stored.opened()
        width = stored.nbytes // stored.numel if stored.numel else 0
        size = (stop - start) * width
        buffer: bytearray | None = getattr(self._own, "buffer", None)
        if buffer is None or len(buffer) < size:
            buffer = self._own.buffer = bytearray(max(size, 8 * BLOCK))
        view, read = memoryview(buffer)[:size], 0
        while read < size:
            with system(stored.path, "read"):
                got = os.preadv(handle.fileno(), [view[read:]], stored.start + start * width + read)
            if not got:
                raise Refused(f"{name_of(stored.path)} ends early: it was cut short while it was read. Copy it again.")
            read += got
        return view

    def block(self, stored: Stored, start: int, stop: int) -> Tensor:
        """The entries from start to stop in wide precision, in memory of their own."""
        if isinstance(stored, Dequantised):
            return wide(self._dequantised(stored, start, stop))
        if isinstance(stored, ByToken):
            return self._by_token(stored, start, stop)
        if start == stop:
            return wide(torch.empty(0, dtype=DTYPES[stored.dtype]))
        raw = torch.frombuffer(self.raw(stored, start, stop), dtype=DTYPES[stored.dtype])
        return wide(raw) if raw.dtype != torch.float64 else raw.clone()

    def _by_token(self, stored: ByToken, start: int, stop: int) -> Tensor:
        """The entries of the rows that are gathered, runs of neighbouring ones at once."""
        width = stored.numel // len(stored.rows)
        first, last = start // width, -(-stop // width)
        total = torch.zeros(last - first, width, dtype=wide(torch.empty(0, dtype=DTYPES[stored.dtype])).dtype)
        which = stored.rows[first:last]
        for part, rows in zip(stored.parts, which.T, strict=True):
            places = np.flatnonzero(rows >= 0)
            for run in np.split(places, np.flatnonzero((np.diff(places) != 1) | (np.diff(rows[places]) != 1)) + 1) if len(places) else ():
                low = int(rows[run[0]])
                block = self.block(part, low * width, (low + len(run)) * width)
                total[int(run[0]) : int(run[-1]) + 1] += block.view(len(run), width).to(total.dtype)
        count = torch.from_numpy((which >= 0).sum(axis=1)).clamp(min=1)
        return total.div_(count[:, None]).view(-1)[start - first * width : stop - first * width]

    def _dequantised(self, stored: Dequantised, start: int, stop: int) -> Tensor:
        """The entries in float32, with the bits of `quantised.undone`: of the scales, only those are read that are needed."""
        number = self.block(stored.number, start, stop)
        if start == stop:
            return number
        which, rest, stride = torch.zeros(stop - start, dtype=torch.int64), torch.arange(start, stop), 1
        counts = quantised.counts(stored.blocks, stored.shape)
        for size, block, count in zip(reversed(stored.shape), reversed(stored.blocks), reversed(counts), strict=True):
            which += (rest % size // block) * stride
            rest //= size
            stride *= count
        first, last = int(which.min()), int(which.max())
        return quantised.product(number, self.block(stored.scale, first, last + 1)[which - first], stored.over)


@dataclass(frozen=True)
class Blocks:
    """The passes over one tensor of several models, to make the tensor `name` of. `most`: only so many blocks, to try out.

    What an adapter changes comes in whole rows where entries are asked for, and in the precision that is computed in where whole tensors are.
    """

    files: Files
    name: str
    sources: Sequence[tuple[Ingredient, str]]
    cut: Cut = "entries"
    most: int = 0

    @property
    def numel(self) -> int:
        ingredient, name = self.sources[0]
        return ingredient.tensors[name].numel

    def __call__(self, *which: int) -> Iterator[list[Tensor]]:
        chosen = [self.sources[i] for i in which] if which else self.sources
        if self.cut == "whole":
            yield [self._whole(ingredient, name) for ingredient, name in chosen]
            return
        cut = "rows" if any(_changed(*source) for source in self.sources) else self.cut
        ingredient, name = self.sources[0]
        found = cuts(ingredient.shape(name), cut)
        for count, (start, stop) in enumerate(found[: self.most] if self.most else found, 1):
            yield [self._read(ingredient, name, start, stop, cut) for ingredient, name in chosen]
            if count % GIVEN_BACK == 0:
                give_back()

    def _whole(self, ingredient: Ingredient, name: str) -> Tensor:
        stored, change = ingredient.tensors[name], _changed(ingredient, name)
        cut = "rows" if change else "entries"
        kind = DTYPES[stored.dtype]
        found = torch.empty(stored.numel, dtype=wide(torch.empty(0, dtype=kind)).dtype if change else kind)
        for start, stop in cuts(stored.shape, cut):
            found[start:stop] = self._read(ingredient, name, start, stop, cut).view(-1)
        return found.view(stored.shape)

    def _read(self, ingredient: Ingredient, name: str, start: int, stop: int, cut: Cut) -> Tensor:
        stored = ingredient.tensors[name]
        block = self.files.block(stored, start, stop)
        if not math.isfinite(float(block.sum())):  # NaN and infinity survive a sum
            finite(block, f"{short(name)} of {short(ingredient.name)}")
        block = shaped(block, stored.shape, cut)
        if (change := _changed(ingredient, name)) is not None and block.numel():
            width = block.shape[1]
            block.add_(self._change(change, start // width, stop // width).to(block.dtype))
        return block

    def _change(self, change: Change, start: int, stop: int) -> Tensor:
        """Rows of scale · B·A, or of its transpose."""
        a, b = (self.files.block(s, 0, s.numel).view(s.shape) for s in (change.a, change.b))
        for factor, what in ((a, "lora_A"), (b, "lora_B")):
            finite(factor, f"an adapter's {what}")
        product = a.T[start:stop] @ b.T if change.transposed else b[start:stop] @ a
        return product * change.scale


def _changed(ingredient: Ingredient, name: str) -> Change | None:
    """What an adapter adds to a tensor of an ingredient."""
    return ingredient.adapter.changes.get(name) if ingredient.adapter is not None else None


def finite(block: Tensor, what: str) -> None:
    """Refused when an entry is NaN or infinite."""
    if bad := block.numel() - int(torch.isfinite(block).sum()):
        raise Refused(
            f"{what} has values that are NaN or infinite ({bad:,} in one block); its training diverged or it was saved wrongly. Leave it out."
        )
