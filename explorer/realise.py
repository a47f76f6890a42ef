"""Recipe → Weights, the one place where a recipe is carried out. What had to be made is kept as safetensors under the recipe's hash."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch

from explorer import checkpoint, methods, places
from explorer.errors import Refused
from explorer.files import digest
from explorer.measure import RECALIBRATION_SAMPLES, has_batch_norm, network_like, recalibrate
from explorer.problem import Problem
from explorer.spec import Fused, Loaded, Recipe
from explorer.store import RunStore
from explorer.weights import Weights, compatible


def made_at(recipe: Recipe, home: Path) -> Path:
    """Where the weights of a recipe are kept once they have been made."""
    return home / "models" / f"{recipe.id}.safetensors"


def realise(recipe: Recipe, store: RunStore, home: Path) -> Weights:
    """The weights a recipe stands for, on the CPU. Refused when a file is gone or has changed."""
    match recipe:
        case Loaded():
            return _load(recipe, store)
        case Fused():
            return _memoised(recipe, home, lambda: _fuse(recipe, store, home))


def _load(recipe: Loaded, store: RunStore) -> Weights:
    candidates = [places.expand(p) for p in dict.fromkeys([*store.whereabouts(recipe.digest), recipe.path]) if p]
    for path in candidates:
        if path.is_file() and digest(path) == recipe.digest:
            weights = checkpoint.read(path).weights
            checkpoint.finite(weights, path.name)
            return weights
    name = recipe.name or recipe.path or recipe.digest
    if changed := [p for p in candidates if p.is_file()]:
        raise Refused(f"{changed[0]} has changed since it was registered as {name}. Register it again to use its present content.")
    raise Refused(f"The checkpoint {name} is not where it was ({', '.join(map(str, candidates)) or 'no path known'}). Register its folder again.")


def _fuse(recipe: Fused, store: RunStore, home: Path) -> Weights:
    models = [realise(m, store, home) for m in recipe.models]
    compatible(models, [m.name or m.id for m in recipe.models])
    problem = Problem(recipe.problem)
    fuse = cast("Callable[..., Weights]", methods.find("fuse", recipe.method.name))
    fused = fuse(models, problem, **recipe.method.kwargs())
    return settled(fused, models, problem, recipe)


@torch.no_grad()
def settled(fused: Weights, models: list[Weights], problem: Problem, recipe: Fused) -> Weights:
    """The fused weights with the buffers their policy asks for; a model that is one of the ingredients keeps its own."""
    if any(all(torch.equal(fused[k], m[k]) for k in fused) for m in models):
        return fused
    network = network_like(problem, fused, torch.device("cpu"))
    if not has_batch_norm(network) or recipe.buffers == "mix":
        return fused
    buffers = dict(network.named_buffers())
    if recipe.buffers == "first":
        return {**fused, **{name: models[0][name] for name in buffers if name in fused}}
    network.load_state_dict(fused)
    recalibrate(network, problem.split("train").inputs[:RECALIBRATION_SAMPLES])
    state = network.state_dict()
    return {name: state[name].to(tensor.dtype) if name in buffers else tensor for name, tensor in fused.items()}


def _memoised(recipe: Fused, home: Path, make: Callable[[], Weights]) -> Weights:
    path = made_at(recipe, home)
    if not path.exists():
        weights = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write(path, weights, {"recipe": json.dumps(recipe.to_json()), "problem": recipe.problem.name}, replace=True)
        return weights
    return checkpoint.read(path).weights
