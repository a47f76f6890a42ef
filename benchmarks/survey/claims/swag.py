"""SWAG: the mean prediction of models drawn around SWA's, against the last epoch and against the mean of the weights."""

from __future__ import annotations

import numpy as np

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop
from explorer import api
from explorer.stats import calibration
from explorer.stats.intervals import Estimate, mean

CLAIM = Claim(
    order=140,
    sentence="Predictions averaged over a Gaussian around the training's epochs are better calibrated than the last epoch's, and no worse.",
    source="Maddox et al. 2019",
    effects={
        "last": Effect("loss of the last epoch minus that of SWAG", above=0.0),
        "calibration": Effect("calibration error of the last epoch minus SWAG's", unit="points", above=0.0),
    },
    page="train",
    lesson="averaging",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """One training in small batches at a rate that never falls, and 30 models drawn."""
    problem = shop.mlp()
    epochs = shop.wandering(problem, seed)
    found = api.study(*epochs, method="swag", problem=problem, **shop.how)
    counts, (drawn, _, last) = np.array(found["counts"]), np.array(found["values"], dtype=np.float64)
    gaps = [np.array(g, dtype=np.float64) for g in found["gaps"]]
    line = shop.line(problem, epochs[-1], shop.fused(problem, epochs, "swa"))
    effects = {"last": mean(last[0] - drawn[0], counts), "calibration": calibration.difference(gaps[2], gaps[0], counts)}
    return effects, shop.shown(line.run, line.points, "interpolate")
