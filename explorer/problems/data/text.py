"""A plain text, character by character: each character is predicted from those before it.

A UTF-8 file, cut into windows of `context` characters that do not overlap; the target of each character is the next one.
Inputs and targets int64 (windows, context); the classes are the characters that occur, sorted. A rest shorter than a window
is left out. The source fixes no test set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch

from explorer.core.allowed_folders import content
from explorer.core.errors import Refused
from explorer.core.registry import Range
from explorer.problems.data import LIMIT_BYTES, Dataset, reading, regular

TOKENS = True  # each target is one


def load(path: Path | None, *, context: Annotated[int, Range(2, 4096)] = 64) -> Dataset:
    """Length of a window in characters."""
    path = regular(path, "a UTF-8 text file")
    with reading(path):
        if (size := path.stat().st_size) > LIMIT_BYTES // 16:  # two int64 a character
            raise Refused(f"{path.name} has {size:,} bytes, more than the {LIMIT_BYTES // 16:,} that can be read. Use a shorter text.")
        data = content(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{path.name} is not UTF-8: byte {error.start} cannot be read. Convert it to UTF-8.") from error
    if len(text) <= context:
        raise Refused(f"{path.name} has {len(text)} characters; one window needs {context + 1}. Use a longer text or a smaller context.")
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    symbols, tokens = np.unique(points, return_inverse=True)
    stream = torch.from_numpy(tokens.astype(np.int64))
    windows = (len(stream) - 1) // context
    inputs, targets = (stream[start : start + windows * context].reshape(windows, context) for start in (0, 1))
    return Dataset(inputs.clone(), targets.clone(), tuple(chr(int(s)) for s in symbols))
