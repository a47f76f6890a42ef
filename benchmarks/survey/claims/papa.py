"""PAPA: a population that is pulled towards its mean, against the same trainings left alone."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, less, typical
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=210,
    sentence="Networks that are pulled towards their mean while they train can be averaged, and the average is better than networks trained alone.",
    source="Jolicoeur-Martineau et al. 2024",
    effects={
        "averages": Effect("loss of the average of independent networks minus that of PAPA's", above=0.0),
        "alone": Effect("loss of a network trained alone minus that of PAPA's average", above=0.0),
    },
    page="train",
    lesson="averaging",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Three networks with the pull and without it (α = 1), from the same initial weights and with the same small batches."""
    problem = shop.mlp()
    pulled, alone = (
        shop.snapshots(problem, seed, every=0, method="papa", members=3, alpha=alpha, batch=16 if shop.quick else 64)[-3:] for alpha in (0.99, 1.0)
    )
    average, apart, *singles = shop.points(problem, shop.fused(problem, pulled, "uniform_soup"), shop.fused(problem, alone, "uniform_soup"), *alone)
    return {"averages": less(apart, average), "alone": less(typical(singles), average)}, shop.line_shown(problem, alone[0], alone[1])
