"""A merge of any size."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from explorer.commands.arguments import DequantiseOption, DeviceOption, HomeOption, MethodOptions, PluginOption, ProblemOption, TrustOption
from explorer.commands.print_results import err, out, print_methods, print_models, print_plan, print_survey, sized
from explorer.commands.terminal import free, given_options, progress_bar, refusals, store_of
from explorer.commands.written import FigureOption, unwritten
from explorer.core import locations, registry, significant_digits
from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.model_path import dequantised
from explorer.engine.open_once import open_once
from explorer.figures.paper import export
from explorer.merging.fit import Different, Fit, Tokens
from explorer.stats import metrics, units

if TYPE_CHECKING:
    from explorer.api.looks import Models
    from explorer.core.spec import Method
    from explorer.merging.model_card import Card, Number
    from explorer.merging.plan import MergePlan


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
    survey: Annotated[bool, typer.Option("--survey", help="With --dry-run: read the models, and compare them layer by layer.")] = False,
    figure: FigureOption = None,
    shard_size: Annotated[str, typer.Option(help="Largest size of a file, such as 500MB or 5GB.")] = "5GB",
    adapter_rank: Annotated[
        int | None, typer.Option(min=1, help="Write a LoRA adapter of this rank on the first model, in a folder, instead of the merged model.")
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Write a model card as well: recipe, digests, licences, and with --problem the numbers.")
    ] = False,
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
        if (survey or figure) and not (dry_run and problem is None):
            raise Refused("--survey and --figure are of what is to be merged from file to file. Add --dry-run, and leave --problem out.")
        if adapter_rank is not None and (card or problem is not None):
            raise Refused("--adapter-rank is of a merge from file to file, and writes no card. Leave --problem and --card out.")
        unwritten(figure, export.ENDINGS, "Figures")
        export.ready(figure or ())
        if not models:
            raise Refused("Models or a recipe are needed, followed by where to write the result. Name both.")
        out_path, recipe = Path(target), Path(models[0])
        given = registry.method("fuse", method, given_options("fuse", method, option or []))
        fit = Fit(tuple(only or ()), tuple(keep or ()), different, tokens)
        if problem is not None:
            if fit != Fit():
                raise Refused("--only, --keep, --different and --tokens are for merges from file to file. Leave --problem out, or these.")
            given_models = [dequantised(Path(m), dequantise) for m in models]
            _fuse_in_memory(given_models, out_path, given, problem, device, home, force, card)
            return
        from explorer.merging import engine, model_card, plan

        if recipe.suffix.lower() in (".yaml", ".yml"):
            if len(models) > 1 or option:
                raise Refused("A recipe names its own models and options. Give only the recipe and OUT.")
            with system(recipe, "read"):
                made = plan.of_recipe(recipe.read_text(encoding="utf-8", errors="replace"), dequantise=dequantise, fit=fit)
        else:
            made = plan.of_method(given, models, dequantise=dequantise, fit=fit)
        if card and not dry_run:
            _unwritten(model_card.beside(out_path), force)
        for note in made.notes:
            err.print(Text.assemble(("! ", "yellow"), note), highlight=False, soft_wrap=True)
        if dry_run:
            print_plan(made)
            if survey or figure:
                _survey(made, figure or [])
            return
        if adapter_rank is not None:
            _adapter(made, out_path, adapter_rank)
            return
        typed = model_card.command(given, models, target)
        carded = model_card.of_plan(made, out_path.stem, made.method or method, typed) if card else None
        columns = (TextColumn("Merging"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("", total=made.bytes_written)
            done = engine.merge(made, out_path, shard_bytes=_bytes(shard_size), force=force, report=lambda n, _: progress.update(task, completed=n))
        out.print(f"{done.path}: {len(made.jobs):,} tensors, {sized(done.bytes_written)} in {done.seconds:.1f} s", highlight=False, soft_wrap=True)
        if carded is not None:
            _write_card(carded, out_path)


def _adapter(made: MergePlan, target: Path, rank: int) -> None:
    """The result as an adapter, with what its rank leaves out."""
    from explorer.merging import adapter

    with progress_bar("Merging") as report:
        done = adapter.write(made, target, rank, report=lambda at, of: report(at, of, 0, "Merging"))
    table = Table("matrix", "rank", "left out (%)")
    for one in done.matrices:
        table.add_row(one.name, str(one.rank), significant_digits.number(100 * one.error, 3))
    out.print(table)
    kept = f", {len(done.whole)} tensors that are no matrices kept whole" if done.whole else ""
    said = f"{target}: an adapter on {made.ingredients[0].path}; its rank leaves out {significant_digits.number(100 * done.error, 3)} % of the change's length{kept}"
    out.print(said, highlight=False, soft_wrap=True)


def _survey(made: MergePlan, figures: list[Path]) -> None:
    """The models layer by layer, as a table and as pictures."""
    from explorer.figures import survey as survey_figure
    from explorer.merging.survey import surveyed

    with progress_bar("Reading") as report:
        found = surveyed(made, lambda done, total: report(done, total, 0, "Reading"))
    print_survey(found)
    if figures:
        panels = survey_figure.panels(found.norm, found.cosine, found.against, found.rank)
        export.save(survey_figure.figure(found.layers, found.models, panels), *figures)
        for file in figures:
            out.print(f"{file}: the picture", highlight=False, soft_wrap=True)


def _fuse_in_memory(models: list[Path], target: Path, method: Method, problem: str, device: str, home: Path | None, force: bool, card: bool) -> None:
    """As the app does it: loaded, fused, its buffers resolved, kept in the home folder and copied."""
    from explorer import api
    from explorer.checkpoints import checkpoint_file
    from explorer.core.spec import Fused
    from explorer.engine.realise_recipe import realise
    from explorer.evaluate.devices import device_for
    from explorer.merging import model_card
    from explorer.problems import problem_toml

    if target.suffix.lower() != ".safetensors":
        raise Refused(f"With --problem the result is one file. Let {target.name} end in .safetensors.")
    if not force:
        free(target, ".safetensors")
    if card:
        _unwritten(model_card.beside(target), force)
    recipe = Fused(problem_toml.find(problem), tuple(api.loaded(m) for m in models), method)
    on = device_for(device)
    with progress_bar("Fusing") as report:

        def progress(done: int, total: int, message: str) -> None:
            report(done, total, 0, message)

        weights = realise(recipe, store_of(home), locations.home(home), device=on, progress=progress)
    checkpoint_file.write(target, weights, {"recipe": json.dumps(recipe.to_json()), "problem": recipe.problem.name}, replace=force)
    out.print(f"{target}: {len(weights):,} tensors", highlight=False, soft_wrap=True)
    if recipe.problem.tests or card:
        with progress_bar("Measuring on each test set") as report:
            found = api.look(*recipe.models, recipe, problem=recipe.problem, report=report, home=home, device=on)
            tests = api.on_test_sets(found, report=report, home=home, device=on)
        print_models(tests, [*(m.name for m in recipe.models), method.name.replace("_", " ")], "On each test set")
        if card:
            numbers = (n for split, of in tests.items() for n in numbers_of(of, len(recipe.models), split))
            _write_card(replace(model_card.of_recipe(recipe, numbers), title=target.stem), target)


def _unwritten(file: Path, force: bool) -> None:
    """Refused when a card would replace one that is there."""
    if file.exists() and not force:
        raise Refused(f"{file} exists already, and the card would replace it. Move it, or add --force.")


def _write_card(card: Card, target: Path) -> None:
    from explorer.merging import model_card

    file = model_card.beside(target)
    with system(file, "written"):
        file.write_text(card.text(), encoding="utf-8")
    out.print(f"{file}: the model card", highlight=False, soft_wrap=True)


def numbers_of(found: Models, which: int, split: str) -> list[Number]:
    """The loss and, for classes, the error of a measured model, as its card has them."""
    from explorer.merging.model_card import Number

    problem = found.run.field.problem
    return [
        Number(problem.name, split, metric, found.value(which, metric), units.scale(metric), units.of_level(problem, metric))
        for metric in ("loss", "error")
        if metrics.find(metric).suits(problem)
    ]


def _bytes(text: str) -> int:
    """500MB, 5GB, 2GiB or a plain number, in bytes."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kKMGT]?)(i?)B?)\s*", text)
    if found is None or not (size := int(float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2].upper() or " "))):
        raise Refused(f"--shard-size needs a size such as 500MB or 5GB, got {text!r}.")
    return size
