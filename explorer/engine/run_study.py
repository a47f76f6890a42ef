"""Study → what was found out, as JSON: loads the models and lets the method look at them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import compatible
from explorer.core import registry
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Json, Study
from explorer.engine.realise_recipe import realise
from explorer.engine.work_clock import clocked
from explorer.problems.problem import Problem
from explorer.store.run_store import RunStore
from explorer.store.work_kinds import of_study


def examine(request: Study, store: RunStore, home: Path, *, device: str = "cpu", progress: Progress = quiet) -> Json:
    """Carry a study out. Refused when a model is not there or does not fit the problem; `progress` may raise Stopped."""
    problem = Problem(request.problem)
    models = [realise(recipe, store, home, problem=request.problem, device=device, progress=progress) for recipe in request.models]
    names = [recipe.name or recipe.id for recipe in request.models]
    compatible(models, names)
    checkpoint_file.check(models[0], problem.shapes(), what=names[0])
    study = cast("Callable[..., Json]", registry.find("study", request.method.name))
    with clocked(of_study(request), store, progress) as ticking:
        return study(models, problem, **request.method.kwargs(), **registry.wired(study, device=device, progress=ticking))
