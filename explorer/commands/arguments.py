"""The arguments that commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.terminal import refusals
from explorer.core import plugins, registry, trust
from explorer.core.errors import Refused


class Policy(StrEnum):
    recalibrate = "recalibrate"
    mix = "mix"
    first = "first"
    repair = "repair"


class Exactly(StrEnum):
    float32 = "float32"
    bfloat16 = "bfloat16"
    tf32 = "tf32"
    stored = "stored"


HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of the store and of models made here \\[default: LOSS_EXPLORER_HOME, or the user's data folder]."),
]
ProblemOption = Annotated[
    str | None, typer.Option("--problem", "-p", help="A shipped problem's name, or a folder with a problem.toml \\[default: recognised].")
]
SplitOption = Annotated[
    str,
    typer.Option(help="What the loss is measured on: train, val, test, or a test set that problem.toml names; with test, all of these are shown."),
]
SamplesOption = Annotated[int, typer.Option(min=0, help="How many samples of the split; 0 for all.")]
BuffersOption = Annotated[Policy, typer.Option(help="Batch-norm statistics between the ends.")]
LossOption = Annotated[
    str, typer.Option("--loss", help="Measure a different loss from the problem's; divergence compares with the first model and needs no labels.")
]
PrecisionOption = Annotated[
    Exactly,
    typer.Option(
        "--precision",
        help="bfloat16 (or tf32, on an NVIDIA GPU): a quick preview; printed values are measured again in float32. stored: in the type of the weights, once.",
    ),
]
SamplerOption = Annotated[
    str, typer.Option(help="adaptive: until the barrier is known to within its sampling error; grid: evenly spaced; or a plug-in's.")
]
DequantiseOption = Annotated[
    bool,
    typer.Option("--dequantise", help="Dequantise checkpoints to float32, where each weight is a number times a scale (int8, fp8)."),
]
MethodOptions = Annotated[list[str] | None, typer.Option("--option", "-o", help="An option of the method, as name=value; may be repeated.")]
MetricOption = Annotated[str, typer.Option(help="The metric to show, such as accuracy or brier; `--metric list` shows all.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")]


def sized(sampler: str, points: int | None) -> dict[str, object]:
    """The option that says how many points a sampler of a curve takes, where it has one; None for its default. Refused when it is no sampler of a curve."""
    if sampler not in (known := registry.samplers(1)):
        raise Refused(f"No sampler of a curve is called {sampler!r}. There are: {', '.join(known)}.")
    return {o.name: points for o in registry.options("sample", sampler) if o.name in ("budget", "size") and points is not None}


def _trusted(names: list[str]) -> list[str]:
    with refusals():
        trust.trust(names or [])
    return names


def _plugged(names: list[str]) -> list[str]:
    with refusals():
        plugins.add(names or [])
        registry.check_plugins()
    return names


def _taught(folders: list[Path] | None) -> list[Path] | None:
    if folders:
        from explorer import lessons

        with refusals():
            lessons.add(folders)
            registry.check_plugins()
            lessons.every()
    return folders


# These act while the command line is read, before any command looks at a method; a worker that is started inherits them.
TrustOption = Annotated[
    list[str] | None,
    typer.Option("--trust", callback=_trusted, help="Let this code be run: module:callable, or the path of a .pt2 file; may be repeated."),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option("--plugin", callback=_plugged, help="A Python file or module of yours with data, a loss, a network or methods; may be repeated."),
]
LessonsOption = Annotated[
    list[Path] | None,
    typer.Option("--lessons", callback=_taught, help="A folder with lessons of yours, Markdown or Python files; may be repeated."),
]
DeviceOption = Annotated[
    str, typer.Option(envvar="LOSS_EXPLORER_DEVICE", help="auto: a GPU where there is one, in the app all of them; or cpu, cuda, cuda:1, mps.")
]
RayOption = Annotated[
    str,
    typer.Option(
        envvar="LOSS_EXPLORER_RAY",
        help="Measure on a Ray cluster: host:port, auto for this machine's, local to start one. Needs the extra \\[cluster].",
    ),
]
