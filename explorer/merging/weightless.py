"""A weight of zero frees the shape: what is given it has no part in the result, so it may be of any shape and is not read.

A model that nothing is taken of stands for one that is merged, with its weight of zero; a tensor of which that holds for some models alone, where a gradient
or a filter says so, is read of that one as well. Nothing else about the merge changes, neither who votes nor what is drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.core.spec import Method
from explorer.merging.ingredients import Ingredient, architecture_of, is_vocabulary
from explorer.merging.mergekit import settings
from explorer.merging.mergekit.known import METHODS
from explorer.merging.mergekit.recipe import Recipe
from explorer.merging.mergekit.settings import Effective


def weighed(method: Method, opened: Sequence[Ingredient]) -> list[Ingredient]:
    """The models that one of the explorer's methods merges, those whose weight is zero replaced."""
    given = next((v for k, v in method.options if k in ("weights", "coefficients") and isinstance(v, tuple)), ())
    based = registry.has_base(method.name)
    weights = (1.0,) * based + given if given else (1.0,) * len(opened)
    if len(weights) != len(opened) or not any(given or weights):
        return list(opened)  # the method says what is wrong
    anchor = next(model for model, weight in zip(opened, weights, strict=True) if weight)
    return [model if weight else _instead(anchor, model) for model, weight in zip(opened, weights, strict=True)]


def fitted(recipe: Recipe, opened: Mapping[str, Ingredient]) -> dict[str, Ingredient]:
    """The models of a recipe that merges whole ones, those replaced of which nothing is taken; and of the others the tensors that are not read, each as long
    as it has another shape. A module reads those models only that it names."""
    if "weight" not in METHODS[recipe.method].each and len(recipe.modules) == 1:
        return dict(opened)
    anchor, found = _resolved(recipe, opened)
    without: dict[str, set[str]] = {}
    for e in found:
        for model in _without(e) | ({*recipe.merged} - {i.model for i in e.inputs}):
            without.setdefault(model, set()).add(e.tensor)
    freed = dict(opened)
    for model, names in without.items():
        if len(names) == len(found):
            freed[model] = _instead(opened[anchor], opened[model])
            if model == recipe.tokenizer:  # it still has a part: its tokenizer
                freed[model] = replace(freed[model], folder=opened[model].folder)
            continue
        tensors = dict(opened[model].tensors)
        for name in names:
            wanted, own = opened[anchor].tensors[name], tensors.get(name)
            if (own is None or own.shape != wanted.shape) and not is_vocabulary(name, wanted.shape):
                tensors[name] = wanted
        freed[model] = replace(opened[model], tensors=tensors)
    return freed


def read(found: Effective, inputs: Sequence[settings.Input]) -> list[settings.Input]:
    """The inputs of a tensor, the base first; those of which nothing is taken are read of one that counts."""
    without = _without(found)
    anchor = next((i for i in inputs if i.model not in without), None)
    return [replace(i, model=anchor.model, tensor=anchor.tensor) if anchor and i.model in without else i for i in inputs]


def _resolved(recipe: Recipe, opened: Mapping[str, Ingredient]) -> tuple[str, list[Effective]]:
    """The first model of which something is taken, and what the recipe says of its tensors."""
    architecture = architecture_of(opened[recipe.first])
    first: tuple[str, list[Effective]] | None = None
    for model in recipe.merged:
        found = settings.effective(recipe, {other: list(opened[model].tensors) for other in opened}, architecture)
        first = first or (model, found)
        if not all(model in _without(e) for e in found):
            return model, found
    if first is None:
        raise Refused("The recipe names no model. Give one.")
    return first


def _without(found: Effective) -> set[str]:
    """The models of which a tensor takes nothing; none where that is all of them."""
    weights = {i.model: i.parameters["weight"] for i in found.inputs if "weight" in i.parameters}
    without = {model for model, weight in weights.items() if weight == 0}
    return set() if len(without) == len(found.inputs) else without


def _instead(anchor: Ingredient, model: Ingredient) -> Ingredient:
    return replace(anchor, name=model.name, notes=(f"{short(model.name)} has a weight of 0 and is not read.",))
