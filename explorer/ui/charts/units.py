"""Where each unit went, to play and scrub by the steps of the matching. Drawn by `frontend/units.js`, without Python."""

from __future__ import annotations

from explorer.core.points import Array
from explorer.ui.charts.component import register


def units(
    steps: Array,
    *,
    key: str,
    unit: str,
    reference: str,
    other: str,
    alt: str,
    values: tuple[float, ...] | None = None,
    objective: str = "",
    group: str = "",
    height: int = 460,
    caption: str = "",
) -> None:
    """Draw permutations.

    steps: (T, n) whole numbers, the old position of the unit at each position, at the start and after every step; the last is the result, which is shown until
    somebody plays. values: of the objective, for each of them. unit: what the units are called. group: pictures whose axis is the step; they walk together.
    """
    if values is not None and len(values) != len(steps):
        raise ValueError(f"Expected a value for each of the {len(steps)} steps, got {len(values)}.")
    _renderer(
        key=key,
        data={
            "key": key,
            "group": group,
            "at": 0,
            "unit": unit,
            "reference": reference,
            "other": other,
            "steps": steps.tolist(),
            "values": None if values is None else list(values),
            "objective": objective,
            "height": height,
            "alt": alt,
            "caption": caption,
        },
    )


_renderer = register("units")
