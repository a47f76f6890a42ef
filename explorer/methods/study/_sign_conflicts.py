"""Where models pull a weight in opposite directions: conflicts of sign between vectors, entry by entry.

The vectors are differences from a base, or the weights themselves. `cancelled` is 1 − |Σ τ|/Σ |τ|, summed over entries: what is lost of the vectors'
magnitude when they are added. Zeros have no sign and conflict with nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.points import Array


@dataclass(frozen=True, eq=False)
class Conflicts:
    """Of n vectors. share: entries where two of them or more have opposite signs, of those where any is not zero. pairs: (n, n) the same of two.

    against: (n,) of each vector's magnitude, the part that lies in entries whose sum has the other sign (or is zero). NaN where nothing can be counted.
    """

    share: float
    cancelled: float
    pairs: Array
    against: Array


def vectors(models: Sequence[Mapping[str, Tensor]], names: Sequence[str], *, base: bool) -> list[Weights]:
    """The named tensors of the models in float64; with a base, of all but the first, minus the first's."""
    wide = [{name: m[name].detach().to("cpu", torch.float64) for name in names} for m in models]
    return [{name: m[name] - wide[0][name] for name in names} for m in wide[1:]] if base else wide


def conflicts(found: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> Conflicts:
    """Over all entries of the named tensors together."""
    n = len(found)
    opposite, either = np.zeros((n, n)), np.zeros((n, n))
    some = any_ = 0.0
    whole, left = 0.0, 0.0
    apart, size = np.zeros(n), np.zeros(n)
    for name in names:
        stacked = torch.stack([f[name].reshape(-1) for f in found])
        sign, total = stacked.sign(), stacked.sum(dim=0)
        product = sign @ sign.T  # agreements − conflicts
        both = sign.abs() @ sign.abs().T
        opposite += ((both - product) / 2).numpy()
        either += both.numpy()
        some += float(((sign.amax(dim=0) > 0) & (sign.amin(dim=0) < 0)).sum())
        any_ += float(sign.abs().amax(dim=0).sum())
        whole += float(stacked.abs().sum())
        left += float(total.abs().sum())
        apart += (stacked.abs() * (sign != total.sign())).sum(dim=1).numpy()
        size += stacked.abs().sum(dim=1).numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        return Conflicts(_share(some, any_), 1 - _share(left, whole), opposite / either, apart / size)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
