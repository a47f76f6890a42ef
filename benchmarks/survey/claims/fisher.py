"""Fisher merging against the plain average."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=290,
    sentence="Weighting each weight by its Fisher information makes a better average than the plain one.",
    source="Matena & Raffel 2022",
    effects={"gain": Effect("error of the average over four tasks minus that of Fisher merging", unit="points", above=0.0, worth=0.005)},
    page="compare",
    lesson="fisher_regmean",
    only="Open why: neither Fisher informations measured on each model's own task nor normalised ones change it (one replicate: errors 30.6 and 28.9 % against 26.5 % of the average).",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """All Fisher informations are measured on the images of all tasks."""
    problem, base, tuned = shop.tasks(seed)
    other, merged = (shop.fused(problem, tuned, method) for method in ("uniform_soup", "fisher"))
    return {"gain": less(*shop.points(problem, other, merged), ERROR)}, shop.line_shown(problem, base, tuned[0])
