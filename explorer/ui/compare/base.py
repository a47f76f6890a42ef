"""Which of several models is the base of methods that work on differences: proposed from the names and the distances, and doubted where it lies aside.

The base should be the model that the others were fine-tuned from. No distance proves that one is, but from a model that lies aside the differences to the
others mostly hold what these have in common, and adding them up or electing signs among them then means little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from explorer.core.markdown import plain
from explorer.core.points import Array
from explorer.core.spec import Loaded, Recipe
from explorer.store.run_store import RunStore
from explorer.ui.widgets import known_distances

CALLED = re.compile(r"(^|[^a-z])(parent|base|pretrained)([^a-z]|$)")
ASIDE = 1.1  # times the mean distance of the most central model


def proposed(store: RunStore, models: Mapping[str, Recipe]) -> str:
    """The key of the model called parent or base, else of the one whose mean distance to the others is least, else of the first."""
    called = [key for key, model in models.items() if CALLED.search((model.name or "").lower())]
    if called:
        return called[0]
    apart = _apart(store, list(models.values()))
    return list(models)[0 if apart is None else int(np.argmin(apart.sum(axis=1)))]


def nearest(store: RunStore, models: Mapping[str, Recipe], base: str, count: int) -> list[str]:
    """The base, then the models nearest to it, so many in all; the first ones where distances are not known."""
    others = [key for key in models if key != base]
    apart = _apart(store, [models[base], *(models[key] for key in others)])
    order = range(len(others)) if apart is None else np.argsort(apart[0, 1:], kind="stable").tolist()
    return [base, *(others[i] for i in order)][:count]


def doubt(store: RunStore, models: Sequence[Recipe]) -> str:
    """A sentence where the first of the models, the base, does not lie in their middle; "" where it does, or where distances are not known.

    None of a model called parent or base either: what was tuned from it on the same data moves the same way, and then lies nearer together than to it.
    """
    apart = _apart(store, models)
    if apart is None or len(models) < 3 or CALLED.search((models[0].name or "").lower()):
        return ""
    mean = apart.sum(axis=1) / (len(models) - 1)
    central = int(np.argmin(mean))
    if mean[0] <= ASIDE * mean[central]:
        return ""
    base, other = (plain(models[i].name or models[i].id) for i in (0, central))
    return (
        f"**{base}** is not in the middle of these models: its mean distance to the others is {mean[0]:.3g}, that of **{other}** {mean[central]:.3g}. Methods"
        " that work on differences (TIES, task arithmetic) need the model from which the others were fine-tuned as their base; keep it if it is that one."
    )


def _apart(store: RunStore, models: Sequence[Recipe]) -> Array | None:
    files = [m.digest for m in models if isinstance(m, Loaded)]
    return known_distances.distances(store, files) if len(files) == len(models) else None
