"""DARE: most of a task vector can go, and what stays is merged as well as the whole."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=270,
    sentence="Nine tenths of what fine-tuning changed can be dropped if the rest is scaled up, and merging what stays is no worse than merging all.",
    source="Yu et al. 2024",
    effects={
        "dropped": Effect("error on its task that a fine-tune gains by the drop", unit="points", below=0.02),
        "merged": Effect("error over four tasks after the drop minus that of the plain sum", unit="points", below=0.01),
    },
    page="compare",
    lesson="arithmetic",
    only="Fine-tuning moved these weights by a third of their length, so that what is dropped and the scaling of the rest are large; dropping half instead of nine tenths costs 1.3 points (one replicate).",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """One fine-tune alone, and four merged at the scale that is best on the validation split."""
    problem, base, tuned = shop.tasks(seed)
    thin = shop.fused(problem, (base, tuned[0]), "dare", drop=0.9)
    whole, left = shop.points(problem, tuned[0], thin, split="negative")
    total, after = shop.points(
        problem, shop.at_best_scale(problem, base, tuned, "task_arithmetic"), shop.at_best_scale(problem, base, tuned, "dare", drop=0.9)
    )
    return {"dropped": less(left, whole, ERROR), "merged": less(after, total, ERROR)}, shop.line_shown(problem, base, tuned[0])
