"""Late branches share a basin: two children of one training that see other batches from some epoch on, and the line between where they end."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, barrier, lower
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=10,
    sentence="Two trainings that part early end in different basins; those that part late end in one.",
    source="Frankle et al. 2020",
    effects={
        "early": Effect("barrier of branches from epoch 0", above=0.02),
        "late": Effect("barrier of branches from epoch 10 of 20", below=0.02),
        "fall": Effect("how much lower the later barrier is", above=0.0),
    },
    page="paths",
    lesson="sgd_noise",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The barrier between two branches from the start, and from half-way."""
    problem = shop.mlp()
    early, late = (shop.line(problem, *shop.branches(problem, seed, at)) for at in (0, 10))
    return {"early": barrier(early), "late": barrier(late), "fall": lower(early, late)}, shop.shown(late.run, late.points, "interpolate")
