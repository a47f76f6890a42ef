"""The plan of runs, from what the store knows of their models, their problem and this machine. Loads nothing: pages call it.

What is done beside the points (loading, making models, studies) takes as long as it took the last time (explorer.store.work_kinds). Before there was one, it is
counted in passes over the data, of which one takes as long as a point: `PASSES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np

from explorer.checkpoints.sharded import bytes_at, loaded_bytes
from explorer.core import locations, model_path, registry
from explorer.core.files import system
from explorer.core.points import Array, Points, no_points, rounded
from explorer.core.spec import (
    Aligned,
    Connected,
    Field,
    Fused,
    Loaded,
    Look,
    Make,
    ProblemSpec,
    Recipe,
    Request,
    Run,
    Shifted,
    SplitName,
    Study,
    Trained,
    recipes_of,
)
from explorer.store.cost_plan import Model, Plan, planned, together
from explorer.store.records import Facts
from explorer.store.requests import QUICK_S, due_at
from explorer.store.run_store import RunStore
from explorer.store.visitors import Load
from explorer.store.work_kinds import STARTING, of_making, of_opening, of_study

Made: TypeAlias = Trained | Aligned | Connected | Shifted | Fused  # whatever is made out of other models

MAKING: Mapping[type[Made], str] = {
    Trained: "the training",
    Aligned: "the alignment",
    Connected: "the training of the path",
    Shifted: "finding the directions",
    Fused: "merging the models",
}

PASSES = {"train": 3.0, "connect": 4.0, "fuse": 3.0, "study": 2.0}  # forwards (a backward counts as two) over a split, for each epoch, or model
LOADING_S = 0.1  # a model, before one was loaded here
STARTING_S = 4.0  # a worker, before one was started here


def estimate(run: Run, store: RunStore) -> Plan | None:
    """What a run will still take; None where a model was never looked at, so that its size is not known."""
    return estimate_all((run,), store)


def expected(request: Request, store: RunStore) -> float | None:
    """Seconds that a request will take by itself; None where nothing comparable was done here."""
    match request:
        case Run():
            plan = estimate(request, store)
            return plan.whole if plan is not None and not plan.first else None
        case Study():
            return _studying(request, store)
        case Make(recipe):
            seconds, unknown = _making((recipe,), store)
            return None if unknown else seconds
        case Look():
            return None


def load(request: Request, store: RunStore) -> Load:
    """What a request counts against its visitor's quotas: points that are not measured, and epochs of networks and paths that are not trained."""
    points = _left(request, store, None)[0] if isinstance(request, Run) else 0
    trained = [r for r in recipes_of(request) if isinstance(r, Trained | Connected) and not locations.made_at(r, store.path.parent).exists()]
    return Load(points, sum({locations.made_together(recipe).id: _epochs(recipe) for recipe in trained}.values()))


def _epochs(recipe: Trained | Connected) -> int:
    epochs = recipe.method.kwargs().get("epochs")
    members = registry.members_of(recipe.method) if isinstance(recipe, Trained) else 1
    return members * epochs if isinstance(epochs, int) else 0


def estimate_all(runs: Sequence[Run], store: RunStore, studies: Sequence[Study] = ()) -> Plan | None:
    """What several will still take, one after the other, with the studies beside them and what waits before them; those that are measured already are left
    out, unless all are."""
    known = {f.digest: f for f in store.checkpoints()}
    serving = store.workers()
    free = max((s.free for s in serving if s.device == "cpu"), default=0) or None
    device = (serving[0].title or serving[0].device) if serving else ""
    fields = [run.field.id for run in runs]
    asked: dict[str, set[bytes]] = {id: set() for id in fields if fields.count(id) > 1}
    sized = cache(_model)
    plans = [_estimate(run, store, known, sized, free, asked.get(run.field.id)) for run in runs]
    there = [p for p in plans if p is not None]
    if not there or len(there) < len(plans):
        return None
    whole = replace(together([p for p in there if p.points] or there), device=device)
    if not whole.points:
        return whole
    open = [run for run, plan in zip(runs, there, strict=True) if plan.points]
    making, unknown = _making([corner for run in open for corner in run.field.corners], store)
    opening = sum(_opening(run.field, store) for run in open)
    beside = sum(_studying(s, store) or 0.0 for s in studies if (status := store.status(s.id)) is None or status.state != "done")
    whole = replace(whole, more=making + opening + beside, first=tuple(name for name in whole.first if name in unknown))
    starting = 0.0 if serving else store.pace_of(STARTING) or STARTING_S
    return replace(whole, waiting=_waiting(whole.whole, store) / max(1, len(serving)), starting=starting)


def _waiting(whole: float | None, store: RunStore) -> float:
    """Seconds of the work that goes before a request of so many seconds that is put down now, as far as it is known."""
    quick = whole is not None and whole <= QUICK_S
    seconds = 0.0
    for foretold, worked, done, total in store.ahead_of(due_at(store.clock(), whole), quick=quick):
        if foretold is not None:
            seconds += max(foretold - worked, 0.1 * foretold)
        elif worked and done and total:
            seconds += worked / done * max(total - done, 0)
    return seconds


def _opening(field: Field, store: RunStore) -> float:
    kind, models = of_opening(field)
    return models * (store.pace_of(kind) or LOADING_S)


def _studying(study: Study, store: RunStore) -> float | None:
    kind, units = of_study(study)
    if (known := store.pace_of(kind)) is not None:
        return known * units
    once = _pass(study.problem, store, "test")
    return None if once is None else PASSES["study"] * once * len(study.models)


def _making(recipes: Sequence[Recipe], store: RunStore) -> tuple[float, set[str]]:
    """(seconds, what of it takes a time that is not known) of making what is not there yet, everything once."""
    open: dict[str, Made] = {}
    for recipe in recipes:
        _unmade_in(recipe, store.path.parent, open)
    seconds, unknown = 0.0, set[str]()
    for recipe in open.values():
        kind, units = of_making(recipe)
        known = store.pace_of(kind)
        guess = _guessed(recipe, store) if known is None else known * units
        if guess is None:
            unknown.add(MAKING[type(recipe)])
        seconds += guess or 0.0
    return seconds, unknown


def _unmade_in(recipe: Recipe, home: Path, found: dict[str, Made]) -> None:
    """What has to be made for a model, by what is made together: all models of an alignment, all snapshots of a training."""
    if isinstance(recipe, Loaded) or locations.made_at(recipe, home).exists():
        return
    for part in _parts(recipe):
        _unmade_in(part, home, found)
    match recipe:
        case Trained():
            key = replace(recipe, at=0, member=0, name="").id
            before = found.get(key)
            if isinstance(before, Trained) and (not before.at or (recipe.at and recipe.at <= before.at)):
                return
        case Aligned() | Connected() | Shifted():
            key = replace(recipe, which=0, name="").id
        case Fused():
            key = recipe.id
    found[key] = recipe


def _guessed(recipe: Made, store: RunStore) -> float | None:
    """Seconds of making a model that is like none that was made here; None where the data say nothing of it."""
    match recipe:
        case Trained() | Connected():
            epochs = dict(recipe.method.options).get("epochs")
            passes = PASSES["train" if isinstance(recipe, Trained) else "connect"] * epochs if isinstance(epochs, int) else None
            if isinstance(recipe, Trained) and passes is not None:
                passes *= registry.members_of(recipe.method) * (recipe.at / epochs if recipe.at and isinstance(epochs, int) else 1)
        case Fused() if registry.data_of(recipe.method.name):
            passes = PASSES["fuse"] * len(recipe.models)
        case Fused():
            return LOADING_S * len(recipe.models)
        case _:
            passes = None
    once = _pass(recipe.problem, store, "train")
    return None if passes is None or once is None else passes * once


def _pass(problem: ProblemSpec, store: RunStore, split: SplitName) -> float | None:
    """Seconds of one forward over a split, as of a point; None where no point of the problem was measured."""
    pace = store.pace(Field(problem, (), registry.method("chart", "mixture"), split=split))
    if pace is None:
        return None
    shares = {"train": 1 - problem.val - problem.test, "val": problem.val, "test": problem.test}
    samples = next(
        (q.samples / shares[q.split] for f in store.checkpoints() if _same(f.problem, problem) for q in f.quality if shares.get(q.split)), None
    )
    return pace[0] * (samples * shares[split] / pace[1] if samples and pace[1] else 1.0)


def _estimate(
    run: Run, store: RunStore, known: Mapping[str, Facts], sized: Callable[[Facts], Model], free: int | None, asked: set[bytes] | None
) -> Plan | None:
    field = run.field
    origins = [_origin(corner, known) for corner in field.corners]
    found = [f for f in origins if f is not None]
    if len(found) < len(origins):
        return None
    quality = found[0].on(field.split) or next(iter(found[0].quality), None)
    every = quality.samples if quality else dict(found[0].items).get(field.split, 0)
    plan = planned(
        tuple(map(sized, found)),
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
    if (status := store.status(run.id)) is not None and status.state == "done":
        return 0, 0
    points = _known(run, store)
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


def _known(run: Run, store: RunStore) -> Points:
    """The points that are there; for a sampler that looks at no values without these."""
    if registry.is_blind(run.sampler.name):
        places = store.places(run.field.id)
        return Points(places, np.empty((len(places), 0, 0)), np.empty(0))
    return store.points(run.field.id)[0]


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
        case _:
            return next((f for part in _parts(recipe) if (f := _origin(part, known)) is not None), None)


def _parts(recipe: Made) -> tuple[Recipe, ...]:
    """The models that one is made out of."""
    match recipe:
        case Aligned() | Fused():
            return recipe.models
        case Connected():
            return recipe.ends
        case Shifted():
            return (recipe.base,)
        case Trained():
            return (recipe.start,) if recipe.start is not None else ()


def _same(a: ProblemSpec | None, b: ProblemSpec) -> bool:
    return a is not None and (a.network, a.data) == (b.network, b.data)


def _model(facts: Facts) -> Model:
    return Model(facts.parameters, _size(facts, bytes_at), _size(facts, loaded_bytes))


def _size(facts: Facts, measure: Callable[[Path], int]) -> int:
    path = locations.expand(facts.path)
    with system(path, "read"):
        return measure(path) if model_path.parse(path).path.exists() else 4 * facts.parameters
