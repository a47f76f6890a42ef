"""What the live picture of a volume is told, as the JSON that `frontend/volume.js` draws: values on a grid of three coordinates, and the minima and passes in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.points import Array
from explorer.core.spec import Json
from explorer.figures.plane import SCALE, span
from explorer.figures.told import shades
from explorer.figures.topology import DRAWN, lines
from explorer.stats.field_topology import Basin

NAMES = ("x", "y", "z")


def volume(
    values: Array,
    axes: Sequence[Array],
    *,
    key: str,
    z_title: str,
    alt: str,
    unit: str,
    minima: Sequence[Basin] = (),
    group: str = "",
    pick: Sequence[float] | None = None,
    at: int = 0,
    log: bool = False,
    height: int = 440,
    caption: str = "",
) -> dict[str, Json]:
    """(n₁, n₂, n₃) values as they are shown, NaN where nothing is known, and (nᵢ,) distances along each axis. minima: to be drawn with their passes, the most
    persistent. pick: where the mark stands, in distances; at: when it was last set, in ms."""
    if values.ndim != 3 or values.shape != tuple(map(len, axes)):
        raise ValueError(f"Expected values on a grid of three axes, each with its places; got {values.shape} and {[len(a) for a in axes]} places.")
    marks: list[Json] = []
    for number, b in enumerate(minima[:DRAWN]):
        said: list[Json] = [*lines(b, unit)]
        marks.append({"place": b.place.tolist(), "number": number, "pass": False, "real": b.real, "words": said})
        if b.saddle is not None:
            marks.append({"place": b.saddle.tolist(), "number": number, "pass": True, "real": b.real, "words": said})
    return {
        "key": key,
        "group": group,
        "n": list(values.shape),
        "values": [float(f"{v:.5g}") if np.isfinite(v) else None for v in values.ravel().tolist()],
        "low": [float(axis[0]) for axis in axes],
        "high": [float(axis[-1]) for axis in axes],
        "names": list(NAMES),
        "zTitle": f"{z_title}, logarithmic" if log else z_title,
        "log": log,
        "span": list(span(values, log)),
        "colours": list(shades(SCALE)),
        "marks": marks,
        "pick": None if pick is None else list(pick),
        "at": at,
        "height": height,
        "alt": alt,
        "caption": caption,
    }
