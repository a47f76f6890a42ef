"""How certain the topology of a measured function is: an interval for every climb between minima, for SMAD and for distances, from paired blocks of samples.

Noise makes minima, and moves passes. All points saw the same samples, so what counts is the noise of f(x) − f(m), for each x against the minimum m, which
is small where models are alike. With a band [L(x), H(x)] that holds f(x) − f(m) at all points x at once in 95 % (explorer.stats.intervals.simultaneous), the
climb from m to a place p,

    min over all ways from m to p of the highest f(x) − f(m) on the way,

lies between the same of L and the same of H, whatever the way is: it never falls where f rises. Both are passes in merge trees. A minimum is *real* where the
lower end towards the deeper minimum is above 0: then no noise could have made the hill between them. This is the comparison of its persistence with twice a band (Fasy
et al. 2014, "Confidence sets for persistence diagrams"), for each minimum by the noise on its own ways, so that high places that vary much hide nothing low down.

SMAD and the range of persistence are of the real minima alone, a bound of each by the bounds of the climbs. The bottleneck distance between two
functions changes by at most what either changes by, so its interval is as wide as both bands; places above the highest pass do not count, as
no pair depends on them.

The intervals speak of the choice of evaluation samples. What lies between the sampled points, and outside of the section, is not in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from explorer.core.points import Array
from explorer.stats.diagram_distance import bottleneck, wasserstein
from explorer.stats.intervals import LEVEL, Estimate, Means, simultaneous
from explorer.stats.merge_tree import MergeTree, merge_tree
from explorer.stats.neighbour_graph import Graph
from explorer.stats.topology_numbers import climbs, diagram, persistence_range, smad

MOST = 24  # minima whose climbs get an interval: the most persistent
SIMULATED = 2**11  # points up to which the band is simulated; of more it is Šidák's, which is wider
AT_ONCE = 2**14  # points whose blocks are in memory as differences


@dataclass(frozen=True, eq=False)
class Topology:
    """A measured function's minima, and which of them are real.

    whole: the tree of all of them. values: (M,) each minimum's value with its pointwise interval; climbs: (M,) the climb to the deeper minimum that it
    goes into, the first without one; both of the first MOST. real: (R,) numbers of those that noise cannot have made. tree: of these alone.
    exits: (R,) the climb to the first pass out of each real minimum. span: the function's range. band: what every value up to the highest pass may be off by,
    in either direction: the widest end of the simultaneous intervals there. blocks: of samples; with a single one nothing is known of noise.
    """

    whole: MergeTree
    values: list[Estimate]
    climbs: list[Estimate]
    real: NDArray[np.intp]
    tree: MergeTree
    exits: list[Estimate]
    span: float
    band: float
    blocks: int

    def smad(self, *, weighted: bool = False) -> Estimate:
        """Mean climb out of the real minima; weighted: each times its basin's share of the points. 0 for a single one."""
        shares = self.tree.volumes() if weighted else np.ones(len(self.tree))
        ends = [(share * e.low, share * e.high) for share, e in zip(shares, self.exits, strict=True) if np.isfinite(e.value)]
        if not ends:
            return Estimate(0.0, 0.0, 0.0)
        low, high = np.mean(ends, axis=0)
        return Estimate(smad(self.tree, weighted=weighted), float(low), float(high))

    def normalised_smad(self) -> Estimate:
        """SMAD by the function's range, both ends by the same range as it was measured."""
        found, span = self.smad(), self.span
        return Estimate(found.value / span, found.low / span, found.high / span) if span > 0 else Estimate(0.0, 0.0, 0.0)

    def persistence_range(self) -> Estimate:
        """The most persistent of the real minima that go into another, less the least persistent."""
        mine = [self.climbs[i] for i in self.real if np.isfinite(self.climbs[i].value)]
        if len(mine) < 2:
            return Estimate(0.0, 0.0, 0.0)
        low, high = np.array([e.low for e in mine]), np.array([e.high for e in mine])
        dying = diagram(self.tree)[np.isfinite(self.tree.deaths)]
        return Estimate(persistence_range(dying), max(float(low.max() - high.min()), 0.0), float(high.max() - low.min()))


def topology(graph: Graph, found: Means) -> Topology:
    """The graph's points with their means over samples → their minima, and which are real. With a single block nothing is known of noise: NaN, none is real."""
    values = np.where(np.isfinite(found.value), found.value, np.nan)
    whole = merge_tree(graph, values)
    first = range(min(len(whole), MOST))
    bands = [_band(found, int(whole.lowest[i])) for i in first]
    trees = [tuple(merge_tree(graph, end) for end in band) for band in bands]

    def climb(i: int, towards: list[int]) -> tuple[float, float]:
        """The ends of the interval of the climb from minimum i to that of the others that is reached lowest."""
        ends = [
            min(_pass(tree, end, int(whole.lowest[i]), int(whole.lowest[j])) for j in towards) for tree, end in zip(trees[i], bands[i], strict=True)
        ]
        return ends[0], ends[1]

    ups: list[Estimate] = []
    for i in first:
        into = int(whole.into[i])
        height = float(whole.persistence[i])
        low, high = climb(i, [into]) if into >= 0 else (np.inf, np.inf)
        ups.append(Estimate(height, *((low, high) if len(found.counts) > 1 else (np.nan, np.nan))))
    real = np.array([i for i in first if ups[i].low > 0], dtype=np.intp)
    tree = whole.kept(real)
    exits: list[Estimate] = []
    for i, height in zip(real.tolist(), climbs(tree).tolist(), strict=True):
        joined = [j for j in real.tolist() if j != i and np.isfinite(whole.pass_between(i, j))]
        exits.append(Estimate(height, *climb(i, joined)) if joined else Estimate(np.inf, np.inf, np.inf))
    lowest = whole.lowest[: len(first)]
    known = values[np.isfinite(values)]
    span = float(np.ptp(known)) if known.size else 0.0
    return Topology(
        whole, Means(found.sums[lowest], found.counts, found.counted).estimates(), ups, real, tree, exits, span, _off(found, whole), len(found.counts)
    )


def distances(a: Topology, b: Topology) -> tuple[Estimate, Estimate]:
    """The bottleneck distance between two functions' diagrams, and the Wasserstein distance of order 1 between those of their real minima."""
    wide = a.band, b.band
    far, moved = bottleneck(diagram(a.whole), diagram(b.whole)), wasserstein(diagram(a.tree), diagram(b.tree))
    off, all_off = sum(wide), wide[0] * len(a.tree) + wide[1] * len(b.tree)
    return Estimate(far, max(far - off, 0.0), far + off), Estimate(moved, max(moved - all_off, 0.0), moved + all_off)


def _band(found: Means, m: int) -> tuple[Array, Array]:
    """(n,), (n,) between which f(x) − f(m) lies at all points at once in 95 %; NaN where there is no value."""
    n = len(found.sums)
    known = np.isfinite(found.value)
    quantile = _simultaneous(Means(found.sums - found.sums[m], found.counts)) if n <= SIMULATED else _sidak(int(known.sum()))
    low, high = np.full(n, np.nan), np.full(n, np.nan)
    for start in range(0, n, AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, n))
        rows = rows[known[rows]]
        apart = Means(found.sums[rows] - found.sums[m], found.counts, found.counted)
        low[rows], high[rows] = apart.low(quantile), apart.high(quantile)
    low[m] = high[m] = 0.0
    return low, high


def _off(found: Means, whole: MergeTree) -> float:
    """What the values up to the highest pass may be off by."""
    passes = whole.deaths[np.isfinite(whole.deaths)]
    top = float(passes.max()) if passes.size else float(whole.births.min(initial=np.inf))
    quantile = _simultaneous(found)
    low, high = found.low(quantile), found.high(quantile)
    counts = np.isfinite(found.value) & ~(low > top)
    return float(np.maximum(high - found.value, found.value - low)[counts].max(initial=0.0))


def _simultaneous(found: Means) -> float:
    known = np.isfinite(found.value)
    if len(found.counts) < 2 or not known.any():
        return float("nan")
    return simultaneous(Means(found.sums[known], found.counts)) if known.sum() <= SIMULATED else _sidak(int(known.sum()))


def _sidak(n: int) -> float:
    """The quantile with which n intervals hold at once, however they depend on each other (Šidák 1967)."""
    return float(-special.ndtri((1 - (2 * LEVEL - 1) ** (1 / n)) / 2))


def _pass(tree: MergeTree, values: Array, start: int, end: int) -> float:
    """The height of the lowest way between two points."""
    between = tree.pass_between(int(tree.basin[start]), int(tree.basin[end]))
    return max(between, float(values[start]), float(values[end]))
