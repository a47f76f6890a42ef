"""Permutations remove the barrier as width grows: two seeds of an MLP with two hidden layers, weight matching, at three widths."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, barrier
from explorer import api
from explorer.stats.barriers import reduction
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=20,
    sentence="Once hidden units are put into one order, networks from different seeds have no barrier between them if they are wide.",
    source="Entezari et al. 2022; Ainsworth et al. 2023",
    effects={
        "undone": Effect("how much weight matching lowers the barrier at the largest width", above=0.0),
        "falls": Effect("barrier after matching, smallest width minus largest", above=0.0),
        "wide": Effect("barrier after matching at the largest width", below=0.02),
    },
    page="align",
    lesson="matching",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The barrier before and after weight matching, at the smallest and the largest width, and one in between for the picture."""
    pairs: list[api.Pair] = []
    for width in (32, 128, 1024) if shop.quick else (64, 512, 4096):
        problem = shop.mlp(width=width)
        models = [shop.trained(problem, seed + k, epochs=30 if shop.quick else 15) for k in (0, 1)]
        (pair,) = shop.aligned(problem, *models, method="weight_matching").pairs
        pairs.append(pair)
    narrow, wide = pairs[0].after, pairs[-1].after
    falls = reduction(narrow.points, wide.points)
    assert falls is not None, "all ends were measured"
    found = {"undone": pairs[-1].reduction(), "falls": falls, "wide": barrier(wide)}
    return found, shop.shown(wide.run, wide.points, "interpolate")
