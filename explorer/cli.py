"""The command line: `loss-explorer app | barrier | look | problems | runs | worker | train-samples`."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from explorer import places
from explorer.errors import Refused
from explorer.files import stamp
from explorer.store import RunStore

if TYPE_CHECKING:
    from explorer.statistics import Barrier

app = typer.Typer(no_args_is_help=True, add_completion=False, help="How checkpoints lie to each other in weight space: measured, with intervals.")
out, err = Console(), Console(stderr=True)


class Split(StrEnum):
    train = "train"
    val = "val"
    test = "test"


class Policy(StrEnum):
    recalibrate = "recalibrate"
    mix = "mix"
    first = "first"


class Sampler(StrEnum):
    adaptive = "adaptive"
    grid = "grid"


HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the store and of models made here [default: LOSS_EXPLORER_HOME, or the user's data folder].")
]
ProblemOption = Annotated[
    str | None, typer.Option("--problem", "-p", help="A shipped problem's name, or a folder with a problem.toml [default: recognised].")
]
DeviceOption = Annotated[str, typer.Option(help="auto: a GPU where there is one; or cpu, cuda, cuda:1, mps.")]


@app.command("app")
def run_app(
    port: Annotated[int, typer.Option(help="Port on the loopback address.")] = 8501,
    headless: Annotated[bool, typer.Option("--headless", help="Do not open a browser.")] = False,
    home: HomeOption = None,
) -> None:
    """Open the explorer in a browser, on this machine only."""
    root = places.root()
    environment = {**os.environ, **({"LOSS_EXPLORER_HOME": str(home.resolve())} if home else {})}
    command = [sys.executable, "-m", "streamlit", "run", str(root / "app.py"), "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", str(headless).lower(), "--browser.gatherUsageStats", "false"]
    raise typer.Exit(subprocess.call(command, env=environment, cwd=root))


@app.command()
def barrier(
    a: Annotated[Path, typer.Argument(help="Checkpoint at t = 0.")],
    b: Annotated[Path, typer.Argument(help="Checkpoint at t = 1.")],
    problem: ProblemOption = None,
    split: Annotated[Split, typer.Option(help="Samples the loss is measured on.")] = Split.test,
    samples: Annotated[int, typer.Option(min=0, help="How many of them, 0 for all.")] = 0,
    buffers: Annotated[Policy, typer.Option(help="Batch-norm statistics between the ends.")] = Policy.recalibrate,
    sampler: Annotated[Sampler, typer.Option(help="adaptive: as few points as the barrier needs; grid: evenly spaced.")] = Sampler.adaptive,
    points: Annotated[int, typer.Option(min=5, max=1001, help="Size of the grid, or budget of the adaptive sampler.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write the picture here, as one self-contained page.")] = None,
    device: DeviceOption = "auto",
    home: HomeOption = None,
) -> None:
    """The loss barrier on the straight line between two checkpoints, with its 95 % interval."""
    with _refusals():
        if html is not None and html.exists():
            raise Refused(f"{html} exists already. Choose another name, or remove it.")
        from explorer import api
        from explorer.figures import curve as curve_figure
        from explorer.measure import device_for

        with _progress("Measuring", quiet=as_json) as report:
            line = api.interpolate(
                a,
                b,
                problem=problem,
                split=split.value,
                samples=samples,
                buffers=buffers.value,
                sampler=sampler.value,
                options={"budget" if sampler is Sampler.adaptive else "size": points},
                report=report,
                home=home,
                device=device_for(device),
            )
        found = [line.barrier(metric) for metric in line.run.field.metrics]
        if html is not None:
            html.write_text(curve_figure.html(line.figure()), encoding="utf-8")
        if as_json:
            print(
                json.dumps(
                    {
                        "run": line.run.id,
                        "problem": line.run.field.problem.name,
                        "split": split.value,
                        "barriers": [dataclasses.asdict(f) for f in found],
                    },
                    indent=2,
                )
            )
        else:
            _print_barriers(found, f"{a.name} → {b.name} · {line.run.field.problem.name} · {split.value} split")


@app.command()
def look(
    path: Annotated[Path, typer.Argument(help="A checkpoint file, or a folder of them.")],
    problem: ProblemOption = None,
    device: DeviceOption = "auto",
    home: HomeOption = None,
) -> None:
    """What a file or folder holds: which problem it fits, parameters, loss and error."""
    with _refusals():
        from explorer import problem as problems
        from explorer.look import look as look_at
        from explorer.measure import device_for
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
                table.add_row(file.name, file.why, f"{file.parameters:,}")
            else:
                name = file.problem.name if file.problem else ""
                table.add_row(file.name, name, f"{file.parameters:,}", _interval(test.loss), _interval(test.error))
        out.print(table)


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
def worker(
    store: Annotated[Path | None, typer.Option(help="The store's file [default: the one in the home folder].")] = None,
    device: DeviceOption = "auto",
    idle: Annotated[float, typer.Option(envvar="LOSS_EXPLORER_IDLE", help="Go home after so many seconds without work.")] = 600.0,
) -> None:
    """Do what is wished in the app: start one anywhere that sees the store's file."""
    from explorer.measure import device_for
    from explorer.worker import Worker

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    path = store or places.home() / "store.sqlite"
    with _refusals():
        Worker(RunStore(path), path.parent, device=device_for(device)).serve(idle_s=idle)


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


def _interval(numbers: tuple[float, float, float]) -> str:
    value, low, high = numbers
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _print_barriers(found: list[Barrier], title: str) -> None:
    table = Table("", "barrier", "95 % interval", "at t", "ends", "peak", title=title, title_justify="left")
    for b in found:
        table.add_row(
            b.metric,
            f"{b.height.value:.4f}",
            f"[{b.height.low:.4f}, {b.height.high:.4f}]",
            f"{b.at:.3f}",
            f"{b.ends[0]:.4f}, {b.ends[1]:.4f}",
            f"{b.peak:.4f}",
        )
    out.print(table)
    for b in found:
        others = [*b.others, ("rise at a t chosen on other samples", b.split_half)]
        for name, e in others:
            out.print(f"  {b.metric}: {name} = {e.value:.4f} [{e.low:.4f}, {e.high:.4f}]", highlight=False)
        if b.diverged:
            out.print(f"  {b.metric}: {b.diverged} points are not finite and were left out: the true barrier is higher.", style="red")
    out.print(
        f"barrier = max over t of L(t) − (1−t)·L(0) − t·L(1); {found[0].points} points, {found[0].samples} samples, paired bootstrap over blocks of samples.",
        style="dim",
    )


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
