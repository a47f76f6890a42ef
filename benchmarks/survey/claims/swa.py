"""SWA against the last epoch of one training, on the test split and on shifted images."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=100,
    sentence="The mean of the weights along a training at a high, constant rate is better than its last epoch.",
    source="Izmailov et al. 2018",
    effects={
        "test": Effect("loss of the last epoch minus that of the average", above=0.0),
        "shifted": Effect("the same on shifted images", above=0.0),
    },
    page="train",
    lesson="averaging",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """One training in small batches at a rate that never falls."""
    problem = shop.mlp()
    epochs = shop.wandering(problem, seed)
    average = shop.fused(problem, epochs, "swa")
    found = {name: less(*shop.points(problem, epochs[-1], average, split=split)) for name, split in (("test", "test"), ("shifted", "shifted"))}
    return found, shop.line_shown(problem, epochs[-1], average)
