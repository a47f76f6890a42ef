"""What a live picture is told: curves and planes as the JSON that the front end draws (the types are at the top of its `curve.js` and `plane.js`).

NaN is not valid JSON: a value that is not finite goes as null. The values of a plane are bytes, which a notebook takes as they are and `packed` joins with
the rest for the app; `frontend/packed.js` reads both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np
from plotly.colors import get_colorscale, sample_colorscale

from explorer.core.points import Array
from explorer.core.spec import Json
from explorer.figures.curve import PALETTE, Curve
from explorer.figures.plane import SCALE, Marker, Surface, Trace, axis_titles


class Mixtures(NamedTuple):
    """Of a plane's first three models: their names, (K, 3) shares that sum to 1, and (K,) values; NaN where one diverged."""

    names: tuple[str, ...]
    shares: Array
    values: Array


LOST, GUESS = 1, 2  # kinds of cells, as `frontend/packed.js` has them


def curves(
    drawn: Sequence[Curve],
    *,
    key: str,
    x_title: str,
    y_title: str,
    alt: str,
    pick: float | None = None,
    at: int = 0,
    height: int = 360,
    log: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    caption: str = "",
    does: str = "read the values at a point",
    group: str = "",
    play: bool = False,
    answers: dict[str, Json] | None = None,
) -> dict[str, Json]:
    """Of curves. pick: where the handle stands; at: when it was last moved there, in ms. The rest as explorer.ui.charts.curve."""
    return {
        "key": key,
        "group": group,
        "curves": [_curve(one.ordered(), PALETTE[i % len(PALETTE)]) for i, one in enumerate(drawn)],
        "xTitle": x_title,
        "yTitle": y_title,
        "xRange": None if x_range is None else list(x_range),
        "yRange": None if y_range is None else list(y_range),
        "pick": pick,
        "at": at,
        "height": height,
        "log": log,
        "alt": alt,
        "caption": caption,
        "does": does,
        "play": play,
        "answers": answers,
    }


def plane(
    grid: Surface,
    markers: Sequence[Marker],
    traces: Sequence[Trace],
    *,
    key: str,
    z_title: str,
    alt: str,
    unit: str = "t",
    pick: tuple[float, float] | None = None,
    at: float = 0,
    log: bool = False,
    span: tuple[float, float] | None = None,
    height: int = 440,
    caption: str = "",
    group: str = "",
    scale: str = SCALE,
    view: str = "map",
    tells: bool = False,
    stage: bool = False,
    mixtures: Mixtures | None = None,
) -> dict[str, Json | bytes]:
    """Of a plane. z: (ny, nx) float32, NaN where nothing is known; kinds: (ny, nx) of a byte, 1 for a cell that diverged, 2 for one that is a prediction.
    pick: where the mark stands; at: when it was last set, in ms; tells: whether it says which view is chosen. The rest as explorer.ui.charts.plane."""
    titles = axis_titles(markers)
    return {
        "key": key,
        "group": group,
        "x": grid.x.tolist(),
        "y": grid.y.tolist(),
        "z": np.where(np.isfinite(grid.z), grid.z, np.nan).astype("<f4").tobytes(),
        "kinds": (LOST * grid.lost + (0 if grid.guess is None else GUESS * grid.guess)).astype(np.uint8).tobytes(),
        "preview": grid.guess is not None,
        "markers": [{"name": m.name, "x": m.x, "y": m.y} for m in markers],
        "paths": [{"name": t.name, "colour": t.colour, "s": t.s.tolist(), "x": t.x.tolist(), "y": t.y.tolist()} for t in traces],
        "colours": list(shades(scale)),
        "contours": True,
        "log": log,
        "span": None if span is None else list(span),
        "unit": unit,
        "zTitle": f"{z_title}, logarithmic" if log else z_title,
        "zName": z_title,
        "xTitle": titles[0],
        "yTitle": titles[1],
        "pick": None if pick is None else list(pick),
        "at": at,
        "height": height,
        "alt": alt,
        "caption": caption,
        "view": view,
        "tells": tells,
        "stage": stage,
        "mixtures": None
        if mixtures is None
        else {"names": list(mixtures.names), "shares": mixtures.shares.tolist(), "values": _numbers(mixtures.values)},
    }


def packed(data: Mapping[str, Json | bytes]) -> bytes:
    """All of it as bytes: how long the JSON is (4 bytes), the JSON, in which {"bytes": [from, length]} stands for bytes, and these."""
    told, parts, at = dict[str, Json](), list[bytes](), 0
    for name, value in data.items():
        if isinstance(value, bytes):
            told[name] = {"bytes": [at, len(value)]}
            parts.append(value)
            at += len(value)
        else:
            told[name] = value
    head = json.dumps(told, allow_nan=False).encode()
    return b"".join((len(head).to_bytes(4, "little"), head, *parts))


def shades(scale: str) -> list[str]:
    """A colour scale in 128 steps."""
    return [str(c) for c in sample_colorscale(get_colorscale(scale), np.linspace(0, 1, 128).tolist())]


def _curve(curve: Curve, colour: str) -> Json:
    return {
        "name": curve.name,
        "colour": colour,
        "x": _numbers(curve.x),
        "y": _numbers(curve.y),
        "low": None if curve.low is None else _numbers(curve.low),
        "high": None if curve.high is None else _numbers(curve.high),
        "chord": list(curve.chord) if curve.chord is not None and all(map(isfinite, curve.chord)) else None,
        "peak": curve.peak._asdict() if curve.peak is not None and all(map(isfinite, curve.peak[:3])) else None,
        "ghost": curve.ghost,
    }


def _numbers(values: Array) -> list[Json]:
    return [float(value) if np.isfinite(value) else None for value in values]
