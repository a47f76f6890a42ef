"""TIES against the plain sum of task vectors."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=260,
    sentence="Trimming task vectors and electing a sign for each weight makes a better merged network than adding them.",
    source="Yadav et al. 2023",
    effects={"gain": Effect("error of the sum over four tasks minus that of TIES", unit="points", above=0.0, worth=0.005)},
    page="compare",
    lesson="arithmetic",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Both at the scale that is best on the validation split."""
    problem, base, tuned = shop.tasks(seed)
    other, merged = (shop.at_best_scale(problem, base, tuned, method) for method in ("task_arithmetic", "ties"))
    return {"gain": less(*shop.points(problem, other, merged), ERROR)}, shop.line_shown(problem, base, tuned[0])
