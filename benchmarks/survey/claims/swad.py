"""SWAD against the last epochs of one training, on the test split and on shifted images."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.epochs import late
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=130,
    sentence="An average over the valley that the validation loss marks is better than the last epoch, also on data that are shifted.",
    source="Cha et al. 2021",
    effects={
        "error": Effect("error of the last eight epochs, on average, minus that of the average of weights", unit="points", above=0.0),
        "loss": Effect("loss of these epochs minus that of the average", above=0.0),
        "shifted": Effect("the same of the error on shifted images", unit="points", above=0.0),
    },
    page="train",
    lesson="averaging",
    at={
        "middle": "The training that is averaged does not settle at this rate and batch: single epochs have test errors between 31 and 58 %, and the windows that SWAD chose take in 17 to 23 of the 24 epochs (four replicates)."
    },
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """One training in small batches at a rate that never falls."""
    problem = shop.mlp()
    epochs = shop.wandering(problem, seed, skip=False)
    average = shop.fused(problem, epochs, "swad")
    (last, mean), (last_shifted, mean_shifted) = (late(shop, problem, epochs, average, split=split) for split in ("test", "shifted"))
    found = {"error": less(last, mean, ERROR), "loss": less(last, mean), "shifted": less(last_shifted, mean_shifted, ERROR)}
    return found, shop.line_shown(problem, epochs[-1], average)
