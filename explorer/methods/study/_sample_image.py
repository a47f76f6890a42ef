"""A sample as a small picture, where it is one."""

from __future__ import annotations

from torch import Tensor

from explorer.core.spec import Json

LARGEST = 64  # pixels along a side


def image(sample: Tensor) -> Json:
    """(h, w) or (h, w, 3) numbers from 0 to 1, stretched to that range; None where the sample is no small image of one or three channels."""
    if not sample.is_floating_point() or sample.dim() != 3 or sample.shape[0] not in (1, 3) or max(sample.shape[1:]) > LARGEST:
        return None
    low, high = float(sample.min()), float(sample.max())
    grey = (sample - low) / (high - low if high > low else 1.0)
    return (grey[0] if len(grey) == 1 else grey.permute(1, 2, 0)).tolist()
