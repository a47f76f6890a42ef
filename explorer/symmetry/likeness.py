"""How like its counterpart in the reference what stands at each place of an axis is: the cosine of all weights that are written to it or read from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from explorer.core.points import Array
from explorer.symmetry.gauges import Lattice, rows_of


def likeness(reference: Mapping[str, Tensor], model: Mapping[str, Tensor], lattice: Lattice, names: Sequence[str]) -> dict[str, Array]:
    """(outer, n) cosines for each gauge, over the parameters `names`; 0 where one of the two has nothing there."""
    found: dict[str, Array] = {}
    for name, gauge in lattice.gauges.items():
        sums = torch.zeros(3, lattice.outer(gauge), gauge.size, dtype=torch.float64)
        for place in gauge.places:
            if place.tensor in names:
                rows = rows_of(lattice.axes[place.tensor][place.axis], place.leaf, gauge.within)
                x, y = (w[place.tensor].detach().cpu().double().movedim(place.axis, 0)[rows].flatten(2) for w in (reference, model))
                sums += torch.stack([(x * y).sum(-1), x.square().sum(-1), y.square().sum(-1)])
        length = (sums[1] * sums[2]).sqrt()
        found[name] = torch.where(length > 0, sums[0] / length.clamp_min(torch.finfo(length.dtype).tiny), 0).numpy()
    return found
