"""What becomes of tensors that are not merged: those outside of a choice, and those that do not match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.merging import ingredients as ingredient
from explorer.merging.fit import Fit, matches
from explorer.merging.ingredients import Ingredient, sized


def fitted(ingredients: Sequence[Ingredient], fit: Fit) -> tuple[list[Ingredient], Mapping[str, str]]:
    """The ingredients with the same tensors of the same shapes, and of each that stays as the first has it, why. Refused where nothing would be merged."""
    first = ingredients[0]
    found = list(ingredients)
    kept: dict[str, str] = {}
    if fit.different != "refuse":
        for name in dict.fromkeys(n for i in ingredients for n in i.tensors):
            if not (why := _mismatch(name, ingredients)):
                continue
            if fit.different == "first" and name in first.tensors:
                kept[name] = f"kept from {short(first.name)}: {why}"
            found = [_with(i, name, first if name in kept else None) for i in found]
    ingredient.same_names(found)
    for name in found[0].tensors:
        if fit.only and not any(matches(name, pattern) for pattern in fit.only):
            kept.setdefault(name, f"kept from {short(first.name)}: not among {' '.join(fit.only)}")
        elif pattern := next((p for p in fit.keep if matches(name, p)), ""):
            kept.setdefault(name, f"kept from {short(first.name)}: {pattern}")
    for pattern in (*fit.only, *fit.keep):
        if not any(matches(name, pattern) for name in found[0].tensors):
            raise Refused(f"No tensor's name fits {short(pattern)!r}. Names are such as {short(next(iter(found[0].tensors), ''))}.")
    if kept.keys() >= found[0].tensors.keys():
        raise Refused("Nothing would be merged: every tensor stays as the first model has it. Change --only, --keep or --different.")
    return found, kept


def left_out(before: Sequence[Ingredient], after: Sequence[Ingredient]) -> list[str]:
    """What is in one of the models and not in the result, each with the reason."""
    names = dict.fromkeys(n for i in before for n in i.tensors if n not in after[0].tensors)
    return [f"{short(name)} is left out: {_mismatch(name, before)}." for name in names]


def _mismatch(name: str, ingredients: Sequence[Ingredient]) -> str:
    """What is different about a tensor, in words; "" where nothing is."""
    has = [i for i in ingredients if name in i.tensors]
    if len(has) < len(ingredients):
        lacks = next(i for i in ingredients if name not in i.tensors)
        return f"not in {short(lacks.name)}"
    other = next((i for i in has if i.shape(name) != has[0].shape(name)), None)
    return f"{sized(has[0].shape(name))} here and {sized(other.shape(name))} in {short(other.name)}" if other is not None else ""


def _with(given: Ingredient, name: str, source: Ingredient | None) -> Ingredient:
    """The ingredient with another's tensor of that name, or without one."""
    tensors = {n: t for n, t in given.tensors.items() if n != name}
    if source is not None:
        tensors[name] = source.tensors[name]
        tensors = {n: tensors[n] for n in (given.tensors if name in given.tensors else tensors)}
    return replace(given, tensors=tensors)
