"""Models: from files, from a training, from a merge, from a recipe."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

from torch import nn

from explorer.api import _measuring
from explorer.api._keywords import Kept, Merging, Model, takes
from explorer.api.problems import read_problem, under
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.spec import Aligned, Connected, Fused, Loaded, ProblemSpec, Recipe, Shifted, Spec, Trained


def loaded(model: Model, *, home: str | Path | None = None) -> Recipe:
    """The recipe of a checkpoint: of a file, of a folder of shards, or of the only file in a folder; a recipe is one already. Refused when there is none.

    Of a network or a state dict, the recipe of its weights as they are now, which are kept in `home`.

    >>> loaded("sample_models/digits-mlp/seed-0.safetensors").name
    'seed-0'
    """
    return _measuring.recipe(model, locations.home(home) if isinstance(model, nn.Module | Mapping) else Path())


@takes(Kept)
def train(
    problem: str | Path | ProblemSpec,
    *,
    method: str = "sgd",
    method_options: Mapping[str, object] | None = None,
    start: Model | None = None,
    every: int = 1,
    **how: Unpack[Kept],
) -> tuple[Trained, ...]:
    """Train a problem's network, and return the recipes of its snapshots in order; of a population all members of one snapshot after another.

    `method`, `method_options`: one of `methods("train")`, and its options. `start`: a checkpoint to begin at instead of initial weights. `every`: take one of
    every so many snapshots. `progress(done, total, message)` is called at each step. The snapshots are kept in `home`; an average of them is a `Fused` recipe,
    and goes wherever a checkpoint does. Refused when the loss stops being finite.

    >>> snapshots = train("digits-mlp", method_options={"epochs": 2})
    >>> [s.name for s in snapshots]
    ['sgd 1', 'sgd 2']
    """
    spec = problem if isinstance(problem, ProblemSpec) else read_problem(problem)
    chosen = registry.method("train", method, method_options)
    total, members = registry.snapshots_of(chosen), registry.members_of(chosen)
    if not 1 <= every <= total:
        raise Refused(f"This training run has {total} snapshots, so one in every {every} gives none. Choose from 1 to {total}.")
    begun = loaded(start, home=how.get("home")) if start is not None else None
    made = tuple(
        Trained(spec, chosen, begun, at, member, f"{method} {at}" + (f" network {member + 1}" if members > 1 else ""))
        for at in range(every, total + 1, every)
        for member in range(members)
    )
    for recipe in made:
        _measuring.made(recipe, how)
    return made


@takes(Merging)
def fuse(*models: Model, method: str = "uniform_soup", method_options: Mapping[str, object] | None = None, **how: Unpack[Merging]) -> Path:
    """Merge models into one, and return where its checkpoint is, in `home`.

    `method`, `method_options`: one of `methods("fuse")`, and its options. Methods with a base take the first model for it. Refused when the method does not
    take these models or options.

    >>> soup = fuse("sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors")
    >>> soup.suffix
    '.safetensors'
    """
    if not models:
        raise Refused("fuse needs models to merge, got none.")
    spec, recipes = _measuring.brought(models, how)
    recipe = _measuring.fused(under(spec, how["loss"]), recipes, registry.method("fuse", method, method_options), how)
    return _measuring.made(recipe, how)


@takes(Kept)
def make(recipe: Recipe | str | Path, **how: Unpack[Kept]) -> Path:
    """Carry out a recipe, or the one in a JSON file as the pages give it; returns where the checkpoint is. Refused when a checkpoint it names is missing.

    >>> models = tuple(loaded(f"sample_models/digits-mlp/seed-{i}.safetensors") for i in range(2))
    >>> make(Fused(read_problem("digits-mlp"), models, method("fuse", "average", {"weights": (3, 1)}))).is_file()
    True
    """
    wanted = read_recipe(recipe) if isinstance(recipe, str | Path) else recipe
    if isinstance(wanted, Loaded):
        raise Refused("This recipe is already a checkpoint; there is nothing to make.")
    return _measuring.made(wanted, how)


def read_recipe(file: str | Path) -> Recipe:
    """The recipe in a JSON file. Refused when it is not one."""
    with system(Path(file), "read"):
        text = Path(file).read_text(encoding="utf-8")
    try:
        found = Spec.from_json(json.loads(text))
    except (ValueError, TypeError) as error:
        raise Refused(f"{file} does not contain a recipe: {error}. Use the JSON that the Soup or the Compare page gives.") from error
    if not isinstance(found, Loaded | Trained | Aligned | Connected | Shifted | Fused):
        raise Refused(f"{file} contains a {type(found).__name__}, which is not a recipe for a model.")
    return found
