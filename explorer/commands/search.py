"""A recipe found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from explorer.commands.arguments import JsonOption, ProblemOption
from explorer.commands.print_results import out
from explorer.commands.shared_options import Computing, takes
from explorer.commands.terminal import free, progress_bar, refusals
from explorer.core.errors import Refused
from explorer.engine.open_once import open_once
from explorer.merging.model_card import Number, beside, of_recipe
from explorer.stats import units

if TYPE_CHECKING:
    from explorer.api.searches import Found


@takes(Computing)
def search(
    models: Annotated[list[Path], typer.Argument(help="The base first, then what was fine-tuned from it.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="A merging method to search; several times for several. \\[default: task_arithmetic, ties, lines]"),
    ] = None,
    sampler: Annotated[str, typer.Option(help="What proposes candidates: tpe or cmaes (the extra `search`), or random.")] = "tpe",
    trials: Annotated[int, typer.Option(min=1, max=100000, help="How many candidates are tried.")] = 60,
    metric: Annotated[str, typer.Option(help="What is to be best on the validation split.")] = "loss",
    span: Annotated[
        list[str] | None, typer.Option("--range", help="Between which ends a number is searched, `density=0.1:0.9`, or `scale=1` to hold it.")
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="A number for each model, instead of one for all.")] = False,
    layers: Annotated[int, typer.Option(min=1, max=100, help="Of by_depth: how many numbers over depth.")] = 1,
    together: Annotated[int, typer.Option(min=1, max=1000, help="How many are proposed at once, for as many workers.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn at random.")] = 0,
    samples: Annotated[int, typer.Option(min=0, help="Samples of the validation split; 0: all.")] = 0,
    problem: ProblemOption = None,
    write: Annotated[Path | None, typer.Option("--out", help="Write the best merge: a .safetensors file.")] = None,
    card: Annotated[bool, typer.Option("--card", help="With --out: write a model card beside it.")] = False,
    recipe: Annotated[Path | None, typer.Option(help="Write its recipe: a .json file, for `loss-explorer make`.")] = None,
    as_json: JsonOption = False,
    *,
    given: Computing,
) -> None:
    """Find the merge of some models that is best on the validation split, and report it on the test split. After Ctrl-C the same command resumes from there."""
    with refusals(), open_once():
        free(write, ".safetensors")
        free(recipe, ".json")
        if card:
            if write is None:
                raise Refused("A card goes beside a file. Add --out with the file to write.")
            free(beside(write), ".md")
        from explorer import api

        with progress_bar("Searching", quiet=as_json) as report:

            def progress(done: int, total: int, message: str) -> None:
                report(done, total, 0, message)

            found = api.search(
                *map(given.model, models),
                methods=tuple(method or ("task_arithmetic", "ties", "lines")),
                sampler=sampler,  # pyright: ignore[reportArgumentType]  (the registry refuses others)
                trials=trials,
                metric=metric,
                ranges=tuple(span or ()),
                each=each,
                layers=layers,
                together=together,
                seed=seed,
                samples=samples,
                problem=problem,
                home=given.home,
                device=given.on(),
                progress=progress,
            )
        if recipe is not None:
            recipe.write_text(json.dumps(found.best.to_json(), indent=2) + "\n", encoding="utf-8")
        if write is not None:
            _write(found, write, given, card)
        if as_json:
            out.print_json(json.dumps({"study": found.request.id, **found.result, "best": found.best.to_json()}))
            return
        out.print(Text(repr(found)), highlight=False, soft_wrap=True)


def _write(found: Found, target: Path, given: Computing, card: bool) -> None:
    from explorer import api
    from explorer.checkpoints import checkpoint_file

    made = checkpoint_file.read(api.make(found.best, home=given.home, device=given.on(), progress=False))
    checkpoint_file.write(target, made.weights, made.metadata)
    if card:
        outcome, problem = found.outcome, found.request.problem
        scale, unit = units.scale(outcome.metric), units.of_level(problem, outcome.metric)
        measured = {"test": found.test, **outcome.sets}
        numbers = [Number(problem.name, split, outcome.metric, value, scale, unit) for split, value in measured.items()]
        said = f"Chosen among {len(outcome.methods)} candidates on the validation split, and measured on samples that did not choose it."
        text = replace(of_recipe(found.best, numbers), title=target.stem, notes=(said,)).text()
        beside(target).write_text(text, encoding="utf-8")
