"""What was measured on the test split, measured on every test set that the problem names as well: a table of models or paths against test sets."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar, Unpack

import numpy as np

from explorer.api import _measuring
from explorer.api._keywords import Watched, takes
from explorer.api.looks import Models
from explorer.api.plane_result import Plane
from explorer.api.results import Line
from explorer.core import registry, splits
from explorer.core.points import Points
from explorer.core.spec import Run
from explorer.engine.open_once import open_once

Measured = TypeVar("Measured", Line, Plane, Models)


@takes(Watched)
def on_test_sets(measured: Measured, **how: Unpack[Watched]) -> dict[str, Measured]:
    """A line, a plane or models on the test split and on each test set of their problem, by name; what is there already is not measured again.

    Each has its own points where its sampler looks at values, so that the barrier on one set is as well known as that on another.

    >>> ends = [f"sample_models/digits-mlp/seed-{i}.safetensors" for i in range(2)]
    >>> {name: round(found.value(1).value, 2) for name, found in on_test_sets(look(*ends)).items()}
    {'test': 0.07}
    """
    found: dict[str, Measured] = {}
    with open_once():
        for split in splits.tests(measured.run.field.problem):
            run = replace(measured.run, field=replace(measured.run.field, split=split))
            points = _measuring.measured(run, how)
            again, doubts = _measuring.again(run.field, points, how), _measuring.doubts(run.field, how)
            found[splits.called(split)] = replace(measured, run=run, points=points, again=again, doubts=doubts)
    return found


@takes(Watched)
def values_on_test_sets(plane: Plane, places: Sequence[tuple[float, float]], **how: Unpack[Watched]) -> dict[str, Points]:
    """A few places (x, y) of a plane on the test split and on each test set of its problem, by name: points in the order of the places."""
    coords = plane.window.coords(np.array(places, dtype=np.float64))
    sampler = registry.method("sample", "given", {"at": tuple(map(float, coords.ravel()))})
    found: dict[str, Points] = {}
    with open_once():
        for split in splits.tests(plane.run.field.problem):
            run = Run(replace(plane.run.field, split=split), sampler)
            points = _measuring.measured(run, how)
            rows = [int(np.abs(points.coords - place).max(axis=1).argmin()) for place in coords]
            found[splits.called(split)] = Points(points.coords[rows], points.values[rows], points.counts)
    return found
