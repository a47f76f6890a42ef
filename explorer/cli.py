"""The command line: `loss-explorer app | barrier | align | path | train | plane | fuse | look | problems | runs | plan | worker | train-samples`."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from explorer import methods, perplexity, places, plugins, trust
from explorer.errors import Refused, Stopped
from explorer.files import system
from explorer.shards import stamp
from explorer.store import RunStore
from explorer.told import alignment_json, err, interval, line_json, out, print_alignment, print_barriers, print_methods, print_plan, sized

if TYPE_CHECKING:
    from explorer.spec import Method

app = typer.Typer(no_args_is_help=True, add_completion=False, help="How checkpoints lie to each other in weight space: measured, with intervals.")


class Split(StrEnum):
    train = "train"
    val = "val"
    test = "test"


class Policy(StrEnum):
    recalibrate = "recalibrate"
    mix = "mix"
    first = "first"
    repair = "repair"


class Sampler(StrEnum):
    adaptive = "adaptive"
    grid = "grid"


HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the store and of models made here [default: LOSS_EXPLORER_HOME, or the user's data folder].")
]
ProblemOption = Annotated[
    str | None, typer.Option("--problem", "-p", help="A shipped problem's name, or a folder with a problem.toml [default: recognised].")
]
SplitOption = Annotated[Split, typer.Option(help="Samples the loss is measured on.")]
SamplesOption = Annotated[int, typer.Option(min=0, help="How many of them, 0 for all.")]
BuffersOption = Annotated[Policy, typer.Option(help="Batch-norm statistics between the ends.")]
LossOption = Annotated[
    str, typer.Option("--loss", help="Measure another loss than the problem's; divergence compares with the first model and needs no labels.")
]
MethodOptions = Annotated[list[str] | None, typer.Option("--option", "-o", help="An option of the method, as name=value; may be given again.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")]
HtmlOption = Annotated[Path | None, typer.Option(help="Also write the picture here, as one self-contained page.")]


def _trusted(names: list[str]) -> list[str]:
    with _refusals():
        trust.trust(names or [])
    return names


def _plugged(names: list[str]) -> list[str]:
    with _refusals():
        plugins.add(names or [])
        methods.check_plugins()
    return names


# Both act while the command line is read, before any command looks at a method; a worker that is hired inherits them.
TrustOption = Annotated[
    list[str] | None,
    typer.Option("--trust", callback=_trusted, help="Let this code be run: module:callable, or the path of a .pt2 file; may be given again."),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option("--plugin", callback=_plugged, help="A Python file or module of yours with data, a loss, a network or methods; may be given again."),
]
DeviceOption = Annotated[
    str, typer.Option(envvar="LOSS_EXPLORER_DEVICE", help="auto: a GPU where there is one, in the app all of them; or cpu, cuda, cuda:1, mps.")
]

RayOption = Annotated[
    str,
    typer.Option(
        envvar="LOSS_EXPLORER_RAY", help="Measure on a Ray cluster: host:port, auto for the one of this machine, local to start one. Needs [cluster]."
    ),
]


@app.command("app")
def run_app(
    port: Annotated[int, typer.Option(help="Port of the server.")] = 8501,
    headless: Annotated[bool, typer.Option("--headless", help="Do not open a browser.")] = False,
    device: DeviceOption = "auto",
    ray: RayOption = "",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
    serve: Annotated[bool, typer.Option("--serve", help="Let other machines in; wants --root, and a login or --no-login.")] = False,
    root: Annotated[list[Path] | None, typer.Option(help="With --serve: a folder from which a browser may have checkpoints and data read.")] = None,
    no_login: Annotated[bool, typer.Option("--no-login", help="With --serve: let everybody in who reaches the address.")] = False,
    secrets: Annotated[Path | None, typer.Option(help="With --serve: the file with Streamlit's [auth] [default: ~/.streamlit/secrets.toml].")] = None,
    host: Annotated[list[str] | None, typer.Option(help="With --serve: another name under which browsers reach this machine, a proxy's say.")] = None,
    address: Annotated[str, typer.Option(help="With --serve: the address to listen on.")] = "0.0.0.0",
) -> None:
    """Open the explorer in a browser, on this machine only; --serve lets others in."""
    from explorer import serve as serving

    with _refusals():
        if device not in ("auto", "cpu"):
            from explorer.devices import device_for

            device_for(device)
        if not serve and (root or no_login or secrets or host or address != "0.0.0.0"):
            raise Refused("--root, --no-login, --secrets, --host and --address belong to --serve. Without it the app is for this machine alone.")
        start = (
            serving.served(
                port,
                address=address,
                folders=root or [],
                hosts=host or [],
                login=not no_login,
                secrets=secrets or Path.home() / ".streamlit" / "secrets.toml",
            )
            if serve
            else serving.alone(port)
        )
    if (trust or plugin) and (count := len(_store(home).workers())):
        err.print(f"{count} worker{'s' if count > 1 else ''} started earlier will not run the code named here; they go home after ten quiet minutes.")
    for warning in start.warnings:
        err.print(f"[yellow]![/yellow] {warning}", highlight=False, soft_wrap=True)
    folder = places.root()
    where = {"LOSS_EXPLORER_DEVICE": device, "LOSS_EXPLORER_RAY": ray, **({"LOSS_EXPLORER_HOME": str(home.resolve())} if home else {})}
    environment = {**os.environ, **start.environment, **where}
    command = [sys.executable, "-m", "streamlit", "run", str(folder / "app.py"), "--server.headless", str(headless or serve).lower(), *start.flags]
    raise typer.Exit(subprocess.call(command, env=environment, cwd=folder))


@app.command()
def barrier(
    a: Annotated[Path, typer.Argument(help="Checkpoint at t = 0.")],
    b: Annotated[Path, typer.Argument(help="Checkpoint at t = 1.")],
    problem: ProblemOption = None,
    split: SplitOption = Split.test,
    samples: SamplesOption = 0,
    buffers: BuffersOption = Policy.recalibrate,
    loss: LossOption = "",
    sampler: Annotated[Sampler, typer.Option(help="adaptive: as few points as the barrier needs; grid: evenly spaced.")] = Sampler.adaptive,
    points: Annotated[int, typer.Option(min=5, max=1001, help="Size of the grid, or budget of the adaptive sampler.")] = 15,
    as_json: JsonOption = False,
    html: HtmlOption = None,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """The loss barrier on the straight line between two checkpoints, with its 95 % interval."""
    with _refusals():
        _free(html)
        from explorer import api
        from explorer.devices import device_for
        from explorer.figures import curve as curve_figure
        from explorer.figures.line import told

        with _progress("Measuring", quiet=as_json) as report:
            line = api.interpolate(
                a,
                b,
                problem=problem,
                split=split.value,
                samples=samples,
                buffers=buffers.value,
                loss=loss,
                sampler=sampler.value,
                options={"budget" if sampler is Sampler.adaptive else "size": points},
                report=report,
                home=home,
                device=device_for(device),
            )
        found = [line.barrier(metric) for metric in told(line.run.field)]
        if html is not None:
            html.write_text(curve_figure.html(line.figure()), encoding="utf-8")
        if as_json:
            print(json.dumps(line_json(line), indent=2))
        else:
            print_barriers(
                found, f"{a.name} → {b.name} · {line.run.field.problem.name} · {split.value} split", tokens=perplexity.applies(line.run.field.problem)
            )


@app.command()
def align(
    models: Annotated[list[Path] | None, typer.Argument(help="Two checkpoints or more; the first is the reference.")] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="Which alignment; `--method list` shows them all.")] = "weight_matching",
    option: MethodOptions = None,
    problem: ProblemOption = None,
    split: SplitOption = Split.test,
    samples: SamplesOption = 0,
    buffers: BuffersOption = Policy.recalibrate,
    loss: LossOption = "",
    save: Annotated[Path | None, typer.Option(help="Also write the aligned checkpoints into this folder.")] = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Permute hidden units so that checkpoints match, and measure the barrier before and after."""
    with _refusals():
        if method == "list":
            print_methods("align", methods.names("align"))
            return
        models = models or []
        if len(models) < 2:
            raise Refused("Two checkpoints or more are wanted, the first as the reference. Name another one.")
        targets = [save / f"{m.stem}-{method}.safetensors" for m in models] if save else []
        if len({*targets}) < len(targets) or any(t.exists() for t in targets):
            raise Refused(f"{save} holds checkpoints of these names already, or two of the models share a name. Choose another folder.")
        from explorer import api
        from explorer.devices import device_for

        with _progress("Aligning", quiet=as_json) as report:
            done = api.align(
                *models,
                method=method,
                method_options=_options("align", method, option or []),
                problem=problem,
                split=split.value,
                samples=samples,
                buffers=buffers.value,
                loss=loss,
                report=report,
                home=home,
                device=device_for(device),
            )
        for source, target in zip(done.files, targets, strict=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
        if as_json:
            print(json.dumps(alignment_json(done), indent=2))
        else:
            print_alignment(done, models)


@app.command()
def path(
    a: Annotated[Path | None, typer.Argument(help="Checkpoint at t = 0.")] = None,
    b: Annotated[Path | None, typer.Argument(help="Checkpoint at t = 1.")] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="How the path is trained; `--method list` shows all ways.")] = "bezier",
    option: MethodOptions = None,
    problem: ProblemOption = None,
    split: SplitOption = Split.test,
    samples: SamplesOption = 0,
    buffers: BuffersOption = Policy.recalibrate,
    loss: LossOption = "",
    as_json: JsonOption = False,
    html: HtmlOption = None,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Train a path between two checkpoints, and measure the barrier along it."""
    with _refusals():
        from explorer import api

        if method == "list":
            print_methods("connect", api.paths())
            return
        _free(html)
        if a is None or b is None:
            raise Refused("Two checkpoints are wanted, for the ends of the path. Name another one.")
        from explorer.devices import device_for
        from explorer.figures import curve as curve_figure
        from explorer.figures.line import told

        with _progress("Training the path", quiet=as_json) as report:
            line = api.connect(
                a,
                b,
                method=method,
                method_options=_options("connect", method, option or []),
                problem=problem,
                split=split.value,
                samples=samples,
                buffers=buffers.value,
                loss=loss,
                report=report,
                home=home,
                device=device_for(device),
            )
        found = [line.barrier(metric) for metric in told(line.run.field)]
        if html is not None:
            html.write_text(curve_figure.html(line.figure()), encoding="utf-8")
        if as_json:
            print(json.dumps(line_json(line), indent=2))
        else:
            print_barriers(
                found,
                f"{a.name} → {b.name} · {method} · {line.run.field.problem.name} · {split.value} split",
                tokens=perplexity.applies(line.run.field.problem),
            )


@app.command()
def train(
    problem: Annotated[str, typer.Argument(help="A shipped problem's name, or a folder with a problem.toml.")] = "",
    out_folder: Annotated[Path | None, typer.Option("--out", help="Where the checkpoints go; made when missing.")] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="How it is trained; `--method list` shows all ways.")] = "sgd",
    option: MethodOptions = None,
    start: Annotated[Path | None, typer.Option(help="A checkpoint to begin at, instead of initial weights.")] = None,
    every: Annotated[int, typer.Option(min=0, help="Write every so many snapshots, 0 for the last alone.")] = 0,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Train a problem's network, and write its checkpoints. Ctrl-C leaves it so that the same command goes on from there."""
    with _refusals():
        if method == "list":
            print_methods("train", methods.names("train"))
            return
        if not problem or out_folder is None:
            raise Refused(
                "A problem and --out are wanted: `loss-explorer train digits-mlp --out my-models`. `loss-explorer problems` lists what ships."
            )
        from explorer.cli_train import train_into
        from explorer.devices import device_for

        try:
            with _progress("Training") as report:
                files = train_into(
                    out_folder,
                    problem,
                    method=method,
                    options=_options("train", method, option or []),
                    start=start,
                    every=every,
                    home=home,
                    device=device_for(device),
                    report=report,
                    warn=partial(err.print, style="yellow"),
                )
        except Stopped as stop:
            err.print(str(stop), highlight=False, soft_wrap=True)
            raise typer.Exit(130) from None
        for file in files:
            out.print(f"{file}", highlight=False, soft_wrap=True)


@app.command()
def plane(
    models: Annotated[list[Path], typer.Argument(help="Three checkpoints or more; or one, with --around or --towards.")],
    around: Annotated[str, typer.Option(help="Directions around a single checkpoint, such as random; `--around list` shows all.")] = "",
    towards: Annotated[tuple[Path, Path] | None, typer.Option(help="Two checkpoints that the directions around a single one lead to.")] = None,
    option: MethodOptions = None,
    extent: Annotated[float, typer.Option(help="With --around and --towards: how far, in lengths of the first direction.")] = 1.0,
    size: Annotated[int, typer.Option(min=3, max=257, help="Points along each side.")] = 33,
    refine: Annotated[
        bool, typer.Option("--refine", help="Points only where the picture needs them, and how wrong it may be; instead of --size.")
    ] = False,
    problem: ProblemOption = None,
    split: SplitOption = Split.test,
    samples: SamplesOption = 0,
    buffers: BuffersOption = Policy.recalibrate,
    loss: LossOption = "",
    csv: Annotated[Path | None, typer.Option(help="Write the values here, one row for each point.")] = None,
    html: HtmlOption = None,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Measure the plane through three checkpoints, closest to more of them, or around one."""
    with _refusals():
        from explorer import api

        if around == "list":
            print_methods("direct", methods.names("direct"))
            return
        for file in (html, csv):
            _free(file)
        single = bool(around or towards)
        if (around and towards) or (len(models) != 1 if single else len(models) < 3):
            raise Refused(f"A plane goes through three checkpoints or more, or around one with either --around or --towards; got {len(models)}.")
        from explorer.devices import device_for
        from explorer.figures import curve as curve_figure
        from explorer.figures import units
        from explorer.figures.certificate import certified

        if towards:
            draw = partial(api.landscape_around, models[0], towards=towards, extent=extent)
        elif around:
            draw = partial(api.landscape_around, models[0], directions=around, options=_options("direct", around, option or []), extent=extent)
        else:
            draw = partial(api.landscape, *models)
        with _progress("Measuring") as report:
            done = draw(
                size=size,
                refine=refine,
                problem=problem,
                split=split.value,
                samples=samples,
                buffers=buffers.value,
                loss=loss,
                report=report,
                home=home,
                device=device_for(device),
            )
        if html is not None:
            html.write_text(curve_figure.html(done.figure()), encoding="utf-8")
        if csv is not None:
            done.table().to_csv(csv, index=False)
        grid = done.surface("loss")
        lowest = done.table().sort_values("loss").iloc[0]
        out.print(
            f"{len(done.points)} points · {split.value} loss from {lowest['loss']:.4g} at ({lowest['x']:.4g}, {lowest['y']:.4g})"
            f" to {done.table()['loss'].max():.4g}{units.after(units.of_level(done.run.field.problem, 'loss'))} · {int(grid.lost.sum())} without a finite loss",
            highlight=False,
        )
        if refine:
            out.print(certified(done.certificate(), grid.measured), highlight=False)


@app.command()
def fuse(
    ingredients: Annotated[
        list[str], typer.Argument(metavar="(RECIPE.yaml | MODELS…) OUT", help="A recipe of mergekit's form, or models; and the result.")
    ],
    method: Annotated[str, typer.Option("--method", "-m", help="Without a recipe: how; `--method list OUT` shows all ways.")] = "uniform_soup",
    option: MethodOptions = None,
    problem: ProblemOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what holds for each tensor and what it will take, and write nothing.")] = False,
    shard_size: Annotated[str, typer.Option(help="Bytes of a file at most, such as 500MB or 5GB.")] = "5GB",
    force: Annotated[bool, typer.Option("--force", help="Replace a model that is there already.")] = False,
    device: DeviceOption = "auto",
    home: HomeOption = None,
) -> None:
    """Merge checkpoints of any size, block by block; a model may be `model+adapter` (LoRA). OUT is a folder to be, or a .safetensors.

    With --problem the models are merged in memory, as in the app: for methods that need samples.
    """
    with _refusals():
        if method == "list":
            print_methods("fuse", methods.names("fuse"))
            return
        *models, target = ingredients
        if not models:
            raise Refused("Models or a recipe are wanted, and after them where the result goes. Name both.")
        out_path, recipe = Path(target), Path(models[0])
        given = methods.method("fuse", method, _options("fuse", method, option or []))
        if problem is not None:
            _fuse_in_memory(models, out_path, given, problem, device, home, force)
            return
        from explorer.merge import engine, plan

        if recipe.suffix.lower() in (".yaml", ".yml"):
            if len(models) > 1 or option:
                raise Refused("A recipe names its models and options itself. Give the recipe and OUT alone.")
            with system(recipe, "read"):
                made = plan.of_recipe(recipe.read_text(encoding="utf-8", errors="replace"))
        else:
            made = plan.of_method(given, models)
        for note in made.notes:
            err.print(f"[yellow]![/yellow] {note}", highlight=False, soft_wrap=True)
        if dry_run:
            print_plan(made)
            return
        columns = (TextColumn("Merging"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("", total=made.bytes_written)
            done = engine.merge(made, out_path, shard_bytes=_bytes(shard_size), force=force, report=lambda n, _: progress.update(task, completed=n))
        out.print(f"{done.path}: {len(made.jobs):,} tensors, {sized(done.bytes_written)} in {done.seconds:.1f} s", highlight=False, soft_wrap=True)


def _fuse_in_memory(models: list[str], target: Path, method: Method, problem: str, device: str, home: Path | None, force: bool) -> None:
    """As the app does it: loaded, fused, its running statistics settled, kept in the home folder and copied."""
    from explorer import api, checkpoint
    from explorer import problem as problems
    from explorer.devices import device_for
    from explorer.realise import realise
    from explorer.spec import Fused

    if target.suffix.lower() != ".safetensors":
        raise Refused(f"With --problem the result is one file. Let {target.name} end in .safetensors.")
    if not force:
        _free(target)
    recipe = Fused(problems.find(problem), tuple(api.loaded(m) for m in models), method)
    with _progress("Fusing") as report:

        def progress(done: int, total: int, message: str) -> None:
            report(done, total, 0, message)

        weights = realise(recipe, _store(home), home or places.home(), device=device_for(device), progress=progress)
    checkpoint.write(target, weights, {"recipe": json.dumps(recipe.to_json()), "problem": recipe.problem.name}, replace=force)
    out.print(f"{target}: {len(weights):,} tensors", highlight=False, soft_wrap=True)


def _bytes(text: str) -> int:
    """500MB, 5GB, 2GiB or a plain number, in bytes."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kKMGT]?)(i?)B?)\s*", text)
    if found is None or not (size := int(float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2].upper() or " "))):
        raise Refused(f"--shard-size wants a size such as 500MB or 5GB, got {text!r}.")
    return size


def _free(file: Path | None) -> None:
    """Refused when a file that is to be written exists."""
    if file is not None and file.exists():
        raise Refused(f"{file} exists already. Choose another name, or remove it.")


def _options(kind: str, name: str, given: list[str]) -> dict[str, object]:
    """`name=value` texts as the options of a method; Refused when a text is not of that form or the value not of that type."""
    known = {o.name: o for o in methods.options(kind, name)}
    found: dict[str, object] = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or key not in known:
            raise Refused(f"--option wants name=value with one of {', '.join(known) or 'no options at all'}; got {text!r}.")
        found[key] = known[key].parse(value)
    return found


@app.command()
def look(
    path: Annotated[Path, typer.Argument(help="A checkpoint file, or a folder of them.")],
    problem: ProblemOption = None,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """What a file or folder holds: which problem it fits, parameters, loss and error."""
    with _refusals():
        from explorer import problem as problems
        from explorer.devices import device_for
        from explorer.look import look as look_at
        from explorer.spec import Look

        store = _store(home)
        wish = Look(str(path.resolve()), stamp(path), problems.find(problem) if problem else None)
        with _progress("Looking") as report:
            found = look_at(wish, store, report=report, device=device_for(device))
        table = Table("checkpoint", "recognised as", "parameters", "test loss", "test error")
        for file in found.files:
            if file.error:
                table.add_row(file.name, f"[red]{file.error}[/red]")
            elif (test := file.on("test")) is None:
                free = f"{file.problem.name}: its loss compares two models, and says nothing of one" if file.problem else file.why
                table.add_row(file.name, free, f"{file.parameters:,}")
            else:
                name = file.problem.name if file.problem else ""
                loss = interval(test.loss)
                if file.problem and perplexity.applies(file.problem):
                    loss += f"\nperplexity {perplexity.of(test.loss[0]):.4g} [{perplexity.of(test.loss[1]):.4g}, {perplexity.of(test.loss[2]):.4g}]"
                right = file.problem is None or methods.classifies(file.problem.loss)
                table.add_row(file.name, name, f"{file.parameters:,}", loss, interval(test.error) if right else "")
        out.print(table)


@app.command()
def make(
    recipe: Annotated[Path, typer.Argument(help="A recipe as JSON: the Soup and the Compare page give it.")],
    out_file: Annotated[Path, typer.Option("--out", help="Where the checkpoint goes (.safetensors).")],
    device: DeviceOption = "auto",
    home: HomeOption = None,
) -> None:
    """Carry a recipe out: merge, align or train as it says, and write the checkpoint."""
    with _refusals():
        _free(out_file)
        from explorer import api
        from explorer.devices import device_for

        shutil.copyfile(api.make(recipe, home=home, device=device_for(device)), out_file)
        out.print(f"Written: {out_file}")


@app.command()
def problems() -> None:
    """The problems that ship with the explorer."""
    from explorer.problem import shipped

    table = Table("name", "title", "network", "data")
    for spec in shipped():
        table.add_row(spec.name, spec.title, spec.network.name, spec.data.name)
    out.print(table)


@app.command()
def runs(home: HomeOption = None) -> None:
    """What has been computed here, newest first."""
    table = Table("run", "state", "points", "what")
    for status in _store(home).statuses("Run"):
        field = getattr(status.wish, "field", None)
        what = " → ".join(c.name or c.id for c in field.corners) if field else ""
        table.add_row(status.id, status.state, f"{status.done}/{status.total}", what)
    out.print(table)


@app.command()
def plan(
    models: Annotated[list[Path], typer.Argument(help="Two checkpoints for a line, more for the plane through them.")],
    points: Annotated[int, typer.Option(min=2, max=257, help="Points of the line, or along each side of the plane.")] = 33,
    problem: ProblemOption = None,
    split: SplitOption = Split.test,
    samples: SamplesOption = 0,
    home: HomeOption = None,
) -> None:
    """What measuring a line or a plane would take: time, memory, bytes. Nothing is measured."""
    with _refusals():
        from explorer import api, methods
        from explorer.foresee import foreseen
        from explorer.look import look as look_at
        from explorer.spec import Field, Look, Run

        store, spec = _store(home), api.find_problem(models[0], problem)
        chart = methods.method("chart", "line" if len(models) == 2 else "plane")
        field = Field(spec, tuple(map(api.loaded, models)), chart, split=split.value, samples=samples)
        run = Run(field, methods.method("sample", "grid", {"size": points}))
        with _progress("Looking") as report:
            for file in models:
                look_at(Look(str(file.resolve()), stamp(file), spec), store, report=report)
        if (found := foreseen(run, store)) is None:
            raise Refused("Not every one of these is a checkpoint of the problem. `loss-explorer look` says why.")
        out.print(str(found), highlight=False)


@app.command()
def worker(
    store: Annotated[Path | None, typer.Option(help="The store's file [default: the one in the home folder].")] = None,
    device: DeviceOption = "auto",
    ray: RayOption = "",
    idle: Annotated[float, typer.Option(envvar="LOSS_EXPLORER_IDLE", help="Go home after so many seconds without work.")] = 600.0,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Do what is wished in the app: start one anywhere that sees the store's file."""
    from explorer.devices import device_for
    from explorer.worker import Worker, serve_fleet

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    path = store or places.home() / "store.sqlite"
    with _refusals():
        if not ray:
            Worker(RunStore(path), path.parent, device=device_for(device)).serve(idle_s=idle)
            return
        from explorer.execute.ray import fleet

        with fleet(ray) as found:
            serve_fleet(RunStore(path), path.parent, found, device=device_for(device), idle_s=idle)


@app.command("train-samples")
def train_samples(
    folder: Annotated[Path, typer.Argument(help="Where to write the families; made when missing.")] = Path("sample_models"),
) -> None:
    """Train the sample models anew. Deterministic: the same bytes every time on the same versions."""
    with _refusals():
        from explorer import samples

        samples.lay_out(folder)
        samples.make(folder, report=err.print)
        samples.measure(folder, report=err.print)


def _store(home: Path | None) -> RunStore:
    folder = home or places.home()
    folder.mkdir(parents=True, exist_ok=True)
    return RunStore(folder / "store.sqlite")


@contextmanager
def _refusals() -> Generator[None, None, None]:
    """A refusal is one sentence on standard error and exit code 2, never a traceback."""
    try:
        yield
    except Refused as refusal:
        err.print(f"[red]✗[/red] {refusal}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


@contextmanager
def _progress(title: str, *, quiet: bool = False) -> Generator[Callable[[int, int, int, str], bool], None, None]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=quiet, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def report(done: int, total: int, fresh: int, message: str) -> bool:
            progress.update(task, completed=done, total=total, description=message or title)
            return True

        yield report
