"""What matches units: their weights, their activations, or the midpoint loss itself."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, lower
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=40,
    sentence="Weight matching, which needs no data, removes most of the barrier, as activation matching does; learning the order through the loss removes more.",
    source="Ainsworth et al. 2023",
    effects={
        "weights": Effect("how much weight matching lowers the barrier", above=0.0),
        "activations": Effect("how much activation matching lowers it", above=0.0),
        "learned": Effect("how much lower straight-through is than weight matching", above=0.0),
    },
    page="align",
    lesson="matching",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Two seeds of one MLP, matched in three ways; for digits so narrow and deep that matching leaves a barrier."""
    problem = shop.mlp(width=32, depth=3) if shop.quick else shop.mlp()
    models = [shop.trained(problem, seed + k) for k in (0, 1)]
    (weights,), (activations,), (learned,) = (
        shop.aligned(problem, *models, method=m).pairs for m in ("weight_matching", "activation_matching", "straight_through")
    )
    found = {"weights": weights.reduction(), "activations": activations.reduction(), "learned": lower(weights.after, learned.after)}
    return found, shop.shown(learned.after.run, learned.after.points, "interpolate")
