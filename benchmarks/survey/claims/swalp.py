"""SWALP: the average, in full precision, of a training in low precision."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.epochs import late
from benchmarks.survey.workshop import Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=134,
    sentence="The average of a training whose weights are rounded to 8 bits is better than its last epoch, and as good as an average in full precision.",
    source="Yang et al. 2019",
    effects={
        "last": Effect("loss of the last eight rounded epochs, on average, minus that of the average of their weights", above=0.0),
        "full": Effect("loss of SWALP minus that of SWA", below=0.02),
    },
    page="train",
    lesson="averaging",
    at={"middle": "The training does not settle at this rate and batch: single epochs have test errors between 31 and 58 % (four replicates)."},
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The same training twice, with and without rounding, in small batches at a rate that never falls; the grid reaches from −1 to 1."""
    problem = shop.mlp()
    full, rounded = shop.wandering(problem, seed), shop.wandering(problem, seed, method="swalp", fraction=7)
    last, swa, swalp = late(shop, problem, rounded, shop.fused(problem, full, "swa"), shop.fused(problem, rounded, "swa"))
    return {"last": less(last, swalp), "full": less(swalp, swa)}, shop.line_shown(problem, rounded[-1], shop.fused(problem, rounded, "swa"))
