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
    only="The diagonal is why. What the weights of a layer do goes together, and the diagonal leaves that out: RegMean, which knows which inputs go together, is better than the average (24.2 % error against 26.4), and without that knowledge (`shrink=0`, powers of inputs alone) worse (27.8), as Fisher merging is. For networks of one linear layer, whose whole Fisher matrix can be inverted, merging by the matrix beats the average and by its diagonal does not (31.1 and 46.0 % error against 36.4): `python -m benchmarks.survey.why_fisher`. More samples (all instead of 128), a floor of up to 0.1 and normalising change it by at most half a point (one replicate).",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """All Fisher informations are measured on the images of all tasks."""
    problem, base, tuned = shop.tasks(seed)
    other, merged = (shop.fused(problem, tuned, method) for method in ("uniform_soup", "fisher"))
    return {"gain": less(*shop.points(problem, other, merged), ERROR)}, shop.line_shown(problem, base, tuned[0])
