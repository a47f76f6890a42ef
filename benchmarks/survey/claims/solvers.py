"""How the assignment is solved: exactly, softly and learned, or as transport."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, lower
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=50,
    sentence="Soft permutations that are learned through the midpoint loss leave a lower barrier than exact assignments by weights.",
    source="Peña et al. 2023",
    effects={
        "sinkhorn": Effect("weight matching (Hungarian) minus Sinkhorn on the midpoint loss", above=0.0),
        "transport": Effect("how much optimal transport lowers the barrier of the line", above=0.0),
    },
    page="align",
    lesson="matching",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Two seeds of one MLP, for digits a narrow and deep one: Hungarian weight matching, Sinkhorn, optimal transport."""
    problem = shop.mlp(width=32, depth=3) if shop.quick else shop.mlp()
    models = [shop.trained(problem, seed + k) for k in (0, 1)]
    (exact,) = shop.aligned(problem, *models, method="weight_matching").pairs
    (soft,) = shop.aligned(problem, *models, method="sinkhorn", loss="midpoint").pairs
    (carried,) = shop.aligned(problem, *models, method="optimal_transport").pairs
    return {"sinkhorn": lower(exact.after, soft.after), "transport": carried.reduction()}, shop.shown(
        soft.after.run, soft.after.points, "interpolate"
    )
