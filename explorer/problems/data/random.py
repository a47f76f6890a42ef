"""Random inputs without targets: standard normal numbers, or tokens drawn evenly. For losses that need no labels.

Inputs float32 (samples, *shape), or with `vocab` int64 (samples, *shape) from 0 to vocab − 1; the same for the same seed. No network was trained on
noise, so what is measured on it need not hold on data. The classes are not known.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Annotated

import torch

from explorer.core.errors import Refused
from explorer.core.registry import Range
from explorer.problems.data import LIMIT_BYTES, LIMIT_CLASSES, Dataset


def load(
    path: Path | None,
    *,
    shape: tuple[int, ...] = (64,),
    vocab: Annotated[int, Range(0, 1000000)] = 0,
    samples: Annotated[int, Range(3, 10000000)] = 1024,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
) -> Dataset:
    """Shape of one sample; number of tokens to draw from, 0 for real numbers; how many samples; seed."""
    if path is not None:
        raise Refused("Random data have no path. Remove 'path' from [data] in problem.toml.")
    if not shape or min(shape) < 1 or samples * prod(shape) * (8 if vocab else 4) > LIMIT_BYTES:
        raise Refused(f"'shape' needs whole numbers of at least 1, the shape of one sample, and {samples} samples must fit in memory; got {shape}.")
    assert vocab <= LIMIT_CLASSES
    generator = torch.Generator().manual_seed(seed)
    size = (samples, *shape)
    inputs = torch.randint(vocab, size, generator=generator) if vocab else torch.randn(size, generator=generator)
    return Dataset(inputs, torch.empty(samples, 0), ())
