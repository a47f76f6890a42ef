"""SWAG: the mean prediction of models drawn around SWA's, against the last epoch and against the mean of the weights."""

from __future__ import annotations

import numpy as np

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.epochs import LAST, late
from benchmarks.survey.unpaired import apart
from benchmarks.survey.workshop import Workshop, less
from explorer import api
from explorer.core.points import Points
from explorer.stats import calibration
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=140,
    sentence="Predictions averaged over a Gaussian around the training's epochs are better calibrated than the last epoch's, and no worse.",
    source="Maddox et al. 2019",
    effects={
        "last": Effect("loss of the last eight epochs, on average, minus that of SWAG", above=0.0),
        "calibration": Effect("calibration error of these epochs minus SWAG's", unit="points", above=0.0),
    },
    page="train",
    lesson="averaging",
    only="The last epochs are not overconfident to begin with, as noise on the inputs kept them from fitting every sample; averaging predictions then makes them too unsure, by 7 to 10 points (two replicates).",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """One training in small batches at a rate that never falls, and 30 models drawn."""
    problem = shop.mlp()
    epochs = shop.wandering(problem, seed)
    found = api.study(*epochs, method="swag", problem=problem, **shop.how)
    counts, drawn = np.array(found["counts"]), np.array(found["values"], dtype=np.float64)[0]
    (last,) = late(shop, problem, epochs)
    each = api.study(*epochs[-LAST:], method="calibration", problem=problem, **shop.how)["models"]
    before = Estimate(*(float(x) for x in np.mean([one["ece"] for one in each], axis=0)))
    after = calibration.error(np.array(found["gaps"][0], dtype=np.float64), counts)
    effects = {"last": less(last, Points(last.coords, drawn[None], counts)), "calibration": apart(before, after)}
    return effects, shop.line_shown(problem, epochs[-1], shop.fused(problem, epochs, "swa"))
