"""A landscape plane."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import MethodOptions, MetricOption
from explorer.commands.print_results import out, print_methods, print_places
from explorer.commands.shared_options import takes
from explorer.commands.terminal import given_options, progress_bar, refusals
from explorer.commands.topology import print_topology
from explorer.commands.written import Drawing, unwritten
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.engine.open_once import open_once
from explorer.stats import metrics


@takes(Drawing)
def plane(
    models: Annotated[list[Path], typer.Argument(help="Three checkpoints or more; or one, with --around or --towards.")],
    around: Annotated[str, typer.Option(help="Directions around a single checkpoint, such as random; `--around list` shows all.")] = "",
    towards: Annotated[tuple[Path, Path] | None, typer.Option(help="Two checkpoints that the directions around a single one lead to.")] = None,
    option: MethodOptions = None,
    extent: Annotated[float, typer.Option(help="With --around and --towards: how far, in lengths of the first direction.")] = 1.0,
    size: Annotated[int, typer.Option(min=3, max=257, help="Points along each side.")] = 33,
    refine: Annotated[
        bool, typer.Option("--refine", help="Points only where the picture needs them, with an error estimate; instead of --size.")
    ] = False,
    metric: MetricOption = "loss",
    decide: Annotated[
        bool, typer.Option("--decide", help="With --samples: measure the points that may be the lowest or the highest on all samples.")
    ] = False,
    topology: Annotated[bool, typer.Option("--topology", help="Print its minima and passes, too, and which of them noise can have made.")] = False,
    relief: Annotated[bool, typer.Option("--relief", help="Draw --figure in three dimensions.")] = False,
    mesh: Annotated[
        list[Path] | None, typer.Option("--mesh", help="Write the relief here, as .obj, .glb (Blender) or .vtp (ParaView); may be repeated.")
    ] = None,
    *,
    given: Drawing,
) -> None:
    """Measure the plane through three checkpoints, closest to more of them, or around one."""
    with refusals(), open_once():
        from explorer import api

        if around == "list":
            print_methods("direct", registry.names("direct"))
            return
        if metric == "list":
            out.print(", ".join(metrics.every()))
            return
        unwritten(mesh, ("obj", "glb", "vtp"), "Meshes")
        given.look()
        single = bool(around or towards)
        if (around and towards) or (len(models) != 1 if single else len(models) < 3):
            raise Refused(f"A plane goes through three checkpoints or more, or around one with either --around or --towards; got {len(models)}.")
        from explorer.stats import units
        from explorer.stats.certificate_words import certified

        models = [given.model(m) for m in models]
        if towards:
            ends = given.model(towards[0]), given.model(towards[1])
            draw = partial(api.landscape_around, models[0], towards=ends, extent=extent)
        elif around:
            draw = partial(api.landscape_around, models[0], directions=around, options=given_options("direct", around, option or []), extent=extent)
        else:
            draw = partial(api.landscape, *models)
        with progress_bar("Measuring") as report:
            done = draw(
                size=size,
                refine=refine,
                **given.how(report, metric),
            )
        given.write(done, metric, done.relief(metric) if relief else None)
        if mesh:
            done.save_mesh(*mesh, metric=metric)
        extremes = done.extremes(metric)
        if decide:
            with progress_bar("Deciding") as report:
                extremes = api.decide(done, metric, report=report, home=given.home, device=given.on())
        if extremes is None:
            raise Refused(f"None of the {len(done.points)} points has a finite {metric}. Check the checkpoints with `loss-explorer look`.")
        grid, scale, (low, high) = done.surface(metric), units.scale(metric), extremes
        out.print(
            f"{len(done.points)} points · {given.split} {metrics.find(metric).called} from {low.value:.4g} at ({low.x:.4g}, {low.y:.4g})"
            f" to {high.value:.4g}{units.after(units.of_level(done.run.field.problem, metric))} · {int(grid.lost.sum())} without a finite {metric}",
            highlight=False,
        )
        if given.split == "test" and done.run.field.problem.tests:
            with progress_bar("Measuring on each test set") as report:
                tests = api.values_on_test_sets(done, [(e.x, e.y) for e in extremes], report=report, home=given.home, device=given.on())
            names = [f"{name}, at ({e.x:.4g}, {e.y:.4g})" for name, e in zip(("lowest", "highest"), extremes, strict=True)]
            print_places(tests, names, done.run.field.metrics, metric, units.of_level(done.run.field.problem, metric))
        if topology:
            print_topology(done.topology(metric))
        if done.caution():
            out.print(done.caution(), style="yellow", highlight=False)
        if refine:
            sure = certified(done.certificate(metric), grid.measured, scale=scale, unit=units.of_level(done.run.field.problem, metric))
            out.print(sure, highlight=False)
