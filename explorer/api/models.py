"""Models: from files, from a training, from a merge, from a recipe."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

from explorer.api import _measuring
from explorer.api._keywords import Kept, Merging, takes
from explorer.api.problems import read_problem
from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.sharded import checkpoints_at, digest, name_for
from explorer.checkpoints.stored_types import holds_halves
from explorer.core import locations, model_path, registry
from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Aligned, Connected, Fused, Loaded, ProblemSpec, Recipe, Shifted, Spec, Trained
from explorer.engine.run_loop import require_fit
from explorer.problems.problem import Problem

log = logging.getLogger(__name__)


def loaded(path: str | Path | Recipe) -> Recipe:
    """The recipe of a checkpoint: of a file, of a folder of shards, or of the only file in a folder; a recipe is one already. Refused when there is none.

    >>> loaded("sample_models/digits-mlp/seed-0.safetensors").name
    'seed-0'
    """
    if not isinstance(path, str | Path):
        return _measuring.recipe(path)
    file = _file(path)
    if beside := checkpoint_file.others(file):
        plain = model_path.parse(file).path.name
        log.warning("%s has other weights in it, too: choose them with %s", file.name, ", ".join(f"{plain}#{key}" for key in beside))
    return Loaded(digest(file), path=locations.shorten(file), name=name_for(file), half=holds_halves(file))


def fitting(problem: ProblemSpec, models: Sequence[str | Path | Recipe]) -> tuple[Recipe, ...]:
    """The recipes of models of one shape. What does not fit the problem is refused by its headers, before its weights are read."""
    files = [_file(m) for m in models if isinstance(m, str | Path)]
    require_fit(Problem(problem), [(name_for(file), file) for file in files])
    return tuple(map(loaded, models))


@takes(Kept)
def train(
    problem: str | Path | ProblemSpec,
    *,
    method: str = "sgd",
    method_options: Mapping[str, object] | None = None,
    start: str | Path | Recipe | None = None,
    every: int = 1,
    progress: Progress = quiet,
    **how: Unpack[Kept],
) -> tuple[Trained, ...]:
    """Train a problem's network, and return the recipes of its snapshots in order; of a population all members of one snapshot after another.

    `method`, `method_options`: one of `methods("train")`, and its options. `start`: a checkpoint to begin at instead of initial weights. `every`: take every
    so many snapshots. `progress(done, total, message)` is called at each step. The snapshots are kept in `home`; an average of them is a `Fused` recipe, and
    goes wherever a checkpoint does. Refused when the loss stops being finite.

    >>> snapshots = train("digits-mlp", method_options={"epochs": 2})
    >>> [s.name for s in snapshots]
    ['sgd 1', 'sgd 2']
    """
    spec = problem if isinstance(problem, ProblemSpec) else read_problem(problem)
    chosen = registry.method("train", method, method_options)
    total, members = registry.snapshots_of(chosen), registry.members_of(chosen)
    if not 1 <= every <= total:
        raise Refused(f"This training run has {total} snapshots, so one in every {every} gives none. Choose from 1 to {total}.")
    begun = loaded(start) if start is not None else None
    made = tuple(
        Trained(spec, chosen, begun, at, member, f"{method} {at}" + (f" network {member + 1}" if members > 1 else ""))
        for at in range(every, total + 1, every)
        for member in range(members)
    )
    for recipe in made:
        _measuring.made(recipe, how, progress)
    return made


@takes(Merging)
def fuse(
    *models: str | Path | Recipe, method: str = "uniform_soup", method_options: Mapping[str, object] | None = None, **how: Unpack[Merging]
) -> Path:
    """Merge models into one, and return where its checkpoint is, in `home`.

    `method`, `method_options`: one of `methods("fuse")`, and its options. Methods with a base take the first model for it. Refused when the method does not
    take these models or options.

    >>> soup = fuse("sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors")
    >>> soup.suffix
    '.safetensors'
    """
    if not models:
        raise Refused("fuse needs models to merge, got none.")
    spec = _measuring.problem_of(models[0], how)
    recipe = _measuring.fused(spec, tuple(map(loaded, models)), registry.method("fuse", method, method_options), how)
    return _measuring.made(recipe, how)


@takes(Kept)
def make(recipe: Recipe | str | Path, **how: Unpack[Kept]) -> Path:
    """Carry a recipe out, or the one in a JSON file as the pages give it; where the checkpoint lies. Refused when a checkpoint it names is missing.

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


def _file(path: str | Path) -> Path:
    """The only checkpoint at a path."""
    found = checkpoints_at(path) if model_path.parse(path).path.exists() else []
    if len(found) == 1:
        return found[0]
    raise Refused(
        f"{path}: a checkpoint file is expected (.safetensors, .pt, .pth), and there is {'a folder' if Path(path).is_dir() else 'no such file'}."
    )
