"""Matrices in the place of permutations: what becomes of a network's weights when units are blended instead of reordered.

The soft counterpart of `explorer.symmetry.groups`. A group's matrix T is (n, m): row i says how much of each of the m units goes into place i; for a
group within another it is (outer, n, m), one for each place of the outer group *afterwards*. A permutation p is the matrix whose row i has its one at
p[i]. The matrix of an axis follows its expression: Kronecker products for products, blocks for concatenations, the identity for what is fixed or has
no matrix. None of these is ever built: the axis is reshaped into its factors and each is multiplied by itself. All of it is differentiable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

from explorer.symmetry import Maps, Symmetry
from explorer.symmetry.groups import Axis, Concat, Fixed, Free, Product, leaves, length

Matrices: TypeAlias = dict[str, Tensor]


def blended(tensor: Tensor, axes: Sequence[Axis], matrices: Mapping[str, Tensor]) -> Tensor:
    """One tensor with every axis multiplied by its matrix; groups without one stay. Sizes come from the matrices, not from the axes."""
    for i, axis in enumerate(axes):
        tensor = along(tensor, i, axis, matrices)
    return tensor


def along(tensor: Tensor, dim: int, axis: Axis, matrices: Mapping[str, Tensor]) -> Tensor:
    """One axis of a tensor multiplied by its matrix."""
    if not any(leaf.group in matrices for leaf in leaves(axis)):
        return tensor
    return _first(tensor.movedim(dim, 0), axis, matrices).movedim(0, dim)


def as_matrices(symmetry: Symmetry, maps: Maps) -> Matrices:
    """Permutations as matrices, float64; what is one already stays."""
    return {n: p if p.is_floating_point() else torch.eye(symmetry.groups[n].size, dtype=torch.float64)[p] for n, p in maps.items()}


def _first(tensor: Tensor, axis: Axis, matrices: Mapping[str, Tensor]) -> Tensor:
    """The same on axis 0."""
    match axis:
        case Fixed():
            return tensor
        case Free(group):
            matrix = matrices.get(group)
            return tensor if matrix is None else torch.tensordot(matrix.to(tensor), tensor, dims=1)
        case Concat(parts):
            pieces = tensor.split([_before(p, matrices) for p in parts])
            return torch.cat([_first(piece, p, matrices) for piece, p in zip(pieces, parts, strict=True)])
        case Product((first, *rest)):
            tail = Product(tuple(rest))
            if not rest:
                return _first(tensor, first, matrices)
            parts = _first(tensor.unflatten(0, (_before(first, matrices), _before(tail, matrices))), first, matrices)
            within = {leaf.group for leaf in leaves(tail) if isinstance(first, Free) and leaf.within == first.group} & matrices.keys()
            if within:  # every place of the outer group has a matrix of its own
                own = [{**matrices, **{g: matrices[g][place] for g in within}} for place in range(len(parts))]
                return torch.cat([_first(part, tail, m) for part, m in zip(parts, own, strict=True)])
            return _first(parts.movedim(1, 0), tail, matrices).movedim(0, 1).flatten(0, 1)
        case Product():
            return tensor


def _before(axis: Axis, matrices: Mapping[str, Tensor]) -> int:
    """How many places an axis has before it is multiplied."""
    match axis:
        case Free(group, n):
            return matrices[group].shape[-1] if group in matrices else n
        case Product(factors):
            return prod(_before(f, matrices) for f in factors)
        case Concat(parts):
            return sum(_before(p, matrices) for p in parts)
        case Fixed():
            return length(axis)
