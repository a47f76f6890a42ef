"""Every point of a field is a model: the recipe of the one at given coordinates. Plain numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

import numpy as np

from explorer.core import registry
from explorer.core.points import Array
from explorer.core.spec import Field, Fused, Method

At: TypeAlias = tuple[float, ...]


def coefficients_at(field: Field, gram: Array, at: At) -> Array:
    """(C,) how much of each of the field's corners is in the model at coordinates on its chart; `gram`: the corners' (C, C) inner products."""
    place = cast("Callable[..., Array]", registry.find("chart", field.chart.name))
    return place(np.array([at]), gram, **field.chart.kwargs())[0]


def recipe_at(field: Field, gram: Array, at: At) -> Fused:
    """That model as a recipe like any other, named after what is in it."""
    shares = [float(c) for c in coefficients_at(field, gram, at)]
    average = Method("average", (("normalise", False), ("weights", tuple(shares))))
    parts = [(c, corner.name or corner.id) for c, corner in zip(shares, field.corners, strict=True) if c]
    name = parts[0][1] if len(parts) == 1 and parts[0][0] == 1 else " + ".join(f"{c:.3g} {n}" for c, n in parts).replace("+ -", "− ")
    return Fused(field.problem, field.corners, average, field.buffers, name=name)
