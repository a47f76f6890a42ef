"""Handwritten digits as three tasks: as they are, turned by a quarter, and with ink and paper exchanged.

For merging models that were tuned on one task each. The images are those of the source `digits`, inputs (n, 1, 8, 8) in 0 … 1, and the classes are the same in
all tasks; `all` has every image in every task. An image is for training, validation or test in all tasks alike (half of them, a fifth, and the rest, drawn once), so
no model has seen a test image turned otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from explorer.problems.data import Dataset, digits

TASKS: dict[str, Callable[[Tensor], Tensor]] = {
    "upright": lambda images: images,
    "turned": lambda images: images.rot90(1, (2, 3)),
    "inverted": lambda images: 1 - images,
}
TRAIN, VAL = 0.5, 0.2  # shares of the images


def load(path: Path | None, *, task: Literal["all", "upright", "turned", "inverted"] = "all") -> Dataset:
    """The images of a task, or of all of them task after task; those for training first, then validation and test. They need no path."""
    plain = digits.load(path)
    count = len(plain.targets)
    order = torch.from_numpy(np.random.default_rng(0).permutation(count))
    bounds = (0, round(TRAIN * count), round((TRAIN + VAL) * count), count)
    tasks = list(TASKS) if task == "all" else [task]
    rows = [order[a:b] for a, b in pairwise(bounds)]
    inputs = torch.cat([TASKS[name](plain.inputs[part]) for part in rows for name in tasks])
    targets = torch.cat([plain.targets[part] for part in rows for _ in tasks])
    return Dataset(inputs.contiguous(), targets, plain.classes, val=len(tasks) * bounds[1], test=len(tasks) * bounds[2])
