"""A map of many models: which pairs to measure next, where each model stands, and which lie in one basin, with certainty. Plain numpy.

The number of a pair is how far the loss rises in the middle of its line (explorer.stats.model_pairs), which has an interval. All n (n − 1) / 2 pairs are too many;
what matters is the lowest way from model to model, over others. Measured first are the pairs that are near by each distance that is known (of weights, of
predictions). Then rise is foretold for the others, as the mean and spread of the measured pairs most like them, and those are measured that may
lower the map's passes most: the expected improvement of the pass between the two (Jones, Schonlau & Welch 1998), or that join what nothing joins yet.

Places are those whose distances come closest to the roots of the rises, measured ones counting in full and foretold ones less: metric scaling by majorisation (de Leeuw 1977;
Gansner, Koren & North 2005, "Graph Drawing by Stress Majorization"). The root, as the loss rises with the square of a distance near a minimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from scipy.special import ndtr

from explorer.core.points import Array
from explorer.stats.model_pairs import Middles, Pairs, every_pair
from explorer.stats.spanning_tree import passes, spanning_tree

NEIGHBOURS = 3  # of each model by each distance, that are measured first
LIKE = 8  # measured pairs that a rise is foretold from
FORETOLD = 0.1  # how much one counts against a measured rise, in the places
STEPS = 200
STILL = 1e-5  # part of the stress by which a step has to lower it


@dataclass(frozen=True, eq=False)
class Rises:
    """What is known between n models. value, low, high: (n, n) symmetric rises with their intervals, NaN where nothing is measured; 0 from each to itself."""

    value: Array
    low: Array
    high: Array

    @property
    def known(self) -> Array:
        """(n, n) 1 where it is measured."""
        return np.isfinite(self.value).astype(np.float64)


def rises(n: int, pairs: Pairs, found: Middles) -> Rises:
    """(P, 2) pairs and what was measured of them; a line that falls in its middle has no barrier, and rises by 0."""
    made: list[Array] = []
    for each in (found.value, found.low, found.high):
        square = np.full((n, n), np.nan)
        np.fill_diagonal(square, 0.0)
        square[pairs[:, 0], pairs[:, 1]] = square[pairs[:, 1], pairs[:, 0]] = np.maximum(each, 0.0)
        made.append(square)
    return Rises(*made)


def first_pairs(distances: Sequence[Array], neighbours: int = NEIGHBOURS) -> Pairs:
    """(P, 2) those to begin with, i < j: by each of the (n, n) distances, every model's nearest and the spanning tree."""
    chosen: set[tuple[int, int]] = set()
    for far in distances:
        n = len(far)
        order = np.argsort(far + np.diag(np.full(n, np.inf)), axis=1, kind="stable")[:, : min(neighbours, n - 1)]
        chosen |= {(min(i, int(j)), max(i, int(j))) for i in range(n) for j in order[i]}
        chosen |= {(e.i, e.j) for e in spanning_tree(far)}
    return np.array(sorted(chosen), dtype=np.intp).reshape(-1, 2)


def next_pairs(known: Rises, distances: Sequence[Array], count: int) -> Pairs:
    """(≤ count, 2) the pairs that are not measured and may change the map most, i < j, the most useful first; of one model at most a share of them."""
    n = len(known.value)
    every = every_pair(n)
    i, j = every[np.isnan(known.value[every[:, 0], every[:, 1]])].T
    if not len(i):
        return np.empty((0, 2), np.intp)
    mean, spread = foretold(known, distances)
    now = passes(spanning_tree(known.value), n)[i, j]
    top = float(np.nanmax(known.value)) or 1.0
    now = np.where(np.isfinite(now), now, 2 * top)  # what joins two parts comes first
    mean, spread = mean[i, j], np.maximum(spread[i, j], 1e-3 * top)
    z = (now - mean) / spread
    gain = (now - mean) * ndtr(z) + spread * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    most, used, chosen = max(4 * count // n, 1), np.zeros(n, dtype=int), list[int]()
    for k in np.argsort(-gain, kind="stable").tolist():
        if used[i[k]] < most and used[j[k]] < most:
            used[i[k]] += 1
            used[j[k]] += 1
            chosen.append(k)
            if len(chosen) == count:
                break
    return np.stack([i[chosen], j[chosen]], axis=1)


def foretold(known: Rises, distances: Sequence[Array]) -> tuple[Array, Array]:
    """(n, n) rise of every pair as the mean of the measured pairs whose distances are most like its own, and their (n, n) spread; measured ones as measured."""
    n = len(known.value)
    upper = np.triu_indices(n, 1)
    features = np.stack([far[upper] / (float(np.std(far[upper])) or 1.0) for far in distances], axis=1)
    values = known.value[upper]
    measured = np.isfinite(values)
    mean, spread = np.zeros((n, n)), np.zeros((n, n))
    if not measured.any():
        return mean, spread
    near = KDTree(features[measured]).query(features, k=min(LIKE, int(measured.sum())))[1].reshape(len(features), -1)
    like = values[measured][near]
    mean[upper] = np.where(measured, values, like.mean(axis=1))
    spread[upper] = np.where(measured, 0.0, like.std(axis=1))
    return mean + mean.T, spread + spread.T


def places(known: Rises, distances: Sequence[Array]) -> tuple[Array, float]:
    """(n, 2) places, and their stress: the part of the measured roots' squares by which these are missed."""
    n = len(known.value)
    wanted = np.sqrt(foretold(known, distances)[0])
    weight = np.where(known.known > 0, 1.0, FORETOLD)
    np.fill_diagonal(weight, 0.0)
    at = _classical(wanted)
    inverse = np.linalg.pinv(np.diag(weight.sum(axis=1)) - weight)
    before = np.inf
    for _ in range(STEPS if n > 2 else 0):
        far = np.sqrt(((at[:, None] - at[None]) ** 2).sum(axis=2))
        stress = float((weight * (far - wanted) ** 2).sum())
        if stress > before * (1 - STILL):
            break
        before = stress
        with np.errstate(invalid="ignore", divide="ignore"):
            pull = np.where(far > 0, -weight * wanted / far, 0.0)
        np.fill_diagonal(pull, -pull.sum(axis=1))
        at = inverse @ (pull @ at)
    at = at - at.mean(axis=0)
    far = np.sqrt(((at[:, None] - at[None]) ** 2).sum(axis=2))
    missed, all_of = (known.known * (far - wanted) ** 2).sum(), (known.known * wanted**2).sum()
    return at, float(missed / all_of) if all_of > 0 else 0.0


def basins(known: Rises, threshold: float) -> tuple[list[int], list[int]]:
    """Of each model the number of the basin it lies in, when models belong together that measured lines join below the threshold: by those lines alone that are surely
    below it, and by all that may be. Where both say the same, the basins are certain as far as pairs are measured."""
    return _parts(known.high <= threshold), _parts(known.low <= threshold)


def as_sizes(values: Sequence[float]) -> Array:
    """(n,) from 0 to 1 to draw sharpness by: areas are in proportion to it, 0 for none and below. NaN, what is not finite, is the largest."""
    given = np.asarray(values, dtype=np.float64)
    finite = given[np.isfinite(given)]
    top = float(finite.max()) if finite.size else 0.0
    shares = np.sqrt(np.clip(given / top, 0.0, 1.0)) if top > 0 else np.zeros(len(given))
    return np.where(np.isfinite(given), shares, 1.0)


def heights(known: Rises) -> Array:
    """(n, n) the lowest height over which one gets from each model to each by measured lines; inf where none leads there."""
    return passes(spanning_tree(known.value), len(known.value))


def _parts(joined: NDArray[np.bool_]) -> list[int]:
    return [int(k) for k in connected_components(csr_array(joined), directed=False)[1]]


def _classical(distances: Array) -> Array:
    """(n, 2) where to begin: classical scaling (Torgerson 1952)."""
    n = len(distances)
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centring @ distances**2 @ centring / 2)
    found = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0.0))
    found = np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
    for axis in range(2):  # eigenvectors have no sign of their own
        if found[np.abs(found[:, axis]).argmax(), axis] < 0:
            found[:, axis] *= -1
    return found
