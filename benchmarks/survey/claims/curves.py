"""Curves without a barrier between two seeds, and ensembles of models along them."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, barrier, less, lower, typical
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=70,
    sentence="Two minima with a barrier between them are joined by a simple curve of low loss, and models along it make a good ensemble.",
    source="Garipov et al. 2018",
    effects={
        "bezier": Effect("barrier along a Bézier curve with one bend", below=0.02),
        "polychain": Effect("barrier along a chain with one bend", below=0.02),
        "around": Effect("how much lower the curve is than the line", above=0.0),
        "ensemble": Effect("loss of an end minus that of an ensemble of the ends and the middle", above=0.0),
    },
    page="paths",
    lesson="curves",
    at={
        "middle": "The bends overfit: 300 epochs without the noise on the inputs that the ends were trained with are many for a thousand images. On the train split there is no barrier (0.13 nat in the middle of the curve and 0.05 in that of the chain, 0.30 at the ends), and the test error rises by 0.8 and 1.3 points (one replicate)."
    },
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The line, the curve and the chain; the three models at 0, ½ and 1 of the curve as an ensemble."""
    problem = shop.mlp()
    a, b = (shop.trained(problem, seed + k) for k in (0, 1))
    line, curve, chain = shop.line(problem, a, b), shop.path(problem, a, b, "bezier"), shop.path(problem, a, b, "polychain")
    ends = shop.points(problem, a, b)
    joint = shop.ensemble(problem, a, curve.model(0.5), b)
    found = {"bezier": barrier(curve), "polychain": barrier(chain), "around": lower(line, curve), "ensemble": less(typical(ends), joint)}
    return found, shop.shown(curve.run, curve.points, "paths")
