"""The shortest weights that compute a function, over everything that gauges allow: a canonical form, unique up to maps that keep lengths.

Kempf & Ness 1979: on the orbit of a group like these, a vector is shortest exactly where its moment map vanishes, and the shortest vectors of an orbit differ by
the maximal compact subgroup alone. In words of networks: with scales, the weights that write a unit are as long as those that read it (Neyshabur, Tomioka &
Srebro 2015); with invertible maps, the Gram matrices of what writes and what reads are equal, as for the factors U√Σ and √Σ Vᵀ of a product (queries with keys,
values with the output). Between balanced models only permutations, signs, rotations and orthogonal maps are left to find, each of them in closed form.

One gauge after the other is brought to its own minimum, in closed form, until none moves. The length is convex along the orbit, so this ends in the one minimum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.symmetry.classes import SymmetryClass
from explorer.symmetry.gauges import Elements, Gauge, Lattice, after, changed, planes, rows_of, still

SWEEPS = 1000
SETTLED = 1e-11  # of a map, from the identity
SINGULAR = 1e-10  # of the largest eigenvalue of a Gram matrix: below it, a map has nothing to be read off


def balanced(weights: Mapping[str, Tensor], lattice: Lattice, names: Sequence[str]) -> tuple[Weights, Elements]:
    """The shortest weights of the orbit, float64, and what leads there. `names`: the parameters that count, a tied one once."""
    found = still(lattice)
    done = dict(weights)
    free = [g for g in lattice.gauges.values() if g.cls != g.cls.compact]
    for _ in range(SWEEPS):
        moved = 0.0
        for gauge in free:
            value = _shortest(done, lattice, gauge, names)
            off = float((value - still_of(value)).abs().max())
            if off > SETTLED:
                done = changed(done, lattice, {gauge.name: value})
                found[gauge.name] = after(value, found[gauge.name])
                moved = max(moved, off)
        if moved <= SETTLED:
            break
    return done, found


def still_of(value: Tensor) -> Tensor:
    """The identity of a value's shape."""
    return torch.ones_like(value) if value.dim() == 2 else torch.eye(value.shape[-1], dtype=value.dtype).expand_as(value)


def _shortest(weights: Mapping[str, Tensor], lattice: Lattice, gauge: Gauge, names: Sequence[str]) -> Tensor:
    """The symmetric positive map of one gauge that makes the weights shortest, all others held; the identity for units that nothing writes or nothing reads."""
    n = gauge.size
    writes, reads = (torch.zeros(lattice.outer(gauge), n, n, dtype=torch.float64) for _ in range(2))
    for place in gauge.places:
        if place.tensor in names:
            rows = rows_of(lattice.axes[place.tensor][place.axis], place.leaf, gauge.within)
            block = weights[place.tensor].movedim(place.axis, 0)[rows].flatten(2)
            (reads if place.inverted else writes).add_(block @ block.mT)
    half = 0.5 if len({(p.tensor) for p in gauge.places}) < len(gauge.places) and _twice(gauge) else 1.0
    if gauge.cls == SymmetryClass.INVERTIBLE:
        return _matrix(writes, reads, half)
    a, b = (g.diagonal(dim1=-2, dim2=-1) for g in (writes, reads))
    if gauge.cls == SymmetryClass.ROTARY:
        scale = _scale(a.unflatten(-1, (2, -1)).sum(-2), b.unflatten(-1, (2, -1)).sum(-2), half)
        return planes(scale, torch.zeros_like(scale))
    return _scale(a, b, half)


def _twice(gauge: Gauge) -> bool:
    """Whether it stands on two axes of one tensor: its minimum is no closed form then, and half a step is taken."""
    seen = {(p.tensor, p.axis) for p in gauge.places}
    return len({tensor for tensor, _ in seen}) < len(seen)


def _scale(a: Tensor, b: Tensor, half: float) -> Tensor:
    alive = (a > 0) & (b > 0)
    return torch.where(alive, (torch.where(alive, b, 1) / torch.where(alive, a, 1)) ** (half / 4), 1)


def _matrix(writes: Tensor, reads: Tensor, half: float) -> Tensor:
    """M with M G M = M⁻¹ H M⁻¹: M² is the geometric mean of G⁻¹ and H."""
    alive = torch.stack([_regular(g) for g in (writes, reads)]).all(dim=0)
    one = torch.eye(writes.shape[-1], dtype=writes.dtype)
    g, h = (torch.where(alive[:, None, None], m, one) for m in (writes, reads))
    root, inverse = _power(g, 0.5), _power(g, -0.5)
    return _power(inverse @ _power(root @ h @ root, 0.5) @ inverse, half / 2)


def _regular(gram: Tensor) -> Tensor:
    values = torch.linalg.eigvalsh(gram)
    return values[:, 0] > SINGULAR * values[:, -1]


def _power(m: Tensor, p: float) -> Tensor:
    values, vectors = torch.linalg.eigh((m + m.mT) / 2)
    return vectors @ torch.diag_embed(values.clamp_min(1e-300) ** p) @ vectors.mT
