"""A trained path."""

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
    MethodOptions,
    PluginOption,
    Policy,
    PrecisionOption,
    ProblemOption,
    SamplesOption,
    Split,
    SplitOption,
    TrustOption,
)
from explorer.commands.print_results import print_methods, tell_line
from explorer.commands.terminal import free, given_options, progress_bar, refusals
from explorer.core.errors import Refused
from explorer.core.model_path import dequantised


def path(
    a: Annotated[Path | None, typer.Argument(help="Checkpoint at t = 0.")] = None,
    b: Annotated[Path | None, typer.Argument(help="Checkpoint at t = 1.")] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="How the path is trained; `--method list` shows all methods.")] = "bezier",
    option: MethodOptions = None,
    problem: ProblemOption = None,
    split: SplitOption = Split.test,
    samples: SamplesOption = 0,
    buffers: BuffersOption = Policy.recalibrate,
    loss: LossOption = "",
    precision: PrecisionOption = Exactly.float32,
    as_json: JsonOption = False,
    html: HtmlOption = None,
    dequantise: DequantiseOption = False,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Train a path between two checkpoints, and measure the barrier along it."""
    with refusals():
        from explorer import api

        if method == "list":
            print_methods("connect", api.paths())
            return
        free(html, ".html", ".htm")
        if a is None or b is None:
            raise Refused("Two checkpoints are needed, for the ends of the path. Name another one.")
        from explorer.evaluate.devices import device_for

        with progress_bar("Training the path", quiet=as_json) as report:
            line = api.connect(
                dequantised(a, dequantise),
                dequantised(b, dequantise),
                method=method,
                method_options=given_options("connect", method, option or []),
                problem=problem,
                split=split.value,
                samples=samples,
                buffers=buffers.value,
                loss=loss,
                precision=precision.value,
                report=report,
                home=home,
                device=device_for(device),
            )
        tell_line(line, f"{a.name} → {b.name} · {method}", html=html, as_json=as_json)
