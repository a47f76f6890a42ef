"""Analogy: plain 5 to 9, plus what negatives changed for 0 to 4, read negatives of 5 to 9."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, best, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=250,
    sentence="Where A is to B as C is to D, the vectors of A, B and C make a network that does D, of which no sample was seen.",
    source="Ilharco et al. 2023",
    effects={
        "base": Effect("error of the network on D minus that with C + B − A", unit="points", above=0.0),
        "nearest": Effect("error of the fine-tune for C on D minus that with C + B − A", unit="points", above=0.0),
    },
    page="compare",
    lesson="arithmetic",
    only="A fine-tune on half of the classes mostly forgets the other half, and the two that should cancel do not; the error rises with every scale above 0 (one replicate).",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """A, B: classes 0 to 4 plain and negative; C, D: 5 to 9 plain and negative. The network has seen every view; the scale is chosen on D's validation split."""
    _, base, _ = shop.tasks(seed)
    wanted = shop.mlp("high-negative", width=256 if shop.quick else 1024, tests=())
    a, b, c = (shop.tuned(base, data, k) for k, data in enumerate(("low-plain", "low-negative", "high-plain"), 11))
    made = [shop.fused(wanted, (base, a, b, c), "task_arithmetic", coefficients=(-s, s, s)) for s in (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)]
    chosen = made[best(shop.points(wanted, *made, split="val"), ERROR)]
    before, nearest, after = shop.points(wanted, base, c, chosen)
    return {"base": less(before, after, ERROR), "nearest": less(nearest, after, ERROR)}, shop.line_shown(wanted, base, c)
