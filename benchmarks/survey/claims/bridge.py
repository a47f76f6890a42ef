"""The bridge: a head on one network's features that answers as the middle of a curve does."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.unpaired import apart
from benchmarks.survey.workshop import Workshop
from explorer import api
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=75,
    sentence="What the middle of a curve answers can be predicted from the features of the curve's end, so that one pass and a small head come to the ensemble of both.",
    source="Yun et al. 2023",
    effects={
        "nearer": Effect("divergence of the end from the middle minus that of the head", above=0.0),
        "gain": Effect("loss of the end minus that of the end and the head together", above=0.0),
        "ensemble": Effect("loss of the end and the head minus that of the end and the middle, an ensemble of two networks", below=0.02),
    },
    page="paths",
    lesson="curves",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The curve of `curves`, and a head trained on its end for 60 epochs."""
    problem = shop.mlp()
    a, b = (shop.trained(problem, seed + k) for k in (0, 1))
    curve = shop.path(problem, a, b, "bezier")
    found = api.study(a, curve.model(0.5), method="bridge", problem=problem, **shop.how)
    answers, divergence = found["answers"], found["divergence"]
    worth = {who: Estimate(*(-x for x in _turned(answers[who]["loss − alone"]))) for who in ("bridged", "ensemble")}
    effects = {
        "nearer": apart(Estimate(*divergence["copied"]), Estimate(*divergence["bridge"])),
        "gain": worth["bridged"],
        "ensemble": apart(worth["ensemble"], worth["bridged"]),
    }
    return effects, shop.shown(curve.run, curve.points, "paths")


def _turned(interval: list[float]) -> tuple[float, float, float]:
    """With its ends exchanged: they are those of minus the number, up to the sign."""
    value, low, high = interval
    return value, high, low
