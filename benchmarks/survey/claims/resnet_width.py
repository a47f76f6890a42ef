"""Permutations and width, for a ResNet: two seeds, weight matching, at three widths."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, barrier
from explorer import api
from explorer.stats.barriers import reduction
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=21,
    sentence="Of a ResNet too, once its channels are put into one order, the barrier between seeds falls as it grows wider, down to none.",
    source="Ainsworth et al. 2023; Jordan et al. 2023",
    effects={
        "undone": Effect("how much weight matching lowers the barrier at the largest width", above=0.0),
        "falls": Effect("barrier after matching, smallest width minus largest", above=0.0),
        "wide": Effect("barrier after matching at the largest width", below=0.02),
    },
    page="align",
    lesson="matching",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The barrier before and after weight matching at × 1, × 2 and × 4, the statistics of batch norm re-estimated at every point."""
    first, epochs = (4, 30) if shop.quick else (16, 15)
    pairs: list[api.Pair] = []
    for times in (1, 2, 4):
        widths = [times * first * k for k in (1, 2, 4)]
        problem = shop.problem(f'name = "resnet"\nchannels = 1\nwidths = {widths}\nblocks = 1\nclasses = 10')
        models = [shop.trained(problem, seed + k, epochs=epochs) for k in (0, 1)]
        (pair,) = shop.aligned(problem, *models, method="weight_matching").pairs
        pairs.append(pair)
    narrow, wide = pairs[0].after, pairs[-1].after
    falls = reduction(narrow.points, wide.points)
    assert falls is not None, "all ends were measured"
    return {"undone": pairs[-1].reduction(), "falls": falls, "wide": barrier(wide)}, shop.shown(wide.run, wide.points, "interpolate")
