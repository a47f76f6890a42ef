"""What is meant of a checkpoint, said behind its path: `last.pth#state_dict_ema`, `model#dequantised`, `last.pth#ema,dequantised`.

The path with its ending goes wherever a path goes, so a choice travels in recipes, in the store and on the command line without a field of its own; the
digest of what is chosen differs from that of the file (explorer.checkpoints.sharded). A file whose own name has a # in it is meant as it stands.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEQUANTISED = "dequantised"


@dataclass(frozen=True)
class Chosen:
    """A file or folder as it lies on the disk; `part`: which of the sets of weights in it, "" for the usual one; whether it is to be dequantised."""

    path: Path
    part: str = ""
    dequantise: bool = False

    @property
    def ending(self) -> str:
        """What stands behind the path: "" or #…"""
        words = [*([self.part] if self.part else []), *([DEQUANTISED] if self.dequantise else [])]
        return f"#{','.join(words)}" if words else ""

    def at(self, path: Path) -> Path:
        """The same choice of another file."""
        return path.with_name(path.name + self.ending) if self.ending else path


def parse(path: str | os.PathLike[str]) -> Chosen:
    """The path without what is chosen, and what that is."""
    path = Path(path)
    head, sign, ending = path.name.rpartition("#")
    if not (sign and head) or os.path.lexists(path) or not os.path.lexists(plain := path.with_name(head)):
        return Chosen(path)
    words = [word for word in ending.split(",") if word]
    return Chosen(plain, ",".join(w for w in words if w != DEQUANTISED), DEQUANTISED in words)


def dequantised(path: Path, wanted: bool = True) -> Path:
    """The path, saying that what lies there is to be dequantised."""
    chosen = parse(path)
    return Chosen(chosen.path, chosen.part, True).at(chosen.path) if wanted else path
