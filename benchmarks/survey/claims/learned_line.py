"""A line that is learned as a whole: its midpoint against its ends and against one training."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, barrier, less, typical
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=90,
    sentence="A line can be trained at once so that all of it is good; its midpoint is better than its ends, and than networks trained alone.",
    source="Wortsman et al. 2021",
    effects={
        "flat": Effect("barrier between the ends of the learned line", below=0.02),
        "middle": Effect("loss of an end minus that of the midpoint", above=0.0),
        "alone": Effect("loss of a network trained alone minus that of the midpoint", above=0.0),
    },
    page="paths",
    lesson="subspaces",
    only="Measure: the ends are pushed to be orthogonal, so that the weights of the middle are shorter, and without batch norm its answers less sure; its loss is higher, its error is not (0.2 points lower [−0.4, 1.1] than the ends' after 1,200 epochs, one replicate). Neither four times the width nor four times the epochs change the loss.",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The middle leg of the learned line that starts between two seeds."""
    problem = shop.mlp()
    a, b = (shop.trained(problem, seed + k) for k in (0, 1))
    path = shop.path(problem, a, b, "line_subspace")
    first, last = path.run.field.corners[1:3]
    line = shop.line(problem, first, last)
    middle, *others = shop.points(problem, line.model(0.5), first, last, a, b)
    found = {"flat": barrier(line), "middle": less(typical(others[:2]), middle), "alone": less(typical(others[2:]), middle)}
    return found, shop.shown(path.run, path.points, "paths")
