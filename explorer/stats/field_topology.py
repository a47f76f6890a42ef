"""The topology of measured points of any number of coordinates: on a grid where they fill one, among scattered points otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.core.points import Array, Points, rounded
from explorer.stats.intervals import Estimate, Means, are_counts
from explorer.stats.merge_tree import MergeTree
from explorer.stats.neighbour_graph import Graph, gabriel, grid
from explorer.stats.topology_certainty import Topology, topology

DIAGONALS = 3  # dimensions below which a grid's neighbours are those that share a corner, too


@dataclass(frozen=True, eq=False)
class FieldTopology:
    """The topology of K points: (K, d) coordinates, (K, d) distances along the axes and (K,) values, NaN where there is none, in the order of the graph."""

    topology: Topology
    coords: Array
    places: Array
    values: Array
    on_grid: bool


@dataclass(frozen=True, eq=False)
class Basin:
    """A minimum and its surroundings, as they are shown.

    at, place: its coordinates and its distances along the axes; saddle: distances of the pass to a deeper minimum, number `into` of the list. value, climb:
    its value, and how far that pass lies above it; climb.low above 0: it is real. A climb is inf where no deeper one is reached, and its interval NaN where none
    was looked for. share: of the points, those that run down to it.
    """

    at: Array
    place: Array
    value: Estimate
    climb: Estimate
    saddle: Array | None
    into: int | None
    share: float

    @property
    def real(self) -> bool:
        """Whether noise cannot have made it."""
        return self.climb.low > 0

    @property
    def death(self) -> float:
        """The height of its pass; inf without one."""
        return self.value.value + self.climb.value


def of_points(points: Points, places: Array) -> FieldTopology:
    """K points with one metric (explorer.stats.metrics.column) and where they lie, (K, d) in distances."""
    order = np.lexsort(rounded(points.coords).T[::-1])
    coords, places, sums = points.coords[order], places[order], points.values[order, 0].copy()
    sums[~np.isfinite(sums).all(axis=1)] = np.nan
    graph, on_grid = graph_of(coords, places)
    shares = bool(((sums >= 0) & (sums <= points.counts) | np.isnan(sums)).all())
    found = Means(sums, points.counts, counted=shares and are_counts(sums))
    values = np.where(np.isfinite(found.value), found.value, np.nan)
    return FieldTopology(topology(graph, found), coords, places, values, on_grid)


def graph_of(coords: Array, places: Array) -> tuple[Graph, bool]:
    """(K, d) coordinates by rising first one, then the next → their neighbours, and whether they fill a grid. Lengths are those between the places."""
    axes = [np.unique(column) for column in rounded(coords).T]
    shape = [len(axis) for axis in axes]
    if np.prod(shape, dtype=float) != len(coords):
        return gabriel(places), False
    found = grid(shape, diagonals=coords.shape[1] < DIAGONALS)
    return Graph(found.n, found.pairs, np.linalg.norm(places[found.pairs[:, 0]] - places[found.pairs[:, 1]], axis=1)), True


def basins(found: FieldTopology, *, most: int | None = None, scale: float = 1.0) -> list[Basin]:
    """The most persistent minima, in the order of the tree, and what each goes into among them. scale: what values are multiplied by."""
    tree: MergeTree = found.topology.whole
    shares, unknown = tree.volumes(), float("nan")
    listed: list[Basin] = []
    for i in range(min(len(tree), most or len(tree))):
        known = i < len(found.topology.climbs)
        low, saddle = int(tree.lowest[i]), int(tree.saddles[i])
        value = found.topology.values[i] if known else Estimate(float(tree.births[i]), unknown, unknown)
        climb = found.topology.climbs[i] if known else Estimate(float(tree.persistence[i]), unknown, unknown)
        into = int(tree.into[i])
        listed.append(
            Basin(
                found.coords[low],
                found.places[low],
                scaled(value, scale),
                scaled(climb, scale),
                found.places[saddle] if into >= 0 else None,
                into if into >= 0 else None,
                float(shares[i]),
            )
        )
    return listed


def scaled(e: Estimate, by: float) -> Estimate:
    """The number and its interval times a factor."""
    return Estimate(by * e.value, by * e.low, by * e.high)
