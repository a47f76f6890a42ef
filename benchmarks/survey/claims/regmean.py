"""RegMean against the plain average."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=300,
    sentence="The mean that fits what each linear layer gives is better than the plain average.",
    source="Jin et al. 2023",
    effects={"gain": Effect("error of the average over four tasks minus that of RegMean", unit="points", above=0.0, worth=0.005)},
    page="compare",
    lesson="fisher_regmean",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """All Gram matrices are measured on the images of all tasks."""
    problem, base, tuned = shop.tasks(seed)
    other, merged = (shop.fused(problem, tuned, method) for method in ("uniform_soup", "regmean"))
    return {"gain": less(*shop.points(problem, other, merged), ERROR)}, shop.line_shown(problem, base, tuned[0])
