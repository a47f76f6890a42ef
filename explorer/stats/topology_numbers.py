"""Numbers of a merge tree: how far passes lie above minima, on average and at most.

SMAD, the saddle–minimum average distance (Chen et al. 2026, "Landscaper", arXiv 2602.07135): the mean over the minima of how far the first pass out of
each, to whichever other minimum, lies above it. Smooth landscapes have few minima with low passes; rough ones, deep holes. Of a single minimum it is 0.

    plain        in the unit of the function
    normalised   by the function's range
    weighted     each minimum's height times its basin's share of the points

All minima count, those of noise as well, which are many and shallow: a tree should be simplified first (explorer.stats.topology_certainty).
"""

from __future__ import annotations

import numpy as np

from explorer.core.points import Array
from explorer.stats.merge_tree import MergeTree


def climbs(tree: MergeTree) -> Array:
    """(M,) how far the first pass out of each minimum lies above it; inf where no way leads to another."""
    return tree.meetings()[0] - tree.births


def smad(tree: MergeTree, *, weighted: bool = False) -> float:
    """The mean of `climbs` over the minima that have a pass; 0 where none has. weighted: each times its basin's share of the points."""
    height = climbs(tree)
    joined = np.isfinite(height)
    if not joined.any():
        return 0.0
    return float((height * tree.volumes() if weighted else height)[joined].mean())


def normalised_smad(tree: MergeTree, values: Array) -> float:
    """SMAD by the range of the function's (n,) values, those that are finite; 0 of a constant."""
    known = values[np.isfinite(values)]
    span = float(np.ptp(known)) if known.size else 0.0
    return smad(tree) / span if span > 0 else 0.0


def diagram(tree: MergeTree, values: Array | None = None) -> Array:
    """(M, 2) births and deaths. values: the function's own, whose highest, where the whole is flooded, is the death of what never dies; inf without."""
    if values is None:
        return np.column_stack([tree.births, tree.deaths])
    known = values[np.isfinite(values)]
    top = float(known.max()) if known.size else np.nan
    return np.column_stack([tree.births, np.where(np.isfinite(tree.deaths), tree.deaths, top)])


def persistence_range(*diagrams: Array) -> float:
    """The most persistent of all pairs of (M, 2) diagrams less the least persistent; of minima and of maxima together, as in Landscaper, or of one kind."""
    each = np.concatenate([np.abs(d[:, 1] - d[:, 0]) for d in diagrams])
    return float(np.ptp(each)) if each.size else 0.0
