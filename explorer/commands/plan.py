"""The estimated cost of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explorer.checkpoints.sharded import stamp
from explorer.commands.arguments import DequantiseOption, HomeOption, PluginOption, ProblemOption, SamplesOption, SplitOption, TrustOption
from explorer.commands.print_results import out
from explorer.commands.terminal import progress_bar, refusals, store_of
from explorer.core.errors import Refused
from explorer.core.model_path import dequantised, resolved


def plan(
    models: Annotated[list[Path], typer.Argument(help="Two checkpoints for a line, more for the plane through them.")],
    points: Annotated[int, typer.Option(min=2, max=257, help="Points of the line, or along each side of the plane.")] = 33,
    problem: ProblemOption = None,
    split: SplitOption = "test",
    samples: SamplesOption = 0,
    dequantise: DequantiseOption = False,
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Estimate the cost of a line or a plane: time, memory, bytes. Nothing is measured."""
    with refusals():
        models = [dequantised(m, dequantise) for m in models]
        from explorer import api
        from explorer.core import registry, splits
        from explorer.core.spec import Field, Look, Run
        from explorer.engine.inspect_checkpoints import inspect_path
        from explorer.store.estimate_cost import estimate

        store, spec = store_of(home), api.find_problem(models[0], problem)
        chart = registry.method("chart", "line" if len(models) == 2 else "plane")
        with progress_bar("Looking") as report:
            seen = [inspect_path(Look(str(resolved(file)), stamp(file), spec), store, report=report) for file in models]
        if not_fitting := next((f for s in seen for f in s.files if f.problem is None), None):
            raise Refused(not_fitting.error or not_fitting.why)
        field = Field(spec, tuple(map(api.loaded, models)), chart, split=splits.find(spec, split), samples=samples)
        found = estimate(Run(field, registry.method("sample", "grid", {"size": points})), store)
        assert found is not None  # all were looked at just now
        out.print(str(found), highlight=False)
