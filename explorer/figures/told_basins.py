"""What the live pictures of minima are told, as the JSON that `frontend/basins.js` draws: the merge tree, the barcode and the terrain's profile, each as lines and marks.

All three number the minima alike, so that pointing at one of them marks it in the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from explorer.core.points import Array
from explorer.core.spec import Json
from explorer.figures import landscape_profile as terrain
from explorer.figures.topology import DRAWN, layout, lines, span
from explorer.stats.field_topology import Basin, FieldTopology

Kind: TypeAlias = Literal["tree", "barcode", "profile"]
Place: TypeAlias = tuple[float, float]


def basins(
    kind: Kind,
    found: FieldTopology,
    listed: Sequence[Basin],
    *,
    key: str,
    unit: str,
    alt: str,
    scale: float = 1.0,
    group: str = "",
    plane: str = "",
    pick: int | None = None,
    at: int = 0,
    height: int = 300,
    caption: str = "",
) -> dict[str, Json]:
    """Of the most persistent minima. plane: key of the plane whose places they are, of one picture of the group: where somebody points at either, it tells the
    other. pick: the number of the minimum that is picked; at: when it was, in ms."""
    drawn = list(listed[:DRAWN])
    ground: list[Json] = []
    order: list[Json] = []
    low, high, never = span(drawn)
    sideways: Place = (0.0, 1.0)
    upwards: Place = (low, never)
    if kind == "tree":
        slots = layout(drawn)
        sideways = (-0.6, max(len(drawn) - 0.4, 0.6))
        shown = [_branch(b, slot, slots, never) for b, slot in zip(drawn, slots, strict=True)]
        order += [slots.index(k) for k in range(len(slots))]
    elif kind == "barcode":
        sideways, upwards = (low, max(never, high)), (max(len(drawn) - 0.4, 0.6), -0.6)  # the most persistent on top
        shown = [_bar(b, i, never) for i, b in enumerate(drawn)]
        order += range(len(drawn))
    else:
        of = terrain.terrain(found, scale=scale)
        sideways, upwards = (0.0, 100.0), terrain.heights(of, drawn)
        ground = [_line(of.x[part], of.y[part]) for part in terrain.parts(of)]
        shown = [
            {
                "line": _line(of.x[mine := of.valley == i], of.y[mine]),
                "low": _at(float(of.bottom[i]), b.value.value),
                "over": None,
                "whisker": None,
            }
            for i, b in enumerate(drawn)
        ]
        order += np.argsort(of.bottom).tolist()
    return {
        "key": key,
        "group": group,
        "kind": kind,
        "minima": [
            {**one, "real": b.real, "size": 4 + 8 * float(np.sqrt(b.share)), "words": [*lines(b, unit)]} for one, b in zip(shown, drawn, strict=True)
        ],
        "order": order,
        "ground": ground,
        "xRange": list(sideways),
        "yRange": list(upwards),
        "xTitle": {"tree": "", "barcode": unit, "profile": terrain.X_TITLE}[kind],
        "yTitle": {"tree": unit, "barcode": "", "profile": unit}[kind],
        "pick": None if pick is None or pick >= len(drawn) else pick,
        "at": at,
        "height": height,
        "alt": alt,
        "caption": caption,
        "plane": plane,
        "cells": _cells(found, drawn) if plane else None,
    }


def _branch(b: Basin, slot: int, slots: Sequence[int], never: float) -> dict[str, Json]:
    """Up from the minimum, and across to the deeper one."""
    end = min(b.death, never)
    across = [] if b.into is None else [slots[b.into]]
    return {
        "line": _line(np.array([slot, slot, *across]), np.array([b.value.value, end, *([end] * len(across))])),
        "low": _at(slot, b.value.value),
        "over": None if b.into is None else _at(slot, b.death),
        "whisker": None,
    }


def _bar(b: Basin, row: int, never: float) -> dict[str, Json]:
    """From the minimum to its pass, with the ends of the climb."""
    end = min(b.death, never)
    ends = b.value.value + np.array([b.climb.low, b.climb.high])
    return {
        "line": _line(np.array([b.value.value, end]), np.array([row, row])),
        "low": _at(b.value.value, row),
        "over": None if b.into is None else _at(end, row),
        "whisker": ends.tolist() if np.isfinite(ends).all() else None,
    }


def _at(x: float, y: float) -> list[Json]:
    return [x, y]


def _line(x: Array, y: Array) -> dict[str, Json]:
    return {"x": np.round(x, 6).tolist(), "y": y.tolist()}


def _cells(found: FieldTopology, drawn: Sequence[Basin]) -> dict[str, Json]:
    """Of a plane's grid: its axes, and by rows to which of these minima each cell runs down, −1 for none; and where the minima and their passes lie."""
    x, y = (np.unique(np.round(column, 9)) for column in found.places.T)
    low: list[Json] = [_at(*b.place.tolist()) for b in drawn]
    over: list[Json] = [None if b.saddle is None else _at(*b.saddle.tolist()) for b in drawn]
    basin: Array = np.where(found.topology.whole.basin < len(drawn), found.topology.whole.basin, -1)
    rows: list[Json] = [row.tolist() for row in basin.reshape(len(x), len(y)).T]
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "basin": rows,
        "low": low,
        "over": over,
    }
