"""REPAIR restores the variance that averaging loses: the midpoint of two deep, narrow MLPs after matching, with and without it."""

from __future__ import annotations

import numpy as np

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer import api
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=30,
    sentence="The hidden units of an average of matched networks vary less than those of its ends; giving them back their variance makes it better.",
    source="Jordan et al. 2023",
    effects={
        "collapse": Effect("standard deviation of hidden units at the midpoint, as a share of that at the ends", unit="", below=0.95),
        "restored": Effect("the same after REPAIR", unit="", above=0.95),
        "gain": Effect("error that REPAIR takes off", unit="points", above=0.0, worth=0.01),
    },
    page="interpolate",
    lesson="interference",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Spread of the hidden layers and error of the midpoint after activation matching, without and with REPAIR."""
    problem = shop.mlp(depth=6 if shop.quick else 10, width=64 if shop.quick else 256)
    deep = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "noise": 0.0}
    models = [shop.trained(problem, seed + k, epochs=60 if shop.quick else 10, **deep) for k in (0, 1)]
    aligned = shop.aligned(problem, *models, method="activation_matching").recipes
    plain, repaired = (shop.fused(problem, aligned, "uniform_soup", buffers) for buffers in ("recalibrate", "repair"))
    spread = {"collapse": _spread(shop, plain, *aligned), "restored": _spread(shop, repaired, *aligned)}
    before, after = shop.points(problem, plain, repaired)
    return {**spread, "gain": less(before, after, ERROR)}, shop.line_shown(problem, *aligned, buffers="repair")


def _spread(shop: Workshop, *models: api.Recipe) -> Estimate:
    """The mean over hidden layers; its error over samples is far below that over seeds, and is left out."""
    found = api.study(*models, method="interference", problem=models[0].problem, **shop.how)
    value = float(np.mean([layer["spread"] for layer in found["layers"][:-1]]))
    return Estimate(value, value, value)
