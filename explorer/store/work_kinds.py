"""What work is like what: how long making a model or a study takes is told from the last of its kind that was done here (RunStore.worked).

A kind is a method on a problem with its options, but for those that only draw random numbers and for the ones that its length is in proportion to, which
are in the number of its units.
"""

from __future__ import annotations

import json

from explorer.core.spec import Aligned, Connected, Field, Fused, Loaded, Method, ProblemSpec, Recipe, Shifted, Study, Trained

STARTING = "start a worker"
DRAWN = frozenset({"seed", "order_seed"})
LENGTHS = ("epochs", "steps", "restarts", "draws")  # options that a method's time grows with


def of_study(study: Study) -> tuple[str, float]:
    """(kind, units) of a study."""
    return _named("study", study.method, study.problem, len(study.models))


def of_opening(field: Field) -> tuple[str, float]:
    """(kind, units) of loading a field's models, before its first point."""
    return f"open {field.problem.id} {field.split} {field.samples} {field.metrics}", float(len(field.corners))


def of_points(field: Field) -> str:
    """The kind of measuring points, whose units are items of data: what decides how long that takes, but for the device."""
    attack = field.attack.id if field.attack is not None else "clean"
    return f"{field.problem.id} {field.precision} {attack} {'repair' if field.buffers == 'repair' else 'plain'}"


def of_making(recipe: Recipe) -> tuple[str, float]:
    """(kind, units) of making a model out of others that are there."""
    match recipe:
        case Loaded():
            return "load", 1.0
        case Trained():
            kind, units = _named("train", recipe.method, recipe.problem, 1)
            epochs = dict(recipe.method.options).get("epochs")
            return kind, units * recipe.at / epochs if recipe.at and isinstance(epochs, int) and epochs else units
        case Aligned():
            return _named("align", recipe.method, recipe.problem, len(recipe.models))
        case Connected():
            return _named("connect", recipe.method, recipe.problem, 1)
        case Shifted():
            return _named("direct", recipe.method, recipe.problem, 1)
        case Fused():
            return _named("fuse", recipe.method, recipe.problem, len(recipe.models))


def _named(what: str, method: Method, problem: ProblemSpec, models: int) -> tuple[str, float]:
    options = {name: value for name, value in method.options if name not in DRAWN}
    lengths = [float(length) for name in LENGTHS if isinstance(length := options.get(name), int)]
    options = {name: value for name, value in options.items() if not (name in LENGTHS and isinstance(value, int))}
    if what == "fuse" and method.name in ("average", "interpolate"):  # those at the places of a picture: their shares are all that differs
        options = {}
    units = float(models)
    for length in lengths:
        units *= max(length, 1.0)
    return json.dumps([what, method.name, problem.id, options], sort_keys=True, default=str), units
