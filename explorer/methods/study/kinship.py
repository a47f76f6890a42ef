"""Kinship: how models relate in weight space, and where their changes have opposite signs.

Inner products of the models' parameters, from which distances and cosines follow, over all of them and over weight matrices alone (biases and scales of
norms are alike in any two networks); and conflicts of sign (explorer.methods.study._sign_conflicts) between the models, or between their differences from the first, the
`base`. Two independent networks disagree in sign on about half of their weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.checkpoints.weights import Weights, gram
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Json
from explorer.methods.study._sign_conflicts import conflicts, vectors
from explorer.problems.problem import Problem


def study(models: Sequence[Weights], problem: Problem, *, base: bool = False, progress: Progress = quiet) -> Json:
    """{"gram", "matrices": n rows of n, "pairs": k rows of k, "against": k, "share", "cancelled"}; k = n, or n − 1 with a base. None: nothing to count."""
    progress(0, 2, "Measuring distances")
    names = problem.parameters()
    matrices = [name for name in names if models[0][name].dim() > 1]
    products = {"gram": gram(models, names).tolist(), "matrices": gram(models, matrices).tolist()}
    progress(1, 2, "Counting conflicts of sign")
    found = conflicts(vectors(models, names, base=base), names)
    return {
        **products,
        "pairs": [_plain(row) for row in found.pairs],
        "against": _plain(found.against),
        "share": _plain(np.array([found.share]))[0],
        "cancelled": _plain(np.array([found.cancelled]))[0],
    }


def _plain(values: Array) -> list[Json]:
    return [float(v) if np.isfinite(v) else None for v in values]
