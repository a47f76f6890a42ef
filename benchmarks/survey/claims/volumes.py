"""Volumes of low loss: two models in a simplex each, which share their trained corners."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, barrier, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=97,
    sentence="Independent minima lie in one connected volume of low loss, of several dimensions, and an ensemble of models from it is better than one of them.",
    source="Benton et al. 2021",
    effects={
        "path": Effect("barrier on the way through the middle of the volume", below=0.02),
        "inside": Effect("how much the shared corners' middle lies above an end", below=0.02),
        "ensemble": Effect("loss of an end minus that of an ensemble of both ends and the middle", above=0.0),
    },
    page="paths",
    lesson="subspaces",
    at={"middle": "The corners are trained as the bends of *curves* are, which overfit on these images."},
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Two tetrahedra with three shared corners, so a volume of three dimensions."""
    problem = shop.mlp()
    a, b = (shop.trained(problem, seed + k) for k in (0, 1))
    path = shop.path(problem, a, b, "complex", bends=3)
    middle = path.model(0.5)
    end, inside = shop.points(problem, a, middle)
    found = {"path": barrier(path), "inside": less(inside, end), "ensemble": less(end, shop.ensemble(problem, a, middle, b))}
    return found, shop.shown(path.run, path.points, "paths")
