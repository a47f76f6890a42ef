"""Survey: what each model changed of the first one, layer by layer, before anything is merged.

For every layer and every model after the first, the size of the change, its mean cosine with the other models' changes, the share of it that opposes
the sign of their sum, and the stable rank of the layer's largest matrix (explorer.checkpoints.task_survey). Layers in which changes are large and oppose one
another are those in which a merge loses most.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.checkpoints import task_survey
from explorer.checkpoints.task_survey import Tally
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Json
from explorer.problems.problem import Problem


def study(models: Sequence[Weights], problem: Problem, *, progress: Progress = quiet) -> Json:
    """{"layers": L names, "norm", "cosine", "against", "rank": L rows of k = models − 1}. None: nothing to divide by. Refused without a second model."""
    if len(models) < 2:
        raise Refused("A survey compares models with the first one. Give at least two.")
    names = list(problem.parameters())
    named = task_survey.layer_names(names)
    tallies: dict[str, Tally] = {}
    for done, name in enumerate(names):
        progress(done, len(names), "comparing layers")
        tally = tallies.setdefault(named[name], Tally(len(models) - 1))
        tensors = [m[name].cpu() for m in models]
        tally.add(tensors)
        tally.add_rank(tensors)
    found = task_survey.survey(tallies.items(), [""] * (len(models) - 1))
    return {
        "layers": list(found.layers),
        "norm": _plain(found.norm),
        "cosine": _plain(found.cosine),
        "against": _plain(found.against),
        "rank": _plain(found.rank),
    }


def _plain(values: Array) -> list[Json]:
    return [[float(v) if np.isfinite(v) else None for v in row] for row in values]
