"""What is meant of a checkpoint, said behind its path: `last.pth#state_dict_ema`, `model#dequantised`, `mlp.pt#renamed`, `last.pth#ema,dequantised`,
`model+adapter`: the model with a LoRA adapter on it.

The path with its ending goes wherever a path goes, so a choice travels in recipes, in the store and on the command line without a field of its own; the
digest of what is chosen differs from that of the file (explorer.checkpoints.sharded). A file whose own name has a # or a + in it is meant as it
stands.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

DEQUANTISED = "dequantised"
RENAMED = "renamed"
ADAPTER = "adapter_config.json"  # by which the folder of an adapter is known


@dataclass(frozen=True)
class Chosen:
    """A file or folder as it lies on the disk; `part`: which of the sets of weights in it, "" for the usual one; whether it is to be dequantised, and whether its
    tensors are to have the names of the network that they are used for (explorer.checkpoints.renaming); the folder of the adapter that changes it."""

    path: Path
    part: str = ""
    dequantise: bool = False
    renamed: bool = False
    adapter: Path | None = None

    @property
    def ending(self) -> str:
        """What stands behind the path of the model itself: "" or #…"""
        words = [*([self.part] if self.part else []), *([DEQUANTISED] if self.dequantise else []), *([RENAMED] if self.renamed else [])]
        return f"#{','.join(words)}" if words else ""

    def at(self, path: Path) -> Path:
        """The same choice of another file."""
        path = path.with_name(path.name + self.ending) if self.ending else path
        return path if self.adapter is None else Path(f"{path}+{self.adapter}")


def parse(path: str | os.PathLike[str]) -> Chosen:
    """The path without what is chosen, and what that is."""
    path = Path(path)
    text = str(path)
    for at in (i for i, sign in enumerate(text) if sign == "+" and not os.path.lexists(path)):
        model, adapter = parse(text[:at]), Path(text[at + 1 :])
        if text[:at] and os.path.lexists(model.path) and os.path.isfile(adapter / ADAPTER):  # noqa: PTH113  (Path.is_file raises at a name that is too long)
            return replace(model, adapter=adapter)
    head, sign, ending = path.name.rpartition("#")
    if not (sign and head) or os.path.lexists(path) or not os.path.lexists(plain := path.with_name(head)):
        return Chosen(path)
    words = [word for word in ending.split(",") if word]
    return Chosen(plain, ",".join(w for w in words if w not in (DEQUANTISED, RENAMED)), DEQUANTISED in words, RENAMED in words)


def dequantised(path: Path, wanted: bool = True) -> Path:
    """The path, saying that what lies there is to be dequantised."""
    chosen = parse(path)
    return replace(chosen, dequantise=True).at(chosen.path) if wanted else path


def renamed(path: Path) -> Path:
    """The path, saying that what lies there is to have the network's names."""
    chosen = parse(path)
    return replace(chosen, renamed=True).at(chosen.path)


def resolved(path: Path) -> Path:
    """The path, absolute in all of its parts, so that it means the same wherever a program is started."""
    chosen = parse(path)
    if chosen.adapter is None:
        return path.resolve()
    return replace(chosen, adapter=chosen.adapter.resolve()).at(chosen.path.resolve())
