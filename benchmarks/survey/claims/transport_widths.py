"""Optimal transport joins networks of different widths, and what it makes is a better start than none."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, less, level
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=220,
    sentence="Transport averages networks of different widths into one that, trained on for a little, is better than a new one trained as long, and than its parent.",
    source="Singh & Jaggi 2020",
    effects={
        "usable": Effect("loss of the average, not trained on (guessing: 2.3)", below=2.0),
        "anew": Effect("loss of a new network after the same few epochs minus that of the average", above=0.0),
        "parent": Effect("loss of the parent of this width, trained on as long, minus that of the average", above=0.0),
    },
    page="align",
    lesson="transport",
    only="Against a new network its lead is large. The parent, trained on as long, stays ahead: after 60 epochs by 0.003 nat, with no difference in error (one replicate). It is trained to the end here, so that there is little left to gain.",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """A narrow network and one half as wide again; their average has the width of the first, and is trained on for five epochs."""
    narrow, wide = shop.mlp(), shop.mlp(width=96 if shop.quick else 768)
    a, b = shop.trained(narrow, seed), shop.trained(wide, seed + 1)
    aligned = shop.aligned(narrow, a, b, method="optimal_transport")
    average = shop.fused(narrow, aligned.recipes, "uniform_soup")
    few = {"epochs": 5, "lr": 0.05}
    tuned, longer = (shop.trained(narrow, seed + 2, start=start, **few) for start in (average, a))
    new = shop.trained(narrow, seed + 2, **few)
    before, after, fresh, parent = shop.points(narrow, average, tuned, new, longer)
    line = aligned.pairs[0].after
    return {"usable": level(before), "anew": less(fresh, after), "parent": less(parent, after)}, shop.shown(line.run, line.points, "interpolate")
