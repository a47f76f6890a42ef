"""The sample models made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.print_results import err
from explorer.commands.terminal import refusals


def train_samples(
    folder: Annotated[Path, typer.Argument(help="Where to write the families; created when missing.")] = Path("sample_models"),
) -> None:
    """Train the sample models again. Deterministic: the same bytes every time on the same versions."""
    with refusals():
        from explorer.commands import build_samples

        build_samples.lay_out(folder)
        build_samples.make(folder, report=err.print)
        build_samples.measure(folder, report=err.print)
