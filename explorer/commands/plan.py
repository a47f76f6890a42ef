"""The estimated cost of a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import (
    DequantiseOption,
    DeviceOption,
    HomeOption,
    PluginOption,
    ProblemOption,
    SamplesOption,
    SplitOption,
    TrustOption,
)
from explorer.commands.print_results import out
from explorer.commands.terminal import refusals, store_of
from explorer.core.errors import Refused
from explorer.core.importing import imported
from explorer.core.model_path import dequantised


def plan(
    models: Annotated[list[Path], typer.Argument(help="Two checkpoints for a line, more for the plane through them.")],
    points: Annotated[int, typer.Option(min=2, max=257, help="Points of the line, or along each side of the plane.")] = 33,
    problem: ProblemOption = None,
    split: SplitOption = "test",
    samples: SamplesOption = 0,
    dequantise: DequantiseOption = False,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Estimate the time and the memory of a line or a plane. Where nothing like it was measured, a few samples go through one point; nothing is kept."""
    with refusals():
        if len(models) < 2:
            raise Refused(f"A plan is of a line between two checkpoints, or of a plane through more; got {len(models)}. Name another one.")
        models = [dequantised(m, dequantise) for m in models]
        with imported():
            from explorer import api
            from explorer.core import locations, registry, splits
            from explorer.core.spec import Field, Loaded, Run
            from explorer.engine.foretell import foretell
            from explorer.engine.realise_recipe import located
            from explorer.engine.run_loop import corners_of, require_fit
            from explorer.evaluate.devices import device_for
            from explorer.problems.problem import Problem
            from explorer.store.estimate_cost import estimate

        on, store, spec = device_for(device), store_of(home), api.find_problem(models[0], problem)
        Problem(spec).skeleton()  # so that the libraries it needs are imported
        begun = time.perf_counter()
        field = Field(
            spec,
            tuple(map(api.loaded, models)),
            registry.method("chart", "line" if len(models) == 2 else "plane"),
            split=splits.find(spec, split),
            samples=samples,
        )
        require_fit(Problem(spec), [(c.name, located(c, store)) for c in field.corners if isinstance(c, Loaded)])
        known = estimate(Run(field, registry.method("sample", "grid", {"size": points})), store)
        if known is not None and known.seconds is not None:
            out.print(str(known), highlight=False)
            return
        corners = corners_of(field, store, locations.home(home), device=on, through=on.startswith("cuda"))
        many = points if len(models) == 2 else points**2
        out.print(str(foretell(field, corners, points=many, begun=begun, device=on)), highlight=False, soft_wrap=True)
