"""Where a point of a path stands: at t, or by the share of the path's length."""

from __future__ import annotations

from typing import cast

import numpy as np

from explorer.core import registry
from explorer.core.points import Array
from explorer.core.spec import Field
from explorer.stats import arc_length
from explorer.stats.arc_length import ChartFunction
from explorer.store.run_store import RunStore


def lengths(store: RunStore, field: Field, t: np.ndarray) -> np.ndarray:
    """How long the path is from its beginning to each of these t; t itself while its corners are not known."""
    known = store.field(field.id)
    if known is None:
        return t
    return arc_length.at(cast("ChartFunction", registry.find("chart", field.chart.name)), known.gram, t)


def share_of(store: RunStore, field: Field, t: float) -> float:
    """The share of the path's length up to t."""
    here, whole = lengths(store, field, np.array([t, 1.0]))
    return float(here / whole) if whole else t


def on_axis(store: RunStore, field: Field, t: Array, by_length: bool) -> Array:
    """Where each t stands on the axis that is drawn."""
    return np.array([share_of(store, field, float(at)) for at in t]) if by_length else t


def t_of(store: RunStore, field: Field, x: float) -> float:
    """t at a share of the path's length."""
    t = np.linspace(0, 1, arc_length.STEPS + 1)
    length = lengths(store, field, t)
    return float(np.interp(x * length[-1], length, t)) if length[-1] else x
