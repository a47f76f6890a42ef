"""The barrier on a straight line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import (
    BuffersOption,
    DequantiseOption,
    DeviceOption,
    Exactly,
    HomeOption,
    HtmlOption,
    JsonOption,
    LossOption,
    PluginOption,
    Policy,
    PrecisionOption,
    ProblemOption,
    SamplerOption,
    SamplesOption,
    Split,
    SplitOption,
    TrustOption,
    sized,
)
from explorer.commands.print_results import tell_line
from explorer.commands.terminal import free, progress_bar, refusals
from explorer.core.model_path import dequantised


def barrier(
    a: Annotated[Path, typer.Argument(help="Checkpoint at t = 0.")],
    b: Annotated[Path, typer.Argument(help="Checkpoint at t = 1.")],
    problem: ProblemOption = None,
    split: SplitOption = Split.test,
    samples: SamplesOption = 0,
    buffers: BuffersOption = Policy.recalibrate,
    loss: LossOption = "",
    precision: PrecisionOption = Exactly.float32,
    sampler: SamplerOption = "adaptive",
    points: Annotated[
        int | None, typer.Option(min=5, max=1001, help="Size of the grid, or budget of the adaptive sampler \\[default: the sampler's].")
    ] = None,
    as_json: JsonOption = False,
    html: HtmlOption = None,
    dequantise: DequantiseOption = False,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """The loss barrier on the straight line between two checkpoints, with its 95 % interval."""
    with refusals():
        free(html, ".html", ".htm")
        from explorer import api
        from explorer.evaluate.devices import device_for

        with progress_bar("Measuring", quiet=as_json) as report:
            line = api.interpolate(
                dequantised(a, dequantise),
                dequantised(b, dequantise),
                problem=problem,
                split=split.value,
                samples=samples,
                buffers=buffers.value,
                loss=loss,
                precision=precision.value,
                sampler=sampler,
                options=sized(sampler, points),
                report=report,
                home=home,
                device=device_for(device),
            )
        tell_line(line, f"{a.name} → {b.name}", html=html, as_json=as_json)
