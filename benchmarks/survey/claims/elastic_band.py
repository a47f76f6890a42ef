"""AutoNEB: the saddle on a path found by an elastic band."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, barrier, lower
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=80,
    sentence="There are paths between minima on which the loss is essentially flat: the saddle lies hardly above the ends.",
    source="Draxler et al. 2018",
    effects={
        "lower": Effect("how much lower the band's highest point is than the line's", above=0.0),
        "saddle": Effect("saddle above the ends", below=0.02),
    },
    page="paths",
    lesson="curves",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The line and the band between two seeds."""
    problem = shop.mlp()
    a, b = (shop.trained(problem, seed + k) for k in (0, 1))
    line, band = shop.line(problem, a, b), shop.path(problem, a, b, "autoneb")
    return {"lower": lower(line, band), "saddle": barrier(band)}, shop.shown(band.run, band.points, "paths")
