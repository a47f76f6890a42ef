"""Study → what was found out, as JSON: loads the models and lets the method look at them."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import Weights, compatible
from explorer.core import registry
from explorer.core.errors import Stopped
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Json, Method, Study
from explorer.engine.measure_candidates import Candidates
from explorer.engine.realise_recipe import realise
from explorer.engine.work_clock import clocked
from explorer.problems.problem import Problem
from explorer.store.records import Trial, Trials
from explorer.store.run_store import RunStore
from explorer.store.work_kinds import of_study


def examine(request: Study, store: RunStore, home: Path, *, device: str = "cpu", progress: Progress = quiet, worker: str = "") -> Json:
    """Carry a study out. Refused when a model is not there or does not fit the problem; `progress` may raise Stopped.

    `worker`: under which name a search takes candidates, so that others can share it; one of its own by default.
    """
    models = _models(request, store, home, device, progress)
    with clocked(of_study(request), store, progress) as ticking:
        return _carry_out(request, models, Candidates(request, models, store, device, worker or uuid.uuid4().hex[:12], ticking))


def is_shared(request: Study) -> bool:
    """Whether several workers can carry a study out together: one that measures candidates."""
    return registry.known("study", request.method.name) and registry.takes("study", request.method.name, "measure")


def share(request: Study, store: RunStore, home: Path, *, go_on: Callable[[], bool], device: str, worker: str) -> int:
    """Measure candidates of a study that another worker carries out, as long as it goes on and nothing else is to be done; how many."""

    def progress(done: int, total: int, message: str) -> None:
        if not go_on():
            raise Stopped

    measured = 0
    with suppress(Stopped):
        models = _models(request, store, home, device, progress)
        candidates = Candidates(request, models, store, device, worker, progress)
        try:
            _carry_out(request, models, candidates)
        finally:
            measured = candidates.measured
    return measured


def _carry_out(request: Study, models: list[Weights], candidates: Candidates) -> Json:
    study = cast("Callable[..., Json]", registry.find("study", request.method.name))

    def tell(tried: Sequence[tuple[Method, float, float]]) -> None:
        noted = candidates.store.noted(request.id)
        if noted is None or len(Trials.from_json(noted).trials) < len(tried):  # whoever shares the search may be ahead
            trials = tuple(Trial(method, *(v if math.isfinite(v) else None for v in numbers)) for method, *numbers in tried)
            candidates.store.note(request.id, Trials(trials).to_json())

    wiring = registry.wired(study, device=candidates.device, progress=candidates.progress, measure=candidates, tell=tell)
    return study(models, Problem(request.problem), **request.method.kwargs(), **wiring)


def _models(request: Study, store: RunStore, home: Path, device: str, progress: Progress) -> list[Weights]:
    problem = Problem(request.problem)
    models = [realise(recipe, store, home, problem=request.problem, device=device, progress=progress) for recipe in request.models]
    names = [recipe.name or recipe.id for recipe in request.models]
    compatible(models, names)
    checkpoint_file.check(models[0], problem.shapes(), what=names[0])
    return models
