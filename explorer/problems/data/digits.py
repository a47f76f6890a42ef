"""Handwritten digits, 1797 images of 8 × 8 pixels (ship with scikit-learn).

Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits (UCI). Inputs (n, 1, 8, 8), scaled to 0 … 1. The source
fixes no test set.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from explorer.core.errors import Refused
from explorer.problems.data import Dataset


def load(path: Path | None) -> Dataset:
    """The digits; they need no path."""
    if path is not None:
        raise Refused(f"The digits ship with scikit-learn and take no path; got {path}. Leave it out.")
    pixels, labels = load_digits(return_X_y=True)
    images = np.asarray(pixels, dtype=np.float32).reshape(-1, 1, 8, 8) / 16
    return Dataset(torch.from_numpy(images), torch.from_numpy(np.asarray(labels, dtype=np.int64)), tuple("0123456789"))
