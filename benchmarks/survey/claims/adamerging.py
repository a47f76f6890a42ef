"""AdaMerging against the plain sum of task vectors."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=280,
    sentence="Coefficients for each layer that make the predictions sure, without labels, are better than one for all that is chosen with labels.",
    source="Yang et al. 2024",
    effects={"gain": Effect("error of the sum over four tasks minus that of AdaMerging", unit="points", above=0.0, worth=0.005)},
    page="compare",
    lesson="arithmetic",
    only="The entropy does fall (0.85 to 0.66 nat in one replicate) and the error rises with it (29 to 37 %): the merged network becomes sure of wrong answers.",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The sum at the scale that is best on the validation split; AdaMerging sees the inputs of that split."""
    problem, base, tuned = shop.tasks(seed)
    other = shop.at_best_scale(problem, base, tuned, "task_arithmetic")
    merged = shop.fused(problem, (base, *tuned), "adamerging")
    return {"gain": less(*shop.points(problem, other, merged), ERROR)}, shop.line_shown(problem, base, tuned[0])
