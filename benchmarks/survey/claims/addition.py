"""Addition: the sum of task vectors does all tasks better than the network they begin at."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less, typical
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=240,
    sentence="A network plus the vectors of several tasks does them better than it did, and than any one of the fine-tunes does all of them.",
    source="Ilharco et al. 2023",
    effects={
        "base": Effect("error of the network over all tasks minus that of the sum", unit="points", above=0.0),
        "tunes": Effect("error of the fine-tunes over all tasks minus that of the sum", unit="points", above=0.0),
    },
    page="compare",
    lesson="arithmetic",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Four tasks, each a view of the same images; the scale of the sum is chosen on the validation split."""
    problem, base, tuned = shop.tasks(seed)
    total = shop.at_best_scale(problem, base, tuned, "task_arithmetic")
    before, after, *each = shop.points(problem, base, total, *tuned)
    return {"base": less(before, after, ERROR), "tunes": less(typical(each), after, ERROR)}, shop.line_shown(problem, base, tuned[0])
