"""Alignment, and the barrier before and after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import JsonOption, MethodOptions
from explorer.commands.print_results import alignment_json, print_alignment, print_methods
from explorer.commands.shared_options import takes
from explorer.commands.terminal import given_options, progress_bar, refusals
from explorer.commands.written import DrawingExactly
from explorer.core import registry
from explorer.core.errors import Refused


@takes(DrawingExactly)
def align(
    models: Annotated[list[Path] | None, typer.Argument(help="Two checkpoints or more; the first is the reference.")] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="Alignment method; `--method list` shows all.")] = "weight_matching",
    option: MethodOptions = None,
    save: Annotated[Path | None, typer.Option(help="Also write the aligned checkpoints into this folder.")] = None,
    as_json: JsonOption = False,
    *,
    given: DrawingExactly,
) -> None:
    """Permute hidden units so that checkpoints match, and measure the barrier before and after."""
    with refusals():
        if method == "list":
            print_methods("align", registry.names("align"))
            return
        models = models or []
        if len(models) < 2:
            raise Refused("Two checkpoints or more are needed, the first as the reference. Name another one.")
        targets = [save / f"{m.stem}-{method}.safetensors" for m in models] if save else []
        if len({*targets}) < len(targets) or any(t.exists() for t in targets):
            raise Refused(f"{save} holds checkpoints of these names already, or two of the models share a name. Choose another folder.")
        given.look()
        if len(models) > 2 and (given.figure or given.data):
            raise Refused("--figure and --data show two models, before and after. Name two, or draw each pair by itself.")
        from explorer import api

        with progress_bar("Aligning", quiet=as_json) as report:
            done = api.align(
                *(given.model(m) for m in models),
                method=method,
                method_options=given_options("align", method, option or []),
                **given.how(report),
            )
        for source, target in zip(done.files, targets, strict=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
        given.write(done.pairs[0])
        if as_json:
            print(json.dumps(alignment_json(done), indent=2))
        else:
            print_alignment(done, models)
