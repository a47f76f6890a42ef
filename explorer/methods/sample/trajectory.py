"""Trajectory: the snapshots of a training one by one, and after each of them the average of those so far.

For the chart `mixture`, whose corners are the snapshots in order; with `members` networks trained together, all members of the first snapshot, then all of
the second, and averages are of all members alike. The averages are those of explorer.stats.averaging_coefficients: swa (Izmailov et al. 2018), ema (Polyak & Juditsky 1992),
lawa (Kaddour 2022), and swad (Cha et al. 2021), whose valley is that of the members' mean loss on the field's split, the first metric.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from explorer.core.points import Array, Points, missing, rounded
from explorer.core.registry import Range
from explorer.stats import averaging_coefficients

AXES = "corners"  # one coordinate for each model


def ask(
    points: Points,
    n: int,
    *,
    average: Literal["swa", "ema", "lawa", "swad"] = "swa",
    skip: Annotated[int, Range(0, 1000000)] = 0,
    every: Annotated[int, Range(1, 1000000)] = 1,
    decay: Annotated[float, Range(0, 1)] = 0.8,
    latest: Annotated[int, Range(1, 1000000)] = 6,
    members: Annotated[int, Range(1, 64)] = 1,
) -> Array:
    """The snapshots that are missing, then the averages. `skip` and `every` are swa's, `decay` ema's, `latest` lawa's. (≤ n, C); empty: finished."""
    alone = np.eye(points.coords.shape[1])
    if len(todo := missing(alone, points.coords)):
        return todo[:n]
    rows = averages(points, average=average, skip=skip, every=every, decay=decay, latest=latest, members=members)
    return missing(rows, points.coords)[:n]


def left(
    points: Points,
    *,
    average: Literal["swa", "ema", "lawa", "swad"] = "swa",
    skip: int = 0,
    every: int = 1,
    decay: float = 0.8,
    latest: int = 6,
    members: int = 1,
) -> int:
    """How many points it may still ask for, at most."""
    corners = points.coords.shape[1]
    if alone := len(missing(np.eye(corners), points.coords)):
        return alone + corners // members
    return len(missing(averages(points, average=average, skip=skip, every=every, decay=decay, latest=latest, members=members), points.coords))


def averages(
    points: Points,
    *,
    average: str = "swa",
    skip: int = 0,
    every: int = 1,
    decay: float = 0.8,
    latest: int = 6,
    members: int = 1,
) -> Array:
    """(T, C) the average after each of the T = C / members snapshots. Empty for swad while snapshots are missing, or when none has a finite loss."""
    corners = points.coords.shape[1]
    times = corners // members
    losses = np.full(times, np.nan)
    if average == "swad":
        where = {row.tobytes(): i for i, row in enumerate(rounded(points.coords))}
        at = [where.get(row.tobytes(), -1) for row in rounded(np.eye(corners))]
        if -1 in at:
            return np.empty((0, corners))
        losses = points.values[at, 0].sum(axis=1).reshape(times, members).mean(axis=1)
    rows = np.zeros((times, corners))
    for k in range(1, times + 1):
        if average == "swa":
            row = averaging_coefficients.swa(k, skip=skip, every=every)
        elif average == "ema":
            row = averaging_coefficients.ema(k, decay=decay)
        elif average == "lawa":
            row = averaging_coefficients.lawa(k, latest=latest)
        elif np.isfinite(losses[:k]).any():
            row = averaging_coefficients.swad(losses[:k].tolist())
        else:
            row = averaging_coefficients.lawa(k, latest=1)
        rows[k - 1, : k * members] = np.repeat(row / members, members)
    return rows
