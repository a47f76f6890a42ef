"""A folder of snapshots of one training: `step-000100.safetensors` and so on, no more of them than is wanted.

Every snapshot has a number, 0, 1, 2 … in the order in which they were written, in its header. Where there are too many, the one whose number is divisible by the
lowest power of two goes first, and of several such the earliest: so what stays is evenly spaced at any time, within a factor of two, from the first
snapshot to the latest, whichever were removed before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.files import system

_NAME = re.compile(r"step-(\d{6,})\.safetensors")
_DRAFT = re.compile(r"\.step-\d{6,}\.[0-9a-f]{32}\.tmp")  # what checkpoint_file.write leaves where it was killed


@dataclass(frozen=True)
class Kept:
    """A snapshot on the disk: after how many steps, which one it was in order, where it lies and how many bytes it has."""

    step: int
    number: int
    path: Path
    size: int


def surplus(there: Sequence[Kept], *, keep: int | None, limit_bytes: int | None, chosen: Collection[int] = ()) -> list[Kept]:
    """Those to remove until there are at most `keep`, of together at most `limit_bytes`; the latest always stays, and `chosen` steps go last.

    >>> there = [Kept(100 * n, n, Path(), 1) for n in range(9)]
    >>> [kept.step for kept in surplus(there, keep=4, limit_bytes=None)]
    [100, 300, 500, 700, 200]
    """
    left = sorted(there, key=lambda kept: kept.step)
    gone: list[Kept] = []
    while len(left) > 1 and ((keep is not None and len(left) > keep) or (limit_bytes is not None and sum(s.size for s in left) > limit_bytes)):
        least = min(left[:-1], key=lambda kept: (kept.step in chosen, _evenness(kept.number), kept.number))
        left.remove(least)
        gone.append(least)
    return gone


def _evenness(number: int) -> int:
    """The power of two that divides a number; more than of any other for 0."""
    return (number & -number).bit_length() or 64


class SnapshotFolder:
    """A folder that snapshots are written to, made where it is missing; what lies there already goes on. `last`: the step of the latest one, -1 for none.

    Refused when a snapshot there cannot be read.
    """

    def __init__(self, folder: Path, *, keep: int | None, limit_bytes: int | None, chosen: Collection[int]) -> None:
        self.folder, self.keep, self.limit_bytes, self.chosen = folder, keep, limit_bytes, chosen
        with system(folder, "written"):
            folder.mkdir(parents=True, exist_ok=True)
            for draft in (p for p in folder.iterdir() if _DRAFT.fullmatch(p.name)):
                draft.unlink(missing_ok=True)
            files = {int(found[1]): path for path in folder.iterdir() if (found := _NAME.fullmatch(path.name))}
            self.there = [Kept(step, _number(path, i), path, path.stat().st_size) for i, (step, path) in enumerate(sorted(files.items()))]
        self.last = max(files, default=-1)

    def write(self, step: int, weights: Weights, metadata: dict[str, str]) -> None:
        """Add a snapshot, whole or not at all; then remove those that are too many. While it is written, there is one more than wanted."""
        size = sum({id(t): t.nbytes for t in weights.values()}.values())
        if self.limit_bytes is not None and size > self.limit_bytes:
            raise Refused(f"it has {size:,} bytes, more than limit_bytes = {self.limit_bytes:,}. Raise that, or record with half=True.")
        number = max((kept.number for kept in self.there), default=-1) + 1
        path = self.folder / f"step-{step:06d}.safetensors"
        header = {**metadata, "step": str(step), "number": str(number), "time": datetime.now(UTC).isoformat(timespec="seconds")}
        checkpoint_file.write(path, weights, header)
        with system(path, "read"):
            self.there.append(Kept(step, number, path, path.stat().st_size))
        for kept in surplus(self.there, keep=self.keep, limit_bytes=self.limit_bytes, chosen=self.chosen):
            with system(kept.path, "removed"):
                kept.path.unlink(missing_ok=True)
            self.there.remove(kept)


def _number(path: Path, otherwise: int) -> int:
    """Which one it was in order, by its header; its place in the folder where another program wrote it."""
    text = checkpoint_file.outline(path).metadata.get("number", "")
    return int(text) if text.isdecimal() and len(text) < 18 else otherwise
