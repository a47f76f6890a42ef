"""The geometry of a band of pivots between two ends: tangents, forces, spacing. On flat vectors, whatever they stand for.

A band is an (m, n) tensor: the first end, m − 2 pivots, the last end. Kept as a polygon whose pivots stand at given shares of its length (the limit of
stiff springs; E, Ren & Vanden-Eijnden 2007, "Simplified and improved string method"), it relaxes to a path of minimum energy when every pivot follows
the part of its downward gradient that is perpendicular to the band (Jónsson, Mills & Jacobsen 1998, "Nudged elastic band method").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def tangents(elastic_band: Tensor, heights: Tensor) -> Tensor:
    """(m − 2, n) unit tangents at the pivots; heights: (m,) the energies along the band.

    Henkelman & Jónsson 2000, "Improved tangent estimate in the nudged elastic band method", equations (8) to (11): towards the higher neighbour, so that
    the band does not kink; at an extremum a mixture by the differences in energy. Pivots in one place have no direction: zero.
    """
    ahead, behind = elastic_band[2:] - elastic_band[1:-1], elastic_band[1:-1] - elastic_band[:-2]
    up, down = heights[2:] - heights[1:-1], heights[1:-1] - heights[:-2]
    most, least = torch.maximum(up.abs(), down.abs()), torch.minimum(up.abs(), down.abs())
    rising = heights[2:] > heights[:-2]
    forward = torch.where((up > 0) & (down > 0), 1.0, torch.where((up < 0) & (down < 0), 0.0, torch.where(rising, most, least)))
    backward = torch.where((up > 0) & (down > 0), 0.0, torch.where((up < 0) & (down < 0), 1.0, torch.where(rising, least, most)))
    flat = (forward == 0) & (backward == 0)
    forward, backward = torch.where(flat, 1.0, forward), torch.where(flat, 1.0, backward)
    found = forward[:, None] * ahead + backward[:, None] * behind
    return torch.nan_to_num(found / found.norm(dim=1, keepdim=True))


def perpendicular(forces: Tensor, along: Tensor) -> Tensor:
    """(k, n) forces without their part along (k, n) unit tangents."""
    return forces - (forces * along).sum(dim=1, keepdim=True) * along


def shares(elastic_band: Tensor) -> Tensor:
    """(m,) share of the polygon's length at which each pivot stands: 0 for the first end, 1 for the last. Evenly spaced for a band without length."""
    legs = (elastic_band[1:] - elastic_band[:-1]).norm(dim=1)
    total = legs.sum()
    if not total > 0:
        return torch.linspace(0.0, 1.0, len(elastic_band), dtype=elastic_band.dtype, device=elastic_band.device)
    return torch.cat([legs.new_zeros(1), legs.cumsum(0) / total])


def spaced(elastic_band: Tensor, at: Tensor) -> Tensor:
    """The polygon's points at the given shares of its length, (k,) rising from 0 to 1, as a band of k; both ends stay as they are, to the bit."""
    here = shares(elastic_band)
    leg = torch.searchsorted(here, at.clamp(0, 1), right=True).clamp(1, len(elastic_band) - 1)
    span = (here[leg] - here[leg - 1]).clamp_min(torch.finfo(elastic_band.dtype).tiny)
    part = ((at - here[leg - 1]) / span).clamp(0, 1)[:, None]
    found = (1 - part) * elastic_band[leg - 1] + part * elastic_band[leg]
    found[0], found[-1] = elastic_band[0], elastic_band[-1]
    return found


def middles(elastic_band: Tensor) -> Tensor:
    """(m − 1, n) the middle of every leg."""
    return (elastic_band[1:] + elastic_band[:-1]) / 2


def legs_to_split(heights: Sequence[float], between: Sequence[float], count: int) -> list[int]:
    """The `count` legs whose middle lies highest above the straight line between its ends: where the polygon is too coarse. In rising order.

    Kolsbjerg, Groves & Hammer 2016, "An automated nudged elastic band method"; heights: (m,) at the pivots, between: (m − 1,) at the middles of legs.
    """
    excess = [b - (heights[k] + heights[k + 1]) / 2 for k, b in enumerate(between)]
    return sorted(sorted(range(len(excess)), key=lambda k: (-excess[k], k))[:count])


def split(elastic_band: Tensor, legs: Sequence[int]) -> Tensor:
    """The band with a pivot more in the middle of every named leg."""
    parts: list[Tensor] = []
    for k, pivot in enumerate(elastic_band):
        parts.append(pivot)
        if k in legs:
            parts.append((pivot + elastic_band[k + 1]) / 2)
    return torch.stack(parts)


def filled(elastic_band: Tensor, size: int) -> Tensor:
    """The band with pivots added in the middle of its longest legs until it has `size`: the same polygon."""
    while len(elastic_band) < size:
        lengths = (elastic_band[1:] - elastic_band[:-1]).norm(dim=1)
        elastic_band = split(elastic_band, [int(lengths.argmax())])
    return elastic_band
