"""scikit-learn's handwritten digits, 8 × 8 pixels."""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits

from explorer.data import Dataset


def load(path: Path | None) -> Dataset:
    data = load_digits()
    return Dataset(torch.tensor(data.images / 16, dtype=torch.float32)[:, None], torch.tensor(data.target), tuple("0123456789"))
