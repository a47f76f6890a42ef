"""Data sources: each file loads one kind into tensors."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """Tensors of one source."""

    inputs: Tensor
    targets: Tensor
    classes: tuple[str, ...]
    test: int | None = None
