"""A merge of any size."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from explorer.commands.arguments import DequantiseOption, DeviceOption, HomeOption, MethodOptions, PluginOption, ProblemOption, TrustOption
from explorer.commands.print_results import err, out, print_methods, print_models, print_plan, sized
from explorer.commands.terminal import free, given_options, progress_bar, refusals, store_of
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.model_path import dequantised
from explorer.engine.open_once import open_once
from explorer.merging.fit import Different, Fit, Tokens

if TYPE_CHECKING:
    from explorer.core.spec import Method


def fuse(
    ingredients: Annotated[
        list[str], typer.Argument(metavar="(RECIPE.yaml | MODELS…) OUT", help="A recipe in mergekit's format, or models; then the result.")
    ],
    method: Annotated[str, typer.Option("--method", "-m", help="Without a recipe: the method; `--method list OUT` shows all.")] = "uniform_soup",
    option: MethodOptions = None,
    only: Annotated[list[str] | None, typer.Option(help="Merge the tensors whose names fit (`model.layers.1?.*`, or a part); others stay.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="Leave the tensors whose names fit as the first model has them.")] = None,
    different: Annotated[
        Different, typer.Option(help="What differs in shape or is not in all: refused, as in the first model, or left out.")
    ] = "refuse",
    tokens: Annotated[Tokens, typer.Option(help="Vocabularies must be the same, or rows go by token: for all tokens, or for the first's.")] = "same",
    problem: ProblemOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the settings of each tensor and the cost, and write nothing.")] = False,
    shard_size: Annotated[str, typer.Option(help="Largest size of a file, such as 500MB or 5GB.")] = "5GB",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing model.")] = False,
    dequantise: DequantiseOption = False,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Merge checkpoints of any size, block by block; a model may be `model+adapter` (LoRA). OUT is a folder to create, or a .safetensors file.

    With --problem the models are merged in memory, as in the app: for methods that need samples, the network, or all layers at once.
    """
    with refusals(), open_once():
        if method == "list":
            print_methods("fuse", registry.names("fuse"))
            return
        *models, target = ingredients
        if not models:
            raise Refused("Models or a recipe are needed, followed by where to write the result. Name both.")
        out_path, recipe = Path(target), Path(models[0])
        given = registry.method("fuse", method, given_options("fuse", method, option or []))
        fit = Fit(tuple(only or ()), tuple(keep or ()), different, tokens)
        if problem is not None:
            if fit != Fit():
                raise Refused("--only, --keep, --different and --tokens are for merges from file to file. Leave --problem out, or these.")
            given_models = [dequantised(Path(m), dequantise) for m in models]
            _fuse_in_memory(given_models, out_path, given, problem, device, home, force)
            return
        from explorer.merging import engine, plan

        if recipe.suffix.lower() in (".yaml", ".yml"):
            if len(models) > 1 or option:
                raise Refused("A recipe names its own models and options. Give only the recipe and OUT.")
            with system(recipe, "read"):
                made = plan.of_recipe(recipe.read_text(encoding="utf-8", errors="replace"), dequantise=dequantise, fit=fit)
        else:
            made = plan.of_method(given, models, dequantise=dequantise, fit=fit)
        for note in made.notes:
            err.print(Text.assemble(("! ", "yellow"), note), highlight=False, soft_wrap=True)
        if dry_run:
            print_plan(made)
            return
        columns = (TextColumn("Merging"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("", total=made.bytes_written)
            done = engine.merge(made, out_path, shard_bytes=_bytes(shard_size), force=force, report=lambda n, _: progress.update(task, completed=n))
        out.print(f"{done.path}: {len(made.jobs):,} tensors, {sized(done.bytes_written)} in {done.seconds:.1f} s", highlight=False, soft_wrap=True)


def _fuse_in_memory(models: list[Path], target: Path, method: Method, problem: str, device: str, home: Path | None, force: bool) -> None:
    """As the app does it: loaded, fused, its buffers resolved, kept in the home folder and copied."""
    from explorer import api
    from explorer.checkpoints import checkpoint_file
    from explorer.core.spec import Fused
    from explorer.engine.realise_recipe import realise
    from explorer.evaluate.devices import device_for
    from explorer.problems import problem_toml

    if target.suffix.lower() != ".safetensors":
        raise Refused(f"With --problem the result is one file. Let {target.name} end in .safetensors.")
    if not force:
        free(target, ".safetensors")
    recipe = Fused(problem_toml.find(problem), tuple(api.loaded(m) for m in models), method)
    on = device_for(device)
    with progress_bar("Fusing") as report:

        def progress(done: int, total: int, message: str) -> None:
            report(done, total, 0, message)

        weights = realise(recipe, store_of(home), locations.home(home), device=on, progress=progress)
    checkpoint_file.write(target, weights, {"recipe": json.dumps(recipe.to_json()), "problem": recipe.problem.name}, replace=force)
    out.print(f"{target}: {len(weights):,} tensors", highlight=False, soft_wrap=True)
    if recipe.problem.tests:
        with progress_bar("Measuring on each test set") as report:
            found = api.look(*recipe.models, recipe, problem=recipe.problem, report=report, home=home, device=on)
            tests = api.on_test_sets(found, report=report, home=home, device=on)
        print_models(tests, [*(m.name for m in recipe.models), method.name.replace("_", " ")], "On each test set")


def _bytes(text: str) -> int:
    """500MB, 5GB, 2GiB or a plain number, in bytes."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kKMGT]?)(i?)B?)\s*", text)
    if found is None or not (size := int(float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2].upper() or " "))):
        raise Refused(f"--shard-size needs a size such as 500MB or 5GB, got {text!r}.")
    return size
