"""Study → what was found out, as JSON: loads the models and lets the method look at them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from explorer import checkpoint, methods
from explorer.matching import Progress, quiet
from explorer.problem import Problem
from explorer.realise import realise
from explorer.spec import Json, Study
from explorer.store import RunStore
from explorer.weights import compatible


def examine(wish: Study, store: RunStore, home: Path, *, device: str = "cpu", progress: Progress = quiet) -> Json:
    """Carry a study out. Refused when a model is not there or does not fit the problem; `progress` may raise Stopped."""
    problem = Problem(wish.problem)
    models = [realise(recipe, store, home, device=device, progress=progress) for recipe in wish.models]
    names = [recipe.name or recipe.id for recipe in wish.models]
    compatible(models, names)
    checkpoint.check(models[0], problem.shapes(), what=names[0])
    study = cast("Callable[..., Json]", methods.find("study", wish.method.name))
    return study(models, problem, **wish.method.kwargs(), **methods.wired(study, device=device, progress=progress))
