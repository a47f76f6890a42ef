"""LAWA against the last epochs of one training."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.epochs import late
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=120,
    sentence="The mean of the latest few epochs is better than the last one.",
    source="Kaddour 2022",
    effects={
        "error": Effect("error of the last eight epochs, on average, minus that of the average of weights", unit="points", above=0.0),
        "loss": Effect("loss of these epochs minus that of the average", above=0.0),
    },
    page="train",
    lesson="averaging",
    at={"middle": "The training does not settle at this rate and batch: single epochs have test errors between 31 and 58 % (four replicates)."},
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """One training in small batches at a rate that never falls."""
    problem = shop.mlp()
    epochs = shop.wandering(problem, seed)
    average = shop.fused(problem, epochs, "lawa")
    last, mean = late(shop, problem, epochs, average)
    found = {"error": less(last, mean, ERROR), "loss": less(last, mean)}
    return found, shop.line_shown(problem, epochs[-1], average)
