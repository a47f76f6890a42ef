"""Handwritten digits with a planted cue: bright border pixels that name the class, kept, removed or randomised.

After Lubana, Bigelow, Dick, Krueger & Tanaka 2023, "Mechanistic Mode Connectivity": data with a cue that one can intervene
on. The images are those of the source `digits`, inputs (n, 1, 8, 8) in 0 … 1.

The 16 pixels of the first and the last column hold the cue and nothing else: the digits leave them almost dark, and what ink is there is taken out
under every intervention, so that two interventions differ in the cue alone. The cue of class k is the Walsh function k + 1 of these pixels: 8 of them
are bright, any two classes differ in exactly 8, and a linear layer reads it. A model that was trained with the cue kept follows it
against the digit at full strength; a weak cue, or one of a single pixel, is only one hint among others.

kept: each image has the cue of its own class. removed: none has any. randomised: each has the cue of a class drawn from `seed`, all classes equally
likely, its own among them; who reads nothing but the cue is right by chance alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch

from explorer.core.points import Array
from explorer.core.registry import Range
from explorer.problems.data import Dataset, digits

_CLASSES = 10


def load(
    path: Path | None,
    *,
    cue: Literal["kept", "removed", "randomised"] = "kept",
    strength: Annotated[float, Range(0, 1)] = 1.0,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
) -> Dataset:
    """The digits in their own order; they need no path. strength: brightness of the cue, 1 is that of full ink."""
    plain = digits.load(path)
    named = plain.targets.numpy() if cue == "kept" else np.random.default_rng(seed).integers(_CLASSES, size=len(plain.targets))
    drawn = torch.from_numpy(patterns().astype(np.float32))[torch.from_numpy(named)] * (0.0 if cue == "removed" else strength)
    images = plain.inputs.clone()
    images[:, 0, :, 0], images[:, 0, :, 7] = drawn[:, :8], drawn[:, 8:]
    return Dataset(images, plain.targets, plain.classes)


def patterns() -> Array:
    """(10, 16) the cue of each class, 0 or 1: the first column of pixels from top to bottom, then the last.

    Walsh function w at pixel j is (−1)^(number of bits that w and j share); 1 here stands for +1.
    """
    return np.array([[1.0 - (w & j).bit_count() % 2 for j in range(16)] for w in range(1, _CLASSES + 1)])
