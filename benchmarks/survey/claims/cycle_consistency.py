"""Cycle consistency against a pivot: the average of five networks in a common order."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=60,
    sentence="For an average of several networks, one common order of units found for all at once is better than matching each of them to one.",
    source="Crisostomi et al. 2024",
    effects={
        "matched": Effect("loss of the average as it is, minus after matching to one", above=0.0),
        "gain": Effect("loss of the average after matching to one, minus in the common order", above=0.0),
    },
    page="align",
    lesson="matching",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The uniform average of five seeds, for digits of a narrow and deep MLP: not aligned, aligned to the first, and cycle-consistently."""
    problem = shop.mlp(width=32, depth=3) if shop.quick else shop.mlp()
    models = [shop.trained(problem, seed + k) for k in range(5)]
    pivot = shop.aligned(problem, *models, method="weight_matching")
    common = shop.aligned(problem, *models, method="cycle_consistent")
    averages = [shop.fused(problem, some, "uniform_soup") for some in (models, pivot.recipes, common.recipes)]
    plain, one, all_at_once = shop.points(problem, *averages)
    line = common.pairs[0].after
    return {"matched": less(plain, one), "gain": less(one, all_at_once)}, shop.shown(line.run, line.points, "interpolate")
