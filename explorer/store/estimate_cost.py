"""The plan of runs, from what the store knows of their models, their problem and this machine. Loads nothing: pages call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from explorer.checkpoints.sharded import bytes_at, loaded_bytes
from explorer.core import locations, model_path, registry
from explorer.core.files import system
from explorer.core.points import Array, no_points, rounded
from explorer.core.spec import Aligned, Connected, Fused, Loaded, ProblemSpec, Recipe, Run, Shifted, Trained
from explorer.store.cost_plan import Model, Plan, planned, together
from explorer.store.records import Facts
from explorer.store.run_store import RunStore

MAKING = {
    Trained: "the training",
    Aligned: "the alignment",
    Connected: "the training of the path",
    Shifted: "finding the directions",
    Fused: "merging the models",
}


def estimate(run: Run, store: RunStore) -> Plan | None:
    """What a run will still take; None where a model was never looked at, so that its size is not known."""
    return estimate_all((run,), store)


def estimate_all(runs: Sequence[Run], store: RunStore) -> Plan | None:
    """What several will still take, one after the other; those that are measured already are left out, unless all are."""
    known = {f.digest: f for f in store.checkpoints()}
    serving = store.workers()
    free = max((s.free for s in serving if s.device == "cpu"), default=0) or None
    device = (serving[0].title or serving[0].device) if serving else ""
    fields = [run.field.id for run in runs]
    asked: dict[str, set[bytes]] = {id: set() for id in fields if fields.count(id) > 1}
    plans = [_estimate(run, store, known, free, asked.get(run.field.id)) for run in runs]
    there = [p for p in plans if p is not None]
    if not there or len(there) < len(plans):
        return None
    return replace(together([p for p in there if p.points] or there), device=device)


def _estimate(run: Run, store: RunStore, known: Mapping[str, Facts], free: int | None, asked: set[bytes] | None) -> Plan | None:
    field = run.field
    origins = [_origin(corner, known) for corner in field.corners]
    found = [f for f in origins if f is not None]
    if len(found) < len(origins):
        return None
    quality = found[0].on(field.split) or next(iter(found[0].quality), None)
    every = quality.samples if quality else 0
    plan = planned(
        tuple(Model(f.parameters, _bytes(f), _size(f, loaded_bytes)) for f in found),
        points=(missing := _left(run, store, asked))[0],
        samples=min(field.samples, every) if field.samples and every else field.samples or every,
        pace=store.pace(field),
        free=free,
    )
    first = tuple(dict.fromkeys(what for c in field.corners if (what := _unmade(c, store.path.parent))))
    return replace(plan, at_most=not registry.is_blind(run.sampler.name), usual=missing[1], first=first if plan.points else ())


def _left(run: Run, store: RunStore, asked: set[bytes] | None) -> tuple[int, int]:
    """How many points are missing, and how many of them are usually asked for (0: not known). Their values, some KB each, are read only for samplers that ask by them. asked: places of the field that runs before
    this one ask for; those that this one begins with are added."""
    points, _ = store.points(run.field.id, bare=registry.is_blind(run.sampler.name))
    if not len(points):  # of a field that is not known yet, nor is its dimension
        points = no_points(registry.dimension(run.field))
    missing = registry.left(run.sampler, points)
    usual = registry.expected(run.sampler, points) if registry.usual(run.sampler.name) else 0
    if asked is None or not missing:
        return missing, usual
    ask = cast("Callable[..., Array]", registry.find("sample", run.sampler.name))
    first = {row.tobytes() for row in rounded(ask(points, missing, **run.sampler.kwargs()))}
    missing -= len(first & asked)
    asked |= first
    return missing, min(missing, usual)


def _unmade(recipe: Recipe, home: Path) -> str:
    """How a model is made that is not there yet; empty where nothing is to be done."""
    return "" if isinstance(recipe, Loaded) or locations.made_at(recipe, home).exists() else MAKING[type(recipe)]


def _origin(recipe: Recipe, known: Mapping[str, Facts]) -> Facts | None:
    """The checkpoint that a model was made from, or another one of its problem, which has its size."""
    match recipe:
        case Loaded():
            return known.get(recipe.digest)
        case Trained():
            return next((f for f in known.values() if _same(f.problem, recipe.problem)), None)
        case Aligned() | Fused():
            inner = recipe.models
        case Connected():
            inner = recipe.ends
        case Shifted():
            inner = (recipe.base,)
    return next((f for r in inner if (f := _origin(r, known)) is not None), None)


def _same(a: ProblemSpec | None, b: ProblemSpec) -> bool:
    return a is not None and (a.network, a.data) == (b.network, b.data)


def _bytes(facts: Facts) -> int:
    return _size(facts, bytes_at)


def _size(facts: Facts, measure: Callable[[Path], int]) -> int:
    path = locations.expand(facts.path)
    with system(path, "read"):
        return measure(path) if model_path.parse(path).path.exists() else 4 * facts.parameters
