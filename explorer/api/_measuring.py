"""The shared keywords at work: from them to a field and a sampler, and through the engine to points in the store."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from pathlib import Path

from explorer.api._keywords import Kept, Lines, Measuring, Merging, Planes, Watched
from explorer.api.problems import find_problem, under
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Aligned, Connected, Field, Fused, Loaded, Method, ProblemSpec, Recipe, Run, Shifted, Trained
from explorer.engine.realise_recipe import realise
from explorer.engine.run_loop import keep
from explorer.stats.metrics import find, needed, offered
from explorer.stats.preview_confirmation import Confirmed, confirmed, exact, is_preview
from explorer.store.run_store import RunStore


def recipe(given: object) -> Recipe:
    """What was given, where it is a recipe. Refused for a network, its state dict, or anything else that is neither a recipe nor a path."""
    if isinstance(given, Loaded | Trained | Aligned | Connected | Shifted | Fused):
        return given
    raise Refused(
        f"A model is the path of a checkpoint, or a recipe as `train` and `align` return them; got a {type(given).__name__}. Save a network first:"
        " safetensors.torch.save_file(network.state_dict(), 'model.safetensors'), and give that path."
    )


def problem_of(model: str | Path | Recipe, how: Merging) -> ProblemSpec:
    """The problem that was named, else that of the model: of a made one its own, of a file the one it fits."""
    named = how["problem"]
    if not isinstance(model, str | Path):
        model = recipe(model)
    if isinstance(named, ProblemSpec):
        return named
    if isinstance(model, Loaded):
        return find_problem(locations.expand(model.path), named)
    return find_problem(model, named) if isinstance(model, str | Path) else model.problem


def field(problem: ProblemSpec, corners: tuple[Recipe, ...], chart: Method, how: Measuring, *, scores: bool = False) -> Field:
    """What is measured over a chart of the corners. Refused for a metric that means nothing for the problem."""
    problem = under(problem, how["loss"])
    if unfit := [m for m in how["metrics"] if m not in offered(problem) and find(m)]:
        raise Refused(
            f"{find(unfit[0]).called} means nothing for this problem, whose loss is {problem.loss}. Metrics: {', '.join(offered(problem))}."
        )
    return Field(
        problem,
        corners,
        chart,
        how["split"],
        how["samples"],
        buffers=how["buffers"],
        metrics=needed("loss", "error", *(("brier", "confidence") if scores else ()), *how["metrics"]),
        precision=how["precision"],
    )


def along(problem: ProblemSpec, corners: tuple[Recipe, ...], chart: Method, how: Lines) -> Run:
    """The request to measure a path."""
    return Run(field(problem, corners, chart, how), registry.method("sample", how["sampler"], how["options"]))


def over(problem: ProblemSpec, corners: tuple[Recipe, ...], chart: Method, how: Planes) -> Run:
    """The request to measure a plane."""
    sampler = registry.method("sample", "surface") if how["refine"] else registry.method("sample", "grid", {"size": how["size"]})
    return Run(field(problem, corners, chart, how, scores=how["scores"]), sampler)


def measured(run: Run, how: Watched) -> Points:
    """The run's points by rising coordinates; what the store holds is not measured again."""
    store, home = store_of(how)
    keep(run, store, home, report=how["report"], device=how["device"])
    return store.points(run.field.id)[0].sorted()


def again(field: Field, points: Points, how: Watched) -> Confirmed | None:
    """Of a preview, what was measured again in float32."""
    return confirmed(points, store_of(how)[0].points(exact(field).id)[0]) if is_preview(field) else None


def doubts(field: Field, how: Watched) -> tuple[str, ...]:
    """What makes the numbers of a measured field's models doubtful, a sentence each."""
    known = store_of(how)[0].field(field.id)
    return () if known is None else tuple(known.doubts())


def fused(problem: ProblemSpec, models: tuple[Recipe, ...], method: Method, how: Merging) -> Fused:
    """The recipe of a merged model."""
    return Fused(problem, models, method, how["buffers"], method.name.replace("_", " "))


def made(recipe: Trained | Aligned | Connected | Shifted | Fused, how: Kept, progress: Progress = quiet) -> Path:
    """Make a recipe's weights where they are not in `home` already, and say where the checkpoint lies."""
    store, home = store_of(how)
    realise(recipe, store, home, device=how["device"], progress=progress)
    return locations.made_at(recipe, home)


def store_of(how: Kept) -> tuple[RunStore, Path]:
    """The store in `home`, and that folder."""
    home = locations.home(how["home"])
    return RunStore.within(home), home
