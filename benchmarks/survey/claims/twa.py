"""TWA against SWA: the epochs of a training mixed by learned shares, and by equal ones."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.epochs import late
from benchmarks.survey.workshop import Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=132,
    sentence="Shares of the epochs that are learned on the train split make a better average than the last epoch, and than equal shares.",
    source="Li et al. 2023",
    effects={
        "last": Effect("loss of the last eight epochs, on average, minus that of TWA", above=0.0),
        "equal": Effect("loss of SWA minus that of TWA", above=0.0),
    },
    page="train",
    lesson="averaging",
    at={"middle": "The training does not settle at this rate and batch: single epochs have test errors between 31 and 58 % (four replicates)."},
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """One training in small batches at a rate that never falls."""
    problem = shop.mlp()
    epochs = shop.wandering(problem, seed)
    last, equal, learned = late(shop, problem, epochs, *(shop.fused(problem, epochs, method) for method in ("swa", "twa")))
    return {"last": less(last, learned), "equal": less(equal, learned)}, shop.line_shown(problem, epochs[-1], shop.fused(problem, epochs, "twa"))
