"""A recipe carried out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import DeviceOption, HomeOption, PluginOption, TrustOption
from explorer.commands.print_results import out
from explorer.commands.terminal import free, refusals


def make(
    recipe: Annotated[Path, typer.Argument(help="A recipe as JSON: the Soup and the Compare page give it.")],
    out_file: Annotated[Path, typer.Option("--out", help="Where to write the checkpoint (.safetensors).")],
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Run a recipe: merge, align or train as it says, and write the checkpoint."""
    with refusals():
        free(out_file, ".safetensors")
        from explorer import api
        from explorer.evaluate.devices import device_for

        shutil.copyfile(api.make(recipe, home=home, device=device_for(device)), out_file)
        out.print(f"Written: {out_file}")
