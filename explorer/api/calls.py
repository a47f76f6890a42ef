"""The explorer in a notebook: the same engine and the same store, without a browser or a worker.

from explorer.api import align, connect, interpolate, landscape, landscape_around, train

line = interpolate("a.safetensors", "b.safetensors", problem="digits-mlp")
print(line.barrier("loss"))
line.figure().show()
aligned = align("a.safetensors", "b.safetensors", method="weight_matching")
print(aligned.pairs[0].reduction())
path = connect("a.safetensors", "b.safetensors", method="bezier", method_options={"epochs": 60})
print(path.barrier("error"))
landscape("a.safetensors", "b.safetensors", "c.safetensors").figure().show()
snapshots = train("digits-mlp", method="swa", method_options={"epochs": 24})
landscape_around("a.safetensors", directions="random", extent=0.5).figure().show()
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from explorer.api.results import AlignedModels, Line, Pair, Plane
from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.sharded import checkpoints_at, digest, name_for
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.locations import home as default_home
from explorer.core.locations import made_at, matched_at
from explorer.core.points import Points
from explorer.core.progress import Progress, quiet
from explorer.core.spec import (
    Aligned,
    Buffers,
    Connected,
    Field,
    Fused,
    Loaded,
    Precision,
    ProblemSpec,
    Recipe,
    Run,
    Shifted,
    Spec,
    SplitName,
    Trained,
)
from explorer.engine.inspect_checkpoints import recognise
from explorer.engine.realise_recipe import realise
from explorer.engine.run_loop import keep
from explorer.figures import plane as plane_figure
from explorer.figures.plane import Extreme
from explorer.problems import problem_toml
from explorer.stats.candidate_extremes import decided, deciding
from explorer.stats.metrics import PLAIN, SCORED
from explorer.stats.plane_frame import Window
from explorer.stats.preview_confirmation import Confirmed, confirmed, exact, is_preview
from explorer.store.run_store import RunStore
from explorer.symmetry.alignment_report import Matched

Reporter = Callable[[int, int, int, str], bool]


def _silent(done: int, total: int, fresh: int, message: str) -> bool:
    return True


def interpolate(
    a: str | Path | Recipe,
    b: str | Path | Recipe,
    *,
    problem: str | Path | ProblemSpec | None = None,
    split: SplitName = "test",
    samples: int = 0,
    buffers: Buffers = "recalibrate",
    loss: str = "",
    precision: Precision = "float32",
    sampler: str = "adaptive",
    options: Mapping[str, object] | None = None,
    report: Reporter = _silent,
    home: Path | None = None,
    device: str = "cpu",
) -> Line:
    """Measure the straight line between two checkpoint files, or between models that were made (recipes).

    `problem`: the name of a shipped problem, or a folder with a problem.toml; by default the one the first checkpoint fits. `loss`: another one than
    the problem's to measure; `divergence` and `squared_distance` compare with the first model and need no labels. `precision`: `bfloat16`, or `tf32` on an
    NVIDIA GPU, make a quick preview, of which the ends and the peaks, or a plane's lowest and highest place, are measured again in float32.
    Points that the store in `home` holds already are not measured again. Files and arguments are not changed.
    """
    field = Field(
        problem=under(problem if isinstance(problem, ProblemSpec) else _problem_of(a, problem), loss),
        corners=(loaded(a), loaded(b)),
        chart=registry.method("chart", "line"),
        split=split,
        samples=samples,
        buffers=buffers,
        precision=precision,
    )
    return _line(Run(field, registry.method("sample", sampler, options)), report, home, device)


def align(
    *models: str | Path | Recipe,
    method: str = "weight_matching",
    method_options: Mapping[str, object] | None = None,
    problem: str | Path | ProblemSpec | None = None,
    split: SplitName = "test",
    samples: int = 0,
    buffers: Buffers = "recalibrate",
    loss: str = "",
    sampler: str = "adaptive",
    options: Mapping[str, object] | None = None,
    report: Reporter = _silent,
    home: Path | None = None,
    device: str = "cpu",
) -> AlignedModels:
    """Align two or more models, and measure the line from the first to each other one before and after.

    The first is the reference; most methods leave it as it is. Further arguments as in `interpolate`. The aligned checkpoints are kept in `home`.
    """
    home = default_home(home)
    spec = problem if isinstance(problem, ProblemSpec) else _problem_of(models[0], problem)
    recipes = tuple(map(loaded, models))
    aligned = Aligned.every(spec, recipes, registry.method("align", method, method_options))

    def line(a: Recipe, b: Recipe) -> Line:
        return interpolate(
            a,
            b,
            problem=spec,
            split=split,
            samples=samples,
            buffers=buffers,
            loss=loss,
            sampler=sampler,
            options=options,
            report=report,
            home=home,
            device=device,
        )

    after = [line(aligned[0], a) for a in aligned[1:]]
    matched = Matched.read(matched_at(aligned[0], home))
    pairs = tuple(Pair(line(recipes[0], r) if matched.straight(i) else None, after[i - 1]) for i, r in enumerate(recipes) if i)
    return AlignedModels(aligned, tuple(made_at(r, home) for r in aligned), matched, pairs)


def connect(
    a: str | Path | Recipe,
    b: str | Path | Recipe,
    *,
    method: str = "bezier",
    method_options: Mapping[str, object] | None = None,
    problem: str | Path | ProblemSpec | None = None,
    split: SplitName = "test",
    samples: int = 0,
    buffers: Buffers = "recalibrate",
    loss: str = "",
    precision: Precision = "float32",
    sampler: str = "adaptive",
    options: Mapping[str, object] | None = None,
    report: Reporter = _silent,
    home: Path | None = None,
    device: str = "cpu",
) -> Line:
    """Train a path between two models, which stay as they are, and measure it. Further arguments as in `interpolate`.

    The corners it makes are kept in `home`; an interrupted training resumes. Refused for methods that make no path (of one coordinate).
    """
    chart = registry.chart_of(method)
    if len(registry.axes(chart)) != 1:
        raise Refused(
            f"{method} does not make a path but something of {len(registry.axes(chart))} dimensions. Paths are made by: {', '.join(paths())}."
        )
    spec = problem if isinstance(problem, ProblemSpec) else _problem_of(a, problem)
    how = registry.method("connect", method, method_options)
    corners = Connected.every(spec, (loaded(a), loaded(b)), how, registry.corners_of(how))
    chosen = registry.method("chart", chart)
    field = Field(problem=under(spec, loss), corners=corners, chart=chosen, split=split, samples=samples, buffers=buffers, precision=precision)
    return _line(Run(field, registry.method("sample", sampler, options)), report, home, device)


def train(
    problem: str | Path | ProblemSpec,
    *,
    method: str = "sgd",
    method_options: Mapping[str, object] | None = None,
    start: str | Path | Recipe | None = None,
    every: int = 1,
    progress: Progress = quiet,
    home: Path | None = None,
    device: str = "cpu",
) -> tuple[Trained, ...]:
    """Train a problem's network, and return the recipes of its snapshots in order; of a population all members of one snapshot after another.

    `start`: a checkpoint to begin at instead of initial weights. `every`: take every so many snapshots. They are kept in `home`; an average of them is
    a `Fused` recipe, and goes wherever a checkpoint does. What was trained there before is not trained again.
    """
    spec = problem if isinstance(problem, ProblemSpec) else problem_toml.find(problem)
    how = registry.method("train", method, method_options)
    total, members = registry.snapshots_of(how), registry.members_of(how)
    if not 1 <= every <= total:
        raise Refused(f"This training run has {total} snapshots, so one in every {every} gives none. Choose from 1 to {total}.")
    begun = loaded(start) if start is not None else None
    made = tuple(
        Trained(spec, how, begun, at, member, f"{method} {at}" + (f" network {member + 1}" if members > 1 else ""))
        for at in range(every, total + 1, every)
        for member in range(members)
    )
    folder = default_home(home)
    store = RunStore.within(folder)
    for recipe in made:
        realise(recipe, store, folder, device=device, progress=progress)
    return made


def fuse(
    *models: str | Path | Recipe,
    method: str = "uniform_soup",
    method_options: Mapping[str, object] | None = None,
    problem: str | Path | ProblemSpec | None = None,
    buffers: Buffers = "recalibrate",
    home: Path | None = None,
    device: str = "cpu",
) -> Path:
    """Merge models into one, and return where its checkpoint is, in `home`. Methods with a base take the first model for it."""
    spec = problem if isinstance(problem, ProblemSpec) else _problem_of(models[0], problem)
    name = method.replace("_", " ")
    return make(Fused(spec, tuple(map(loaded, models)), registry.method("fuse", method, method_options), buffers, name), home=home, device=device)


def make(recipe: Recipe | str | Path, *, home: Path | None = None, device: str = "cpu") -> Path:
    """Carry a recipe out, or the one in a JSON file as the pages give it; where the checkpoint lies. Refused when a checkpoint it names is missing."""
    wanted = read_recipe(recipe) if isinstance(recipe, (str, Path)) else recipe
    if isinstance(wanted, Loaded):
        raise Refused("This recipe is already a checkpoint; there is nothing to make.")
    home = default_home(home)
    realise(wanted, RunStore.within(home), home, device=device)
    return made_at(wanted, home)


def read_recipe(file: str | Path) -> Recipe:
    """The recipe in a JSON file. Refused when it is not one."""
    with system(Path(file), "read"):
        text = Path(file).read_text(encoding="utf-8")
    try:
        found = Spec.from_json(json.loads(text))
    except (ValueError, TypeError) as error:
        raise Refused(f"{file} does not contain a recipe: {error}. Use the JSON that the Soup or the Compare page gives.") from error
    if not isinstance(found, Loaded | Trained | Aligned | Connected | Shifted | Fused):
        raise Refused(f"{file} contains a {type(found).__name__}, which is not a recipe for a model.")
    return found


def landscape(
    *models: str | Path | Recipe,
    size: int = 33,
    refine: bool = False,
    margin: float = 0.25,
    problem: str | Path | ProblemSpec | None = None,
    split: SplitName = "test",
    samples: int = 0,
    buffers: Buffers = "recalibrate",
    loss: str = "",
    scores: bool = False,
    precision: Precision = "float32",
    report: Reporter = _silent,
    home: Path | None = None,
    device: str = "cpu",
) -> Plane:
    """Measure the plane through three models, or the one closest to more, at size × size points. Further arguments as in `interpolate`.

    `refine`: only where the picture needs it (sample/surface), with a certificate; `size` does not count then.
    `margin`: how far the picture reaches beyond the models on every side, as a share of its longer side. `scores`: the Brier score and the confidence
    are measured, too (explorer.stats.metrics says what a plane can be drawn by).
    """
    spec = problem if isinstance(problem, ProblemSpec) else _problem_of(models[0], problem)
    chart = registry.method("chart", "plane", {"margin": margin})
    field = Field(
        under(spec, loss),
        tuple(map(loaded, models)),
        chart,
        split,
        samples,
        buffers=buffers,
        metrics=SCORED if scores else PLAIN,
        precision=precision,
    )
    return _plane(field, size, refine, report, home, device)


def landscape_around(
    model: str | Path | Recipe,
    *,
    directions: str = "random",
    options: Mapping[str, object] | None = None,
    towards: tuple[str | Path | Recipe, str | Path | Recipe] | None = None,
    extent: float = 1.0,
    size: int = 33,
    refine: bool = False,
    problem: str | Path | ProblemSpec | None = None,
    split: SplitName = "test",
    samples: int = 0,
    buffers: Buffers = "recalibrate",
    loss: str = "",
    scores: bool = False,
    precision: Precision = "float32",
    report: Reporter = _silent,
    home: Path | None = None,
    device: str = "cpu",
) -> Plane:
    """Measure the plane around a model along two directions, `extent` lengths of the first one to every side. Further arguments as in `landscape`.

    `directions`: a method that finds them, with its `options`; or `towards`: the two models that they lead to.
    """
    spec = problem if isinstance(problem, ProblemSpec) else _problem_of(model, problem)
    if towards is None:
        corners = Shifted.both(spec, loaded(model), registry.method("direct", directions, options))
    else:
        corners = (loaded(model), *map(loaded, towards))
    chart = registry.method("chart", "directions", {"extent": extent})
    field = Field(under(spec, loss), corners, chart, split, samples, buffers=buffers, metrics=SCORED if scores else PLAIN, precision=precision)
    return _plane(field, size, refine, report, home, device)


def decide(
    plane: Plane, metric: str = "loss", *, report: Reporter = _silent, home: Path | None = None, device: str = "cpu"
) -> tuple[Extreme, Extreme] | None:
    """Where a plane that was measured on some of the samples is lowest and highest, decided on all of them: they are measured at those places that may be
    either (explorer.stats.candidate_extremes). None where no value is finite. Where all samples were used, and of a preview, what the plane itself says."""
    run = deciding(plane.run.field, plane.points, metric)
    if run is None:
        return plane.extremes(metric)
    found = decided(run, points(run, report=report, home=home, device=device))
    assert found is not None
    return plane_figure.extremes(run.field, found, metric, plane.window)


def _line(run: Run, report: Reporter, home: Path | None, device: str) -> Line:
    run, points = _measured(run, report, home, device)
    return Line(run, points, _again(run.field, points, home))


def _again(field: Field, points: Points, home: Path | None) -> Confirmed | None:
    """Of a preview, what was measured again in float32."""
    return confirmed(points, RunStore.within(default_home(home)).points(exact(field).id)[0]) if is_preview(field) else None


def _plane(field: Field, size: int, refine: bool, report: Reporter, home: Path | None, device: str) -> Plane:
    sampler = registry.method("sample", "surface") if refine else registry.method("sample", "grid", {"size": size})
    run, points = _measured(Run(field, sampler), report, home, device)
    known = RunStore.within(default_home(home)).field(field.id)
    assert known is not None
    window = cast("Window", registry.find("chart", field.chart.name, function="window")(known.gram, **field.chart.kwargs()))
    return Plane(run, points, window, _again(field, points, home))


def points(run: Run, *, report: Reporter = _silent, home: Path | None = None, device: str = "cpu") -> Points:
    """Measure any run, for instance one that a page gives as code; its points by rising coordinates."""
    return _measured(run, report, home, device)[1]


def _measured(run: Run, report: Reporter, home: Path | None, device: str) -> tuple[Run, Points]:
    home = default_home(home)
    store = RunStore.within(home)
    keep(run, store, home, report=report, device=device)
    points, _ = store.points(run.field.id)
    return run, points.sorted()


def under(problem: ProblemSpec, loss: str) -> ProblemSpec:
    """The problem measured by another loss; "" for its own. Refused when there is no such loss."""
    if loss and loss not in registry.names("loss"):
        raise Refused(f"There is no loss {loss!r}. There are: {', '.join(registry.names('loss'))}.")
    return replace(problem, loss=loss) if loss else problem


def paths() -> list[str]:
    """The methods that make a path between two models."""
    return [m for m in registry.names("connect") if len(registry.axes(registry.chart_of(m))) == 1]


def _problem_of(model: str | Path | Recipe, name: str | Path | None) -> ProblemSpec:
    if isinstance(model, Loaded):
        return find_problem(locations.expand(model.path), name)
    return find_problem(model, name) if isinstance(model, (str, Path)) else model.problem


def loaded(path: str | Path | Recipe) -> Recipe:
    """The recipe of a checkpoint: of a file, of a folder of shards, or of the only file in a folder; a recipe is one already."""
    if not isinstance(path, (str, Path)):
        return path
    found = checkpoints_at(path) if Path(path).exists() else []
    file = found[0] if len(found) == 1 else _one(path)
    return Loaded(digest(file), path=locations.shorten(file), name=name_for(file))


def find_problem(checkpoint_path: str | Path, name: str | Path | None) -> ProblemSpec:
    """The problem by name or folder; without one, that of the checkpoint's folder or the shipped one it fits."""
    if name is not None:
        return problem_toml.find(name)
    path = Path(checkpoint_path)
    if (own := problem_toml.beside(path)) is not None:
        return own
    read = checkpoint_file.read(path)
    spec, why = recognise(read.weights, read.metadata, problem_toml.shipped())
    if spec is None:
        raise Refused(f"{path.name}: {why} Name the problem, or put a problem.toml beside the file.")
    return spec


def _one(path: str | Path) -> Path:
    raise Refused(
        f"{path}: a checkpoint file is expected (.safetensors, .pt, .pth), and there is {'a folder' if Path(path).is_dir() else 'no such file'}."
    )
