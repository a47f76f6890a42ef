"""Sorted norms: the unit with the largest weights in the place of the reference's largest, the second in that of its second.

Each unit's squared norm is summed over every place it stands in. That is blind to what a unit does, so it is a floor for other methods to beat; but it
undoes a shuffle wherever no two norms are equal. Units that are ordered within other units (what lies inside attention heads) stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from explorer.api.plugin import Alignment, Problem, Symmetry, Weights, identity, of_equal_widths, permuted, symmetry_of


def align(models: Sequence[Weights], problem: Problem) -> Alignment:
    """Every model but the first, by rank."""
    of_equal_widths(models, "sorted_norms")
    found = symmetry_of(problem)
    maps = [identity(found) for _ in models]
    for name, group in found.groups.items():
        if group.within is None:
            reference = _ranked(models[0], found, name)
            for model, own in zip(models[1:], maps[1:], strict=True):
                own[name] = torch.empty_like(reference).index_copy_(0, reference, _ranked(model, found, name))
    return Alignment(tuple(permuted(m, found, p) for m, p in zip(models, maps, strict=True)), tuple(maps), exact=True)


def _ranked(model: Weights, found: Symmetry, name: str) -> torch.Tensor:
    """The group's units, smallest first."""
    return sum(site.unfold(model[site.tensor]).double().square().sum(dim=1) for site in found.sites(name)).argsort()
