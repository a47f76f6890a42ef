"""HWA: means of two replicas during training, and the mean of the last of these."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.epochs import late
from benchmarks.survey.workshop import PLAIN, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=136,
    sentence="Averaging replicas while they train, and the averages of the last epochs after it, is better than SGD, and than either alone.",
    source="Gu et al. 2023",
    effects={
        "sgd": Effect("loss of SGD's last eight epochs, on average, minus that of HWA", above=0.0),
        "online": Effect("loss of the last eight means of replicas, on average, minus that of HWA", above=0.0),
    },
    page="train",
    lesson="averaging",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Two replicas and one, in small batches at a rate that never falls; the mean of the last eight epochs."""
    problem = shop.mlp()
    how = {**PLAIN, "epochs": 24 if shop.quick else 12, "schedule": "constant", "batch": 16 if shop.quick else 64, "method": "hwa"}
    alone, means = (shop.snapshots(problem, seed, replicas=replicas, **how) for replicas in (1, 2))
    average = shop.fused(problem, means, "lawa", latest=8)
    (sgd, both), (online, _) = (late(shop, problem, epochs, average) for epochs in (alone, means))
    return {"sgd": less(sgd, both), "online": less(online, both)}, shop.line_shown(problem, alone[-1], average)
