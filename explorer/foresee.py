"""The plan of a run, from what the store knows of its models, its problem and this machine. Loads nothing: pages call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from explorer import methods, places
from explorer.facts import Facts
from explorer.files import system
from explorer.plan import Model, Plan, planned
from explorer.points import Points
from explorer.shards import bytes_at
from explorer.spec import Loaded, Recipe, Run, Trained
from explorer.store import RunStore


def foreseen(run: Run, store: RunStore) -> Plan | None:
    """What a run will still take; None where a model was never looked at, so that its size is not known."""
    field = run.field
    known = {f.digest: f for f in store.checkpoints()}
    origins = [_origin(corner, known) for corner in field.corners]
    found = [f for f in origins if f is not None]
    if len(found) < len(origins):
        return None
    count = cast("Callable[..., int]", methods.find("sample", run.sampler.name, function="left"))
    points, _ = store.points(field.id)  # with their values: some samplers ask by them
    if store.field(field.id) is None:
        d = len(methods.axes(field.chart.name, len(field.corners)))
        points = Points(np.empty((0, d)), np.empty((0, 0, 0)), np.empty(0))
    quality = found[0].on(field.split) or next(iter(found[0].quality), None)
    every = quality.samples if quality else 0
    free = max((s.free for s in store.workers() if s.device == "cpu"), default=0)
    return planned(
        tuple(Model(f.parameters, _bytes(f)) for f in found),
        points=count(points, **run.sampler.kwargs()),
        samples=min(field.samples, every) if field.samples and every else field.samples or every,
        pace=store.pace(field.problem),
        free=free or None,
    )


def _origin(recipe: Recipe, known: dict[str, Facts]) -> Facts | None:
    """The checkpoint that a model was made from, which has its size."""
    if isinstance(recipe, Loaded):
        return known.get(recipe.digest)
    if isinstance(recipe, Trained):
        return None
    inner = getattr(recipe, "models", None) or getattr(recipe, "ends", None) or (getattr(recipe, "base", None),)
    return next((f for r in inner if r is not None and (f := _origin(r, known)) is not None), None)


def _bytes(facts: Facts) -> int:
    path = places.expand(facts.path)
    with system(path, "read"):
        return bytes_at(path) if path.exists() else 4 * facts.parameters
