"""ZipIt: networks that know different classes, joined by merging units also within one network."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=310,
    sentence="Networks of different tasks from different seeds are joined better by merging units within each than by permuting them.",
    source="Stoica et al. 2024",
    effects={"gain": Effect("error over both tasks of the average after activation matching minus that of the zipped one", unit="points", above=0.0)},
    page="align",
    lesson="matching",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """One network learned classes 0 to 4, the other 5 to 9; the test is all ten."""
    problem = shop.mlp()
    models = [shop.trained(shop.mlp(f"{half}-plain", tests=()), seed + k) for k, half in enumerate(("low", "high"))]
    matched, zipped = (shop.aligned(problem, *models, method=method) for method in ("activation_matching", "zip"))
    other, merged = (shop.fused(problem, each.recipes, "uniform_soup") for each in (matched, zipped))
    line = zipped.pairs[0].after
    return {"gain": less(*shop.points(problem, other, merged), ERROR)}, shop.shown(line.run, line.points, "interpolate")
