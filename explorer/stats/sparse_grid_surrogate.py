"""A full picture from few points, and how wrong it may be.

Between measured points stands the tensor product of cubic splines (de Boor 1978, "A Practical Guide to Splines", chapters IV and XVII; not-a-knot at
the ends), on the logarithm of a loss. Points lie on a lattice of size^d nodes. It is gone through from the coarsest nodes to the finest:

    P₀ = the corners,    P_{k+1} = the spline through { measured values at the nodes of level k+1, P_k where nothing is measured }.

A cubic spline sampled on a finer lattice is its own interpolant there, so a level without points changes nothing, a complete level is the plain bicubic
spline, and a level that is complete in a region only makes the picture finer there alone. Every measured node keeps its value exactly. Nothing is
predicted outside of the square, nor before its corners are measured.

A cell with a diverged node (NaN, infinity) is NaN wherever nothing finite is measured.

How wrong: the held-out points are a fixed draw of random nodes, one in each of 8^d equal parts of the square. explorer.methods.sample.surface measures them and never lets
them say where to refine, so that the differences there, with the held-out points left out of the prediction, are a fair sample of all differences to the full
lattice. They say nothing of a feature so small that no held-out point hit it; `unseen` is how large such features may be in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, make_interp_spline
from scipy.stats import binom

from explorer.core.points import Array, Points
from explorer.stats.intervals import Estimate

Mask = NDArray[np.bool_]
Nodes = NDArray[np.intp]
S = TypeVar("S", np.float64, np.bool_)

STRATA = 8  # parts of each axis with one held-out point each
SEED = 19051905  # of exploration points and held-out points: fixed, so that a picture is certified by the same places whoever looks
FEWEST = 8  # held-out points below which nothing is said
CONTINUED = 4  # nodes into a diverged region
GROUPS = 16  # of blocks, for standard errors


@dataclass(frozen=True)
class Certificate:
    """How far the picture is from what would have been measured, on held-out points.

    Differences are of natural logarithms when `relative` (0.01 is one per cent), else of the metric itself. rms: with a 95 % interval by resampling the
    held-out points. quantile: 95 % of differences are smaller; quantile_upper: a bound of it that holds with 95 % confidence whatever the
    distribution, infinite for fewer than 59 points. unseen: differences larger than the `largest` seen fill, with 95 % confidence, less than this share
    of the square. nan_mismatches: held-out points where one of prediction and measurement is finite and the other is not; they are in no other number.
    source: held out (fair), or coarser: no held-out point is measured, so the points of the last level are compared with the prediction of the level before,
    which for a smooth surface is several times too pessimistic, and blind to features between the points.
    """

    rms: Estimate
    quantile: float
    quantile_upper: float
    largest: float
    unseen: float
    count: int
    nan_mismatches: int
    relative: bool
    source: Literal["held out", "coarser", "complete"]


@dataclass(frozen=True, eq=False)
class Preview:
    """values and measured: (size,)*d, first axis first coordinate. certificate: None while nothing is held out."""

    values: Array
    measured: Mask
    certificate: Certificate | None


@dataclass(frozen=True, eq=False)
class Lattice:
    """Measured points on the nodes of a lattice.

    values: (size,)*d + (1 + C,): the metric or its logarithm, then its influences by group of blocks, which propagate like values and give standard
    errors. known: (size,)*d. relative: whether these are logarithms.
    """

    values: Array
    known: Mask
    relative: bool

    @property
    def size(self) -> int:
        """Nodes along each axis."""
        return len(self.known)

    def without(self, nodes: Nodes) -> Lattice:
        """The same without the measurements at (K, d) nodes."""
        known = self.known.copy()
        known[tuple(nodes.T)] = False
        return Lattice(self.values, known, self.relative)


@dataclass(frozen=True, eq=False)
class Level:
    """One level of the prediction, its nodes `step` apart.

    values: (n,)*d + (1 + C,). lost: (n,)*d, diverged or next to it; values there are no more than a smooth continuation.
    before: the prediction at the same nodes from coarser levels alone, and lost_before likewise.
    """

    step: int
    values: Array
    lost: Mask
    before: Array
    lost_before: Mask


def preview(points: Points, size: int, *, metric: int = 0, relative: bool = True) -> Preview:
    """The picture on size^d nodes. `relative`: predict and compare logarithms, for a loss; not done when a value is not positive."""
    lattice = on_lattice(points, size, metric=metric, relative=relative, groups=0)
    measured = lattice.known
    d = measured.ndim
    values = np.full(measured.shape, np.nan)
    means = points.means()[:, metric] if len(points) else np.empty(0)
    nodes, on = nodes_of(points.coords, size)
    if len(chain := levels(lattice, 1)):
        log = np.where(chain[-1].lost, np.nan, chain[-1].values[..., 0])
        values = np.exp(log) if lattice.relative else log
    # As measured: going through the logarithm would change the last digit.
    values[tuple(nodes[on].T)] = np.where(np.isfinite(means[on]), means[on], np.nan)
    if measured.all():
        return Preview(values, measured, Certificate(Estimate(0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0, 0, 0, lattice.relative, "complete"))
    if not chain:
        return Preview(values, measured, None)
    usable = usable_held_out(lattice)
    if usable is not None:
        at = tuple(usable.T)
        held = levels(lattice.without(usable[~in_refined_cell(measured)[at]]), 1)[-1]
        return Preview(values, measured, _certificate(lattice.values[(*at, 0)], held.values[(*at, 0)], held.lost[at], lattice.relative, "held out"))
    for coarser, level in reversed(list(pairwise(chain))):
        new = measured[every(level.step, d)] & fresh(len(level.lost), coarser.step // level.step, d)
        if new.sum() >= FEWEST:
            true = lattice.values[every(level.step, d)][new][:, 0]
            return Preview(values, measured, _certificate(true, level.before[new][:, 0], level.lost_before[new], lattice.relative, "coarser"))
    return Preview(values, measured, None)


def nodes_of(coords: Array, size: int) -> tuple[Nodes, Mask]:
    """(K, d) the nodes at these coordinates, and (K,) whether there is one at all."""
    place = coords * (size - 1)
    nodes = np.rint(place).astype(np.intp)
    on = (np.abs(place - nodes) < 1e-6).all(axis=1) & (nodes >= 0).all(axis=1) & (nodes < size).all(axis=1)
    return nodes, np.asarray(on)


def on_lattice(points: Points, size: int, *, metric: int = 0, relative: bool = True, groups: int = GROUPS) -> Lattice:
    """Those of the points that are nodes of the lattice."""
    d = points.coords.shape[1]
    signal, relative = signals(points, metric=metric, relative=relative, groups=groups)
    values, known = np.full((size,) * d + (signal.shape[1],), np.nan), np.zeros((size,) * d, dtype=bool)
    nodes, on = nodes_of(points.coords, size)
    at = tuple(nodes[on].T)
    values[at], known[at] = signal[on], True
    return Lattice(values, known, relative)


def signals(points: Points, *, metric: int = 0, relative: bool = True, groups: int = GROUPS) -> tuple[Array, bool]:
    """(K, 1 + C) what is interpolated, and influences: √Σ influence² is its standard error. And whether it is the logarithm.

    Influences of group g of the blocks: (Σ values − mean · Σ counts) √(C / (C − 1)) / total, divided by the mean for logarithms (delta method).
    """
    if not len(points):
        return np.empty((0, 1 + groups)), relative
    mean = points.means()[:, metric]
    relative = relative and bool((mean[np.isfinite(mean)] > 0).all())
    scale = np.where(np.isfinite(mean) & (mean != 0), mean, 1.0) if relative else np.ones(len(mean))
    with np.errstate(divide="ignore", invalid="ignore"):
        shown = np.log(mean) if relative else mean
    c = min(groups, len(points.counts))
    influence = np.zeros((len(mean), groups))
    if c > 1:
        member = np.eye(c)[np.arange(len(points.counts)) % c]
        counts = points.counts @ member
        # A diverged point has no standard error; `lost` speaks for it.
        rest = np.where(np.isfinite(mean)[:, None], points.values[:, metric], 0.0) @ member - np.where(np.isfinite(mean), mean, 0.0)[:, None] * counts
        influence[:, :c] = rest * np.sqrt(c / (c - 1)) / counts.sum() / scale[:, None]
    return np.concatenate([np.where(np.isfinite(shown), shown, np.nan)[:, None], influence], axis=1), relative


def levels(lattice: Lattice, step: int) -> list[Level]:
    """The levels of the prediction from the corners down to nodes `step` apart; empty while a corner is missing."""
    d, last = lattice.known.ndim, lattice.size - 1
    if not lattice.known[every(last, d)].all():
        return []
    values = lattice.values[every(last, d)].copy()
    lost = np.isnan(values[..., 0])
    values[lost] = values[~lost].mean(axis=0) if not lost.all() else 0.0
    chain = [Level(last, values, lost, values, lost)]
    for finer in steps(lattice.size)[1:]:
        if finer < step:
            break
        ratio = chain[-1].step // finer
        before, lost_before = chain[-1].values, chain[-1].lost
        for axis in range(d):
            before = np.moveaxis(np.tensordot(_rows(before.shape[axis], ratio), before, axes=(1, axis)), 0, axis)
            lost_before = _spread(lost_before, axis, ratio)
        known, true = lattice.known[every(finer, d)], lattice.values[every(finer, d)]
        diverged = known & np.isnan(true[..., 0])
        lost = (lost_before & ~known) | diverged
        values = _continued(np.where((known & ~diverged)[..., None], true, before), lost)
        chain.append(Level(finer, values, lost, before, lost_before))
    return chain


def predicted(level: Level, coords: Array) -> tuple[Array, Mask]:
    """(K, 1 + C) the level's spline at any (K, d) coordinates of the square, and (K,) whether its cell there has a lost corner."""
    d, n = coords.shape[1], len(level.lost)
    out: Array = np.broadcast_to(level.values, (len(coords), *level.values.shape))
    lost = np.broadcast_to(level.lost, (len(coords), *level.lost.shape))
    for axis in range(d):
        weight = _weights(n, coords[:, axis] * (n - 1))
        out = np.einsum("kn,kn...->k...", weight, out)
        low = np.clip(np.floor(coords[:, axis] * (n - 1) + 1e-9).astype(int), 0, n - 1)
        high = np.clip(np.ceil(coords[:, axis] * (n - 1) - 1e-9).astype(int), 0, n - 1)
        k = np.arange(len(coords))
        lost = lost[k, low] | lost[k, high]
    return out, lost


@lru_cache(maxsize=32)
def steps(size: int) -> tuple[int, ...]:
    """Distances of nodes from level to level, from size − 1 down to 1: each divides the one before by its smallest prime factor."""
    step, out = size - 1, [size - 1]
    while step > 1:
        step //= next(p for p in range(2, step + 1) if step % p == 0)
        out.append(step)
    return tuple(out)


@lru_cache(maxsize=32)
def panel(size: int, d: int) -> tuple[Nodes, Nodes]:
    """(≤ 8^d, d) nodes each: the exploration points, and the held-out points: different nodes, one in each part of the square, in random order."""
    rng = np.random.default_rng(SEED)
    edges = np.linspace(0, size, min(STRATA, max(1, (size - 1) // 2)) + 1).round().astype(int).tolist()
    drawn: tuple[list[Nodes], list[Nodes]] = ([], [])
    for part in np.ndindex(*(len(edges) - 1,) * d):
        nodes = np.stack(np.meshgrid(*[np.arange(edges[i], edges[i + 1]) for i in part], indexing="ij"), axis=-1).reshape(-1, d)
        for group, node in zip(drawn, rng.permutation(nodes), strict=False):
            group.append(node)
    exploration, held_out = (rng.permutation(np.array(group, dtype=np.intp).reshape(-1, d)) for group in drawn)
    exploration.setflags(write=False)
    held_out.setflags(write=False)
    return exploration, held_out


def usable_held_out(lattice: Lattice) -> Nodes | None:
    """The (K, d) nodes of the held-out points that may be listened to: all of it, or, while it is being measured, those up to the first that is missing.

    What a grid or a refinement has measured of it in passing is no random draw; then fewer than FEWEST of the first ones are held out, and it is None.
    """
    _, held_out = panel(lattice.size, lattice.known.ndim)
    there = lattice.known[tuple(held_out.T)]
    if there.all():
        return held_out if len(held_out) >= FEWEST else None
    heard = held_out[: int(np.argmin(there))]
    return heard if (~in_refined_cell(lattice.known)[tuple(heard.T)]).sum() >= FEWEST else None


def in_refined_cell(known: Mask) -> Mask:
    """Which nodes lie in a halved cell, all of whose nodes are measured: refinement has been there, so a held-out point among them costs no error.

    On a curve a single held-out point would complete its cell, so nothing is settled there. In a plane that happens only to a point in the middle of a
    cell all of whose neighbours are halved.
    """
    d, n = known.ndim, len(known)
    out = np.zeros_like(known)
    for coarse, step in pairwise(steps(n)):
        part = out[every(step, d)]
        whole = ~closed_cells(~known[every(step, d)], coarse // step)
        for corner in np.ndindex(*(coarse // step + 1,) * d):
            part[tuple(slice(i, i + len(part) - coarse // step, coarse // step) for i in corner)] |= whole
    if d == 1:
        out[:] = False
    out[every(n - 1, d)] = known[every(n - 1, d)]  # without its corners there is no picture
    return out


def closed_cells(value: NDArray[S], step: int) -> NDArray[S]:
    """The largest value in each cell of `step` nodes a side, its border included."""
    for axis in range(value.ndim):
        edge = np.arange(0, value.shape[axis] - 1, step)
        value = np.maximum(np.maximum.reduceat(value, edge, axis=axis), value.take(edge + step, axis=axis))
    return value


def _certificate(true: Array, guess: Array, lost: Mask, relative: bool, source: Literal["held out", "coarser"]) -> Certificate | None:
    nan_mismatches = lost != np.isnan(true)
    error = np.abs(true - guess)[~lost & ~np.isnan(true)]
    n = len(error)
    if n == 0:
        return None
    rms = float(np.sqrt((error**2).mean()))
    low, high = _mean_square(error)
    ordered = np.sort(error)
    # The j-th smallest of n is above the 95 % quantile with the probability that fewer than j of n draws are below it.
    j = int(binom.ppf(0.95, n, 0.95)) + 1
    return Certificate(
        rms=Estimate(rms, float(np.sqrt(low)), float(np.sqrt(high))),
        quantile=float(np.quantile(error, 0.95)),
        quantile_upper=float(ordered[j - 1]) if j <= n else float("inf"),
        largest=float(ordered[-1]),
        unseen=float(1 - 0.05 ** (1 / n)),
        count=n,
        nan_mismatches=int(nan_mismatches.sum()),
        relative=relative,
        source=source,
    )


def _mean_square(error: Array) -> tuple[float, float]:
    """95 % interval of the mean of error², by the studentised bootstrap, which widens for the skew that squares have (Hall 1988)."""
    square, n = error**2, len(error)
    mean, spread = square.mean(), square.std() / np.sqrt(n)
    drawn = square[np.random.default_rng(0).integers(n, size=(2000, n))]
    spreads = drawn.std(axis=1) / np.sqrt(n)
    t = (drawn.mean(axis=1) - mean)[spreads > 0] / spreads[spreads > 0]
    if not len(t):
        return float(mean), float(mean)
    low, high = np.quantile(t, [0.025, 0.975])
    return max(0.0, float(mean - high * spread)), float(mean - low * spread)


def every(step: int, d: int) -> tuple[slice, ...]:
    """The nodes of a level, of an array over all nodes."""
    return (slice(None, None, step),) * d


def fresh(n: int, ratio: int, d: int) -> Mask:
    """(n,)*d: which nodes of a level are not in the level before, whose nodes are `ratio` times as far apart."""
    old = np.arange(n) % ratio == 0
    return ~np.logical_and.reduce(np.meshgrid(*[old] * d, indexing="ij"))


def _continued(values: Array, lost: Mask) -> Array:
    """Values at lost nodes replaced, CONTINUED nodes deep, by straight lines through the two next ones on their row or column, on average.

    A spline needs values everywhere; these keep it from swinging next to a gap. Deeper ones do not reach it.
    """
    if not lost.any() or lost.all():
        return values
    values, good = values.copy(), ~lost
    for _ in range(CONTINUED):
        total, weight = np.zeros_like(values), np.zeros(good.shape)
        for axis in range(good.ndim):
            for side in (1, -1):
                near, far = _shifted(values, axis, side), _shifted(values, axis, 2 * side)
                one, two = _shifted(good, axis, side), _shifted(good, axis, side) & _shifted(good, axis, 2 * side)
                # Alone, the nearest value is better than nothing.
                share = np.where(two, 1.0, 1e-6) * one
                total += share[..., None] * np.where(two[..., None], 2 * near - far, near)
                weight += share
        new = ~good & (weight > 0)
        values[new] = total[new] / weight[new][:, None]
        good = good | new
    return values


def _shifted(array: NDArray[S], axis: int, by: int) -> NDArray[S]:
    """The entry `by` nodes farther along the axis; zero or False beyond its end."""
    out = np.zeros_like(array)
    size = array.shape[axis]
    to, take = [slice(None)] * array.ndim, [slice(None)] * array.ndim
    to[axis], take[axis] = (slice(0, max(0, size - by)), slice(by, None)) if by > 0 else (slice(-by, None), slice(0, max(0, size + by)))
    out[tuple(to)] = array[tuple(take)]
    return out


@lru_cache(maxsize=64)
def _rows(n: int, ratio: int) -> Array:
    """((n − 1) · ratio + 1, n): the spline through n values at every 1/ratio of their distance."""
    rows = _weights(n, np.arange((n - 1) * ratio + 1) / ratio)
    rows.setflags(write=False)
    return rows


def _weights(n: int, x: Array) -> Array:
    """(K, n): the spline through n values at 0, 1, … n − 1, at (K,) places."""
    return _basis(n)(x)


@lru_cache(maxsize=64)
def _basis(n: int) -> BSpline:
    return make_interp_spline(np.arange(n, dtype=np.float64), np.eye(n), k=min(3, n - 1))


def _spread(lost: Mask, axis: int, ratio: int) -> Mask:
    """On `ratio` times as fine nodes along the axis: whether one of the two old nodes around is lost."""
    fine = np.arange((lost.shape[axis] - 1) * ratio + 1)
    return lost.take(fine // ratio, axis=axis) | lost.take(-(-fine // ratio), axis=axis)
