"""Mechanisms decide linear connectivity: readers of a planted cue and readers of the shape."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, PLAIN, Workshop, barrier, lower
from explorer import api
from explorer.stats.intervals import Estimate
from explorer.stats.mechanistic_similarity import interventions

CLAIM = Claim(
    order=200,
    sentence="Networks that read different features of the data are not linearly connected, even after their units are matched; those that read the same are.",
    source="Lubana et al. 2023",
    effects={
        "alike": Effect("barrier between two readers of the cue, matched, on data with the cue", below=0.02),
        "unlike": Effect("barrier between a reader of the cue and one of the shape, matched", above=0.02),
        "random": Effect("barrier of the error where the cue is random, the second minus the first", unit="points", above=0.0),
    },
    page="paths",
    lesson="arithmetic",
    only="On data that carry the cue a matched line is flat whatever its ends read, as either feature is enough there; where the cue is random, the error does rise above the straight line between the ends.",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Of the family that ships: an MLP with two hidden layers of 80, trained with the cue kept or randomised. The cue is of the digits alone, at any size."""
    problem = api.read_problem("digits-cue")
    randomised = interventions(problem)["randomised"]
    a, b = (shop.trained(problem, seed + k, epochs=30, **{**PLAIN, "noise": 0.5}) for k in (0, 1))
    shape = shop.trained(randomised, seed + 2, epochs=60)
    (alike,), (unlike,) = (shop.aligned(problem, a, other, method="weight_matching").pairs for other in (b, shape))
    same, other = (shop.line(randomised, *pair.after.run.field.corners) for pair in (alike, unlike))
    found = {"alike": barrier(alike.after), "unlike": barrier(unlike.after), "random": lower(other, same, ERROR)}
    return found, shop.shown(unlike.after.run, unlike.after.points, "interpolate")
