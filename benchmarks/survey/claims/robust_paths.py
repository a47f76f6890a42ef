"""Robust paths: a curve trained against an adversary, and a plain one, under attack."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer import api
from explorer.core.points import Points
from explorer.stats.intervals import Estimate

RADIUS = 0.1
CLAIM = Claim(
    order=95,
    sentence="A curve of low loss is not low under attack; one that is trained against the attack has robust models in its middle, between ends that are not.",
    source="Wang et al. 2023",
    effects={
        "attack": Effect("error that the attack adds in the middle of a plain curve", unit="points", above=0.05),
        "curve": Effect("error under attack: middle of the plain curve minus that of the robust one", unit="points", above=0.0),
        "end": Effect("error under attack: an end minus the middle of the robust curve", unit="points", above=0.0),
    },
    page="paths",
    lesson="robust",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Two Bézier curves between the same seeds; the attack moves every pixel by at most 0.1."""
    problem = shop.mlp()
    a, b = (shop.trained(problem, seed + k) for k in (0, 1))
    plain, robust = shop.path(problem, a, b, "bezier"), shop.path(problem, a, b, "robust", linf=RADIUS)
    calm = _middle(plain.points)
    (end, attacked), (_, held) = (_attacked(shop, path) for path in (plain, robust))
    found = {"attack": less(attacked, calm, ERROR), "curve": less(attacked, held, ERROR), "end": less(end, held, ERROR)}
    return found, shop.shown(robust.run, robust.points, "paths")


def _attacked(shop: Workshop, path: api.Line) -> tuple[Points, Points]:
    """The first end and the middle of a path under attack."""
    field = replace(path.run.field, attack=api.Attack("linf", RADIUS))
    points = api.points(api.Run(field, api.method("sample", "given", {"at": (0.0, 0.5)})), **shop.how)
    return Points(points.coords[:1], points.values[:1], points.counts), _middle(points)


def _middle(points: Points) -> Points:
    (row,) = (points.coords[:, 0] == 0.5).nonzero()
    return Points(points.coords[row], points.values[row], points.counts)
