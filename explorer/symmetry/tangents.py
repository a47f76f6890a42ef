"""Ways along a class of maps: a tangent, which is any tensor of the right shape, and the map that it leads to, the identity for zeros.

Scales are exponentials of numbers, orthogonal maps those of skew-symmetric matrices, rotations those of angles, invertible maps those of matrices. An
exponential is never singular and never leaves its class, so gradient descent may go anywhere on it. Signs and permutations have no tangent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from explorer.symmetry.classes import SymmetryClass
from explorer.symmetry.gauges import Elements, Gauge, Lattice, centred_basis, planes

C = SymmetryClass


def tangents(lattice: Lattice) -> Elements:
    """Zeros for every gauge that has a tangent, float64."""
    shapes = {n: _shape(g, lattice.outer(g)) for n, g in lattice.gauges.items()}
    return {n: torch.zeros(shape, dtype=torch.float64) for n, shape in shapes.items() if shape}


def _shape(gauge: Gauge, outer: int) -> tuple[int, ...]:
    n = gauge.size
    match gauge.cls:
        case C.SCALED | C.MONOMIAL | C.ROTARY:
            return outer, n
        case C.ROTATIONS:
            return outer, n // 2
        case C.CENTRED:
            return outer, n - 1, n - 1
        case C.ORTHOGONAL | C.INVERTIBLE:
            return outer, n, n
        case _:
            return ()


def exponential(cls: SymmetryClass, x: Tensor) -> Tensor:
    """The maps that tangents lead to: (outer, n) factors or (outer, n, n) matrices, in x's dtype, differentiable.

    x: (outer, n) logarithms of scales; (outer, n, n) matrices, of which orthogonal maps take X − Xᵀ, and (outer, n − 1, n − 1) on the complement of the ones
    where those are kept; (outer, n/2) angles, for rotary maps with the logarithms of n/2 scales before them.
    """
    match cls:
        case C.SCALED | C.MONOMIAL:
            return x.exp()
        case C.ORTHOGONAL:
            return torch.linalg.matrix_exp(x - x.mT)
        case C.CENTRED:
            n = x.shape[-1] + 1
            basis = centred_basis(n).to(x)
            return 1 / n + basis @ torch.linalg.matrix_exp(x - x.mT) @ basis.mT
        case C.ROTATIONS:
            return planes(x.cos(), x.sin())
        case C.ROTARY:
            logarithm, angle = x.chunk(2, dim=-1)
            return planes(logarithm.exp() * angle.cos(), logarithm.exp() * angle.sin())
        case C.INVERTIBLE:
            return torch.linalg.matrix_exp(x)
        case _:
            raise ValueError(f"Maps of class {cls} are apart from one another: there is no way along them.")
