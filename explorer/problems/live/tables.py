"""Tables with named columns: data frames, and the splits of `datasets`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from explorer.core.errors import Refused
from explorer.problems.live.trees import Stacked, Tree

log = logging.getLogger(__name__)


def frame_of(frame: Any, what: str) -> Stacked:
    """A table: the last column is the target, classes where it holds whole numbers or texts."""
    names = list(frame.columns)
    if len(names) < 2:
        raise Refused(f"{what} is a table with {len(names)} columns; the inputs and, as the last one, the target are expected.")
    inputs, target = frame[names[:-1]], frame[names[-1]]
    if wrong := [n for n in names[:-1] if inputs[n].dtype.kind not in "biuf"]:
        raise Refused(f"The column {wrong[0]!r} of {what} holds no numbers. Leave it out, or convert it to numbers.")
    if frame.isna().any(axis=None):
        raise Refused(f"{what} has empty cells. Fill them, or leave their rows out.")
    log.warning("%s is a table: the target is its last column, %r; the inputs are the other %d in order.", what, names[-1], len(names) - 1)
    x = torch.from_numpy(inputs.to_numpy(dtype=np.float32).copy())
    if target.dtype.kind == "f":
        return Stacked((x, torch.from_numpy(target.to_numpy(dtype=np.float32).copy())[:, None]))
    if target.dtype.kind in "biu":
        return Stacked((x, torch.from_numpy(target.to_numpy(dtype=np.int64).copy())))
    classes, codes = np.unique(target.to_numpy().astype(str), return_inverse=True)
    return Stacked((x, torch.from_numpy(codes.astype(np.int64))), tuple(map(str, classes)))


def streamed(source: Any) -> Iterator[dict[str, Any]]:
    """The samples of a stream of `datasets`, one by one; texts are left out."""
    for sample in source.with_format("torch"):
        yield {name: value for name, value in sample.items() if not isinstance(value, str)}


def columns_of(source: Any, what: str) -> Stacked:
    """A split of `datasets`: its columns by their names; texts are left out."""
    held = source.with_format("torch")[:]
    tree: dict[str, Tree] = {}
    for name, column in held.items():
        if isinstance(column, Tensor):
            tree[name] = column
        elif isinstance(column, list) and column and all(isinstance(t, Tensor) for t in column):
            raise Refused(f"The column {name!r} of {what} has samples of different shapes. Pad or cut them to one, or give a DataLoader that does.")
    if not tree:
        raise Refused(f"{what} has no column of numbers: {', '.join(source.column_names)}. Tokenise the texts first.")
    label = getattr(source.features.get("label", source.features.get("labels")), "names", None) or ()
    return Stacked(cast("Tree", tree), tuple(map(str, label)))
