"""The shared keywords at work: from them to a field and a sampler, and through the engine to points in the store."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from explorer.api._keywords import Kept, Lines, Measuring, Merging, Model, Planes, Watched
from explorer.api._progress import progress_of, reporter_of
from explorer.api.problems import find_problem, under
from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.sharded import ADAPTED, checkpoints_at, digest, digests, name_for
from explorer.checkpoints.stored_types import holds_halves
from explorer.core import locations, model_path, registry, splits
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Aligned, Connected, Field, Fused, Loaded, Method, ProblemSpec, Recipe, Run, Shifted, Spec, Trained
from explorer.engine.live_weights import kept
from explorer.engine.realise_recipe import realise
from explorer.engine.run_loop import keep, require_fit
from explorer.evaluate.read_ahead import begin
from explorer.problems.live.assemble import Given, assemble, prototype_of, same_code
from explorer.problems.live.network import Prototype, bare, weights_of
from explorer.problems.problem import Problem
from explorer.stats.metrics import find, needed, offered
from explorer.stats.preview_confirmation import Confirmed, confirmed, exact, is_preview
from explorer.store.run_store import RunStore

log = logging.getLogger(__name__)


def problem_of(model: str | Path | Recipe, how: Merging) -> ProblemSpec:
    """The problem that was named, else that of the model: of a made one its own, of a file the one it fits."""
    named = how["problem"]
    if isinstance(named, ProblemSpec):
        return named
    if isinstance(model, Loaded):
        return find_problem(locations.expand(model.path), named)
    return find_problem(model, named) if isinstance(model, str | Path) else model.problem


def brought(models: Sequence[Model], how: Merging, *, alike: bool = False) -> tuple[ProblemSpec, tuple[Recipe, ...]]:
    """The problem of what was given, and the models' recipes. Objects become what they stand for: `how` then names the problem, as if it had been given.

    alike: all models are of one shape; files that do not fit are then refused by their headers, before anything of their weights is read.
    """
    network = how["network"] if how["network"] is not None else next((m for m in models if isinstance(m, nn.Module)), None)
    known: Prototype | None = None
    if how["data"] is not None:
        if how["problem"] is not None:
            raise Refused("Both problem= and data= are given. A problem has its own data: leave one of them out.")
        if network is None:
            raise Refused("data= needs the network that the weights belong to. Give network=, or networks as the models.")
        given = _given(network, how)
        how["problem"], known = assemble(given)
        how["loss"] = given.loss if isinstance(given.loss, str) and registry.targets_of(given.loss) == "reference" else ""
        how["data"] = how["train"] = how["val"] = how["forward"] = None
        how["take"], how["output"], how["metrics"] = 0, "", None if isinstance(how["metrics"], Mapping) else how["metrics"]
    elif left := _without_data(how):
        raise Refused(f"{left}= goes with data=. Give data=: a DataLoader, a Dataset, tensors, or a table.")
    elif not isinstance(how["loss"], str):
        raise Refused("A loss function goes with data=, or into live_problem. Here loss= is the name of one of the explorer's losses.")
    elif isinstance(how["problem"], ProblemSpec) and how["problem"].network.name == "live":
        known = prototype_of(how["problem"])
    if alike:
        _fit(models, how)
    home = locations.home(how["home"])
    digests([_file(m) for m in models if isinstance(m, str | Path)])  # side by side; each recipe then finds its own known
    recipes = tuple(recipe(m, home, known, f"model {i}") for i, m in enumerate(models, 1))
    if isinstance(spec := how["problem"], ProblemSpec) and known is not None:
        for one in models:
            if isinstance(one, nn.Module) and one is not network:
                same_code(one, known, spec)
    try:
        problem = problem_of(recipes[0], how)
    except Refused as refusal:
        if how["problem"] is None and isinstance(models[0], nn.Module | Mapping):
            raise Refused(
                "These weights fit no network that ships with the explorer, so say what to measure them on: give data=, and for state dicts network=."
            ) from refusal
        raise
    return problem, recipes


def _fit(models: Sequence[Model], how: Merging) -> None:
    files = [_file(m) for m in models if isinstance(m, str | Path)]
    if files:
        named = files[0] if isinstance(models[0], str | Path | nn.Module | Mapping) else models[0]
        problem = Problem(under(problem_of(named, how), how["loss"]))
        require_fit(problem, [(name_for(f), f) for f in files])
        begin(files, problem.shapes(), problem.reals(), how["device"])


def _without_data(how: Merging) -> str:
    """The first keyword given that means nothing without `data`, "" for none."""
    given = [name for name in ("train", "val", "forward") if how[name] is not None]
    given += ["metrics"] if isinstance(how["metrics"], Mapping) else []
    given += ["take"] * (how["take"] != 0) + ["output"] * (how["output"] != "")
    return next(iter(given), "")


def recipe(model: Model, home: Path, known: Prototype | None = None, name: str = "model") -> Recipe:
    """The recipe of a model; the weights of a network or a state dict are then kept in `home`. Refused for anything else, or where nothing is."""
    if isinstance(model, Loaded | Trained | Aligned | Connected | Shifted | Fused):
        return model
    if isinstance(model, nn.Module | Mapping):
        called = f"{type(bare(model)).__name__} {name.rpartition(' ')[2]}" if isinstance(model, nn.Module) and " " in name else name
        weights = weights_of(model, name, known)
        checkpoint_file.finite(weights, called)
        return kept(weights, called, home)
    if not isinstance(model, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]  (a notebook is not type checked)
        raise Refused(
            f"A model is the path of a checkpoint, a network (nn.Module), its state dict with network=, or a recipe as `train` and `align` return them; got a"
            f" {type(model).__name__}."
        )
    file = _file(model)
    if beside := checkpoint_file.others(file):
        plain = model_path.parse(file).path.name
        log.warning("%s has other weights in it, too: choose them with %s", file.name, ", ".join(f"{plain}#{key}" for key in beside))
    return Loaded(digest(file), path=locations.shorten(file), name=_called(file), half=holds_halves(file))


def _given(network: object, how: Merging) -> Given:
    if not isinstance(network, nn.Module):
        raise Refused(f"network= is a torch.nn.Module; got a {type(network).__name__}.")
    loss = None if isinstance(how["loss"], str) and not how["loss"] else how["loss"]
    metrics = how["metrics"] if isinstance(how["metrics"], Mapping) else None
    return Given(network, how["data"], how["train"], how["val"], loss, how["forward"], metrics, how["take"], how["output"])


def _called(file: Path) -> str:
    """What a checkpoint is called: one that was made here, and lies under the id of its recipe, as that is."""
    if re.fullmatch("[0-9a-f]{16}", file.stem) and (text := checkpoint_file.outline(file).metadata.get("recipe")):
        made = Spec.from_json(json.loads(text))
        if made.id == file.stem and isinstance(made, Trained | Aligned | Connected | Shifted | Fused) and made.name:
            return made.name
    return name_for(file)


def _file(path: str | Path) -> Path:
    """The only checkpoint at a path."""
    found = checkpoints_at(path) if model_path.parse(path).path.exists() else []
    if len(found) == 1 and found[0].name != ADAPTED:
        return found[0]
    there = "a folder" if Path(path).is_dir() else "no such file"
    if found and found[0].name == ADAPTED:
        there = "an adapter, which changes a model: write model+adapter"
    raise Refused(f"{path}: a checkpoint file is expected (.safetensors, .pt, .pth), and there is {there}.")


def field(problem: ProblemSpec, corners: tuple[Recipe, ...], chart: Method, how: Measuring, *, scores: bool = False) -> Field:
    """What is measured over a chart of the corners. Refused for a metric that means nothing for the problem."""
    own = problem.metrics if not how["loss"] else ()  # under another loss there are no targets for them
    problem, names = under(problem, how["loss"]), tuple(how["metrics"] or ())
    if unfit := [m for m in names if m not in offered(problem) and find(m)]:
        raise Refused(
            f"{find(unfit[0]).called} means nothing for this problem, whose loss is {problem.loss}. Metrics: {', '.join(offered(problem))}."
        )
    return Field(
        problem,
        corners,
        chart,
        splits.find(problem, how["split"]),
        how["samples"],
        buffers=how["buffers"],
        metrics=(*needed("loss", "error", *(("brier", "confidence") if scores else ()), *names), *own),
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
    with reporter_of(how["progress"], how["report"], run, store) as report:
        done = keep(run, store, home, report=report, device=how["device"])
    points = store.points(run.field.id)[0].sorted()
    if done and run.field.problem.network.name == "live":  # nobody else can carry it out, so the app's list has it from here
        store.filed(run, len(points))
    return points


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


def made(recipe: Trained | Aligned | Connected | Shifted | Fused, how: Kept) -> Path:
    """Make a recipe's weights where they are not in `home` already, and say where the checkpoint lies."""
    store, home = store_of(how)
    with progress_of(how["progress"], f"Making {recipe.name or recipe.id}") as progress:
        realise(recipe, store, home, device=how["device"], progress=progress)
    return locations.made_at(recipe, home)


def store_of(how: Kept) -> tuple[RunStore, Path]:
    """The store in `home`, and that folder."""
    home = locations.home(how["home"])
    return RunStore.within(home), home
